// A Redis Cluster while slots move and nodes fail: no stale answer, and what can be used is used.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createRedisStore, type RedisOptions, type RedisStore } from "../../src/store/redis.ts";
import { createRedisKeys, digestOf } from "../../src/store/redis-keys.ts";
import type { LimitQuestion, Reading, Store, Verdict } from "../../src/store/store.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";
import type { TestRedis } from "../support/redis.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { refusal } from "./asking.ts";
import { keyOf, storedOf, textCodec } from "./contract.ts";
import { unstalled } from "./unstalled.ts";

const PATIENCE = { timeout: 30_000, interval: 5 };
const NAMES = Array.from({ length: 24 }, (_, i) => `k${i}`);
const redisKeys = createRedisKeys("forebay");

let cluster: TestCluster;
const stores: RedisStore<string>[] = [];

beforeAll(async () => {
  cluster = await startCluster();
});
beforeEach(() => cluster.flush());
afterEach(async () => {
  for (const server of cluster.servers) server.thaw();
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await cluster.settled();
});
afterAll(() => cluster?.stop());

async function connected(options: Partial<RedisOptions<string>> = {}): Promise<RedisStore<string>> {
  const store = createRedisStore<string>({
    cluster: cluster.nodes,
    prefix: "forebay",
    connections: 2,
    deadline: 500,
    writeDeadline: 1000,
    settle: 1000,
    slots: 1 << 16,
    codec: textCodec,
    ...options,
  });
  stores.push(store);
  await store.connected();
  return store;
}

function look(on: Store<string>, name: string): Promise<Reading<string>> {
  return Promise.resolve(on.look({ key: keyOf(name), tags: [name], limits: [] }));
}

/** What the limits say: also while a store that was cut off settles. */
async function charged(on: Store<string>, limits: readonly LimitQuestion[]): Promise<readonly Verdict[]> {
  const verdicts = await Promise.resolve(on.look({ key: undefined, tags: [], limits })).then(
    (reading) => reading.verdicts,
    (error) => (error instanceof StoreUnavailable ? error.verdicts : undefined),
  );
  if (verdicts === undefined) throw new Error("the limits were not charged");
  return verdicts;
}

function readable(on: Store<string>, name: string): Promise<Reading<string>> {
  return vi.waitUntil(() => look(on, name).catch(() => undefined), PATIENCE);
}

// A machine that stands still for a moment counts as cut off: then it is tried again.
function put(on: Store<string>, name: string, value = "one"): Promise<void> {
  return vi.waitFor(async () => {
    const { fence } = await look(on, name);
    await on.put(keyOf(name), [], storedOf(value, { stamp: fence.clock, tags: [name] }));
  }, PATIENCE);
}

async function invalidate(on: Store<string>, name: string): Promise<void> {
  await (await on.begin([name])).commit();
}

const recordOf = (name: string) => redisKeys.record(digestOf(name));

/** Readers that fetch what they cannot use, and writers, all over the same few keys, as long as it is not stopped. */
function load(on: readonly Store<string>[], names: readonly string[]) {
  const versions = new Map(names.map((name) => [name, { now: 0, acknowledged: 0 }]));
  const stale: string[] = [];
  let [hits, writes, refused, isStopped] = [0, 0, 0, false];
  const version = (name: string) => versions.get(name) ?? { now: 0, acknowledged: 0 };

  async function read(store: Store<string>, name: string): Promise<void> {
    const { acknowledged } = version(name);
    const reading = await look(store, name);
    if (reading.usable) {
      hits++;
      if (Number(reading.stored?.value) < acknowledged)
        stale.push(`${name}: ${reading.stored?.value} < ${acknowledged}`);
      return;
    }
    const fetched = String(version(name).now);
    await new Promise((resolve) => setImmediate(resolve)); // the origin takes its time
    await store.put(keyOf(name), [], storedOf(fetched, { stamp: reading.fence.clock, tags: [name] }));
  }

  async function write(store: Store<string>, name: string): Promise<void> {
    const state = version(name);
    const under = await store.begin([name]);
    const mine = ++state.now;
    await under.commit();
    state.acknowledged = Math.max(state.acknowledged, mine);
    writes++;
  }

  async function work(store: Store<string>, act: typeof read, restMs: number): Promise<void> {
    while (!isStopped) {
      const name = names[Math.floor(Math.random() * names.length)] ?? "";
      await act(store, name).catch(() => refused++);
      await new Promise((resolve) => setTimeout(resolve, restMs)); // the servers need the machine, too
    }
  }
  const workers = on.flatMap((store) => [work(store, read, 1), work(store, read, 1), work(store, write, 20)]);
  return {
    stale,
    /** Resolves when so many more hits and writes have been seen. */
    async goesOn(count = 50): Promise<void> {
      const [hitsBefore, writesBefore] = [hits, writes];
      await vi.waitUntil(() => hits > hitsBefore + count && writes > writesBefore + 3, PATIENCE);
    },
    async stop() {
      isStopped = true;
      await Promise.all(workers);
      return { stale, hits, writes, refused };
    },
  };
}

