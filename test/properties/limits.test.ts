// The limits against exact models, over random arrivals under a clock that is turned, also backwards: what each algorithm
// promises of any stretch of time, and every verdict as a model gives it that remembers all.

import { describe, expect, test } from "vitest";
import { createLimits } from "../../src/store/limits.ts";
import type { Crowd, LimitQuestion, Verdict } from "../../src/store/store.ts";
import fc from "../support/fast-check.ts";

const EPOCH = 1_700_000_000_000;
const RUNS = { numRuns: 300 };

type Rule = Pick<LimitQuestion, "algorithm" | "limit" | "windowMs"> & { readonly burst: number };

const ALGORITHMS = ["fixed-window", "sliding-window", "sliding-log", "token-bucket"] as const;

const step = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 60 }),
  fc.integer({ min: 0, max: 2500 }),
  fc.integer({ min: 0, max: 20_000 }),
);
const arrivals = fc.array(step, { maxLength: 120 });

function ruleOf(algorithm: Rule["algorithm"]) {
  return fc.record({
    algorithm: fc.constant(algorithm),
    limit: fc.integer({ min: 1, max: 9 }),
    windowMs: fc.integer({ min: 1, max: 5000 }),
    burst: fc.integer({ min: 1, max: 12 }),
  });
}

/** Charges one quota; `at` is the time, to be turned. */
function turned(rule: Rule) {
  const clock = { at: EPOCH };
  const limits = createLimits({ now: () => clock.at, max: 10 });
  const charge = (crowd?: Crowd): Verdict => limits.charge([{ key: "k", ...rule }], crowd)[0] as Verdict;
  return { clock, limits, charge };
}

/** When requests were admitted. */
function admittedAt(rule: Rule, steps: readonly number[]): number[] {
  const { clock, charge } = turned(rule);
  return steps.flatMap((ms) => {
    clock.at += ms;
    return charge().allowed ? [clock.at] : [];
  });
}

function mostIn(times: readonly number[], windowMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + windowMs).length));
}

describe("never more are admitted than", () => {
  test("the limit in any window at all: sliding-log", () => {
    fc.assert(
      fc.property(ruleOf("sliding-log"), arrivals, (rule, steps) => {
        expect(mostIn(admittedAt(rule, steps), rule.windowMs)).toBeLessThanOrEqual(rule.limit);
      }),
      RUNS,
    );
  });

  test("the limit in a window of the epoch, twice as many in any: sliding-window", () => {
    fc.assert(
      fc.property(ruleOf("sliding-window"), arrivals, (rule, steps) => {
        const times = admittedAt(rule, steps);
        const windows = Map.groupBy(times, (time) => Math.floor(time / rule.windowMs));
        for (const within of windows.values()) expect(within.length).toBeLessThanOrEqual(rule.limit);
        expect(mostIn(times, rule.windowMs)).toBeLessThanOrEqual(2 * rule.limit);
      }),
      RUNS,
    );
  });

  test("the limit in a window that the first one admitted begins: fixed-window", () => {
    fc.assert(
      fc.property(ruleOf("fixed-window"), arrivals, (rule, steps) => {
        const times = admittedAt(rule, steps);
        for (let i = 0; i < times.length; ) {
          const ends = (times[i] ?? 0) + rule.windowMs;
          const within = times.slice(i).filter((time) => time < ends).length;
          expect(within).toBeLessThanOrEqual(rule.limit);
          i += within;
        }
      }),
      RUNS,
    );
  });

  test("the bucket holds and what came meanwhile, in any stretch of time: token-bucket", () => {
    fc.assert(
      fc.property(ruleOf("token-bucket"), arrivals, (rule, steps) => {
        const times = admittedAt(rule, steps);
        times.forEach((from, i) => {
          times.slice(i).forEach((to, between) => {
            expect((between + 1) * rule.windowMs).toBeLessThanOrEqual(
              rule.burst * rule.windowMs + (to - from) * rule.limit,
            );
          });
        });
      }),
      RUNS,
    );
  });

  test.each(ALGORITHMS)("the limit at one instant, the clock set back as often as it may: %s", (algorithm) => {
    const back = fc.integer({ min: 0, max: 3_600_000 });
    fc.assert(
      fc.property(ruleOf(algorithm), fc.array(back, { maxLength: 40 }), (rule, steps) => {
        const { clock, charge } = turned(rule);
        let admitted = 0;
        for (const ms of steps) {
          clock.at -= ms;
          if (charge().allowed) admitted++;
        }
        expect(admitted).toBeLessThanOrEqual(algorithm === "token-bucket" ? rule.burst : rule.limit);
      }),
      RUNS,
    );
  });
});

/** What is told, from nothing but the times of all that were admitted. */
interface Model {
  free(rule: Rule, admitted: readonly number[], now: number): number;
}

