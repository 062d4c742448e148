// What is a client told about its quota? The fields of draft-ietf-httpapi-ratelimit-headers-11 beside the older
// X-RateLimit-*, and the response to a request that is refused. A limit that is not enforced is nothing to a client.

import type { Fields, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import type { Verdict } from "../store/store.ts";
import type { Judged } from "./limiter.ts";
import { type Plan, type PlannedLimit, seconds } from "./plan.ts";

/** The response to a request that `judge` did not allow: 429, or 503 where the store is away and the limit says `deny`. */
export function tooMany({ outcome, fields, retryAfterSeconds }: Judged): Response {
  const withRetry = ["Retry-After", `${retryAfterSeconds}`, ...fields];
  return outcome === "store-away"
    ? problem(503, "The limits of this service cannot be checked at the moment.", withRetry)
    : problem(429, "More requests than this client is granted: Retry-After says when to ask again.", withRetry);
}

export function policyFields(plan: Plan): Fields {
  return plan.policy === "" ? [] : ["RateLimit-Policy", plan.policy];
}

/** `verdicts` in the order of the plan's limits; undefined: this limit was not asked, and nothing is known of it. The
 * older fields tell of the tightest one of those that refuse, or of all where none does. */
export function quotaFields(plan: Plan, verdicts: readonly (Verdict | undefined)[]): Fields {
  let items = "";
  let tightest: Verdict | undefined;
  let of: PlannedLimit | undefined;
  for (let i = 0; i < plan.limits.length; i++) {
    const verdict = verdicts[i];
    const limit = plan.limits[i];
    if (verdict === undefined || limit?.rate.enforce !== true) continue;
    items += `${items === "" ? "" : ", "}${limit.name};r=${left(verdict)};t=${reset(verdict)}`;
    if (tightest !== undefined && !isTighter(verdict, tightest)) continue;
    tightest = verdict;
    of = limit;
  }
  if (tightest === undefined || of === undefined) return policyFields(plan);
  return [
    "RateLimit-Policy",
    plan.policy,
    "RateLimit",
    items,
    "X-RateLimit-Limit",
    `${of.quota}`,
    "X-RateLimit-Remaining",
    `${left(tightest)}`,
    "X-RateLimit-Reset",
    `${reset(tightest)}`,
  ];
}

/** Seconds. Never 0 for a refusal: who asked again at once would be refused again. */
export function reset({ allowed, resetMs }: Verdict): number {
  return allowed ? Math.max(0, Math.ceil(resetMs / 1000)) : seconds(resetMs);
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
