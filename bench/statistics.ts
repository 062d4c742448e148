// Medians, quantiles and paired ratios: the few numbers the report is made of.

/** The middle value, or the mean of the two middle ones; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** The median of what `figure` says of each; NaN of none. */
export function middle<T>(all: readonly T[], figure: (each: T) => number): number {
  return median(all.map(figure)) ?? Number.NaN;
}

/** The value at a share (0 to 1) of the sorted values, nearest rank; NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The p-quantile of values in any order. */
export function quantileOf(values: readonly number[], share: number): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    share,
  );
}

/** The median of ours[i] / theirs[i] over the rounds both have; undefined where there are none. */
export function pairedRatio(ours: Rounds, theirs: Rounds): number | undefined {
  const ratios: number[] = [];
  for (const [round, value] of ours.entries()) {
    const other = theirs[round];
    if (value !== undefined && other !== undefined && other > 0) ratios.push(value / other);
  }
  return median(ratios);
}

/** One value per round, in order; undefined where that round has none. */
type Rounds = readonly (number | undefined)[];
