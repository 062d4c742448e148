// Invalidations of writers that did not come back, and of those whose Redis was away.

import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { FRESH_MS } from "../../src/store/connections.ts";
import type { RedisStore } from "../../src/store/redis.ts";
import type { Notice, Reading, Write } from "../../src/store/store.ts";
import { redisStores } from "../support/redis-stores.ts";
import { startRelay } from "../support/relay.ts";
import { standStill } from "../support/stand-still.ts";
import { keyOf, storedOf } from "./contract.ts";
import { patient } from "./patient.ts";

const stores = redisStores();
const key = keyOf("k");
const JOURNAL = "forebay:{fence}:w";
/** Of a write that nobody ends: more than a busy machine takes to look what is so until then. */
const LEASE_MS = 3000;

let store: RedisStore<string>;

beforeEach(async () => {
  await stores.redis.flush();
  store = await stores.connected();
  await put("one", (await look()).fence.clock);
});

async function look(on = store): Promise<Reading<string>> {
  return patient(on).look({ key, tags: ["a"], limits: [] });
}

async function put(value: string, stamp: number): Promise<void> {
  await patient(store).put(key, [], storedOf(value, { stamp, tags: ["a"] }));
}

/** A write that is noted; where the machine stood still, the next one that is. */
function begun(on: RedisStore<string>, tags: readonly string[]): Promise<Write> {
  const next = async () => {
    const write = await on.begin(tags);
    if (!write.noted) write.discard();
    return write.noted && write;
  };
  return vi.waitUntil(next, { timeout: 20_000 }) as Promise<Write>;
}

function lines(): Promise<unknown> {
  return stores.redis.command("ZRANGE", JOURNAL, "0", "-1");
}

describe("a write under way", () => {
  test("is invalidated for by another process when its owner is gone", async () => {
    const relay = await startRelay(stores.redis.port);
    const gone = await stores.connected({ url: `redis://127.0.0.1:${relay.port}`, journalLease: LEASE_MS });
    expect((await patient(gone).begin(["a", "b"])).noted).toBe(true);
    await relay.stop();
    const heard: Notice[] = [];
    store.onInvalidated((notice) => heard.push(notice));
    expect((await look()).usable).toBe(true);
    await vi.waitFor(async () => expect((await look()).usable).toBe(false), { timeout: 20_000 });
    await vi.waitFor(() => expect(heard.map(({ tags }) => tags)).toContainEqual(["a", "b"]), { timeout: 10_000 });
    expect(await lines()).toEqual([]);
  });

  test("stays noted as long as it takes", async () => {
    const slow = await stores.connected({ journalLease: 3000 });
    const write = await slow.begin(["a"]);
    const [line = ""] = (await lines()) as string[];
    const score = async () => Number(await stores.redis.command("ZSCORE", JOURNAL, line));
    const first = await score();
    await vi.waitFor(async () => expect(await score()).toBeGreaterThan(first + 900), { timeout: 20_000 });
    expect((await look()).usable).toBe(true);
    write.discard();
    await vi.waitFor(async () => expect(await lines()).toEqual([]), { timeout: 10_000 });
    expect((await look()).usable).toBe(true);
  });

  test("is noted although this process stood still while Redis took the note", async () => {
    const hasty = await stores.connected({ deadline: 50 });
    const begun = hasty.begin(["a"]);
    await new Promise(setImmediate); // it is on its way
    standStill(150);
    const write = await begun;
    expect(write.noted).toBe(true);
    write.discard();
  });

  test("that may go on after it was given up is invalidated for at once, and again when its lease has run out", async () => {
    const writer = await stores.connected({ journalLease: LEASE_MS });
    await (await writer.begin(["a"])).commit({ mayGoOn: true });
    expect((await look()).usable).toBe(false);
    await put("fetched before it was applied", (await look()).fence.clock);
    expect((await look()).usable).toBe(true);
    await vi.waitFor(async () => expect((await look()).usable).toBe(false), { timeout: 20_000 });
    expect(await lines()).toEqual([]);
  });

  test("that may go on after it was given up while Redis was away is invalidated for again, too", async () => {
    const writer = await stores.connected({ journalLease: 5000 });
    const write = await writer.begin(["a"]);
    await stores.redis.kill();
    await write.commit({ mayGoOn: true });
    await stores.redis.start();
    await vi.waitUntil(() => writer.health().state === "ok", { timeout: 20_000 }); // it may be back later than the other
    const { fence } = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    await put("fetched before it was applied", fence.clock);
    expect((await look()).usable).toBe(true);
    await vi.waitFor(async () => expect((await look()).usable).toBe(false), { timeout: 20_000 });
    expect(await lines()).toEqual([]);
  });

  test("is left alone until its deadline by Redis' clock, however far off the clock has made that", async () => {
    const later = 'later|1|["b"]';
    await stores.redis.command("ZADD", JOURNAL, String(Date.now() + 3_600_000), later);
    await stores.redis.command("ZADD", JOURNAL, "1", 'due|1|["a"]');
    await vi.waitFor(async () => expect(await lines()).toEqual([later]), { timeout: 20_000 });
  });

  test("of more tags than are worth naming is one of everything", async () => {
    await (await store.begin(Array.from({ length: 5000 }, (_, i) => `t${i}`))).commit();
    expect((await look()).usable).toBe(false);
  });

  test("whose outcome names more tags than are worth naming is one of everything, too", async () => {
    await (await store.begin(["z"])).commit({ also: Array.from({ length: 5000 }, (_, i) => `t${i}`) });
    expect((await look()).usable).toBe(false);
  });

  test("that cannot be read counts as one of everything", async () => {
    await stores.redis.command("ZADD", JOURNAL, "1", "what is this");
    await vi.waitFor(async () => expect((await look()).usable).toBe(false), { timeout: 20_000 });
    expect(await lines()).toEqual([]);
  });
});

