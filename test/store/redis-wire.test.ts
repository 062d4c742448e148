// What the Redis store says on the wire: how often, and with which commands.

import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RedisStore } from "../../src/store/redis.ts";
import type { LimitQuestion } from "../../src/store/store.ts";
import { redisStores } from "../support/redis-stores.ts";
import { type Relay, startRelay } from "../support/relay.ts";
import { keyOf, storedOf } from "./contract.ts";
import { patient } from "./patient.ts";

const stores = redisStores();
const key = keyOf("k");
const limits: LimitQuestion[] = [
  { key: "l", algorithm: "sliding-window", limit: 1000, windowMs: 60_000 },
  { key: "m", algorithm: "token-bucket", limit: 1000, windowMs: 60_000 },
];

let relay: Relay;
let store: RedisStore<string>;
let direct: RedisStore<string>;

beforeEach(async () => {
  await stores.redis.flush();
  relay = await startRelay(stores.redis.port);
  store = await stores.connected({ url: `redis://127.0.0.1:${relay.port}`, connections: 4 });
  direct = await stores.connected();
});
afterEach(() => relay.stop());

async function put(on: RedisStore<string>, value: string, tags: string[], names: string[] = []): Promise<void> {
  const { fence } = await patient(on).look({ key: undefined, tags, limits: [] });
  await patient(on).put(key, names, storedOf(value, { stamp: fence.clock, tags }));
}

/** The writes that `act` causes, as lists of command names; heartbeats and sweeps left out. */
async function tripsOf(act: () => Promise<unknown>): Promise<string[][]> {
  relay.forget();
  await act();
  const commands = relay.writes.map((write) => write.split(/(?=\*\d+\r\n\$)/));
  const isOwn = (command: string) => !/\$2\r\n#3\r\n|\{fence\}:(?:w|probe|live)/.test(command);
  const names = commands.map((each) => each.filter(isOwn).map((command) => command.split("\r\n")[2] ?? ""));
  return names.filter((each) => each.length > 0);
}

describe("round trips", () => {
  test("a hit is one, its limits included", async () => {
    await put(direct, "one", ["a"]);
    const trips = await tripsOf(async () => {
      const reading = await store.look({ key, tags: ["a"], limits });
      expect(reading).toMatchObject({ usable: true, verdicts: [{ allowed: true }, { allowed: true }] });
    });
    expect(trips).toEqual([["GET", "GET", "BITFIELD_RO", "EVALSHA"]]);
  });

  test("a hit after a soft purge of something else is one, from the second look on", async () => {
    await put(direct, "one", ["a", "own"]);
    const look = async () => expect((await store.look({ key, tags: ["a"], limits: [] })).softAt).toBeUndefined();
    await look();
    await direct.purge(["b"], { soft: true });
    expect(await tripsOf(look)).toHaveLength(2);
    expect(await tripsOf(look)).toEqual([["GET", "GET", "BITFIELD_RO"]]);
    await direct.purge(["own"], { soft: true });
    const softened = async () => expect((await store.look({ key, tags: ["a"], limits: [] })).softAt).toBeDefined();
    expect(await tripsOf(softened)).toEqual([["GET", "GET", "BITFIELD_RO"]]);
    await put(direct, "two", ["a", "own"]);
    expect(await tripsOf(look)).toEqual([["GET", "GET", "BITFIELD_RO"]]);
  });

  test("a value with tags of its own takes two the first time, and one from then on", async () => {
    await put(direct, "one", ["a", "own"]);
    const look = async () => expect(await store.look({ key, tags: ["a"], limits: [] })).toMatchObject({ usable: true });
    expect(await tripsOf(look)).toHaveLength(2);
    expect(await tripsOf(look)).toHaveLength(1);
  });

  test("what was remembered and has changed costs one more", async () => {
    await put(direct, "one", ["a", "own"]);
    await store.look({ key, tags: ["a"], limits });
    await put(direct, "two", ["a", "other"], ["lang"]);
    const trips = await tripsOf(async () => {
      const reading = await store.look({ key, tags: ["a"], limits });
      expect(reading).toMatchObject({ usable: true, stored: { value: "two" }, record: { names: ["lang"] } });
    });
    expect(trips.length).toBeLessThanOrEqual(3);
    expect(trips.flat().filter((name) => name === "EVALSHA")).toHaveLength(1);
  });

  test("taking a lease is one, asked for before anything is read", async () => {
    const trips = await tripsOf(async () => (await store.lead(key, [], ["a"], 5000)).lease?.release("failed"));
    expect(trips[0]).toEqual(["EVALSHA", "GET", "GET", "BITFIELD_RO"]);
  });

  test("storing is one, noting a write one, ending it one", async () => {
    expect(await tripsOf(async () => store.put(key, [], storedOf("one")))).toEqual([["SET", "SET"]]);
    relay.forget();
    const write = await store.begin(["a"]);
    expect(relay.writes.filter((each) => each.includes('["a"]'))).toHaveLength(1);
    await write.commit();
    expect(relay.writes.filter((each) => each.includes('["a"]'))).toHaveLength(2);
  });

  test("what is asked in one turn leaves in one write, slots, charges and equal reads together", async () => {
    await put(direct, "one", ["a"]);
    const one = await stores.connected({ url: `redis://127.0.0.1:${relay.port}`, connections: 1 });
    const trips = await tripsOf(async () => {
      const looks = Array.from({ length: 100 }, (_, i) => one.look({ key, tags: ["a", `t${i}`], limits }));
      const readings = await Promise.all(looks);
      expect(readings.every(({ usable }) => usable)).toBe(true);
      expect(new Set(readings.map(({ verdicts }) => verdicts?.[0]?.remaining)).size).toBe(100);
    });
    expect(trips).toEqual([["GET", "GET", "BITFIELD_RO", "EVALSHA"]]);
  });

  test("many slots are read in several commands", async () => {
    const tags = Array.from({ length: 1200 }, (_, i) => `t${i}`);
    await put(direct, "one", tags);
    await (await direct.begin(["t1199"])).commit();
    const reading = await store.look({ key, tags, limits: [] });
    expect(reading).toMatchObject({ usable: false, stored: { value: "one" } });
    expect(reading.fence.latest).toBe(reading.fence.clock);
  });
});

