import { describe, expect, it } from "vitest";
import { createReserves } from "../../src/limit/reserves.ts";
import fc from "../support/fast-check.ts";
import { from, rateLimit, sidecars } from "./sidecars.ts";

const route = (some = {}) => ({ id: "/", rateLimit: [rateLimit({ limit: 10, reserve: 4, ...some })] });

describe("a limit with a reserve", () => {
  it("asks the store once for so many, and counts them down for the client", () => {
    const world = sidecars();
    const { ask } = world.create();
    const fixed = route();
    const left = Array.from({ length: 10 }, () => ask(fixed).fields[3]);
    expect(world.trips).toHaveLength(3);
    expect(left).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((r) => `"/";r=${r};t=60`));
    expect(ask(fixed)).toMatchObject({ allowed: false, outcome: "refused" });
  });

  it("leaves the others what it has not taken, and no more", () => {
    const world = sidecars();
    const [one, two] = [world.create(), world.create()];
    const fixed = route();
    one?.ask(fixed);
    const admitted = Array.from({ length: 20 }, () => two?.ask(fixed)).filter((judged) => judged?.allowed);
    expect(admitted).toHaveLength(6);
    expect([1, 2, 3, 4].map(() => one?.ask(fixed).allowed)).toEqual([true, true, true, false]);
  });

  it("spends nothing after the window in which it was taken", () => {
    const world = sidecars();
    const { ask } = world.create();
    const fixed = route({ limit: 4 });
    ask(fixed);
    world.now += 60_000;
    expect(ask(fixed)).toMatchObject({ allowed: true });
    expect(world.trips).toHaveLength(2);
  });

  it("sends one at a time for more: those who ask meanwhile take one each", () => {
    const world = sidecars();
    const { limiter } = world.create();
    const fixed = route();
    const asked = [1, 2, 3].map(() => limiter.ask(from(), fixed));
    expect(asked.map(({ questions }) => questions[0]?.extra)).toEqual([3, 0, 0]);
  });

  it("sends another where the first has not come back for a second", () => {
    const world = sidecars();
    const { limiter } = world.create();
    const fixed = route();
    limiter.ask(from(), fixed);
    world.now += 1000;
    expect(limiter.ask(from(), fixed).questions[0]?.extra).toBe(3);
  });

  it("gets its own back where another limit refuses", () => {
    const world = sidecars();
    const { ask } = world.create({ global: [rateLimit({ limit: 2, window: 1000 })] });
    const fixed = route();
    let admitted = 0;
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 3; i++) if (ask(fixed).allowed) admitted++;
      world.now += 1000;
    }
    expect(admitted).toBe(10);
  });

  it("does not get back into a later window what was charged to an earlier one", () => {
    const reserves = createReserves();
    const question = { key: "k", windowMs: 1000 };
    const bring = (resetMs: number, taken: number, at: number) =>
      reserves.keep(question, { allowed: true, remaining: taken, resetMs, taken }, at);
    bring(1000, 1, 0);
    const spent = reserves.spend("k", 999);
    // Asked for at 990, taken when the first window had ended: the second one ends at 2005.
    bring(1000, 3, 990);
    if (spent) reserves.restore("k", spent, 999);
    expect([1, 2, 3, 4].map(() => reserves.spend("k", 1000)?.allowed)).toEqual([true, true, true, undefined]);
  });

  it("is not admitted once more by a sidecar whose store falls silent", () => {
    const world = sidecars();
    const { ask } = world.create();
    const fixed = route();
    ask(fixed);
    world.away = true;
    expect(Array.from({ length: 20 }, () => ask(fixed)).filter(({ allowed }) => allowed)).toHaveLength(9);
  });

  it("goes on spending what it holds while the store is away", () => {
    const world = sidecars();
    const { ask } = world.create();
    const fixed = route({ onStoreFailure: "deny" });
    ask(fixed);
    world.away = true;
    expect([1, 2, 3, 4].map(() => ask(fixed).allowed)).toEqual([true, true, true, false]);
  });

  it("never admits more than the limit in a window, whoever asks when", () => {
    const step = fc.record({ ms: fc.oneof(fc.constant(0), fc.nat(400), fc.nat(3000)), who: fc.nat(2) });
    fc.assert(
      fc.property(
        fc.constantFrom("fixed-window" as const, "sliding-window" as const),
        fc.record({ limit: fc.integer({ min: 1, max: 12 }), reserve: fc.integer({ min: 1, max: 12 }) }),
        fc.array(step, { maxLength: 150 }),
        (algorithm, numbers, steps) => {
          const world = sidecars();
          const all = Array.from({ length: 3 }, () => world.create());
          const fixed = { id: "/", rateLimit: [rateLimit({ ...numbers, algorithm, window: 1000 })] };
          const times: number[] = [];
          for (const { ms, who } of steps) {
            world.now += ms;
            if (all[who]?.ask(fixed).allowed) times.push(world.now);
          }
          const windowOf =
            algorithm === "sliding-window" ? (time: number) => Math.floor(time / 1000) : windowsBegunBy(times, 1000);
          for (const within of Map.groupBy(times, windowOf).values()) {
            expect(within.length).toBeLessThanOrEqual(numbers.limit);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** In which window a request was admitted, where each begins with the first one after the last has ended. */
function windowsBegunBy(times: readonly number[], windowMs: number): (time: number) => number {
  const begins: number[] = [];
  for (const time of times) if (time >= (begins.at(-1) ?? Number.NEGATIVE_INFINITY) + windowMs) begins.push(time);
  return (time) => begins.findLastIndex((begin) => begin <= time);
}
