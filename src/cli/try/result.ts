// All that a trial found, as --json prints it.

import type { LoadResult } from "./load.ts";
import type { Prediction } from "./simulation.ts";

/** Lines of the log. */
export interface LogCounts {
  readonly requests: number;
  /** About no request. */
  readonly other: number;
  readonly malformed: number;
  /** Number of the first of these, from 1; 0: there is none. */
  readonly firstMalformed: number;
}

export interface TryResult {
  /** undefined: the origin was not asked. */
  readonly load: LoadResult | undefined;
  /** undefined: there was no log. */
  readonly log: LogCounts | undefined;
  readonly prediction: Prediction | undefined;
}
