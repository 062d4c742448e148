// What a fault is played on.

import type { Random } from "./random.ts";
import type { Topology } from "./topology.ts";
import type { Workload } from "./workload.ts";

export interface Stage {
  readonly topology: Topology;
  readonly workload: Workload;
  readonly random: Random;
  /** Between two faults, on average. */
  readonly calmMs: number;
  /** What was looked for is found: nothing need be waited for any more. */
  isFound(): boolean;
}

/** How long everybody may take to come back, ms. */
export const RETURN_MS = 30_000;
