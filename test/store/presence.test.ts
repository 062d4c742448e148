import { describe, expect, test, vi } from "vitest";
import { createPresence } from "../../src/store/presence.ts";
import type { Sender } from "../../src/store/scripts.ts";
import { redisStores } from "../support/redis-stores.ts";

const stores = redisStores();
const LIVE = "forebay:{fence}:live";

/** A line on which everything is heard, and what was said on it. */
function scripted() {
  const heard = { reply: [3, 1] as unknown };
  const said: string[] = [];
  const line: Sender = {
    async send(words) {
      said.push(String(words[0]));
      if (heard.reply instanceof Error) throw heard.reply;
      return heard.reply;
    },
  };
  return { line, said, heard };
}

describe("a sidecar", () => {
  test("takes itself for the only one until it hears", () => {
    const { line } = scripted();
    expect(createPresence({ line, key: LIVE }).crowd()).toEqual({ size: 1, place: 0 });
  });

  test("says once every second that it lives, however often it is told to", () => {
    const { line, said } = scripted();
    let now = 0;
    const presence = createPresence({ line, key: LIVE, now: () => now });
    for (; now < 3000; now += 250) presence.tick();
    expect(said).toHaveLength(3);
  });

  test("goes by what it heard last while Redis is silent, or says what makes no sense", async () => {
    const { line, heard } = scripted();
    let now = 0;
    const presence = createPresence({ line, key: LIVE, now: () => now });
    for (const reply of [[3, 1], new Error("gone"), "?", [3, 3], [0, 0], [Number.NaN, 0]]) {
      heard.reply = reply;
      presence.tick();
      await new Promise(setImmediate);
      now += 1000;
      expect(presence.crowd()).toEqual({ size: 3, place: 1 });
    }
  });

  test("says nothing any more when it has said that it is gone", async () => {
    const { line, said } = scripted();
    const presence = createPresence({ line, key: LIVE });
    await presence.close();
    presence.tick();
    expect(said).toEqual(["ZREM"]);
  });
});

describe("sidecars on one Redis", () => {
  test("know how many they are and have each a place of its own, until one leaves", async () => {
    const all = await Promise.all([1, 2, 3].map(() => stores.connected()));
    const crowds = () => all.map((store) => store.crowd());
    await vi.waitFor(() => expect(crowds().map(({ size }) => size)).toEqual([3, 3, 3]), { timeout: 5000 });
    expect(new Set(crowds().map(({ place }) => place))).toEqual(new Set([0, 1, 2]));
    await all.pop()?.close();
    await vi.waitFor(() => expect(crowds().map(({ size }) => size)).toEqual([2, 2]), { timeout: 5000 });
  });

  test("do not count one that has given no sign of life for five seconds", async () => {
    await stores.redis.command("ZADD", LIVE, String(Date.now() - 6000), "dead");
    await stores.redis.command("ZADD", LIVE, String(Date.now()), "living");
    const store = await stores.connected();
    await vi.waitFor(() => expect(store.crowd().size).toBe(2), { timeout: 5000 });
    expect(await stores.redis.command("PTTL", LIVE)).toBeGreaterThan(0);
  });

  test("do not count one for ever that was last heard before the clock was set back", async () => {
    await stores.redis.command("DEL", LIVE);
    await stores.redis.command("ZADD", LIVE, String(Date.now() + 3_600_000), "heard");
    const store = await stores.connected();
    await vi.waitFor(() => expect(store.crowd().size).toBe(2), { timeout: 5000 });
    expect(Number(await stores.redis.command("ZSCORE", LIVE, "heard"))).toBeLessThanOrEqual(Date.now());
  });

  test("take the place of what is not theirs under that key", async () => {
    await stores.redis.command("SET", LIVE, "x");
    const store = await stores.connected();
    await vi.waitFor(async () => expect(await stores.redis.command("ZCARD", LIVE)).toBe(1), { timeout: 5000 });
    expect(store.crowd()).toEqual({ size: 1, place: 0 });
  });
});
