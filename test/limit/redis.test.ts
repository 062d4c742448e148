// Limiters of three sidecars on a real Redis: what they admit together, with a reserve, and while Redis is silent.

import { beforeEach, describe, expect, test, vi } from "vitest";
import { createClients } from "../../src/limit/client.ts";
import { createLimiter, type Judged } from "../../src/limit/limiter.ts";
import type { LimitedRoute } from "../../src/limit/plan.ts";
import { createLimits } from "../../src/store/limits.ts";
import type { RedisStore } from "../../src/store/redis.ts";
import { redisStores } from "../support/redis-stores.ts";
import { from, rateLimit } from "./sidecars.ts";

const stores = redisStores();
/** In which no window ends, and no token comes, while a test runs. */
const LONG = 864_000_000;

beforeEach(() => stores.redis.flush());

interface Sidecar {
  readonly store: RedisStore<string>;
  trips: number;
  ask(route: LimitedRoute): Promise<Judged>;
}

async function sidecar(deadline = 5000): Promise<Sidecar> {
  const store = await stores.connected({ deadline });
  const counts = createLimits({ now: Date.now, max: 100 });
  const limiter = createLimiter({
    clients: createClients([]),
    local: { charge: (questions) => counts.charge(questions, store.crowd()), note: counts.note },
    now: Date.now,
  });
  const self: Sidecar = {
    store,
    trips: 0,
    async ask(route) {
      const asked = limiter.ask(from(), route);
      if (asked.questions.length === 0) return limiter.judge(asked, []);
      self.trips++;
      const look = async () => store.look({ key: undefined, tags: [], limits: asked.questions });
      const reading = await look().catch(() => undefined);
      return limiter.judge(asked, reading?.verdicts);
    },
  };
  return self;
}

function admitted(judged: readonly Judged[]): number {
  return judged.filter(({ allowed }) => allowed).length;
}

describe("three sidecars with a reserve", () => {
  const route = { id: "/", rateLimit: [rateLimit({ limit: 300, window: LONG, reserve: 20 })] };

  test("admit the limit, less what is not spent, and ask far less often", async () => {
    const all = await Promise.all([sidecar(), sidecar(), sidecar()]);
    let count = 0;
    for (let i = 0; i < 500; i++) count += admitted([(await all[i % 3]?.ask(route)) as Judged]);
    expect(count).toBe(300);
    expect(all.reduce((sum, { trips }) => sum + trips, 0)).toBeLessThanOrEqual(300 / 20 + 3);
  });

  test("never admit more, all asking at once", async () => {
    const all = await Promise.all([sidecar(), sidecar(), sidecar()]);
    const asked = all.flatMap(({ ask }) => Array.from({ length: 300 }, () => ask(route)));
    const count = admitted(await Promise.all(asked));
    expect(count).toBeLessThanOrEqual(300);
    expect(count).toBeGreaterThan(300 - 3 * 20);
  });
});

describe("while Redis is silent, three sidecars", () => {
  async function silenced(): Promise<Sidecar[]> {
    const all = await Promise.all([sidecar(500), sidecar(500), sidecar(500)]);
    await vi.waitFor(() => expect(all.map(({ store }) => store.crowd().size)).toEqual([3, 3, 3]), { timeout: 5000 });
    return all;
  }

  test.each(["fixed-window", "sliding-window", "sliding-log", "token-bucket"] as const)(
    "admit the limit together, shared out among them: %s",
    async (algorithm) => {
      const route = { id: "/", rateLimit: [rateLimit({ limit: 100, window: LONG, algorithm })] };
      const all = await silenced();
      stores.redis.freeze();
      const asked = await Promise.all(all.flatMap(({ ask }) => Array.from({ length: 100 }, () => ask(route))));
      expect(new Set(asked.map(({ outcome }) => outcome))).toEqual(new Set(["local"]));
      expect(admitted(asked)).toBe(100);
    },
  );

  test("admit what Redis had left, as far as each of them has heard", async () => {
    const route = { id: "/", rateLimit: [rateLimit({ limit: 100, window: LONG })] };
    const all = await silenced();
    for (const { ask } of all) for (let i = 0; i < 20; i++) expect((await ask(route)).outcome).toBe("allowed");
    for (const { ask } of all) await ask(route); // the last of them has heard of all 63, the first of 61
    stores.redis.freeze();
    const asked = await Promise.all(all.flatMap(({ ask }) => Array.from({ length: 100 }, () => ask(route))));
    expect(admitted(asked)).toBeLessThanOrEqual(100 - 61);
    expect(admitted(asked)).toBeGreaterThanOrEqual(100 - 63);
  });

  test("of a limit smaller than they are many admit that many", async () => {
    const route = { id: "/", rateLimit: [rateLimit({ limit: 2, window: LONG })] };
    const all = await silenced();
    stores.redis.freeze();
    expect(admitted(await Promise.all(all.flatMap(({ ask }) => [ask(route), ask(route)])))).toBe(2);
  });
});

test("a sidecar whose Redis always answers late goes by what it hears late", async () => {
  const route = { id: "/", rateLimit: [rateLimit({ limit: 30, window: LONG })] };
  const [one, other] = await Promise.all([sidecar(20), sidecar()]);
  expect(admitted(await Promise.all(Array.from({ length: 25 }, () => other.ask(route))))).toBe(25);
  const outcomes: string[] = [];
  for (let round = 0; round < 8; round++) {
    stores.redis.freeze();
    outcomes.push((await one.ask(route)).outcome);
    stores.redis.thaw();
    // Answers come in the order of asking: when this one is there, so is the late one.
    const look = async () => one.store.look({ key: undefined, tags: [], limits: [] });
    await vi.waitFor(look, { timeout: 5000, interval: 5 });
  }
  expect(outcomes[0]).toBe("local");
  expect(outcomes.at(-1)).toBe("refused-from-memory");
  expect(outcomes.indexOf("refused-from-memory")).toBeLessThanOrEqual(6);
});
