// Redis away, silent, or slow: what is refused, how fast, and in what order things come back.

import { describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../support/ports.ts";
import { redisStores } from "../support/redis-stores.ts";
import { startRelay } from "../support/relay.ts";
import { asking, key, refusal } from "./asking.ts";
import { keyOf, storedOf } from "./contract.ts";
import { unstalled } from "./unstalled.ts";

const stores = redisStores();

const own = asking(stores);
const { look, put, firstAnswer, noticed } = own;

describe("a Redis that is gone", () => {
  test("is noticed at once, and every question refused at once", async () => {
    await stores.redis.kill();
    await noticed();
    const start = performance.now();
    await refusal(look());
    await refusal(own.store.lead(key, [], ["a"], 1000));
    await refusal(Promise.try(() => own.store.watch(key, [])));
    await refusal(put("two"));
    await refusal(own.store.pass(key, [], Date.now() + 1000));
    expect(await own.store.begin(["a"])).toMatchObject({ noted: false });
    expect(performance.now() - start).toBeLessThan(450); // of a deadline of 500
    expect(own.store.health().detail).toMatch(/ECONNREFUSED|closed|Redis/);
    await stores.redis.start();
    expect((await firstAnswer()).reading.stored).toBeUndefined();
  });

  test("does not keep a store from being made, which connects when Redis comes", async () => {
    const port = await freePort();
    const early = stores.create({ url: `redis://127.0.0.1:${port}` });
    expect(early.health().state).toBe("degraded");
    await refusal(look(early));
    await vi.waitFor(() => expect(early.health().detail).toContain("ECONNREFUSED"), { timeout: 10_000 });
  });

  test("is told from what is no URL of one", () => {
    expect(() => stores.create({ url: "http://127.0.0.1:1" })).toThrow(/protocol/i);
  });
});

describe("a Redis that is slow", () => {
  test("delays a look by one deadline, however many trips it takes", () =>
    unstalled(async () => {
      const relay = await startRelay(stores.redis.port);
      const far = await stores.connected({ deadline: 1500, connections: 1, url: `redis://127.0.0.1:${relay.port}` });
      try {
        const { fence } = await look();
        // Names and tags that this one does not know of yet: three trips.
        await own.store.put(key, ["lang"], storedOf("two", { stamp: fence.clock, tags: ["a", "own"] }));
        relay.lag(1000);
        const start = performance.now();
        expect((await refusal(look(far))).message).toMatch(/did not answer within/);
        expect(performance.now() - start).toBeLessThan(2400);
      } finally {
        relay.lag(0);
        await relay.stop();
      }
    }));
});

describe("a Redis that is silent", () => {
  test("costs the deadline at first, then nothing, and hits return within 3 s of its return", () =>
    unstalled(async () => {
      const patient = await stores.connected({ deadline: 500, settle: 1000 });
      stores.redis.freeze();
      try {
        expect((await refusal(look(patient))).message).toContain("500 ms");
        await noticed(patient);
        const start = performance.now();
        await refusal(look(patient));
        expect(performance.now() - start).toBeLessThan(400);
      } finally {
        stores.redis.thaw();
      }
      const { reading, ms } = await firstAnswer(patient);
      expect(reading.usable).toBe(true);
      expect(ms).toBeLessThan(3000);
      expect(ms).toBeGreaterThan(900);
    }));

  test("is given up and connected to anew when that lasts", async () => {
    const relay = await startRelay(stores.redis.port);
    const far = await stores.connected({ url: `redis://127.0.0.1:${relay.port}` });
    relay.hold();
    await vi.waitUntil(() => far.health().detail.includes("took over"), { timeout: 8000 });
    relay.forget();
    relay.release();
    expect((await firstAnswer(far)).reading.usable).toBe(true);
    expect(relay.writes.some((write) => write.includes("HELLO"))).toBe(true);
    await relay.stop();
  });

  test("does not fill this process with questions and values", async () => {
    // To make all this takes time, after which Redis would be known to be silent and nothing be sent. Here it takes none.
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
    onTestFinished(() => clock.mockRestore());
    const store = await stores.connected({ deadline: 50 });
    await stores.redis.command("CONFIG", "RESETSTAT");
    stores.redis.freeze();
    const large = storedOf("x".repeat(8 << 20), { stamp: 1 });
    const written = Array.from({ length: 8 }, () => store.put(key, [], large));
    const asked = Array.from({ length: 30_000 }, (_, i) => store.look({ key: keyOf(`k${i}`), tags: [], limits: [] }));
    const refused = await Promise.all([...asked, ...written].map(refusal));
    expect(refused.filter(({ message }) => message.includes("on its way")).length).toBeGreaterThan(3);
    stores.redis.thaw();
    expect((await firstAnswer(store)).reading.fence.shared).toBe(true);
    const stats = String(await stores.redis.command("INFO", "commandstats"));
    // 10,000 commands may wait on each of the two connections; what is asked until the first answer comes on top.
    expect(Number(/cmdstat_get:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(22_000);
  });

  test("keeps no lease that was granted too late", async () => {
    stores.redis.freeze();
    await refusal(own.store.lead(key, [], ["a"], 60_000));
    stores.redis.thaw();
    await firstAnswer();
    const { lease } = await vi.waitUntil(
      async () => {
        const lead = await Promise.try(() => own.store.lead(key, [], ["a"], 1000)).catch(() => undefined);
        return lead?.lease && lead;
      },
      { timeout: 20_000 },
    );
    lease?.release("failed");
  });

  test("wakes those who wait for a flight, and later ones hear again", async () => {
    const watch = await own.store.watch(key, []);
    const landed = watch.landed(60_000);
    stores.redis.freeze();
    expect(await landed).toBeUndefined();
    stores.redis.thaw();
    await firstAnswer();
    const { lease } = await own.store.lead(key, [], [], 1000);
    const heard = watch.landed(10_000);
    lease?.release("stored");
    expect(await heard).toBe("stored");
  });
});