const MODELS: Record<"sliding-log" | "token-bucket", Model> = {
  "sliding-log": {
    free: ({ limit, windowMs }, admitted, now) => limit - admitted.filter((time) => time > now - windowMs).length,
  },
  "token-bucket": {
    // In parts of a token, 1/windowMs each.
    free({ limit, windowMs, burst }, admitted, now) {
      const full = burst * windowMs;
      let parts = full;
      let at = admitted[0] ?? now;
      for (const time of admitted) {
        parts = Math.min(full, parts + (time - at) * limit) - windowMs;
        at = time;
      }
      return Math.floor(Math.min(full, parts + (now - at) * limit) / windowMs);
    },
  },
};

describe.each(["sliding-log", "token-bucket"] as const)("%s", (algorithm) => {
  test("admits by the exact count over all that was admitted, and tells what is left", () => {
    fc.assert(
      fc.property(ruleOf(algorithm), arrivals, (rule, steps) => {
        const { clock, charge } = turned(rule);
        const admitted: number[] = [];
        for (const ms of steps) {
          clock.at += ms;
          const free = MODELS[algorithm].free(rule, admitted, clock.at);
          const verdict = charge();
          expect(verdict).toMatchObject({ allowed: free >= 1, remaining: Math.max(0, free - 1) });
          if (verdict.allowed) admitted.push(clock.at);
        }
      }),
      RUNS,
    );
  });

  test("a refusal tells the very millisecond of the next admission", () => {
    fc.assert(
      fc.property(ruleOf(algorithm), arrivals, (rule, steps) => {
        const { clock, charge } = turned(rule);
        for (const ms of steps) {
          clock.at += ms;
          const { allowed, resetMs } = charge();
          if (allowed) continue;
          clock.at += resetMs - 1;
          if (resetMs > 1) expect(charge()).toEqual({ allowed: false, remaining: 0, resetMs: 1 });
          clock.at += 1;
          expect(charge().allowed).toBe(true);
        }
      }),
      RUNS,
    );
  });
});

describe("several limits", () => {
  const rules = fc.array(
    fc
      .constantFrom(...ALGORITHMS)
      .chain(ruleOf)
      .chain((rule) => fc.boolean().map((enforced) => ({ ...rule, enforced }))),
    { minLength: 1, maxLength: 4 },
  );

  test("admit where all that are enforced would alone, and a refusal takes nothing of any", () => {
    fc.assert(
      fc.property(rules, arrivals, (several, steps) => {
        let at = EPOCH;
        const together = createLimits({ now: () => at, max: 10 });
        const alone = createLimits({ now: () => at, max: 10 });
        const questions = several.map((rule, i): LimitQuestion => ({ key: `${i}`, ...rule }));
        for (const ms of steps) {
          at += ms;
          const verdicts = together.charge(questions);
          const isAdmitted = verdicts.every(({ allowed }, i) => allowed || questions[i]?.enforced === false);
          questions.forEach((question, i) => {
            if (isAdmitted) expect(alone.charge([question])).toEqual([verdicts[i]]);
          });
        }
      }),
      RUNS,
    );
  });
});

describe("a limit shared out among those whose store is silent", () => {
  const crowds = fc.integer({ min: 1, max: 12 });

  test.each(ALGORITHMS)("is admitted once, exactly, where all ask at once: %s", (algorithm) => {
    fc.assert(
      fc.property(ruleOf(algorithm), crowds, (rule, size) => {
        const most = algorithm === "token-bucket" ? rule.burst : rule.limit;
        let admitted = 0;
        for (let place = 0; place < size; place++) {
          const { charge } = turned(rule);
          for (let i = 0; i < most + 1; i++) if (charge({ size, place }).allowed) admitted++;
        }
        expect(admitted).toBe(most);
      }),
      RUNS,
    );
  });

  test("is never passed in any window: sliding-log", () => {
    fc.assert(
      fc.property(
        ruleOf("sliding-log"),
        crowds,
        fc.array(arrivals, { minLength: 1, maxLength: 12 }),
        (rule, size, all) => {
          const times = all.slice(0, size).flatMap((steps, place) => {
            const { clock, charge } = turned(rule);
            return steps.flatMap((ms) => {
              clock.at += ms;
              return charge({ size, place }).allowed ? [clock.at] : [];
            });
          });
          expect(mostIn(times, rule.windowMs)).toBeLessThanOrEqual(rule.limit);
        },
      ),
      { numRuns: 100 },
    );
  });

  test.each(ALGORITHMS)("what the store had admitted before is not admitted again: %s", (algorithm) => {
    fc.assert(
      fc.property(ruleOf(algorithm), crowds, fc.nat(12), (rule, size, used) => {
        const most = algorithm === "token-bucket" ? rule.burst : rule.limit;
        const before = Math.min(used, most);
        let admitted = before;
        for (let place = 0; place < size; place++) {
          const { charge, limits } = turned(rule);
          const said = { allowed: true, remaining: most - before, resetMs: 1 };
          limits.note({ key: "k", ...rule }, said);
          for (let i = 0; i < most + 1; i++) if (charge({ size, place }).allowed) admitted++;
        }
        expect(admitted).toBe(most);
      }),
      RUNS,
    );
  });
});
