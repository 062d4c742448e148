// What a trial has left in Redis goes with it. Everything but the fence would end by itself, but not before a day.

import type { Config } from "../../config/schema.ts";
import { createDialler } from "../../store/redis-client.ts";
import { createRedisKeys } from "../../store/redis-keys.ts";

const ATTEMPT_MS = 2000;
/** A Redis full of other keys is not searched for longer. */
const SEARCH_MS = 10_000;

/** Removes the keys of this prefix, which must be a trial's own. Never rejects: a Redis that is away keeps them. */
export async function sweepRedis({ redis, prefix }: Config["store"]): Promise<void> {
  if (redis === undefined) return;
  const dialler = createDialler(redis, ATTEMPT_MS);
  try {
    const { client } = await dialler.dial(AbortSignal.timeout(SEARCH_MS + ATTEMPT_MS));
    const { fence, journal, live } = createRedisKeys(prefix);
    await client.sendCommand(["UNLINK", fence, journal, live]);
    const end = performance.now() + SEARCH_MS;
    let cursor = "0";
    do {
      const [next, keys] = (await client.sendCommand(["SCAN", cursor, "MATCH", `${prefix}:*`, "COUNT", "1000"])) as [
        string,
        string[],
      ];
      if (keys.length > 0) await client.sendCommand(["UNLINK", ...keys]);
      cursor = String(next);
    } while (cursor !== "0" && performance.now() < end);
    client.destroy();
  } catch {
    // Redis is away.
  } finally {
    dialler.close();
  }
}
