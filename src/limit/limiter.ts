// May this request pass? What is asked of the store, and what follows from its verdicts, or from their absence. Counting
// is the store's (store/limits.ts, scripts/*.lua); who is asking is client.ts's and whose.ts's; what the client is told
// stands in quota-fields.ts.
//
// A request that one of its limits refuses takes nothing of the others. A limit that is not enforced never refuses.

import type { Fields, Request } from "../http/message.ts";
import type { LimitQuestion, Verdict } from "../store/store.ts";
import type { Clients } from "./client.ts";
import {
  type LimitedRoute,
  type LimitTally,
  type Plan,
  type PlannedLimit,
  planFor,
  planWithout,
  type RateLimit,
} from "./plan.ts";
import { policyFields, quotaFields, reset } from "./quota-fields.ts";
import { createRefusals, type Refusals } from "./refusals.ts";
import { createReserves, type Reserves } from "./reserves.ts";
import { whose } from "./whose.ts";

/** "local": counted by this process alone; "store-away": not counted, admitted or refused as the limits say; "excepted": the
 * client is not counted; "would-refuse": admitted only because the limit is not enforced. */
export type LimitOutcome =
  | "none"
  | "allowed"
  | "refused"
  | "refused-from-memory"
  | "local"
  | "store-away"
  | "excepted"
  | "would-refuse";

export interface Asked {
  /** For Store.look; empty where the route has no limit, or where all is known already. */
  readonly questions: readonly LimitQuestion[];
  /** The client is known to be over its limit: the store need not be asked, `judge` says the rest. */
  readonly refused: boolean;
  /** The limiter's own: what it is about, the key of each quota, and what is known of each without the store. */
  readonly plan: Plan;
  readonly keys: readonly string[];
  readonly known: readonly (Verdict | undefined)[];
  /** Epoch ms when it was asked. */
  readonly at: number;
}

export interface Judged {
  readonly allowed: boolean;
  readonly outcome: LimitOutcome;
  /** To be added to whatever response goes out. */
  readonly fields: Fields;
  /** 0 where allowed. */
  readonly retryAfterSeconds: number;
}

export interface Limiter {
  /** What is to be asked about a request. The route is known by identity: its limits must not change. */
  ask(request: Request, route: LimitedRoute): Asked;
  /** What follows from the verdicts on `asked.questions`; undefined: the store did not answer. Once for each `asked`. */
  judge(asked: Asked, verdicts: readonly Verdict[] | undefined): Judged;
}

interface LimiterOptions {
  /** Count for all routes together. */
  readonly global?: readonly RateLimit[] | undefined;
  readonly clients: Pick<Clients, "bucket" | "among">;
  /** Counts in this process while the store does not answer: createLimits of store/limits.ts. */
  readonly local: {
    charge(questions: readonly LimitQuestion[]): readonly Verdict[];
    /** Told what the store says, so that a client whose store falls silent does not begin anew. */
    readonly note?: (question: LimitQuestion, verdict: Verdict) => void;
  };
  /** Where a limit is counted, by its name: a route's id, with "#2" for its second limit, or "global". Left out: nobody asks. */
  readonly tally?: (name: string) => LimitTally;
  /** Epoch ms. */
  readonly now: () => number;
  /** Of a limiter before this one, whose limits were the same. */
  readonly memory?: LimiterMemory;
}

/** What is held of quotas in this process: it goes on where a limiter takes another one's place that has the same limits. */
export interface LimiterMemory {
  readonly refusals: Refusals;
  readonly reserves: Reserves;
}

export function createLimiterMemory(): LimiterMemory {
  return { refusals: createRefusals(), reserves: createReserves() };
}

interface Quota {
  readonly key: string;
  /** The end of the key. */
  readonly client: string;
  /** Epoch ms. */
  readonly at: number;
  readonly late: NonNullable<LimitQuestion["late"]>;
}

type Known = readonly (Verdict | undefined)[];

const NO_LIMITS: Plan = { limits: [], policy: "" };
const NOTHING: readonly never[] = Object.freeze([]);
const NOTHING_ASKED: Asked = { questions: [], refused: false, plan: NO_LIMITS, keys: [], known: [], at: 0 };
const NOT_LIMITED: Judged = { allowed: true, outcome: "none", fields: [], retryAfterSeconds: 0 };
const NOT_COUNTED: Judged = { ...NOT_LIMITED, outcome: "excepted" };

