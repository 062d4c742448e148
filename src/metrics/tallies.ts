// Where the parts of a sidecar count what is not about one request: each is given its own, and knows nothing of metrics.

import { createFlightTally } from "../cache/flights.ts";
import type { LimitTally } from "../limit/plan.ts";
import type { RedisTally } from "../store/redis-tally.ts";
import type { ShelfTally } from "../store/shelf.ts";
import { Histogram } from "./histogram.ts";

/** As many as there are routes told apart (traffic.ts): after many reloads there may have been more. */
const MAX_LIMITS = 20_000;
/** Those beyond. */
const OTHER_LIMITS = "…";

export type Tallies = ReturnType<typeof createTallies>;

export function createTallies() {
  const limits = new Map<string, LimitTally>();
  const roundTrips = new Histogram();
  const redis: RedisTally = { open: 0, lost: 0, pending: 0, timeouts: 0, answered: (ms) => roundTrips.add(ms) };
  const shelf: ShelfTally = { entries: 0, bytes: 0, evictions: 0 };
  const origin = { bytes: 0 };
  return {
    flights: createFlightTally(),
    redis,
    /** From a batch of commands to the last of its answers. */
    roundTrips,
    shelf,
    origin,
    received(bytes: number): void {
      origin.bytes += bytes;
    },
    limits,
    /** That of the limit of this name. */
    limit(name: string): LimitTally {
      const known = limits.has(name) || limits.size < MAX_LIMITS ? name : OTHER_LIMITS;
      const tally = limits.get(known) ?? { allowed: 0, refused: 0 };
      limits.set(known, tally);
      return tally;
    },
  };
}
