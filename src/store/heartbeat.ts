// What does a heartbeat find out, besides that Redis answers? That it takes writes; a loss of the fence, even where nobody
// asks; and a fence that others count in otherwise, which is not to be read any more. On a new connection also what this
// user may not do.

import type { Line } from "./connections.ts";
import { CLOCK_SLOT, FLOOR_SLOT, SIZE_SLOT } from "./fence.ts";
import { type HighestClock, isDamaged, isLost } from "./highest-clock.ts";
import type { Reach } from "./reach.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { RIGHTS, run } from "./scripts.ts";
import { StoreUnavailable } from "./unavailable.ts";

/** Rejects, naming it, where Redis does not let this user run something: else that would look like a cache that never hits. */
export async function checkRights(line: Line, { probe }: RedisKeys): Promise<void> {
  const refused = await run(line, RIGHTS, { keys: [probe.key], args: [probe.channel] });
  if (!Array.isArray(refused) || refused.length === 0) return;
  throw new StoreUnavailable(`Redis does not let this user run ${refused.map(String).join(", ").toLowerCase()}`);
}

interface Watched {
  readonly clock: HighestClock;
  readonly reach: Reach;
  readonly slots: number;
}

/** Resolves when `line` has answered a read and a write. The removal of nothing is a write like any other, but for being taken
 * by a full Redis. */
export async function readFence(
  line: Line,
  { fence, probe }: RedisKeys,
  { clock, reach, slots }: Watched,
): Promise<void> {
  const before = clock.value();
  const written = line.send(["DEL", probe.key]);
  const gets = [CLOCK_SLOT, FLOOR_SLOT, SIZE_SLOT].flatMap((slot) => ["GET", "u63", `#${slot}`]);
  const [reply] = await Promise.all([line.send(["BITFIELD_RO", fence, ...gets]).catch(wrongType), written]);
  const [read = 0, floor = 0, size = 0] = Array.isArray(reply) ? reply.map(Number) : [];
  if (isLost(read, before) || isDamaged(read, floor)) reach.lost();
  else clock.see(read);
  if (size !== 0 && size !== slots && reach.mayWrite()) reach.distrust("the fence in Redis has changed its size");
}

function wrongType(error: unknown): undefined {
  if (!(error instanceof Error && error.message.startsWith("WRONGTYPE"))) throw error;
}