export function createLimiter(options: LimiterOptions): Limiter {
  const { global = [], clients, local, tally = () => ({ allowed: 0, refused: 0 }), now } = options;
  const plans = new WeakMap<LimitedRoute, Plan>();
  const { refusals, reserves } = options.memory ?? createLimiterMemory();

  function planOf(route: LimitedRoute): Plan {
    let plan = plans.get(route);
    if (plan === undefined) {
      plan = planFor(global, route, { clients, tally });
      plans.set(route, plan);
    }
    return plan;
  }

  function questionFor({ rate }: PlannedLimit, { key, client, at, late }: Quota): LimitQuestion {
    const { algorithm, limit, window, burst = limit, enforce, reserve } = rate;
    const extra = reserve > 1 && reserves.mayBring(key, at) ? reserve - 1 : 0;
    return { key, client, algorithm, limit, windowMs: window, burst, enforced: enforce, extra, late };
  }

  // Late verdicts too, of requests that were judged here meanwhile. Until the first of them comes, what this process admits
  // is its share of what it last heard was left, on top of what the others admit: so much a late store may over-admit.
  function heard(question: LimitQuestion, verdict: Verdict, at: number): void {
    local.note?.(question, verdict);
    if (question.extra) reserves.keep(question, verdict, at);
    if (!verdict.allowed && question.enforced) refusals.remember(question, verdict, at);
  }

  /** One of each quota that is held here already. */
  function spent({ limits }: Plan, keys: readonly string[], at: number): Known {
    if (!limits.some(isReserving)) return NOTHING;
    return keys.map((key, i) => ((limits[i]?.rate.reserve ?? 0) > 1 ? reserves.spend(key, at) : undefined));
  }

  function giveBack({ keys, known, at, refused }: Asked): void {
    if (refused) return;
    for (const [i, verdict] of known.entries()) if (verdict) reserves.restore(keys[i] ?? "", verdict, at);
  }

  /** What follows where the store did not answer. Nothing is charged where one of the limits says `deny`. */
  function judgeAlone(asked: Asked): Judged {
    const { plan, questions } = asked;
    const policies = unknown(asked).map((i) => plan.limits[i]?.rate);
    const isDenying = (rate: RateLimit | undefined) => rate?.onStoreFailure === "deny" && rate.enforce;
    if (policies.some(isDenying)) {
      giveBack(asked);
      for (const { rate, tally } of plan.limits) if (isDenying(rate)) tally.refused += 1;
      return { allowed: false, outcome: "store-away", fields: policyFields(plan), retryAfterSeconds: 1 };
    }
    const counted = questions.filter((_, i) => policies[i]?.onStoreFailure === "local");
    const said = local.charge(counted)[Symbol.iterator]();
    const verdicts = policies.map((rate) => (rate?.onStoreFailure === "local" ? said.next().value : undefined));
    return judged(asked, verdicts, counted.length > 0 ? "local" : "store-away");
  }

  function judged(asked: Asked, verdicts: Known, otherwise: "allowed" | "local" | "store-away"): Judged {
    const { plan } = asked;
    const all = together(asked, verdicts);
    const fields = quotaFields(plan, all);
    if (!all.some(isOver)) {
      for (const { tally } of plan.limits) tally.allowed += 1;
      return { allowed: true, outcome: otherwise, fields, retryAfterSeconds: 0 };
    }
    const refusing = all.filter((verdict, i): verdict is Verdict => {
      return isOver(verdict) && plan.limits[i]?.rate.enforce === true;
    });
    // Who is refused by one takes nothing of the others. One that is not enforced counts what it would refuse as refused.
    plan.limits.forEach(({ tally }, i) => {
      if (isOver(all[i])) tally.refused += 1;
      else if (refusing.length === 0) tally.allowed += 1;
    });
    if (refusing.length > 0) {
      giveBack(asked);
      const outcome = asked.refused ? "refused-from-memory" : otherwise === "allowed" ? "refused" : otherwise;
      return { allowed: false, outcome, fields, retryAfterSeconds: Math.max(...refusing.map(reset)) };
    }
    return { allowed: true, outcome: "would-refuse", fields, retryAfterSeconds: 0 };
  }

  return {
    ask(request, route) {
      if (global.length === 0 && route.rateLimit === undefined) return NOTHING_ASKED;
      const plan = planWithout(planOf(route), request);
      const at = now();
      const address = clients.bucket(request);
      // By map, here and below: a list that is pushed to takes room for 17.
      const clientsOf = plan.limits.map(({ rate }) => whose(rate.by, request, address));
      const keys = plan.limits.map(({ keyPrefix }, i) => keyPrefix + clientsOf[i]);
      const remembered = refusals.recall(keys, at);
      if (remembered !== undefined) return { questions: NOTHING, refused: true, plan, keys, known: remembered, at };
      const known = spent(plan, keys, at);
      const late = (question: LimitQuestion, verdict: Verdict) => heard(question, verdict, at);
      const questionOf = (limit: PlannedLimit, i: number) =>
        questionFor(limit, { key: keys[i] ?? "", client: clientsOf[i] ?? "", at, late });
      const questions =
        known.length === 0
          ? plan.limits.map(questionOf)
          : plan.limits.flatMap((limit, i) => (known[i] === undefined ? [questionOf(limit, i)] : []));
      return { questions, refused: false, plan, keys, known, at };
    },
    judge(asked, verdicts) {
      if (asked.plan.limits.length === 0) return asked.plan === NO_LIMITS ? NOT_LIMITED : NOT_COUNTED;
      if (asked.refused || asked.questions.length === 0) return judged(asked, NOTHING, "allowed");
      if (verdicts === undefined) return judgeAlone(asked);
      for (let i = 0; i < asked.questions.length; i++) {
        const question = asked.questions[i];
        const verdict = verdicts[i];
        if (question !== undefined && verdict !== undefined) heard(question, verdict, asked.at);
      }
      return judged(asked, verdicts, "allowed");
    },
  };
}

function isReserving({ rate }: PlannedLimit): boolean {
  return rate.reserve > 1;
}

function isOver(verdict: Verdict | undefined): boolean {
  return verdict?.allowed === false;
}

/** Which of the plan's limits the store was asked about, in the order of the questions. */
function unknown({ plan, known }: Asked): number[] {
  return plan.limits.map((_, i) => i).filter((i) => known[i] === undefined);
}

/** What is known and what was said, in the order of the plan's limits. */
function together(asked: Asked, said: Known): Known {
  if (asked.known.length === 0) return said;
  const all = [...asked.known];
  unknown(asked).forEach((i, place) => {
    all[i] = said[place];
  });
  return all;
}
