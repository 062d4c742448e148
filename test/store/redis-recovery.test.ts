// Redis is back: in what order is it vouched for, told what it missed, and read again?

import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FRESH_MS } from "../../src/store/connections.ts";
import { createRedisKeys } from "../../src/store/redis-keys.ts";
import type { LimitQuestion } from "../../src/store/store.ts";
import { startRedis } from "../support/redis.ts";
import { redisStores } from "../support/redis-stores.ts";
import { startRelay } from "../support/relay.ts";
import { asking, key, refusal } from "./asking.ts";

const stores = redisStores();
const keys = createRedisKeys("forebay");
const limits: LimitQuestion[] = [{ key: "l", algorithm: "fixed-window", limit: 1000, windowMs: 60_000 }];

const own = asking(stores);
const { look, firstAnswer, noticed, noticing } = own;

describe("coming back", () => {
  test("nothing is read before everybody has had the time to replay; limits are charged meanwhile", async () => {
    const slow = stores.create({ settle: 3000 });
    const verdicts = await vi.waitUntil(async () => (await refusal(slow.look({ key, tags: ["a"], limits }))).verdicts, {
      timeout: 5000,
      interval: 5,
    });
    expect(verdicts).toMatchObject([{ allowed: true }]);
    expect((await refusal(look(slow))).verdicts).toBeUndefined();
    expect((await slow.begin(["a"])).noted).toBe(true);
    await slow.connected();
    expect((await look(slow)).usable).toBe(true);
  });

  test("a write acknowledged during an outage is known wherever reading begins again, though its process comes back last", async () => {
    const relay = await startRelay(stores.redis.port);
    const settle = 3000;
    const [writer, reader] = await Promise.all([
      stores.connected({ deadline: 500, settle, url: `redis://127.0.0.1:${relay.port}` }),
      stores.connected({ deadline: 500, settle }),
    ]);
    await vi.waitFor(async () => expect((await look(reader)).usable).toBe(true), { timeout: 10_000 });
    const write = await writer.begin(["a"]);
    stores.redis.freeze();
    relay.hold();
    await write.commit();
    stores.redis.thaw();
    const isSettling = () => reader.health().detail.includes("waiting until everybody");
    await vi.waitUntil(isSettling, { timeout: 10_000, interval: 5 });
    const settlingAt = performance.now();
    await vi.waitUntil(() => performance.now() - settlingAt > 300, { timeout: 10_000, interval: 5 });
    await refusal(look(reader));
    relay.cut(); // what was already on its way is lost
    relay.release(); // the writer comes back a good while after Redis
    expect((await firstAnswer(reader)).reading.usable).toBe(false);
    await relay.stop();
  });

  test("an address that leads to another Redis is followed by all connections, not only by those made since", async () => {
    const [relay, other] = await Promise.all([startRelay(stores.redis.port), startRedis()]);
    onTestFinished(async () => void (await Promise.all([relay.stop(), other.stop()])));
    const store = await stores.connected({ deadline: 500, url: `redis://127.0.0.1:${relay.port}` });
    expect((await firstAnswer(store)).reading.usable).toBe(true);
    const noticed = await noticing(store);
    relay.lead(other.port);
    relay.cutOne(([first]) => first as NonNullable<typeof first>);
    await noticed();
    expect((await firstAnswer(store)).reading.stored).toBeUndefined();
  });

  test("on another process a write is not acknowledged before its invalidation is taken, however long the outage was", async () => {
    // Far more than the 750 ms that are waited: this process may stand still meanwhile.
    const writeDeadline = 4000;
    const store = await stores.connected({ writeDeadline });
    const says = (what: string) => store.health().detail.includes(what);
    do {
      const began = performance.now();
      await stores.redis.kill();
      await noticed(store);
      await vi.waitUntil(() => performance.now() - began > writeDeadline + 100, { timeout: 20_000 });
      await stores.redis.start();
      await vi.waitUntil(() => says("Redis answers"), { timeout: 20_000, interval: 1 });
    } while (!says("looking for")); // else that was over before this process looked
    await (await store.begin(["a"])).commit();
    expect(says("kept")).toBe(false);
    await firstAnswer(store);
  });

  test("one that is new acknowledges no write before whoever read the master before has noticed", async () => {
    await stores.redis.flush(); // as a replica that had nothing
    await firstAnswer();
    const newcomer = stores.create({ settle: 1000, writeDeadline: 20_000 });
    await (await newcomer.begin(["a"])).commit();
    const [seconds, micros] = (await stores.redis.command("TIME")) as [string, string];
    const [floor] = (await stores.redis.command("BITFIELD_RO", keys.fence, "GET", "u63", "#1")) as [number];
    expect(Number(seconds) * 1e6 + Number(micros) - floor).toBeGreaterThanOrEqual(FRESH_MS * 1000);
    expect(newcomer.health().detail).not.toContain("kept");
  });

  test("a subscription that is lost alone comes back, and with it those who watch", async () => {
    const before = await own.store.watch(key, []);
    const noticed = await noticing();
    await stores.redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await noticed();
    await firstAnswer();
    const { lease } = await own.store.lead(key, [], [], 1000);
    const after = await own.store.watch(key, []);
    const heard = [before.landed(10_000), after.landed(10_000)];
    lease?.release("stored");
    expect(await Promise.all(heard)).toEqual(["stored", "stored"]);
  });

  test("a process that was itself stopped asks nothing before it has looked around", async () => {
    const clock = vi.spyOn(performance, "now");
    const real = clock.getMockImplementation();
    const at = performance.now();
    clock.mockImplementation(() => at + 10_000);
    const refused = look();
    clock.mockRestore();
    expect(real).toBeUndefined();
    await refusal(refused);
    expect((await firstAnswer()).reading.usable).toBe(true);
  });
});
