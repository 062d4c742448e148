// What Redis has lost, or holds that is not ours: all of it errs towards the origin.

import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { RedisStore } from "../../src/store/redis.ts";
import type { LimitQuestion, Reading } from "../../src/store/store.ts";
import { startRedis } from "../support/redis.ts";
import { redisStores } from "../support/redis-stores.ts";
import { startRelay } from "../support/relay.ts";
import { keyOf, storedOf } from "./contract.ts";
import { patient } from "./patient.ts";

const stores = redisStores();
const key = keyOf("k");
const FENCE = "forebay:{fence}:slots";

let store: RedisStore<string>;

beforeEach(async () => {
  await stores.redis.flush();
  store = await stores.connected();
});

async function look(on = store): Promise<Reading<string>> {
  return patient(on).look({ key, tags: ["a"], limits: [] });
}

/** Also while it refuses. */
async function lookOnce(): Promise<Reading<string>> {
  return store.look({ key, tags: ["a"], limits: [] });
}

/** Stores a value as made now. */
async function put(value: string, on = store): Promise<void> {
  await patient(on).put(key, [], storedOf(value, { stamp: (await look(on)).fence.clock, tags: ["a"] }));
}

async function invalidate(on: RedisStore<string>, ...tags: string[]): Promise<void> {
  await (await on.begin(tags)).commit();
}

/** A reading after which values may be stored again. */
function shared(on = store): Promise<Reading<string>> {
  const ask = async () => {
    const reading = await look(on).catch(() => undefined);
    return reading?.fence.shared && reading;
  };
  return vi.waitUntil(ask, { timeout: 20_000 });
}

function command(...words: string[]): Promise<unknown> {
  return stores.redis.command(...words);
}

