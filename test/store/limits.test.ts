// The limits of this process against models that keep every request and count; time is an argument.

import { describe, expect, test } from "vitest";
import { createLimits } from "../../src/store/limits.ts";
import type { LimitQuestion, Verdict } from "../../src/store/store.ts";
import fc from "../support/fast-check.ts";

const EPOCH = 1_700_000_000_000;

type Algorithm = LimitQuestion["algorithm"];

/** Charges one key; `at` is the time, to be turned. */
function turned(algorithm: Algorithm, { limit = 3, windowMs = 1000, max = 10 } = {}) {
  const clock = { at: EPOCH };
  const limits = createLimits({ now: () => clock.at, max });
  const charge = (key = "k"): Verdict => limits.charge([{ key, algorithm, limit, windowMs }])[0] as Verdict;
  return { clock, charge };
}

const scenario = fc.record({
  limit: fc.integer({ min: 1, max: 7 }),
  windowMs: fc.integer({ min: 1, max: 1000 }),
  steps: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 2500 })), {
    maxLength: 80,
  }),
});

describe("fixed-window", () => {
  test("admits the first `limit` requests of a window begun by the first, whatever the times", () => {
    fc.assert(
      fc.property(scenario, ({ limit, windowMs, steps }) => {
        const { clock, charge } = turned("fixed-window", { limit, windowMs });
        let began = Number.NEGATIVE_INFINITY;
        let asked = 0;
        for (const step of steps) {
          clock.at += step;
          if (clock.at - began >= windowMs) [began, asked] = [clock.at, 0];
          asked++;
          expect(charge()).toEqual({
            allowed: asked <= limit,
            remaining: Math.max(0, limit - asked),
            resetMs: began + windowMs - clock.at,
          });
        }
      }),
    );
  });

  test("a window begins with its first request, not with the epoch", () => {
    const { clock, charge } = turned("fixed-window", { limit: 1 });
    clock.at += 700;
    expect(charge()).toEqual({ allowed: true, remaining: 0, resetMs: 1000 });
    clock.at += 999;
    expect(charge()).toEqual({ allowed: false, remaining: 0, resetMs: 1 });
    clock.at += 1;
    expect(charge().allowed).toBe(true);
  });

  test("a clock that steps back gives no quota, and holds nobody longer than a window", () => {
    const { clock, charge } = turned("fixed-window", { limit: 1 });
    charge();
    clock.at -= 3_600_000;
    expect(charge()).toEqual({ allowed: false, remaining: 0, resetMs: 1000 });
  });
});

