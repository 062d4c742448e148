// The limits on a real Redis: the scripts against their twins in memory, under a clock that is turned; sidecars that ask
// all at once; and verdicts that come too late.

import { createClient } from "@redis/client";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Charge } from "../../src/store/charges.ts";
import { createLimits } from "../../src/store/limits.ts";
import type { RedisStore } from "../../src/store/redis.ts";
import { createRedisKeys } from "../../src/store/redis-keys.ts";
import { CHARGE } from "../../src/store/scripts.ts";
import type { LimitQuestion, Verdict } from "../../src/store/store.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";
import fc from "../support/fast-check.ts";
import { redisStores } from "../support/redis-stores.ts";

const stores = redisStores();
const EPOCH = 1_700_000_000_000;
/** In which no window ends, and no token comes, while a test runs. */
const LONG = 864_000_000;
const ALGORITHMS = ["fixed-window", "sliding-window", "sliding-log", "token-bucket"] as const;
const ROUNDS = 5;

beforeEach(() => stores.redis.flush());

/** What came of `play`, which asks `on` about limits whose keys begin with what it is told. With others it is played again where
 * a store was without its Redis: what is asked again may be charged twice. */
async function charged<T>(on: readonly RedisStore<string>[], play: (prefix: string) => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    const isOk = () => on.every((store) => store.health().state === "ok");
    await vi.waitUntil(isOk, { timeout: 20_000, interval: 5 });
    try {
      return await play(`${round} `);
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || round === ROUNDS) throw error;
    }
  }
}

/** What all of them gave, when none is under way any more. */
async function allOf<T>(asked: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(asked);
  return Promise.all(asked);
}

