// May a response be stored, and as what (RFC 9111 §3)? Every "no" is a reason that is also shown in Cache-Status and
// in the log. Whether its content arrived whole and small enough is for the caller to see; the words for that are here.

import { type CacheControl, parseCacheControl, seconds } from "../http/cache-control.ts";
import { formatHttpDate } from "../http/date.ts";
import { field, has, members, without } from "../http/fields.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { directivesOf, isForWhole, withheldNames } from "./directives.ts";
import { currentAge, type Freshness, type FreshnessAsk, freshnessLifetime, initialAge } from "./freshness.ts";
import type { CachePolicy } from "./policy.ts";
import { hasValidator, type StoredHead, type StoredResponse } from "./stored-response.ts";
import { KNOWN_CODINGS, varyNames } from "./vary.ts";

/** Why not. All are RFC 8941 tokens. */
export type NotStorable =
  | "method" // only GET is understood
  | "request-content" // content in a GET is not keyed
  | "request" // its no-store, §5.2.1.5
  | "partial" // 206, or 416: for nobody but who asked for that part
  | "status" // not final, 304, or not understood and must-understand
  | "no-store" // §5.2.2.5
  | "private" // §5.2.2.7
  | "authorization" // §3.5
  | "set-cookie"
  | "vary-star" // §4.1: no request can be known to match
  | "vary-forwarded" // varies by what this proxy itself says of each client
  | "too-many-vary-names"
  | "content-coding" // varies by Accept-Encoding, in a coding its classes do not know
  | "no-freshness" // nobody states any, and it is of no use stale
  | "oversize" // decided by the caller
  | "incomplete"; // decided by the caller

export type Storing =
  | { readonly kind: "storable"; readonly stored: StoredHead }
  | { readonly kind: "not-storable"; readonly reason: NotStorable };

export interface StoringAsk {
  readonly request: Pick<Request, "method" | "fields" | "content">;
  /** Hop-by-hop fields removed, Age still there. After a 304: the freshened response. */
  readonly response: Pick<Response, "status" | "fields" | "targeted" | "ownTags">;
  readonly policy: CachePolicy;
  /** Epoch ms: the request went out, the response's head came in. */
  readonly requestTime: number;
  readonly responseTime: number;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

/** Decides once the head is there; `complete` adds the body. */
export function storing(ask: StoringAsk): Storing {
  const directives = directivesOf(ask.response);
  const { cc } = directives;
  const reason = refusedByRequest(ask) ?? refusedByStatus(ask.response.status, cc) ?? refusedByResponse(ask, cc);
  if (reason !== undefined) return { kind: "not-storable", reason };
  const { status, fields, targeted, ownTags } = ask.response;
  const { policy, requestTime, responseTime, random } = ask;
  const freshnessAsk = { status, fields, targeted, ownTags, directives, policy, requestTime, responseTime, random };
  const freshness = freshnessLifetime(freshnessAsk);
  if (freshness === undefined) return { kind: "not-storable", reason: "no-freshness" };
  const stored = storedHead(freshnessAsk, freshness);
  if (!isOfUse(stored)) return { kind: "not-storable", reason: "no-freshness" };
  return { kind: "storable", stored };
}

/**
 * A stored response from its head and its whole body: one Content-Length, that of the body, stands for whatever framing
 * it arrived in (none for 204, RFC 9110 §8.6).
 */
export function complete(head: StoredHead, body: Uint8Array): StoredResponse {
  const fields = without(head.fields, FRAMING);
  if (head.status !== 204) fields.push("Content-Length", String(body.byteLength));
  return { ...head, fields, body };
}

/** What is kept of a response that has `freshness`. */
export function storedHead(ask: FreshnessAsk, freshness: Freshness): StoredHead {
  const { status, targeted, ownTags = NONE, directives, policy, requestTime, responseTime } = ask;
  const names = varyNames(ask.fields);
  const fields = keptFields(ask);
  return {
    status,
    fields,
    requestTime,
    responseTime,
    initialAge: initialAge(ask),
    lifetime: freshness.lifetime,
    ...staleUses(directives.cc, policy, freshness),
    targeted,
    ownTags,
    etag: field(fields, "etag"),
    lastModified: field(fields, "last-modified"),
    names: names === "*" ? [] : names,
  };
}

const NONE: readonly string[] = Object.freeze([]);
/** More would make each request's variant key long and its variants many. */
const MAX_VARY_NAMES = 10;
/** Set by http/forwarding.ts for each client; scheme and authority are in the key. */
const FORWARDED: ReadonlySet<string> = new Set(["forwarded", "x-forwarded-for", "x-request-id", "via"]);
const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "trailer"]);
/** Age is told anew each time. */
const NOT_KEPT = ["age"];
/** The final statuses whose caching requirements are known here (§3, must-understand, §5.2.2.3). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
  411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505,
]);
/** About the client or its connection: never stored (RFC 6585). */
const OF_THE_CLIENT: ReadonlySet<number> = new Set([428, 429, 431, 511]);

