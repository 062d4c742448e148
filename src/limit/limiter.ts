// May this request pass, and what is its client told about its quota? What is asked of the store, what follows from
// its verdicts, or from their absence, and the fields of draft-ietf-httpapi-ratelimit-headers-11 beside the older
// X-RateLimit-*. Counting is the store's (store/limits.ts, scripts/*.lua); who is asking is client.ts's.

import type { Fields, Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import type { LimitQuestion, Verdict } from "../store/store.ts";
import type { Clients } from "./client.ts";
import { createRefusals } from "./refusals.ts";

/** A limit as proxy.config.yaml states it (rateLimit, routes[].rateLimit). */
export interface RateLimit {
  /** How many requests are admitted in a window. */
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  readonly algorithm: LimitQuestion["algorithm"];
  readonly by: "ip";
  /** While the store does not answer: count in this process alone, admit, or refuse with 503. */
  readonly onStoreFailure: "local" | "allow" | "deny";
}

export interface LimitedRoute {
  readonly id: string;
  readonly rateLimit?: RateLimit | undefined;
}

/** "local": counted by this process alone; "store-away": not counted, admitted or refused as the limits say. */
export type LimitOutcome = "none" | "allowed" | "refused" | "refused-from-memory" | "local" | "store-away";

export interface Asked {
  /** For Store.look; empty where the route has no limit, or where it is refused. */
  readonly questions: readonly LimitQuestion[];
  /** The client is known to be over its limit: the store need not be asked, `judge` says the rest. */
  readonly refused: boolean;
  /** The limiter's own: what `questions` are about, epoch ms when it was asked, what it remembers. */
  readonly plan: Plan;
  readonly at: number;
  readonly remembered: readonly (Verdict | undefined)[];
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
  /** What is to be asked about a request. The route is known by identity: its limit must not change. */
  ask(request: Request, route: LimitedRoute): Asked;
  /** What follows from the verdicts on `asked.questions`; undefined: the store did not answer. Once for each `asked`. */
  judge(asked: Asked, verdicts: readonly Verdict[] | undefined): Judged;
}

interface LimiterOptions {
  /** Counts for all routes together. */
  readonly global?: RateLimit | undefined;
  readonly clients: Pick<Clients, "bucket">;
  /** Counts in this process while the store does not answer: createLimits of store/limits.ts. */
  readonly local: {
    charge(question: LimitQuestion): Verdict;
    /** Told how many the store has admitted, so that a client whose store falls silent does not begin anew. */
    readonly note?: (question: LimitQuestion, admitted: number) => void;
  };
  /** Epoch ms. */
  readonly now: () => number;
}

/** What is known of a route's limits before any request. */
interface Plan {
  readonly limits: readonly PlannedLimit[];
  /** The value of RateLimit-Policy. */
  readonly policy: string;
}

interface PlannedLimit {
  readonly rate: RateLimit;
  /** As a structured-field string. */
  readonly name: string;
  /** With the client's bucket behind it, the key of its quota. */
  readonly keyPrefix: string;
}

const NO_LIMITS: Plan = { limits: [], policy: "" };
const NOTHING_ASKED: Asked = { questions: [], refused: false, plan: NO_LIMITS, at: 0, remembered: [] };
const NOT_LIMITED: Judged = { allowed: true, outcome: "none", fields: [], retryAfterSeconds: 0 };

export function createLimiter({ global, clients, local, now }: LimiterOptions): Limiter {
  const plans = new WeakMap<LimitedRoute, Plan>();
  const refusals = createRefusals();

  function planOf(route: LimitedRoute): Plan {
    let plan = plans.get(route);
    if (plan === undefined) {
      plan = planned(global, route);
      plans.set(route, plan);
    }
    return plan;
  }

  return {
    ask(request, route) {
      if (global === undefined && route.rateLimit === undefined) return NOTHING_ASKED;
      const plan = planOf(route);
      const at = now();
      const questions = questionsOf(plan, clients.bucket(request));
      const remembered = refusals.recall(questions, at);
      return remembered === undefined
        ? { questions, refused: false, plan, at, remembered: [] }
        : { questions: [], refused: true, plan, at, remembered };
    },
    judge(asked, verdicts) {
      const { plan } = asked;
      if (plan === NO_LIMITS) return NOT_LIMITED;
      if (asked.refused) return judged(plan, asked.remembered, "refused-from-memory");
      if (verdicts === undefined) return judgedAlone(asked, local);
      const isAllowed = verdicts.every((verdict) => verdict.allowed);
      if (local.note !== undefined) noteAll(asked, verdicts, local.note);
      if (!isAllowed) refusals.remember(asked, verdicts);
      return judged(plan, verdicts, isAllowed ? "allowed" : "refused");
    },
  };
}

function noteAll(
  { questions }: Asked,
  verdicts: readonly Verdict[],
  note: (question: LimitQuestion, admitted: number) => void,
): void {
  for (let i = 0; i < questions.length; i++) {
    const question = questions[i];
    const verdict = verdicts[i];
    if (question !== undefined && verdict !== undefined) note(question, question.limit - verdict.remaining);
  }
}

/** The response to a request that `judge` did not allow: 429, or 503 where the store is away and the limit says `deny`. */
export function tooMany({ outcome, fields, retryAfterSeconds }: Judged): Response {
  const withRetry = ["Retry-After", `${retryAfterSeconds}`, ...fields];
  return outcome === "store-away"
    ? problem(503, "The limits of this service cannot be checked at the moment.", withRetry)
    : problem(429, "More requests than this client is granted: Retry-After says when to ask again.", withRetry);
}

function planned(global: RateLimit | undefined, { id, rateLimit }: LimitedRoute): Plan {
  const limits: PlannedLimit[] = [];
  if (global !== undefined) limits.push({ rate: global, name: '"global"', keyPrefix: `g${counting(global)}` });
  if (rateLimit !== undefined) {
    limits.push({ rate: rateLimit, name: structuredString(id), keyPrefix: `r${id}${counting(rateLimit)}` });
  }
  const policy = limits.map(({ name, rate }) => `${name};q=${rate.limit};w=${seconds(rate.window)}`).join(", ");
  return { limits, policy };
}

/** Read from the right, no part holds "|" but the route's id, so the key is injective. A quota counted otherwise is
 * another one: sidecars of an older configuration do not misread it. */
function counting({ algorithm, window }: RateLimit): string {
  return `|${algorithm}|${window}|`;
}

/** RFC 9651 §3.3.3 allows printable ASCII only. */
function structuredString(text: string): string {
  const ascii = text.toWellFormed().replace(/[^ -~]+/g, encodeURIComponent);
  return `"${ascii.replace(/["\\]/g, "\\$&")}"`;
}

function questionsOf({ limits }: Plan, bucket: string): LimitQuestion[] {
  return limits.map(({ rate, keyPrefix }) => ({
    key: keyPrefix + bucket,
    algorithm: rate.algorithm,
    limit: rate.limit,
    windowMs: rate.window,
  }));
}

/** What follows where the store did not answer. Nothing is charged where one of the limits says `deny`. */
function judgedAlone({ questions, plan }: Asked, local: LimiterOptions["local"]): Judged {
  if (plan.limits.some(({ rate }) => rate.onStoreFailure === "deny")) {
    return { allowed: false, outcome: "store-away", fields: policyFields(plan), retryAfterSeconds: 1 };
  }
  const verdicts = questions.map((question, i) =>
    plan.limits[i]?.rate.onStoreFailure === "local" ? local.charge(question) : undefined,
  );
  const isCounted = verdicts.some((verdict) => verdict !== undefined);
  return judged(plan, verdicts, isCounted ? "local" : "store-away");
}

/** `verdicts` in the order of the plan's limits; undefined: this limit was not asked. */
function judged(plan: Plan, verdicts: readonly (Verdict | undefined)[], outcome: LimitOutcome): Judged {
  let items = "";
  let tightest: Verdict | undefined;
  let limit = 0;
  for (let i = 0; i < plan.limits.length; i++) {
    const verdict = verdicts[i];
    const of = plan.limits[i];
    if (verdict === undefined || of === undefined) continue;
    items += `${items === "" ? "" : ", "}${of.name};r=${left(verdict)};t=${reset(verdict)}`;
    if (tightest !== undefined && !isTighter(verdict, tightest)) continue;
    tightest = verdict;
    limit = of.rate.limit;
  }
  if (tightest === undefined) return { allowed: true, outcome, fields: policyFields(plan), retryAfterSeconds: 0 };
  return {
    allowed: tightest.allowed,
    outcome,
    fields: quotaFields({ plan, items, tightest, limit }),
    retryAfterSeconds: tightest.allowed ? 0 : reset(tightest),
  };
}

interface Quota {
  readonly plan: Plan;
  /** The value of RateLimit. */
  readonly items: string;
  readonly tightest: Verdict;
  /** The tightest one's. */
  readonly limit: number;
}

function quotaFields({ plan, items, tightest, limit }: Quota): string[] {
  return [
    "RateLimit-Policy",
    plan.policy,
    "RateLimit",
    items,
    "X-RateLimit-Limit",
    `${limit}`,
    "X-RateLimit-Remaining",
    `${left(tightest)}`,
    "X-RateLimit-Reset",
    `${reset(tightest)}`,
  ];
}

function policyFields(plan: Plan): Fields {
  return ["RateLimit-Policy", plan.policy];
}

/** A refusal before any quota, the longest one first, then the smallest quota. */
function isTighter(one: Verdict, other: Verdict): boolean {
  if (one.allowed !== other.allowed) return !one.allowed;
  if (one.allowed && one.remaining !== other.remaining) return one.remaining < other.remaining;
  return one.resetMs > other.resetMs;
}

function left({ allowed, remaining }: Verdict): number {
  return allowed ? remaining : 0;
}

/** Seconds. Never 0 for a refusal: who asked again at once would be refused again. */
function reset({ allowed, resetMs }: Verdict): number {
  return allowed ? Math.max(0, Math.ceil(resetMs / 1000)) : seconds(resetMs);
}

/** Whole seconds, at least one: the draft knows no shorter window. */
function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
