// What `wait` buys with a real Redis and its replica: when a write goes out, its note is there, and when it is
// acknowledged, its invalidation; and what it costs where the replica is silent.

import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { RedisOptions, RedisStore } from "../../src/store/redis.ts";
import type { Notice, Store } from "../../src/store/store.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aclOf, COMMANDS, FOR_WAIT } from "../support/redis-acl.ts";
import { redisStores } from "../support/redis-stores.ts";
import { startRelay } from "../support/relay.ts";
import { keyOf, storedOf } from "./contract.ts";

// Else a replica waits 5 s for others.
const AT_ONCE = ["--repl-diskless-sync-delay", "0"];
const stores = redisStores(AT_ONCE);
const key = keyOf("k");
const JOURNAL = "forebay:{fence}:w";
const FENCE = "forebay:{fence}:slots";
const PATIENCE = { timeout: 20_000, interval: 5 };
const LONG = 60_000;

let replica: TestRedis;

beforeAll(async () => {
  replica = await startRedis(["--replicaof", "127.0.0.1", String(stores.redis.port), "--repl-timeout", "3600"]);
  await vi.waitUntil(async () => {
    return String(await stores.redis.command("INFO", "replication")).includes("state=online");
  }, PATIENCE);
});
afterEach(() => replica.thaw());
afterAll(() => replica?.stop());

function waiting(timeout: number, options: Partial<RedisOptions<string>> = {}): Promise<RedisStore<string>> {
  return stores.connected({ wait: { replicas: 1, timeout }, ...options });
}

const notes = (on: TestRedis) => on.command("ZRANGE", JOURNAL, "0", "-1") as Promise<string[]>;
const clock = async (on: TestRedis) => (await on.command("BITFIELD_RO", FENCE, "GET", "u63", "#0")) as [number];
// A machine that stands still for a moment counts as cut off: then it is tried again.
const look = (on: Store<string>) => {
  return vi.waitFor(() => Promise.resolve(on.look({ key, tags: ["a"], limits: [] })), PATIENCE);
};

/** Whether `promise` has come to its end. */
function followed(promise: Promise<unknown>): { isOver: boolean } {
  const state = { isOver: false };
  void promise.then(() => {
    state.isOver = true;
  });
  return state;
}

describe("a write", () => {
  test("goes out when a replica has its note, and is acknowledged when it has the invalidation; reads go on", async () => {
    const store = await waiting(LONG);
    await store.put(key, [], storedOf("one", { stamp: (await look(store)).fence.clock, tags: ["a"] }));
    replica.freeze();
    const begun = Promise.resolve(store.begin(["a"]));
    const before = followed(begun);
    await vi.waitUntil(async () => (await notes(stores.redis)).length === 1, PATIENCE);
    for (let i = 0; i < 20; i++) expect((await look(store)).usable).toBe(true);
    expect(before.isOver).toBe(false);
    replica.thaw();
    const write = await begun;
    expect(write.noted).toBe(true);
    expect(await notes(replica)).toEqual(await notes(stores.redis));
    replica.freeze();
    const committed = write.commit();
    const after = followed(committed);
    await vi.waitUntil(async () => !(await look(store)).usable, PATIENCE);
    expect(after.isOver).toBe(false);
    replica.thaw();
    await committed;
    expect(await clock(replica)).toEqual(await clock(stores.redis));
    expect(await notes(replica)).toEqual([]);
    expect(store.health()).toMatchObject({ state: "ok", detail: "Redis answers" });
  });

  test("is answered all the same where no replica has it in time, which is told and counted", async () => {
    const unreplicated = vi.fn();
    const store = await waiting(100, { unreplicated });
    replica.freeze();
    const began = performance.now();
    const write = await store.begin(["a"]);
    await write.commit();
    expect(performance.now() - began).toBeGreaterThanOrEqual(190);
    expect(write.noted).toBe(true);
    expect(await notes(stores.redis)).toEqual([]);
    expect(unreplicated).toHaveBeenCalledWith(1, "1 replica did not confirm it within 100 ms");
    expect(store.health()).toMatchObject({ state: "ok", detail: "Redis answers; 2 times too few replicas in time" });
  });

  test("of a user who may not WAIT is answered at once, with that reason", async () => {
    await stores.redis.command(...aclOf());
    const unreplicated = vi.fn();
    const store = await waiting(LONG, { username: "forebay", password: "secret", unreplicated });
    await (await store.begin(["a"])).commit();
    expect(unreplicated).toHaveBeenCalledWith(1, expect.stringMatching(/NOPERM.*wait/));
    await stores.redis.command(...aclOf([...COMMANDS, ...FOR_WAIT]));
    unreplicated.mockClear();
    await store.purge(["a"]);
    expect(unreplicated).not.toHaveBeenCalled();
  });

  test("takes four trips, and two where nobody is waited for", async () => {
    const relay = await startRelay(stores.redis.port);
    onTestFinished(() => relay.stop());
    const url = `redis://127.0.0.1:${relay.port}`;
    const trips = async (store: RedisStore<string>) => {
      relay.forget();
      await (await store.begin(["a"])).commit();
      return relay.writes.map((each) => /"a"|\r\nWAIT\r\n/.test(each)).filter(Boolean).length;
    };
    expect(await trips(await waiting(LONG, { url }))).toBe(4);
    expect(await trips(await stores.connected({ url }))).toBe(2);
  });
});

test("a write under way outlives its process and the master together", async () => {
  const [master, heir] = [await startRedis(AT_ONCE), await startRedis()];
  onTestFinished(async () => void (await Promise.all([master.stop(), heir.stop()])));
  await heir.command("REPLICAOF", "127.0.0.1", String(master.port));
  await vi.waitUntil(
    async () => String(await master.command("INFO", "replication")).includes("state=online"),
    PATIENCE,
  );
  const gone = await waiting(LONG, { url: master.url, journalLease: 3000 });
  expect((await gone.begin(["a"])).noted).toBe(true);
  await master.kill();
  await heir.command("REPLICAOF", "NO", "ONE");
  const other = await stores.connected({ url: heir.url });
  const heard: Notice[] = [];
  other.onInvalidated((notice) => heard.push(notice));
  await vi.waitUntil(() => heard.some(({ tags }) => tags?.[0] === "a"), PATIENCE);
});

test("the connection that waits follows the others to another Redis, though it was not lost itself", async () => {
  const [relay, other] = await Promise.all([startRelay(stores.redis.port), startRedis()]);
  onTestFinished(async () => void (await Promise.all([relay.stop(), other.stop()])));
  const clients = async () =>
    String(await stores.redis.command("CLIENT", "LIST"))
      .trim()
      .split("\n").length;
  const before = await clients();
  const url = `redis://127.0.0.1:${relay.port}`;
  await waiting(100, { connections: 1, url });
  await vi.waitUntil(async () => (await clients()) === before + 3, PATIENCE);
  relay.lead(other.port);
  for (const _ of ["the one for commands", "the one for subscriptions"]) {
    relay.cutOne(([oldest]) => oldest as NonNullable<typeof oldest>);
    await vi.waitUntil(async () => (await clients()) < before + 3, PATIENCE);
  }
  await vi.waitUntil(async () => (await clients()) === before, PATIENCE);
});
