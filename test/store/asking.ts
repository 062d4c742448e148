// Asking a Redis store in tests, also one that refuses: one key, one tag.

import { beforeEach, expect, vi } from "vitest";
import type { RedisStore } from "../../src/store/redis.ts";
import type { Reading } from "../../src/store/store.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";
import type { RedisStores } from "../support/redis-stores.ts";
import { keyOf, storedOf } from "./contract.ts";

export const key = keyOf("k");
const PATIENCE = { timeout: 20_000, interval: 5 };

/** To be called at the top of a test file: each test begins with a connected store in which "one" is stored. */
export function asking(stores: RedisStores) {
  let store: RedisStore<string>;

  beforeEach(async () => {
    await stores.redis.flush();
    store = await stores.connected({ deadline: 500 });
    await vi.waitFor(() => put("one"), { timeout: 10_000 });
  });

  async function look(on = store): Promise<Reading<string>> {
    return on.look({ key, tags: ["a"], limits: [] });
  }

  async function put(value: string, on = store): Promise<void> {
    await on.put(key, [], storedOf(value, { stamp: (await look(on)).fence.clock, tags: ["a"] }));
  }

  return {
    /** The test's own store; the other functions take it where none is given. */
    get store() {
      return store;
    },
    look,
    put,
    /** The first answer that is not a refusal, and after how many ms it came. */
    async firstAnswer(on = store): Promise<{ reading: Reading<string>; ms: number }> {
      const start = performance.now();
      const reading = await vi.waitUntil(() => look(on).catch(() => undefined), PATIENCE);
      return { reading, ms: performance.now() - start };
    },
    /** Resolves when the store knows that Redis is away, which must be so for a while. */
    noticed: (on = store): Promise<unknown> => vi.waitUntil(() => on.health().state === "degraded", PATIENCE),
    /** For what may be over before anybody has looked: to be called before it. The function returned resolves when the store
     * has said that it lost its Redis since. */
    async noticing(on = store): Promise<() => Promise<unknown>> {
      await vi.waitUntil(() => on.health().state === "ok", PATIENCE); // who is without it already does not say so again
      const before = stores.lossesOf(on);
      return () => vi.waitUntil(() => stores.lossesOf(on) > before, PATIENCE);
    },
  };
}

/** The StoreUnavailable that `asked` fails with. */
export async function refusal(asked: unknown): Promise<StoreUnavailable> {
  const error = await Promise.resolve(asked).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreUnavailable);
  return error as StoreUnavailable;
}