describe("sliding-window", () => {
  test("admits by the exact estimate over a log of all that was admitted", () => {
    fc.assert(
      fc.property(scenario, ({ limit, windowMs, steps }) => {
        const { clock, charge } = turned("sliding-window", { limit, windowMs });
        const admitted: number[] = [];
        for (const step of steps) {
          clock.at += step;
          const start = Math.floor(clock.at / windowMs) * windowMs;
          const within = (from: number) => admitted.filter((time) => time >= from && time < from + windowMs).length;
          const share = windowMs - (clock.at - start);
          const allowed = within(start - windowMs) * share + (within(start) + 1) * windowMs <= limit * windowMs;
          const verdict = charge();
          expect(verdict.allowed).toBe(allowed);
          if (allowed) admitted.push(clock.at);
        }
      }),
    );
  });

  test("never admits more than the limit in a window of the epoch", () => {
    fc.assert(
      fc.property(scenario, ({ limit, windowMs, steps }) => {
        const { clock, charge } = turned("sliding-window", { limit, windowMs });
        const windows = new Map<number, number>();
        for (const step of steps) {
          clock.at += step;
          const window = Math.floor(clock.at / windowMs);
          if (charge().allowed) windows.set(window, (windows.get(window) ?? 0) + 1);
        }
        expect(Math.max(0, ...windows.values())).toBeLessThanOrEqual(limit);
      }),
    );
  });

  test("a refusal tells the very millisecond of the next admission", () => {
    fc.assert(
      fc.property(scenario, ({ limit, windowMs, steps }) => {
        const { clock, charge } = turned("sliding-window", { limit, windowMs });
        for (const step of steps) {
          clock.at += step;
          const { allowed, resetMs } = charge();
          if (allowed) continue;
          clock.at += resetMs - 1;
          expect(charge()).toEqual({ allowed: false, remaining: 0, resetMs: 1 });
          clock.at += 1;
          expect(charge().allowed).toBe(true);
        }
      }),
    );
  });

  test("what remains is what would be admitted at once", () => {
    fc.assert(
      fc.property(scenario, ({ limit, windowMs, steps }) => {
        const { clock, charge } = turned("sliding-window", { limit, windowMs });
        for (const step of steps) {
          clock.at += step;
          const { remaining } = charge();
          for (let i = remaining; i-- > 0; ) expect(charge().allowed).toBe(true);
          expect(charge().allowed).toBe(false);
        }
      }),
    );
  });

  test("the window before counts by the share still covered", () => {
    const { clock, charge } = turned("sliding-window", { limit: 4 });
    for (let i = 0; i < 4; i++) charge();
    clock.at += 1500;
    expect(charge()).toEqual({ allowed: true, remaining: 1, resetMs: 500 });
    expect(charge()).toEqual({ allowed: true, remaining: 0, resetMs: 500 });
    expect(charge()).toEqual({ allowed: false, remaining: 0, resetMs: 250 });
  });

  test("a window left out makes all as new", () => {
    const { clock, charge } = turned("sliding-window", { limit: 4 });
    for (let i = 0; i < 4; i++) charge();
    clock.at += 2000;
    expect(charge().remaining).toBe(3);
  });

  test("a clock that steps back gives no quota", () => {
    const { clock, charge } = turned("sliding-window", { limit: 1 });
    charge();
    clock.at -= 3_600_000;
    expect(charge().allowed).toBe(false);
  });

  test("goes on where the store fell silent: what the window before counts for is not counted twice", () => {
    const rule: LimitQuestion = { key: "k", algorithm: "sliding-window", limit: 100, windowMs: 1000 };
    const clock = { at: EPOCH };
    const [store, local] = [1, 2].map(() => createLimits({ now: () => clock.at, max: 10 }));
    const ask = () => store?.charge([rule])[0] as Verdict;
    // 60 in a window, evenly.
    for (let i = 0; i < 150; i++) {
      clock.at = EPOCH + Math.ceil((i * 1000) / 60);
      local?.note(rule, ask());
    }
    const left = (limits = store) => {
      let admitted = 0;
      while (limits?.charge([rule])[0]?.allowed) admitted++;
      return admitted;
    };
    const alone = left(local);
    expect(alone).toBeLessThanOrEqual(left());
    expect(alone).toBeGreaterThan(30);
  });
});

describe.each<Algorithm>(["fixed-window", "sliding-window", "sliding-log", "token-bucket"])("%s", (algorithm) => {
  test("a limit of none refuses all, with an end to the wait", () => {
    const verdict = turned(algorithm, { limit: 0 }).charge();
    expect(verdict).toMatchObject({ allowed: false, remaining: 0 });
    expect(Number.isFinite(verdict.resetMs)).toBe(true);
  });

  test("the key longest unasked is forgotten when there are too many", () => {
    const { charge } = turned(algorithm, { limit: 1, max: 2 });
    charge("a");
    charge("b");
    expect(charge("a").allowed).toBe(false);
    charge("c");
    expect(charge("a").allowed).toBe(false);
    expect(charge("b").allowed).toBe(true);
  });
});

test("sliding-log remembers so much in all, not so much for each of so many clients", () => {
  let at = EPOCH;
  const limits = createLimits({ now: () => at, max: 100 });
  const charge = (key: string) => limits.charge([{ key, algorithm: "sliding-log", limit: 2000, windowMs: 60_000 }])[0];
  // Of 1600 requests each one weighs 51: the first is forgotten for the second.
  for (const key of ["first", "second"]) for (let i = 0; i < 1600; i++, at++) charge(key);
  expect(charge("second")?.remaining).toBe(399);
  expect(charge("first")?.remaining).toBe(1999);
  // What is past weighs nothing: then there is room for a hundred.
  at += 60_000;
  for (let i = 0; i < 100; i++) charge(`${i}`);
  expect(charge("0")?.remaining).toBe(1998);
});
