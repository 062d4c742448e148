// What is known of the limits on a route before anybody asks: their order (those of all routes first), the names that
// clients see, and how the keys of their quotas begin.

import type { Request } from "../http/message.ts";
import type { LimitQuestion } from "../store/store.ts";
import type { Clients } from "./client.ts";
import type { Trait } from "./whose.ts";

/** A limit as proxy.config.yaml states it (rateLimit, routes[].rateLimit). */
export interface RateLimit {
  /** How many requests are admitted in a window; token-bucket: how many tokens come in one. */
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  readonly algorithm: LimitQuestion["algorithm"];
  /** Token-bucket: how many tokens it holds; `limit` where left out. */
  readonly burst?: number | undefined;
  /** What tells clients apart. */
  readonly by: readonly Trait[];
  /** Requests that a sidecar takes from the store at once, to admit them without asking. */
  readonly reserve: number;
  /** Addresses, CIDRs, "loopback", "private": clients that are not counted. */
  readonly except: readonly string[];
  /** False: counted and logged, never refused, and clients are not told of it. */
  readonly enforce: boolean;
  /** While the store does not answer: count in this process alone, admit, or refuse with 503. */
  readonly onStoreFailure: "local" | "allow" | "deny";
}

export interface LimitedRoute {
  readonly id: string;
  readonly rateLimit?: readonly RateLimit[] | undefined;
}

export interface Plan {
  readonly limits: readonly PlannedLimit[];
  /** The value of RateLimit-Policy; empty: clients are told of no limit. */
  readonly policy: string;
}

/** What became of the requests that a limit was asked about. */
export interface LimitTally {
  allowed: number;
  refused: number;
}

export interface PlannedLimit {
  readonly rate: RateLimit;
  /** Of all the routes that have this limit. */
  readonly tally: LimitTally;
  /** As a structured-field string. */
  readonly name: string;
  /** How many requests its clients are told of, never fewer than are left, and in how many ms these come. */
  readonly quota: number;
  readonly quotaMs: number;
  /** With the client's part behind it, the key of its quota. */
  readonly keyPrefix: string;
  /** Whether a request is of a client that is not counted. undefined: all are. */
  readonly excepts: ((request: Request) => boolean) | undefined;
}

/** What planning needs besides the limits. */
export interface Planning {
  readonly clients: Pick<Clients, "among">;
  /** Where a limit of this name is counted. */
  readonly tally: (name: string) => LimitTally;
}

interface Scope {
  readonly rates: readonly RateLimit[];
  readonly name: string;
  readonly keyPrefix: string;
}

export function planFor(global: readonly RateLimit[], { id, rateLimit = [] }: LimitedRoute, planning: Planning): Plan {
  const scopes: Scope[] = [
    { rates: global, name: "global", keyPrefix: "g" },
    { rates: rateLimit, name: id, keyPrefix: `r${id}` },
  ];
  return planOf(scopes.flatMap((scope) => plannedIn(scope, planning)));
}

/** The plan for a request as its client's exceptions leave it; `plan` itself where they leave all of it. */
export function planWithout(plan: Plan, request: Request): Plan {
  if (!plan.limits.some(hasExceptions)) return plan;
  const isCounted = ({ excepts }: PlannedLimit) => excepts === undefined || !excepts(request);
  return plan.limits.every(isCounted) ? plan : planOf(plan.limits.filter(isCounted));
}

function hasExceptions({ excepts }: PlannedLimit): boolean {
  return excepts !== undefined;
}

/** Whole seconds, at least one: the draft knows no shorter window. */
export function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function planOf(limits: readonly PlannedLimit[]): Plan {
  const told = limits.filter(({ rate }) => rate.enforce);
  const policy = told.map(({ name, quota, quotaMs }) => `${name};q=${quota};w=${seconds(quotaMs)}`).join(", ");
  return { limits, policy };
}

// Several limits in one place are told apart by their number; no route's id has a "#".
function plannedIn({ rates, name, keyPrefix }: Scope, { clients, tally }: Planning): PlannedLimit[] {
  const kinds = rates.map(counting);
  const nameOf = (i: number) => (i === 0 ? name : `${name}#${i + 1}`);
  return rates.map((rate, i) => ({
    rate,
    tally: tally(nameOf(i)),
    name: structuredString(nameOf(i)),
    ...quotaOf(rate),
    keyPrefix: `${keyPrefix}|${kinds[i]}|${kinds.slice(0, i).filter((kind) => kind === kinds[i]).length}|`,
    excepts: rate.except.length === 0 ? undefined : clients.among(rate.except),
  }));
}

// A bucket may hold more than comes in a window: then it is told as all that it holds, in the time which that takes to come.
function quotaOf({ limit, window, burst = limit }: RateLimit): Pick<PlannedLimit, "quota" | "quotaMs"> {
  const quota = Math.max(limit, burst);
  return { quota, quotaMs: (window * quota) / limit };
}

/** Read from the right, no part of a key holds "|" but the route's id, so the key is injective. A quota counted otherwise
 * is another one: sidecars of an older configuration do not misread it. A raised limit counts on. */
function counting({ algorithm, window, by }: RateLimit): string {
  return `${algorithm}|${window}|${by.map(encodeURIComponent).join(",")}`;
}

/** RFC 9651 §3.3.3 allows printable ASCII only. */
function structuredString(text: string): string {
  const ascii = text.toWellFormed().replace(/[^ -~]+/g, encodeURIComponent);
  return `"${ascii.replace(/["\\]/g, "\\$&")}"`;
}
