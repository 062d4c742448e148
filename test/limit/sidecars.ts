// Limiters of several sidecars before one store in the test's hands, and a clock to turn.

import type { Request } from "../../src/http/message.ts";
import { createClients } from "../../src/limit/client.ts";
import { createLimiter, type Judged, type Limiter } from "../../src/limit/limiter.ts";
import type { LimitedRoute, RateLimit } from "../../src/limit/plan.ts";
import { createLimits } from "../../src/store/limits.ts";
import type { LimitQuestion, Verdict } from "../../src/store/store.ts";

export const START = 1_800_000_000_000;

export function rateLimit(some: Partial<RateLimit> = {}): RateLimit {
  const rest = { by: ["ip"], reserve: 1, except: [], enforce: true, onStoreFailure: "local" } as const;
  return { limit: 3, window: 60_000, algorithm: "fixed-window", ...rest, ...some };
}

interface From {
  readonly peer?: string;
  /** Name, value, name, value. */
  readonly fields?: readonly string[];
}

export function from({ peer = "203.0.113.7", fields = [] }: From = {}): Request {
  const rest = { content: undefined, signal: new AbortController().signal, upgrade: undefined };
  return { method: "GET", scheme: "http", authority: "example.com", target: "/", fields, peer, ...rest };
}

export interface Sidecar {
  readonly limiter: Limiter;
  /** One request, from asking to judging. */
  ask(route: LimitedRoute, from?: From): Judged;
}

export interface Sidecars {
  now: number;
  /** The store does not answer. */
  away: boolean;
  /** What the store was asked: the questions of each trip. */
  readonly trips: (readonly LimitQuestion[])[];
  /** What the store says, `extra` taken. */
  charge(questions: readonly LimitQuestion[]): Verdict[];
  create(options?: { global?: readonly RateLimit[]; trusted?: readonly string[] }): Sidecar;
}

export function sidecars(): Sidecars {
  const world: Sidecars = { now: START, away: false, trips: [], charge, create };
  const now = () => world.now;
  const store = createLimits({ now, max: 1000 });

  function charge(questions: readonly LimitQuestion[]): Verdict[] {
    world.trips.push(questions);
    const verdicts = store.charge(questions);
    const isAdmitted = verdicts.every(({ allowed }, i) => allowed || questions[i]?.enforced === false);
    return verdicts.map((verdict, i) => {
      const question = questions[i];
      if (!question?.extra || !isAdmitted || !verdict.allowed) return verdict;
      let taken = 0;
      while (taken < question.extra && store.charge([question])[0]?.allowed) taken++;
      return { ...verdict, taken };
    });
  }

  function create({ global = [], trusted = [] }: Parameters<Sidecars["create"]>[0] = {}): Sidecar {
    const limiter = createLimiter({
      global,
      clients: createClients(trusted),
      local: createLimits({ now, max: 1000 }),
      now,
    });
    return {
      limiter,
      ask(route, by) {
        const asked = limiter.ask(from(by), route);
        if (asked.questions.length === 0) return limiter.judge(asked, world.away ? undefined : []);
        return limiter.judge(asked, world.away ? undefined : charge(asked.questions));
      },
    };
  }

  return world;
}
