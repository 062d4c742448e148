// How long did things take? A count for each range of times: one search among a few bounds, begun at the short end where
// most are, and two additions. What is asked of the counts later (quantiles, sums up to a bound) is worked out then.

/** The upper ends of the ranges, ms, inclusive; what is longer counts in one more. */
export const BOUNDS_MS: readonly number[] = Object.freeze([
  ...[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50],
  ...[100, 200, 500, 1000, 2000, 5000, 10_000, 30_000],
]);

const RANGES = BOUNDS_MS.length + 1;

export class Histogram {
  /** By range, not cumulative. */
  readonly counts = new Float64Array(RANGES);
  sumMs = 0;

  /** `range`: that of `ms`, where it is known already. */
  add(ms: number, range = rangeOf(ms)): void {
    this.counts[range] = (this.counts[range] as number) + 1;
    this.sumMs += ms;
  }
}

/** In which range a time counts. */
export function rangeOf(ms: number): number {
  let range = 0;
  while (range < BOUNDS_MS.length && ms > (BOUNDS_MS[range] as number)) range++;
  return range;
}

/**
 * The time, ms, within which the share `q` (0 to 1) of what `counts` counts beyond `before` was done; within a range it is
 * taken to be spread evenly. 0: there was nothing. Of what took longer than the last bound no more is known than that.
 */
export function quantile(counts: Float64Array, before: Float64Array | undefined, q: number): number {
  const of = (range: number) => (counts[range] ?? 0) - (before?.[range] ?? 0);
  let all = 0;
  for (let range = 0; range < RANGES; range++) all += of(range);
  let wanted = q * all;
  if (all === 0) return 0;
  for (let range = 0; range < BOUNDS_MS.length; range++) {
    const here = of(range);
    const from = BOUNDS_MS[range - 1] ?? 0;
    if (here > 0 && wanted <= here) return from + ((BOUNDS_MS[range] as number) - from) * (wanted / here);
    wanted -= here;
  }
  return BOUNDS_MS.at(-1) as number;
}