describe("commands", () => {
  test("none searches, and none is a script's text", async () => {
    const names = await monitored(async () => {
      const asked = await store.lead(key, [], ["a"], 5000);
      await put(store, "one", ["a", "own"]);
      asked.lease?.release("stored");
      const watch = await store.watch(key, []);
      await store.look({ key, tags: ["a"], limits });
      await store.pass(keyOf("p"), [], Date.now() + 1000);
      await put(store, "label of one", ["a"], ["lang"]);
      await store.pass(key, ["lang"], Date.now() + 1000);
      for (const { id } of await store.siblings(key)) await store.recall(key, id);
      await (await store.begin(["a"])).commit();
      (await store.begin(["a"])).discard();
      watch.close();
    });
    const allowed = [
      "BITFIELD_RO",
      "DEL",
      "ECHO",
      "EVALSHA",
      "GET",
      "HELLO",
      "HGETALL",
      "INFO",
      "SET",
      "SUBSCRIBE",
      "UNSUBSCRIBE",
      "ZREM",
    ];
    expect([...names].filter((name) => !allowed.includes(name))).toEqual([]);
    expect(names).toContain("ZREM");
  });

  test("forgotten scripts are told again", async () => {
    const forget = () => stores.redis.command("SCRIPT", "FLUSH");
    await put(store, "one", ["a"]);
    await forget();
    expect(await store.look({ key, tags: ["a"], limits })).toMatchObject({
      usable: true,
      verdicts: [{ allowed: true }, { allowed: true }],
    });
    await forget();
    expect((await store.lead(key, [], ["a"], 1000)).lease).toBeDefined();
    await forget();
    await put(store, "label of one", ["a"], ["lang"]);
    expect(await store.siblings(key)).toHaveLength(1);
    await forget();
    const write = await store.begin(["a"]);
    expect(write.noted).toBe(true);
    await forget();
    await write.commit();
    expect((await store.look({ key, tags: ["a"], limits: [] })).usable).toBe(false);
    expect(await stores.redis.command("ZCARD", "forebay:{fence}:w")).toBe(0);
  });
});

