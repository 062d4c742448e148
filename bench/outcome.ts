// What a scenario hands to the report, and what it expects of itself: a claim stated before it runs, a verdict after.

import { pairedRatio } from "./statistics.ts";

/** One line of the table. All figures are medians over the rounds; undefined where the scenario does not measure it. */
export interface Row {
  readonly candidate: string;
  readonly requestsPerSecond?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** CPU time of the candidate's processes per request, microseconds. */
  readonly cpuMicros?: number | undefined;
  /** The same relative to the scenario's first candidate, median of the ratios per round. */
  readonly cpuRatio?: number | undefined;
  /** Share of the time its core was busy with it. */
  readonly busy?: number | undefined;
  /** What else this scenario measures, by its name with the unit. */
  readonly figures?: Readonly<Record<string, number>>;
  /** What a reader must know about this line: skipped and why, requests that failed. */
  readonly note?: string | undefined;
  /** Per round, in order. */
  readonly rounds?: readonly Round[];
}

/** One short run against one candidate. */
export interface Round {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: number | undefined;
  readonly busy: number | undefined;
  /** Responses of another status than the scenario wants, and broken connections. */
  readonly failed: number;
  /** Requests the origin got meanwhile, as a share of those made. */
  readonly forwarded: number;
}

/** Whether an expectation was met; undefined: it could not be told. */
export interface Verdict {
  readonly claim: string;
  readonly came: string;
  readonly reached: boolean | undefined;
}

/** Something expected of a scenario's rows. */
export interface Expectation {
  readonly claim: string;
  judge(rows: readonly Row[]): { readonly came: string; readonly reached: boolean | undefined };
}

/** A scenario that was run. */
export interface Outcome {
  readonly scenario: string;
  readonly title: string;
  /** When, and how long and often. */
  readonly ran: string;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
}

/** Expects the CPU time per request of one candidate to be at most `factor` times that of another. */
export function cpuAtMost(factor: number, candidate: string, reference: string): Expectation {
  return {
    claim: `${candidate}: CPU per request ≤ ${factor} × ${reference}`,
    judge(rows) {
      const ratio = pairedRatio(cpuOf(rows, candidate), cpuOf(rows, reference));
      if (ratio === undefined) return { came: "not measured", reached: undefined };
      return { came: `${toTell(ratio, factor)} ×`, reached: ratio <= factor };
    },
  };
}

/** Expects no response of another status and no broken connection at one candidate. */
export function nothingFailed(candidate: string): Expectation {
  return {
    claim: `${candidate}: no failed request`,
    judge(rows) {
      const rounds = rows.find((row) => row.candidate === candidate)?.rounds;
      if (rounds === undefined) return { came: "not measured", reached: undefined };
      const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
      return { came: `${failed} failed`, reached: failed === 0 };
    },
  };
}

/** Expects that under load, too, everything at one candidate is answered without the origin. */
export function nothingForwarded(candidate: string): Expectation {
  return {
    claim: `${candidate}: nothing goes to the origin`,
    judge(rows) {
      const rounds = rows.find((row) => row.candidate === candidate)?.rounds;
      if (rounds === undefined) return { came: "not measured", reached: undefined };
      const most = Math.max(...rounds.map((round) => round.forwarded));
      return { came: `${rounded(most * 100)} % in the worst round`, reached: most === 0 };
    },
  };
}

/** Expects a figure of one candidate to be at most so much. */
export function figureAtMost(candidate: string, figure: string, most: number): Expectation {
  return {
    claim: `${candidate}: ${figure} ≤ ${most}`,
    judge(rows) {
      const value = rows.find((row) => row.candidate === candidate)?.figures?.[figure];
      if (value === undefined) return { came: "not measured", reached: undefined };
      return { came: rounded(value), reached: value <= most };
    },
  };
}

/** A third digit only where two would say that the goal was just reached. */
function toTell(ratio: number, goal: number): string {
  const text = ratio.toFixed(2);
  return ratio > goal && Number(text) === goal ? ratio.toFixed(3) : text;
}

/** A number as people read it: three digits at the least, no more decimals than that needs. */
export function rounded(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** CPU time per request in each round of one candidate. */
export function cpuOf(rows: readonly Row[], candidate: string): (number | undefined)[] {
  return rows.find((row) => row.candidate === candidate)?.rounds?.map((round) => round.cpuMicros) ?? [];
}