describe("a slot that has moved", () => {
  test("is found by the very question that is told so", async () => {
    const store = await connected({ deadline: 5000 });
    await unstalled(async () => {
      await put(store, "k");
      await cluster.move(recordOf("k"));
      expect(await look(store, "k")).toMatchObject({ usable: true, stored: { value: "one" } });
    });
  });
});

describe("a slot that moves under load", () => {
  test("with what is stored: it is found where it is, before, during and after the move", async () => {
    const [one, two] = [await connected(), await connected()];
    const working = load([one, two], ["k"]); // all of it moves
    await working.goesOn();
    await cluster.move(recordOf("k"), { begun: () => working.goesOn(), moved: () => working.goesOn() });
    await working.goesOn();
    const { stale } = await working.stop();
    expect(stale).toEqual([]);
    await put(one, "k", "last");
    expect(await readable(two, "k")).toMatchObject({ usable: true, stored: { value: "last" } });
  });

  test("with a client's limits: they admit what they admit, wherever its quotas are", async () => {
    const [one, two] = [await connected({ deadline: 5000 }), await connected({ deadline: 5000 })];
    let round = 0;
    await unstalled(async () => {
      const client = `c${round++}`;
      const quota = (name: string, limit: number): LimitQuestion => {
        return { key: `l:${name}:${client}`, client, algorithm: "fixed-window", limit, windowMs: 600_000 };
      };
      const [old, few, many] = [quota("old", 50), quota("few", 30), quota("many", 100)];
      const charge = async (count: number, limits: readonly LimitQuestion[]) => {
        const asked = [one, two].flatMap((store) => Array.from({ length: count / 2 }, () => charged(store, limits)));
        return (await Promise.all(asked)).filter((verdicts) => verdicts.every(({ allowed }) => allowed)).length;
      };
      expect(await charge(10, [old])).toBe(10);
      const play = async () => [
        await charge(10, [few, many]), // both are made where they will be
        await charge(10, [old, few]), // one is here and one there
        await charge(20, [few, many]),
      ];
      let moving: Promise<number[]> | undefined;
      const begun = () => {
        moving = play();
        return Promise.allSettled([moving]); // the move is ended in any case
      };
      await cluster.move(redisKeys.limit(old), { begun });
      expect(await moving).toEqual([10, 10, 10]);
      expect(await charge(20, [old, many])).toBe(20);
      expect((await charged(one, [old, few, many])).map(({ allowed }) => allowed)).toEqual([true, false, true]);
      expect(await charge(20, [old])).toBe(10);
    });
  });

  test("with the fence: nothing is read while it moves, and nothing stored before it is used after", async () => {
    const [one, two] = [await connected(), await connected()];
    await put(one, "before");
    const working = load([one, two], NAMES);
    await working.goesOn();
    const old = await cluster.ownerOf(redisKeys.fence);
    const now = await cluster.move(redisKeys.fence, {
      begun: () => vi.waitUntil(() => stores.every((store) => store.health().state === "degraded"), PATIENCE),
    });
    expect(now).not.toBe(old);
    await working.goesOn();
    const { stale } = await working.stop();
    expect(stale).toEqual([]);
    expect(await readable(two, "before")).toMatchObject({ usable: false, stored: { value: "one" } });
    await put(one, "before", "two");
    expect(await readable(two, "before")).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  test("with the fence: a write that ended meanwhile is not forgotten", async () => {
    const [one, two] = [await connected(), await connected()];
    await put(one, "k");
    const write = await one.begin(["k"]);
    await cluster.move(redisKeys.fence, { moved: () => write.commit() });
    const { usable } = await readable(two, "k");
    expect(usable).toBe(false);
    await vi.waitUntil(() => !one.health().detail.includes("kept"), PATIENCE);
  });
});

describe("a master of stored values", () => {
  /** One that the fence is not on, the name of a key there, and of one elsewhere. */
  async function apart(): Promise<{ server: TestRedis; there: string; elsewhere: string }> {
    const fence = await cluster.ownerOf(redisKeys.fence);
    const found = await cluster.ownersOf(NAMES.map(recordOf));
    const owners = new Map(NAMES.map((name, i) => [name, found[i]]));
    const there = NAMES.find((name) => owners.get(name) !== fence) ?? "";
    const server = owners.get(there) as TestRedis;
    return {
      server,
      there,
      elsewhere: NAMES.find((name) => ![server, fence].includes(owners.get(name) as TestRedis)) ?? "",
    };
  }

  for (const what of ["kill", "freeze"] as const) {
    test(`that is gone (${what}) takes its own keys only, and at once where that is known`, async () => {
      const store = await connected();
      const { server, there, elsewhere } = await apart();
      for (const name of [there, elsewhere]) await put(store, name);
      await server[what]();
      // Also for as long as nobody knows.
      await vi.waitUntil(async () => {
        const [missed, hit] = await Promise.all([refusal(look(store, there)), readable(store, elsewhere)]);
        expect(hit.usable).toBe(true);
        return missed.isPartial && missed.message.includes("of the Redis Cluster does not answer");
      }, PATIENCE);
      const detail = `no answer from 127.0.0.1:${server.port} of the Redis Cluster`;
      expect(store.health()).toMatchObject({ state: "degraded", detail: expect.stringContaining(detail) });
      await invalidate(store, elsewhere);
      expect((await readable(store, elsewhere)).usable).toBe(false);
      if (what === "kill") await server.start();
      else server.thaw();
      expect((await readable(store, there)).usable).toBe(what === "freeze");
      await put(store, there, "two");
      expect(await readable(store, there)).toMatchObject({ usable: true, stored: { value: "two" } });
      await vi.waitUntil(() => store.health().state === "ok", PATIENCE);
    });
  }

  test("that is gone leaves the limits of other nodes charged, and says which could not be", async () => {
    const store = await connected();
    const { server, there, elsewhere } = await apart();
    const questions = Array.from({ length: 20 }, (_, i): LimitQuestion => {
      return { key: `l:c${i}`, client: `c${i}`, algorithm: "fixed-window", limit: 9, windowMs: 600_000 };
    });
    const found = await cluster.ownersOf(questions.map(redisKeys.limit));
    const questionFor = (isMeant: (at: TestRedis | undefined) => boolean) =>
      questions[found.findIndex(isMeant)] as LimitQuestion;
    const [gone, alive] = [questionFor((at) => at === server), questionFor((at) => at !== server)];
    await put(store, elsewhere);
    expect((await store.look({ key: keyOf(there), tags: [], limits: [gone, alive] })).verdicts).toHaveLength(2);
    await server.kill();
    onTestFinished(() => server.start());
    await vi.waitUntil(() => store.health().detail.includes(`:${server.port} of`), PATIENCE);
    const hit = await store.look({ key: keyOf(elsewhere), tags: [elsewhere], limits: [alive] });
    expect(hit).toMatchObject({ usable: true, verdicts: [{ allowed: true, remaining: 7 }] });
    const late = vi.fn();
    const both = await store.look({ key: keyOf(elsewhere), tags: [elsewhere], limits: [gone, { ...alive, late }] });
    expect(both).toMatchObject({ usable: true, verdicts: undefined });
    expect(late).toHaveBeenCalledTimes(1);
    const missed = await refusal(store.look({ key: keyOf(there), tags: [there], limits: [alive] }));
    expect(missed).toMatchObject({ isPartial: true, verdicts: [{ remaining: 5 }] });
  });
});

describe("the master of the fence", () => {
  test("fails over under load: nothing stored before is used after", async () => {
    const old = await cluster.ownerOf(redisKeys.fence);
    await cluster.replicate(old);
    const [one, two] = [await connected(), await connected()];
    for (const name of ["before", "untouched", ...NAMES]) await put(one, name, "0");
    const working = load([one, two], NAMES);
    await working.goesOn();
    const write = await one.begin(["before"]);
    await old.kill();
    onTestFinished(() => old.start());
    await write.commit();
    await vi.waitUntil(async () => (await cluster.ownerOf(redisKeys.fence)) !== old, PATIENCE);
    expect((await readable(two, "before")).usable).toBe(false);
    expect((await readable(two, "untouched")).usable).toBe(false);
    await working.goesOn();
    const { stale } = await working.stop();
    expect(stale).toEqual([]);
    await put(one, "before", "two");
    expect(await readable(two, "before")).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  test("changes places with its replica at an operator's word", async () => {
    const old = await cluster.ownerOf(redisKeys.fence);
    const replica = await cluster.replicate(old);
    const [one, two] = [await connected(), await connected()];
    const working = load([one, two], NAMES);
    await working.goesOn();
    await replica.command("CLUSTER", "FAILOVER");
    await vi.waitUntil(async () => (await cluster.ownerOf(redisKeys.fence)) === replica, PATIENCE);
    await vi.waitUntil(() => stores.every((store) => store.health().state === "ok"), PATIENCE);
    await working.goesOn();
    expect((await working.stop()).stale).toEqual([]);
  });

  test("is the one whose replicas a write waits for", async () => {
    const owner = await cluster.ownerOf(redisKeys.fence);
    const replica = await cluster.replicate(owner);
    const replicas = await vi.waitUntil(async () => {
      const info = String(await owner.command("INFO", "replication"));
      const known = Number(/connected_slaves:(\d+)/.exec(info)?.[1]);
      return info.split("state=online").length - 1 === known && known;
    }, PATIENCE);
    const unreplicated = vi.fn();
    const store = await connected({ wait: { replicas, timeout: 5000 }, unreplicated });
    await invalidate(store, "k");
    expect(unreplicated).not.toHaveBeenCalled();
    replica.freeze();
    await invalidate(store, "k");
    expect(unreplicated).toHaveBeenCalled();
  });
});
