// May a request be answered with what is stored (RFC 9111 §4)? A pure decision; proxy.ts acts on it. Whether the store
// still lets a response be used (the fence) is `usable`; which response the request selects was settled by its key.

import { type CacheControl, parseCacheControl, seconds } from "../http/cache-control.ts";
import { field, has } from "../http/fields.ts";
import type { Request } from "../http/message.ts";
import { currentAge, staleness } from "./freshness.ts";
import type { CachePolicy } from "./policy.ts";
import { hasValidator, type StoredResponse } from "./stored-response.ts";

/** Why a request goes forward: the fwd parameter of Cache-Status (RFC 9211 §2.2). */
export type Forward = "bypass" | "method" | "uri-miss" | "vary-miss" | "request" | "stale";

export type Reuse =
  /** Used as it is. `ttl`: whole seconds of freshness left; negative where the client's max-stale takes it stale. */
  | { readonly kind: "fresh"; readonly stored: StoredResponse; readonly ttl: number }
  /** Used stale at once (`ttl` negative), and validated meanwhile. */
  | { readonly kind: "stale-while-revalidate"; readonly stored: StoredResponse; readonly ttl: number }
  /** The origin is asked, on a condition where the response has a validator. `staleIfError`: used stale where it fails. */
  | {
      readonly kind: "validate";
      readonly stored: StoredResponse;
      readonly reason: Forward;
      readonly staleIfError: boolean;
    }
  | { readonly kind: "forward"; readonly reason: Forward }
  /** only-if-cached, and nothing is: 504 (§5.2.1.7). */
  | { readonly kind: "unsatisfiable" };

export interface ReuseAsk {
  readonly request: Request;
  readonly stored: StoredResponse | undefined;
  /** False: invalidated since it was fetched. It may be validated, never used before that. */
  readonly usable: boolean;
  /** Seconds since a soft purge ended its freshness, where one did. */
  readonly endedFor?: number | undefined;
  readonly policy: CachePolicy;
  /** Epoch ms. */
  readonly now: number;
  /** Whether the key is known to have other variants. */
  readonly varies?: boolean;
}

export function reuse(ask: ReuseAsk): Reuse {
  const { request, stored } = ask;
  if (request.method !== "GET" && request.method !== "HEAD") return { kind: "forward", reason: "method" };
  if (request.content !== undefined || request.upgrade !== undefined || isForOrigin(request)) {
    return { kind: "forward", reason: "bypass" };
  }
  const cc = clientDirectives(ask);
  if (stored === undefined) return cc?.has("only-if-cached") ? UNSATISFIABLE : { kind: "forward", reason: missed(ask) };
  const age = currentAge(stored, ask.now);
  const stale = staleness(stored, ask);
  const ttl = Math.floor(0 - stale);
  const verdict = ask.usable ? judged(stored, { age, staleness: stale }, cc) : "stale";
  if (verdict === "fresh" || verdict === "stale-while-revalidate") return { kind: verdict, stored, ttl };
  if (cc?.has("only-if-cached")) return UNSATISFIABLE;
  const staleIfError = ask.usable && mayStandIn(stored, stale, cc);
  if (!staleIfError && !hasValidator(stored)) return { kind: "forward", reason: verdict };
  return { kind: "validate", stored, reason: verdict, staleIfError };
}

/** Whether the request is for a part of the representation (RFC 9110 §14.2: Range is defined for GET alone). */
export function isPartial(request: Request): boolean {
  return request.method === "GET" && has(request.fields, "range");
}

/**
 * Whether others may wait for the response to this request and share it: it is a plain GET, says nothing of no-store, and
 * carries no credentials that the key does not hold. Such a response may still be stored.
 */
export function isShareable(request: Request, policy: CachePolicy): boolean {
  const { method, fields } = request;
  if (method !== "GET" || request.content !== undefined || request.upgrade !== undefined) return false;
  if (has(fields, "authorization") && !policy.key.headers.some(isAuthorization)) return false;
  return !clientDirectives({ request, policy })?.has("no-store");
}

/** If-Match and If-Unmodified-Since are not for caches to evaluate (§4.3.2). */
function isForOrigin({ fields }: Request): boolean {
  return has(fields, "if-match") || has(fields, "if-unmodified-since");
}

const UNSATISFIABLE: Reuse = { kind: "unsatisfiable" };
const PRAGMA_NO_CACHE = parseCacheControl("no-cache");

function isAuthorization(name: string): boolean {
  return name.toLowerCase() === "authorization";
}

/** undefined: the client says nothing, or it does not count here. Pragma stands in for an absent Cache-Control (§5.4). */
function clientDirectives({ request, policy }: Pick<ReuseAsk, "request" | "policy">): CacheControl | undefined {
  if (policy.clientDirectives === "ignore") return undefined;
  const value = field(request.fields, "cache-control");
  if (value !== undefined) return parseCacheControl(value);
  const pragma = field(request.fields, "pragma");
  return pragma !== undefined && parseCacheControl(pragma).has("no-cache") ? PRAGMA_NO_CACHE : undefined;
}

function missed({ varies }: ReuseAsk): Forward {
  return varies === true ? "vary-miss" : "uri-miss";
}

/** "stale" and "request" say that the origin must be asked, and whose doing that is (RFC 9211 §2.2). */
function judged(
  stored: StoredResponse,
  { age, staleness }: { age: number; staleness: number },
  cc: CacheControl | undefined,
): "fresh" | "stale-while-revalidate" | "stale" | "request" {
  if (stored.alwaysValidate) return "stale";
  if (staleness < 0) return cc === undefined || allowsFresh(cc, age, -staleness) ? "fresh" : "request";
  if (cc !== undefined && !allowsStale(cc, age, staleness)) return "stale";
  if (cc?.has("max-stale") && !stored.mustRevalidate) return "fresh";
  return staleness < stored.staleWhileRevalidate ? "stale-while-revalidate" : "stale";
}

/** RFC 5861 §4: instead of an error, where response or route permit it and the client does not insist on the origin. */
function mayStandIn(stored: StoredResponse, staleness: number, cc: CacheControl | undefined): boolean {
  if (stored.staleIfError === 0 || stored.alwaysValidate) return false;
  return staleness < stored.staleIfError && !cc?.has("no-cache") && !cc?.has("no-store");
}

/** §5.2.1. What cannot be read is taken as the strictest. */
function allowsFresh(cc: CacheControl, age: number, left: number): boolean {
  if (cc.has("no-cache") || cc.has("no-store")) return false;
  if (cc.has("max-age") && age > (seconds(cc, "max-age") ?? -1)) return false;
  return !cc.has("min-fresh") || left >= (seconds(cc, "min-fresh") ?? Number.POSITIVE_INFINITY);
}

/** A client that states max-age or min-fresh wants nothing stale unless it states max-stale too (§5.2.1.1). */
function allowsStale(cc: CacheControl, age: number, staleness: number): boolean {
  if (!allowsFresh(cc, age, -staleness)) return false;
  if (!cc.has("max-stale")) return !cc.has("max-age");
  return cc.get("max-stale") === true || staleness <= (seconds(cc, "max-stale") ?? -1);
}