describe("the scripts", () => {
  const keys = createRedisKeys("forebay");
  // With the time of the test; and what ends by the time of Redis ends after it.
  const text = CHARGE.text
    .replace("redis.call('TIME')", "{ ARGV[#ARGV - 1], ARGV[#ARGV] }")
    .replaceAll(/'PX', |'PEXPIRE', key, /g, "$&600000 + ");
  let client: ReturnType<typeof createClient>;

  beforeAll(async () => {
    client = createClient({ url: stores.redis.url });
    await client.connect();
  });
  afterAll(() => client.close());

  /** As Redis would answer at epoch ms `at`. */
  async function chargedAt(at: number, questions: readonly LimitQuestion[]): Promise<readonly Verdict[] | undefined> {
    const charge = new Charge();
    charge.add(questions);
    const send = ([, , ...rest]: readonly (string | Buffer)[]) =>
      client.sendCommand([
        "EVAL",
        text,
        ...rest.map(String),
        String(Math.floor(at / 1000)),
        String((at % 1000) * 1000),
      ]);
    charge.answered(await charge.send({ send }, keys));
    return charge.deal();
  }

  // Windows so long that the time of Redis, which stands still here, is of no account.
  const rule = fc.record({
    algorithm: fc.constantFrom(...ALGORITHMS),
    limit: fc.integer({ min: 0, max: 7 }),
    windowMs: fc.integer({ min: 100_000, max: 1_000_000 }),
    burst: fc.integer({ min: 1, max: 9 }),
    enforced: fc.boolean(),
  });
  const step = fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 200_000 }),
    fc.integer({ min: -50_000, max: 0 }),
    fc.integer({ min: 0, max: 2_500_000 }),
  );

  test("say what their twins in memory say, whatever the limits and the times, the clock set back too", async () => {
    let run = 0;
    const rules = fc.array(rule, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(rules, fc.array(step, { maxLength: 40 }), async (several, steps) => {
        run++;
        let at = EPOCH;
        const twins = createLimits({ now: () => at, max: 10 });
        const questions = several.map((one, i): LimitQuestion => ({ key: `${run} ${i}`, ...one }));
        // Redis keeps no note of a time at which nothing was admitted: the clock is set back only where both know of it.
        let isNoted = true;
        for (const ms of steps) {
          if (ms < 0 && !isNoted) continue;
          at += ms;
          const verdicts = await chargedAt(at, questions);
          expect(verdicts).toEqual(twins.charge(questions));
          isNoted = ms < 0 || verdicts?.every(({ allowed }) => allowed) === true;
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  test("hold nobody for longer than it takes a full bucket to empty, whatever is kept there", async () => {
    const question: LimitQuestion = { key: "k", algorithm: "token-bucket", limit: 1, windowMs: 1000, burst: 2 };
    const refused = [{ allowed: false, remaining: 0, resetMs: 1000 }];
    for (const level of ["1e15", "1e300", "inf"]) {
      await client.hSet(keys.limit(question), { level, at: String(EPOCH) });
      expect(await chargedAt(EPOCH, [question])).toEqual(refused);
      expect(await chargedAt(EPOCH + 1000, [question])).toMatchObject([{ allowed: true }]);
    }
    const many = { ...question, burst: 1000 };
    for (let i = 0; i < 1000; i++) await chargedAt(EPOCH + 10_000_000, [many]);
    expect(await chargedAt(EPOCH + 10_000_000, [question])).toEqual(refused);
  });

  test("leave nothing in Redis that does not end", async () => {
    const several = ALGORITHMS.map((algorithm): LimitQuestion => ({ key: "k", algorithm, limit: 2, windowMs: 60_000 }));
    for (const ms of [0, 1, 2, -10]) await chargedAt(EPOCH + ms, several);
    const names = (await client.keys("forebay:l:*")) as string[];
    expect(names).toHaveLength(ALGORITHMS.length);
    for (const name of names) expect(await client.pTTL(name)).toBeGreaterThan(0);
  });
});

describe("three sidecars, a thousand requests each, all at once", () => {
  test.each(ALGORITHMS)("%s: of 700 are admitted 700", async (algorithm) => {
    const sidecars = await Promise.all([1, 2, 3].map(() => stores.connected()));
    const admitted = await charged(sidecars, async (prefix) => {
      const question: LimitQuestion = { key: `${prefix}l`, algorithm, limit: 700, windowMs: LONG };
      const asked = sidecars.flatMap((sidecar) =>
        Array.from({ length: 1000 }, async (_, i) => {
          if (i % 3 === 0) await new Promise(setImmediate); // in several batches
          const { verdicts } = await sidecar.look({ key: undefined, tags: [], limits: [question] });
          return verdicts?.[0]?.allowed;
        }),
      );
      return (await allOf(asked)).filter((allowed) => allowed);
    });
    expect(admitted).toHaveLength(700);
  });

  test("of two limits each admits as many as the smaller one, and takes no more of the larger", async () => {
    const sidecars = await Promise.all([1, 2, 3].map(() => stores.connected()));
    const ask = async (limits: readonly LimitQuestion[], i = 0) =>
      (await sidecars[i % 3]?.look({ key: undefined, tags: [], limits }))?.verdicts ?? [];
    const { asked, left } = await charged(sidecars, async (prefix) => {
      const large: LimitQuestion = { key: `${prefix}large`, algorithm: "sliding-log", limit: 900, windowMs: LONG };
      const small: LimitQuestion = { key: `${prefix}small`, algorithm: "fixed-window", limit: 250, windowMs: LONG };
      const asked = await allOf(Array.from({ length: 1500 }, (_, i) => ask([large, small], i)));
      return { asked, left: await ask([large]) };
    });
    expect(asked.filter((verdicts) => verdicts.every(({ allowed }) => allowed))).toHaveLength(250);
    expect(left).toMatchObject([{ allowed: true, remaining: 649 }]);
  });

  test("what one takes in advance nobody else gets", async () => {
    const [one, two] = [await stores.connected(), await stores.connected()];
    const [first, second, third] = await charged([one, two], async (prefix) => {
      const question: LimitQuestion = { key: `${prefix}l`, algorithm: "fixed-window", limit: 10, windowMs: LONG };
      const ask = async (on: RedisStore<string>, extra = 0) =>
        (await on.look({ key: undefined, tags: [], limits: [{ ...question, extra }] })).verdicts;
      return [await ask(one, 4), await ask(two, 100), await ask(one)];
    });
    expect(first).toEqual([{ allowed: true, remaining: 9, resetMs: expect.any(Number), taken: 4 }]);
    expect(second).toEqual([{ allowed: true, remaining: 4, resetMs: expect.any(Number), taken: 4 }]);
    expect(third).toMatchObject([{ allowed: false }]);
  });
});

test.each(ALGORITHMS)("%s: a Redis that lost the counts admits the limit once more, not twice", async (algorithm) => {
  const store = await stores.connected();
  const admissions = await charged([store], async (prefix) => {
    const question: LimitQuestion = { key: `${prefix}lost`, algorithm, limit: 20, windowMs: LONG };
    const ask = async () => store.look({ key: undefined, tags: [], limits: [question] });
    const admitted = async () =>
      (await allOf(Array.from({ length: 50 }, ask))).filter(({ verdicts }) => verdicts?.[0]?.allowed).length;
    const before = await admitted();
    await stores.redis.command("DEL", createRedisKeys("forebay").limit(question));
    return [before, await admitted(), await admitted()];
  });
  expect(admissions).toEqual([20, 20, 0]);
});

test("a verdict that comes after the deadline is told all the same", async () => {
  const store = await stores.connected({ deadline: 1000 });
  const heard: [string, Verdict][] = [];
  const late: LimitQuestion["late"] = ({ key }, verdict) => void heard.push([key, verdict]);
  const question = (key: string): LimitQuestion => {
    return { key, algorithm: "fixed-window", limit: 1, windowMs: 60_000, late };
  };
  const ask = (key: string) => store.look({ key: undefined, tags: [], limits: [question(key)] });
  await ask("b");
  stores.redis.freeze();
  await expect(Promise.all([ask("a"), ask("b")])).rejects.toThrow("1000 ms");
  expect(heard).toEqual([]);
  stores.redis.thaw();
  await vi.waitFor(() => expect(heard).toHaveLength(2), { timeout: 20_000 });
  expect(heard).toMatchObject([
    ["a", { allowed: true, remaining: 0 }],
    ["b", { allowed: false }],
  ]);
});