function refusedByRequest({ request, policy }: StoringAsk): NotStorable | undefined {
  if (request.method !== "GET") return "method";
  if (request.content !== undefined) return "request-content";
  if (policy.clientDirectives === "ignore") return undefined;
  return parseCacheControl(field(request.fields, "cache-control")).has("no-store") ? "request" : undefined;
}

function refusedByStatus(status: number, cc: CacheControl): NotStorable | undefined {
  if (status === 206 || status === 416) return "partial";
  if (status < 200 || status > 599 || status === 304 || OF_THE_CLIENT.has(status)) return "status";
  return cc.has("must-understand") && !UNDERSTOOD.has(status) ? "status" : undefined;
}

function refusedByResponse(ask: StoringAsk, cc: CacheControl): NotStorable | undefined {
  // must-understand is there for caches that know it: they pass over the no-store beside it (§5.2.2.3).
  if (cc.has("no-store") && cc.get("must-understand") !== true) return "no-store";
  if (isForWhole(cc, "private")) return "private";
  if (has(ask.request.fields, "authorization") && !isForAnybody(cc)) return "authorization";
  if (setsCookie(ask, cc)) return "set-cookie";
  return refusedByVary(ask);
}

/** §3.5: what permits storing the answer to a request with Authorization. What cannot be read permits nothing. */
function isForAnybody(cc: CacheControl): boolean {
  return cc.get("public") === true || cc.get("must-revalidate") === true || seconds(cc, "s-maxage") !== undefined;
}

/**
 * Whether a cookie would go to everybody. That does not bar storing (§7.3), and `public` would allow it; but few origins
 * that set a cookie mean the next client to have it too, so that the route must allow it as well.
 */
function setsCookie({ response, policy }: StoringAsk, cc: CacheControl): boolean {
  if (policy.setCookie !== "refuse" || !has(response.fields, "set-cookie")) return false;
  return !withheldNames(cc).includes("set-cookie");
}

function refusedByVary({ response, policy }: StoringAsk): NotStorable | undefined {
  const names = varyNames(response.fields);
  if (names === "*") return "vary-star";
  if (names.length > MAX_VARY_NAMES) return "too-many-vary-names";
  if (names.some((name) => FORWARDED.has(name))) return "vary-forwarded";
  const isByCoding = (name: string) => name.toLowerCase() === "accept-encoding";
  const isClassed = names.some(isByCoding) || policy.key.headers.some(isByCoding);
  return isClassed && !isKnownCoding(response.fields) ? "content-coding" : undefined;
}

function isKnownCoding(fields: Fields): boolean {
  const codings = members((field(fields, "content-encoding") ?? "").toLowerCase());
  return codings.every((coding) => coding === "identity" || KNOWN_CODINGS.includes(coding.replace(/^x-/, "")));
}

/** The lower-case names of the fields that are for nobody but the client whose request brought them. */
export function ownNames(cc: CacheControl, policy: CachePolicy): readonly string[] {
  const names = withheldNames(cc);
  return policy.setCookie === "strip" ? [...names, "set-cookie"] : names;
}

/** Without what is not for everybody, and with a Date (RFC 9110 §6.6.1). */
function keptFields({ fields, directives, policy, responseTime }: FreshnessAsk): Fields {
  const kept = without(fields, new Set([...NOT_KEPT, ...ownNames(directives.cc, policy)]));
  if (!has(kept, "date")) kept.push("Date", formatHttpDate(responseTime));
  return kept;
}

type StaleUses = Pick<StoredHead, "alwaysValidate" | "mustRevalidate" | "staleWhileRevalidate" | "staleIfError">;

/**
 * §4.2.4, RFC 5861. A lifetime that the route set over the origin's takes the place of its no-cache and s-maxage too.
 *
 * A departure: s-maxage implies proxy-revalidate (§5.2.2.10), yet where the same response states stale-while-revalidate
 * or stale-if-error those hold; an origin that writes both has said which stale use it means. The route's never hold then.
 */
function staleUses(cc: CacheControl, policy: CachePolicy, freshness: Freshness): StaleUses {
  const isOverridden = policy.override && freshness.statedBy === "route";
  const alwaysValidate = isForWhole(cc, "no-cache") && !isOverridden;
  const isForbidden = alwaysValidate || cc.has("must-revalidate") || cc.has("proxy-revalidate");
  const isShared = cc.has("s-maxage") && !isOverridden;
  const window = (name: string, route: number) => {
    if (isForbidden) return 0;
    return cc.has(name) ? (seconds(cc, name) ?? 0) : isShared ? 0 : route;
  };
  return {
    alwaysValidate,
    mustRevalidate: isForbidden || isShared,
    staleWhileRevalidate: window("stale-while-revalidate", policy.staleWhileRevalidate),
    staleIfError: window("stale-if-error", policy.staleIfError),
  };
}

/** Whether anything can be done with it later: used fresh; or, unless it is an error, used stale or validated. */
function isOfUse(stored: StoredHead): boolean {
  if (!stored.alwaysValidate && stored.lifetime > currentAge(stored, stored.responseTime)) return true;
  if (stored.status >= 400) return false;
  return hasValidator(stored) || stored.staleIfError > 0 || stored.staleWhileRevalidate > 0;
}