describe("while Redis is away", () => {
  test("an invalidation is told to this process, kept, and replayed", async () => {
    const heard: Notice[] = [];
    store.onInvalidated((notice) => heard.push(notice));
    const write = await store.begin(["a"]);
    stores.redis.freeze();
    await write.commit();
    expect(heard).toMatchObject([{ tags: ["a"] }]);
    stores.redis.thaw();
    const reading = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    expect(reading).toMatchObject({ usable: false, stored: { value: "one" } });
  });

  test("a purge says that Redis has not taken it, is kept, and is replayed", async () => {
    stores.redis.freeze();
    expect(await store.purge(["a"])).toEqual({ clock: undefined });
    stores.redis.thaw();
    const reading = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    expect(reading).toMatchObject({ usable: false, stored: { value: "one" } });
  });

  test("a soft purge is kept and replayed as one", async () => {
    stores.redis.freeze();
    expect(await store.purge(["a"], { soft: true })).toEqual({ clock: undefined });
    stores.redis.thaw();
    const reading = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    expect(reading).toMatchObject({ usable: true, softAt: expect.any(Number), stored: { value: "one" } });
  });

  test("what only the outcome of a write named is kept and replayed with the rest", async () => {
    const write = await store.begin(["z"]);
    stores.redis.freeze();
    await write.commit({ also: ["a"] });
    stores.redis.thaw();
    const reading = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    expect(reading).toMatchObject({ usable: false, stored: { value: "one" } });
  });

  test("it is replayed on a Redis restarted from a snapshot, too, and nothing is owed any more", async () => {
    await stores.redis.command("SAVE");
    await stores.redis.kill();
    await (await store.begin(["a"])).commit();
    expect(store.health().detail).toContain("1 invalidations kept");
    await stores.redis.start();
    const reading = await vi.waitUntil(() => look().catch(() => undefined), { timeout: 20_000 });
    expect(reading.usable).toBe(false);
    expect(store.health()).toMatchObject({ state: "ok", detail: "Redis answers" });
  });

  test("more of them than are kept become one of everything", async () => {
    const small = await stores.connected({ maxOwed: 3 });
    stores.redis.freeze();
    await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        await (await small.begin([`t${i}`])).commit();
      }),
    );
    const kept = small.health().detail;
    stores.redis.thaw();
    const reading = await vi.waitUntil(() => look(small).catch(() => undefined), { timeout: 20_000 });
    expect(kept).toMatch(/[123] invalidations kept/);
    expect(reading.usable).toBe(false);
  });

  test("once the outage is old news a write does not wait", async () => {
    const slow = await stores.connected({ writeDeadline: 3000 });
    await stores.redis.kill();
    await (await slow.begin(["a"])).commit();
    const start = performance.now();
    await (await slow.begin(["a"])).commit();
    expect(performance.now() - start).toBeLessThan(2500);
    await stores.redis.start();
  });

  describe("for one connection of several", () => {
    /** A store that has lost its subscriptions and does not get them back, and its way to Redis. */
    async function partlyAway() {
      const relay = await startRelay(stores.redis.port);
      onTestFinished(() => relay.stop());
      const far = await stores.connected({ url: `redis://127.0.0.1:${relay.port}`, writeDeadline: 5000 });
      relay.refuse();
      await stores.redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await vi.waitUntil(() => far.health().state === "degraded", { timeout: 20_000 });
      await vi.waitUntil(() => store.health().state === "ok", { timeout: 20_000 });
      return { far, relay };
    }

    test("it is told all the same", async () => {
      const { far } = await partlyAway();
      expect((await look()).usable).toBe(true);
      // Should this process die in the middle of it, others invalidate for it.
      const write = await begun(far, ["a"]);
      expect(await lines()).toHaveLength(1);
      await write.commit();
      expect((await look()).usable).toBe(false);
      expect(far.health().detail).not.toContain("kept");
      expect(await lines()).toEqual([]);
      (await begun(far, ["b"])).discard();
      await vi.waitFor(async () => expect(await lines()).toEqual([]), { timeout: 20_000 });
    });

    test("it is told when the others answer again, though those it has lost do not come back", async () => {
      const { far, relay } = await partlyAway();
      relay.hold();
      const heldAt = performance.now();
      await vi.waitUntil(() => performance.now() - heldAt > FRESH_MS + 10, { timeout: 20_000, interval: 5 });
      const purged = far.purge(["a"]);
      relay.release();
      await purged;
      await vi.waitUntil(async () => !(await look()).usable, { timeout: 20_000 });
      expect(far.health()).toMatchObject({ state: "degraded", detail: expect.not.stringContaining("kept") });
    });
  });

  test("closing gives what is kept a last chance", async () => {
    const slow = await stores.connected({ writeDeadline: 20_000 });
    stores.redis.freeze();
    const other = stores.create({ writeDeadline: 5000 });
    const write = await slow.begin(["a"]);
    void write.commit();
    const closed = slow.close();
    stores.redis.thaw();
    await closed;
    await other.connected();
    expect((await look(other)).usable).toBe(false);
  });
});