describe("a lost fence", () => {
  test("makes all that is stored unusable, and what is stored from then on usable", async () => {
    await put("one");
    await command("DEL", FENCE);
    expect((await look()).usable).toBe(false);
    expect(await shared()).toMatchObject({ usable: false, stored: { value: "one" } });
    await put("two");
    expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  test("takes the soft purges with it, and makes more unusable than they did", async () => {
    await put("one");
    await store.purge(["a"], { soft: true });
    expect(await look()).toMatchObject({ usable: true, softAt: expect.any(Number) });
    await command("DEL", FENCE);
    expect((await shared()).usable).toBe(false);
    await put("two");
    expect((await look()).softAt).toBeUndefined();
  });

  test("is noticed by a soft purge that finds it first", async () => {
    await put("one");
    await command("DEL", FENCE);
    await store.purge(["z"], { soft: true });
    expect((await look()).usable).toBe(false);
  });

  test("is noticed by an invalidation that finds it first", async () => {
    await put("one");
    const other = await stores.connected();
    const write = await other.begin(["z"]);
    await command("DEL", FENCE);
    await write.commit();
    expect((await look()).usable).toBe(false);
  });

  test("is noticed where nobody asks", async () => {
    await command("FLUSHALL");
    await vi.waitFor(async () => expect(await command("EXISTS", FENCE)).toBe(1), { timeout: 10_000 });
  });

  test("is noticed by a clock that runs behind", async () => {
    await put("one");
    await command("BITFIELD", FENCE, "SET", "u63", "#0", "12345");
    expect((await look()).usable).toBe(false);
    const { fence, usable } = await shared();
    expect(usable).toBe(false);
    expect(fence.clock).toBeGreaterThan(12345);
  });

  test("is noticed in an older one that is put in its place", async () => {
    await put("one");
    await command("COPY", FENCE, "older");
    await invalidate(store, "a");
    await command("RENAME", "older", FENCE);
    expect((await look()).usable).toBe(false);
    expect((await shared()).usable).toBe(false);
    await put("two");
    expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  for (const [what, words] of [
    ["of another type", ["LPUSH", "other", "x"]],
    ["of nonsense", ["SET", "other", "\x7f".repeat(64)]],
  ] as const) {
    test(`is noticed in one ${what}, which is made anew`, async () => {
      await put("one");
      await command(...words);
      await command("RENAME", "other", FENCE); // at once: between two commands it may be made anew
      expect((await look()).usable).toBe(false);
      expect((await shared()).usable).toBe(false);
      await put("two");
      await invalidate(store, "z");
      expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
    });
  }

  for (const [what, invalidateSo] of [
    ["an invalidation", () => invalidate(store, "a")],
    ["a soft purge", () => store.purge(["a"], { soft: true })],
  ] as const) {
    test(`is made of the fence by a Redis too full to take ${what}`, async () => {
      await put("one");
      await command("CONFIG", "SET", "maxmemory", "1");
      try {
        await invalidateSo();
        expect((await lookOnce().catch(() => ({ usable: false }))).usable).toBe(false);
      } finally {
        await command("CONFIG", "SET", "maxmemory", "0");
      }
      expect((await shared()).usable).toBe(false);
    });
  }
});

describe("a damaged fence", () => {
  const FAR = String(Date.now() * 1000 + 1e15);

  test.each([
    ["later than the clock", FAR],
    ["of no time at all", "9223372036854775807"],
    ["missing", "0"],
  ])("with a floor %s is mended", async (_, floor) => {
    await put("one");
    await command("BITFIELD", FENCE, "SET", "u63", "#1", floor);
    expect((await look()).usable).toBe(false);
    await shared();
    await put("two");
    expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
    expect(await look(await stores.connected())).toMatchObject({ usable: true });
  });

  test("with such a floor is mended where nobody asks", async () => {
    await command("BITFIELD", FENCE, "SET", "u63", "#1", FAR);
    const floor = async () => ((await command("BITFIELD_RO", FENCE, "GET", "u63", "#1")) as number[])[0];
    await vi.waitUntil(async () => Number(await floor()) < Number(FAR), { timeout: 10_000 });
  });

  test("with soft purges far ahead makes nothing stale that comes after them", async () => {
    await put("one");
    await invalidate(store, "z");
    for (const slot of [0, 1]) await command("BITFIELD", FENCE, "SET", "u63", `#${(1 << 16) + slot}`, FAR);
    const { fence, softAt } = await look();
    expect(softAt).toBe(fence.clock);
    await invalidate(store, "a");
    await put("two");
    expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
    expect((await look()).softAt).toBeUndefined();
  });

  test("with a clock far ahead goes on from there", async () => {
    await command("BITFIELD", FENCE, "SET", "u63", "#0", FAR);
    await put("one");
    expect((await look()).usable).toBe(true);
    await invalidate(store, "a");
    expect((await look()).usable).toBe(false);
    await put("two");
    expect(await look(await stores.connected())).toMatchObject({ usable: true, stored: { value: "two" } });
  });
});

describe("a fence of another size", () => {
  test("is refused, saying why, and used when the sizes are the same", async () => {
    await put("one");
    const other = stores.create({ slots: 1 << 17 });
    await vi.waitUntil(() => other.health().detail.includes("65536 slots"), { timeout: 10_000 });
    expect(other.health()).toMatchObject({ state: "degraded", detail: expect.stringContaining("store.fence.slots") });
    expect((await look()).usable).toBe(true);
    await store.close();
    await command("DEL", FENCE);
    await other.connected();
    await put("two", other);
    expect((await look(other)).usable).toBe(true);
  });

  test("is left by those who used it before, when it comes in their way", async () => {
    await put("one");
    await command("BITFIELD", FENCE, "SET", "u63", "#3", "131072");
    await vi.waitUntil(() => store.health().detail.includes("131072 slots"), { timeout: 10_000 });
    await expect(lookOnce()).rejects.toThrow(/slots/);
    await command("BITFIELD", FENCE, "SET", "u63", "#3", String(2 ** 40));
    await shared();
    expect(await command("BITFIELD_RO", FENCE, "GET", "u63", "#3")).toEqual([65_536]);
  });
});

describe("another process", () => {
  test("restarted from an older snapshot is trusted in nothing it held", async () => {
    const relay = await startRelay(stores.redis.port);
    const far = await stores.connected({ url: `redis://127.0.0.1:${relay.port}` });
    await store.close();
    await put("one", far);
    await command("SAVE");
    await invalidate(far, "a");
    relay.hold();
    await stores.redis.restart();
    // The first visitor invalidates something else, which hides the loss from a comparison of clocks.
    await invalidate(await stores.connected(), "z");
    relay.cut();
    relay.release();
    expect(await shared(far)).toMatchObject({ usable: false, stored: { value: "one" } });
    await relay.stop();
  });

  test("that is empty makes nothing usable that was fetched before it came", async () => {
    const replaced = await startRedis();
    onTestFinished(() => replaced.stop());
    const on = await stores.connected({ url: replaced.url });
    const { fence } = await look(on);
    await replaced.restart();
    expect((await shared(on)).stored).toBeUndefined();
    await patient(on).put(key, [], storedOf("one", { stamp: fence.clock, tags: ["a"] }));
    expect(await look(on)).toMatchObject({ usable: false, stored: { value: "one" } });
    await put("two", on);
    expect(await look(on)).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  test("is vouched for once, not by everyone who connects", async () => {
    await put("one");
    await stores.connected();
    await stores.connected();
    expect((await look()).usable).toBe(true);
  });

  test("is not suspected behind a connection that was merely lost", async () => {
    const relay = await startRelay(stores.redis.port);
    const lost = Promise.withResolvers<void>();
    const log = (state: string) => void (state === "degraded" && lost.resolve());
    const far = await stores.connected({ url: `redis://127.0.0.1:${relay.port}`, log });
    await put("one", far);
    relay.cut();
    await lost.promise;
    expect((await shared(far)).usable).toBe(true);
    await relay.stop();
  });
});

describe("what is not ours under our keys", () => {
  const limits: LimitQuestion[] = (["fixed-window", "sliding-window", "sliding-log", "token-bucket"] as const).map(
    (algorithm) => {
      return { key: algorithm, algorithm, limit: 2, windowMs: 60_000 };
    },
  );

  /** Puts something else wherever the store has written so far. */
  async function overwrite(spoil: (name: string) => Promise<unknown>): Promise<void> {
    const names = (await command("KEYS", "forebay:*")) as string[];
    for (const name of names) if (name !== FENCE) await spoil(name);
  }

  async function spoiled(spoil: (name: string) => Promise<unknown>): Promise<void> {
    const asked = patient(store);
    await put("one");
    await asked.look({ key, tags: ["a"], limits });
    const { lease } = await asked.lead(key, [], ["a"], 60_000);
    const write = await asked.begin(["z"]);
    await overwrite(spoil);
    expect(await asked.look({ key, tags: ["a"], limits })).toMatchObject({
      stored: undefined,
      usable: false,
      verdicts: limits.map(() => ({ allowed: true })),
    });
    expect((await asked.lead(key, [], ["a"], 1000)).retryMs).toBeGreaterThan(0);
    expect((await asked.begin(["y"])).noted).toBe(true);
    await write.commit();
    lease?.release("failed");
    await put("two");
    expect(await look()).toMatchObject({ usable: true, stored: { value: "two" } });
  }

  test("of another type reads as nothing, and is replaced", async () => {
    await spoiled(async (name) => {
      await command("DEL", name);
      await command("LPUSH", name, "x");
    });
  });

  test("cut short, or of another version, reads as nothing, and is replaced", async () => {
    await spoiled(async (name) => {
      await command("DEL", name);
      await command("SET", name, '{"v":99,"names":[]');
    });
  });

  test("a limit without an end gets one", async () => {
    const question: LimitQuestion = { key: "l", algorithm: "sliding-window", limit: 1, windowMs: 60_000 };
    const charge = () => patient(store).look({ key: undefined, tags: [], limits: [question] });
    await charge();
    const [name = ""] = (await command("KEYS", "forebay:l:*")) as string[];
    await command("PERSIST", name);
    expect(await charge()).toMatchObject({ verdicts: [{ allowed: false }] });
    expect(await command("PTTL", name)).toBeGreaterThan(0);
  });

  test("a notice that cannot be read counts as one of everything", async () => {
    const heard = new Promise((resolve) => store.onInvalidated(resolve));
    await command("PUBLISH", "forebay:invalidated", "{");
    expect(await heard).toMatchObject({ tags: undefined });
  });
});
