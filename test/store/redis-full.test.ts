// A Redis with a bound on its memory: whatever it evicts or refuses, nothing is answered that was invalidated.

import { beforeEach, describe, expect, test, vi } from "vitest";
import type { RedisStore } from "../../src/store/redis.ts";
import { redisStores } from "../support/redis-stores.ts";
import { keyOf, storedOf } from "./contract.ts";

const stores = redisStores();
/** Half of what is stored in all. */
const ROOM = 1 << 19;
const VALUE = "x".repeat(40_000);

beforeEach(async () => {
  await config("maxmemory", "0");
  await config("maxmemory-policy", "noeviction");
  await stores.redis.flush();
});

function config(name: string, value: string): Promise<unknown> {
  return stores.redis.command("CONFIG", "SET", name, value);
}

async function fact(name: string): Promise<number> {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(String(await stores.redis.command("INFO")))?.[1]);
}

const POLICIES = ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"];
const HARMFUL = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"];

describe("a full Redis", () => {
  test.each([...POLICIES, ...HARMFUL])("under %s: a write is never forgotten", async (policy) => {
    const [one, two] = [await stores.connected(), await stores.connected()];
    const before = await fact("evicted_keys");
    await config("maxmemory", String((await fact("used_memory")) + ROOM));
    await config("maxmemory-policy", policy);
    let hits = 0;
    let refused = 0;
    for (let n = 1; n <= 300; n++) {
      const [k, on, other] = n % 2 ? [(n * 7) % 10, one, two] : [(n * 3) % 10, two, one];
      if (n % 4 === 0) {
        await (await on.begin([`t${k}`])).commit();
        for (const each of [on, other]) expect(await version(each, k)).toBeUndefined();
        continue; // so that others find it as it is
      }
      // A machine that stands still costs both their Redis for a moment. One that takes no writes costs it for good.
      if (policy !== "noeviction" || refused === 0)
        await vi.waitUntil(() => isOk(one) && isOk(two), { timeout: 20_000 });
      refused += await store(on, { k, n });
      if ((await version(other, k)) === n) hits++;
    }
    // The bound was reached, in the way of the policy.
    if (policy === "noeviction") expect(refused).toBeGreaterThan(0);
    else expect(await fact("evicted_keys")).toBeGreaterThan(before);
    if (!policy.startsWith("allkeys")) expect(hits).toBeGreaterThan(0);
    await config("maxmemory", "0");
    await vi.waitUntil(async () => (await store(one, { k: 1, n: 1000 })) === 0 && (await version(two, 1)) === 1000, {
      timeout: 20_000,
    });
  });

  test.each(HARMFUL)("is warned of under %s, once, and says so where health is asked for", async (policy) => {
    await config("maxmemory", "100mb");
    await config("maxmemory-policy", policy);
    const warnings: string[] = [];
    const store = await stores.connected({ warn: (risk) => void warnings.push(risk) });
    expect(warnings).toEqual([expect.stringContaining(`maxmemory-policy ${policy}`)]);
    expect(store.health()).toMatchObject({ state: "ok", detail: expect.stringContaining(policy) });
  });

  test("is not, where the bound spares the fence, or there is none", async () => {
    const warn = vi.fn();
    await config("maxmemory-policy", "allkeys-lru");
    await stores.connected({ warn });
    await config("maxmemory", "100mb");
    for (const policy of POLICIES) {
      await config("maxmemory-policy", policy);
      expect((await stores.connected({ warn })).health().detail).toBe("Redis answers");
    }
    expect(warn).not.toHaveBeenCalled();
  });
});

/** Stores version `n` under key `k`; gives 1 where it was refused. */
async function store(on: RedisStore<string>, { k, n }: { k: number; n: number }): Promise<number> {
  try {
    const tags = [`t${k}`];
    const { fence } = await on.look({ key: undefined, tags, limits: [] });
    await on.put(keyOf(`k${k}`), [], storedOf(`${n} ${VALUE}`, { stamp: fence.clock, tags }));
    return 0;
  } catch {
    return 1;
  }
}

function isOk(store: RedisStore<string>): boolean {
  return store.health().state === "ok";
}

/** What is usable under key `k`. */
async function version(on: RedisStore<string>, k: number): Promise<number | undefined> {
  try {
    const { usable, stored } = await on.look({ key: keyOf(`k${k}`), tags: [`t${k}`], limits: [] });
    return usable ? Number.parseInt(stored?.value ?? "", 10) : undefined;
  } catch {
    return undefined;
  }
}