describe("variants", () => {
  const variantOf = (n: number) => keyOf("k", { n: `${n}` });
  const kept = () => stores.redis.command("KEYS", "forebay:{*}:[riv]*") as Promise<string[]>;
  const store64 = async (names: string[], count: number) => {
    for (let i = 0; i < count; i++) await patient(direct).put(variantOf(i), names, storedOf(`label of ${i}`));
  };

  test("storing one is one trip, and so is asking for its siblings, and recalling one", async () => {
    await put(direct, "label of one", ["a"], ["lang"]);
    expect(await tripsOf(() => put(store, "two", ["a"], ["lang"]))).toEqual([["BITFIELD_RO"], ["EVALSHA"]]);
    await put(direct, "label of one", ["a"], ["lang"]);
    expect(await tripsOf(async () => store.siblings(key))).toEqual([["HGETALL"]]);
    const [sibling] = await direct.siblings(key);
    expect(await tripsOf(async () => store.recall(key, sibling?.id ?? ""))).toEqual([["GET"]]);
    expect(await tripsOf(async () => store.pass(key, ["lang"], Date.now() + 1000))).toEqual([["EVALSHA"]]);
  });

  test("there are never more than 64 of one key, under whatever names, and each ends", async () => {
    await direct.put(keyOf("k"), [], storedOf("plain"));
    await store64(["n"], 70);
    expect(await kept()).toHaveLength(64 + 2);
    await store64(["m", "n"], 3);
    const keys = await kept();
    expect(keys).toHaveLength(3 + 2);
    const ends = await Promise.all(keys.map(async (each) => Number(await stores.redis.command("PTTL", each))));
    for (const ms of ends) expect(ms).toBeGreaterThan(0);
    for (const ms of ends) expect(ms).toBeLessThanOrEqual(60_000);
  });

  test("an index outlives none of its variants, and those that are over make room first", async () => {
    await direct.put(variantOf(100), ["n"], storedOf("long", { keepUntil: Date.now() + 60_000 }));
    const keepUntil = Date.now() + 60;
    for (let i = 0; i < 63; i++) await direct.put(variantOf(i), ["n"], storedOf("brief", { keepUntil }));
    await vi.waitUntil(() => Date.now() > keepUntil + 20, { interval: 10, timeout: 20_000 });
    await store64(["n"], 10);
    expect((await direct.look({ key: variantOf(100), tags: [], limits: [] })).stored?.value).toBe("long");
    const [index = ""] = (await kept()).filter((each) => each.endsWith(":i"));
    expect(Number(await stores.redis.command("HLEN", index))).toBe(1 + 11);
  });

  test("what is not ours under their keys is passed over and replaced", async () => {
    await put(direct, "label of one", ["a"], ["lang"]);
    const [index = "", record = "", variant = ""] = (await kept()).sort();
    const broken: string[][] = [
      ["SET", index, "garbage"],
      ["DEL", index],
      ["HSET", index, "x", "garbage", "y", "1 2", "names", "garbage"],
      ["LPUSH", index, "garbage"],
      ["LPUSH", record, "garbage"],
      ["SET", record, "garbage"],
      ["DEL", record],
      ["LPUSH", variant, "garbage"],
    ];
    for (const command of broken) {
      if (command[0] === "LPUSH") await stores.redis.command("DEL", command[1] ?? "");
      await stores.redis.command(...command);
      expect((await direct.siblings(key)).length).toBeLessThanOrEqual(1);
      await direct.look({ key, tags: ["a"], limits: [] });
      await put(direct, "label of two", ["a"], ["lang"]);
      expect((await direct.look({ key, tags: ["a"], limits: [] })).stored?.value).toBe("label of two");
      const siblings = await direct.siblings(key);
      expect(siblings.map(({ label }) => label)).toEqual(["label of two"]);
      expect((await direct.recall(key, siblings[0]?.id ?? ""))?.value).toBe("label of two");
      expect((await kept()).sort()).toEqual([index, record, variant]);
    }
    await stores.redis.command("DEL", variant);
    await stores.redis.command("LPUSH", variant, "garbage");
    const [sibling] = await direct.siblings(key);
    expect(await direct.recall(key, sibling?.id ?? "")).toBeUndefined();
  });
});

describe("watches", () => {
  test("those of one flight share a subscription, which ends with the last of them", async () => {
    const channels = async () => (await stores.redis.command("PUBSUB", "CHANNELS", "forebay:landed:*")) as string[];
    const watches = await Promise.all([store.watch(key, []), store.watch(key, []), store.watch(key, [])]);
    const [channel = ""] = await channels();
    expect(await stores.redis.command("PUBSUB", "NUMSUB", channel)).toEqual([channel, 1]);
    watches[0]?.close();
    watches[1]?.close();
    expect(await channels()).toEqual([channel]);
    watches[2]?.close();
    await vi.waitFor(async () => expect(await channels()).toEqual([]), { timeout: 10_000 });
  });

  test("one begun while the last is ending hears all the same", async () => {
    const { lease } = await direct.lead(key, [], [], 5000);
    const before = await store.watch(key, []);
    before.close();
    const watch = await store.watch(key, []);
    const landed = watch.landed(10_000);
    lease?.release("stored");
    expect(await landed).toBe("stored");
  });
});

/** The names of the commands that Redis is sent while `act` runs, those of scripts aside. */
async function monitored(act: () => Promise<unknown>): Promise<Set<string>> {
  let heard = "";
  const socket = connect(stores.redis.port, "127.0.0.1");
  socket.on("data", (piece) => {
    heard += piece.toString("latin1");
  });
  socket.write("MONITOR\r\n");
  await vi.waitFor(() => expect(heard).toContain("OK"), { timeout: 10_000 });
  await act();
  await stores.redis.command("ECHO", "the end");
  await vi.waitFor(() => expect(heard).toContain("the end"), { timeout: 10_000 });
  socket.destroy();
  const lines = heard.split("\r\n").filter((line) => line.includes('"') && !line.includes(" lua] "));
  return new Set(lines.map((line) => /"(\w+)"/.exec(line)?.[1]?.toUpperCase() ?? ""));
}
