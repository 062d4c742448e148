// For how long is a response fresh, and how old is it (RFC 9111 §4.2)? Seconds throughout, clocks in epoch ms. What
// stale responses may still be used for is decided in storing.ts (permission) and reuse.ts (the moment).

import { seconds } from "../http/cache-control.ts";
import { parseHttpDate } from "../http/date.ts";
import { field, members } from "../http/fields.ts";
import type { Fields } from "../http/message.ts";
import { type Directives, isForWhole } from "./directives.ts";
import type { CachePolicy } from "./policy.ts";
import { hasValidator, type StoredHead } from "./stored-response.ts";

export interface FreshnessAsk {
  readonly status: number;
  readonly fields: Fields;
  /** Its Forebay-Cache-Control. */
  readonly targeted: string | undefined;
  /** Tags that it named itself, where it did. */
  readonly ownTags?: readonly string[] | undefined;
  /** Those that hold for it. */
  readonly directives: Directives;
  readonly policy: CachePolicy;
  /** Epoch ms. */
  readonly requestTime: number;
  readonly responseTime: number;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

export interface Freshness {
  /** freshness_lifetime, seconds. */
  readonly lifetime: number;
  /** Who stated it. "route" also outranks the response's no-cache, where it is there by `override`. */
  readonly statedBy: "origin" | "heuristic" | "route";
}

/** One that states a lifetime, and by what. */
export interface Claim extends Freshness {
  readonly by: "s-maxage" | "max-age" | "expires" | "no-cache" | "heuristic" | "statuses" | "ttl";
}

/**
 * The lifetime: s-maxage, max-age, Expires (§4.2.1), then the heuristic where enabled (§4.2.2), then the route's; with
 * `override` the route's first. undefined: nobody states one.
 */
export function freshnessLifetime(ask: FreshnessAsk): Freshness | undefined {
  for (const { lifetime, statedBy } of freshnessClaims(ask)) return { lifetime, statedBy };
  return undefined;
}

/**
 * All that state a lifetime for the response, the one that is followed first.
 *
 * The route's counts from the arrival here, so the age on arrival is added: an operator who writes `ttl: 2s` wants two
 * seconds of hits, however long the origin took.
 */
export function* freshnessClaims(ask: FreshnessAsk): Generator<Claim, void> {
  const configured = configuredLifetime(ask);
  const by = ask.policy.statuses[ask.status] === undefined ? "ttl" : "statuses";
  const route: Claim | undefined =
    configured === undefined ? undefined : { by, lifetime: configured + initialAge(ask), statedBy: "route" };
  if (ask.policy.override && route !== undefined) yield route;
  yield* originClaims(ask);
  const heuristic = ask.policy.heuristic ? heuristicLifetime(ask) : undefined;
  if (heuristic !== undefined) yield { by: "heuristic", lifetime: heuristic, statedBy: "heuristic" };
  if (!ask.policy.override && route !== undefined) yield route;
}

/** corrected_initial_age (§4.2.3), seconds. */
export function initialAge(ask: Pick<FreshnessAsk, "fields" | "requestTime" | "responseTime">): number {
  const { fields, requestTime, responseTime } = ask;
  // Date has whole seconds only: a part of one tells nothing.
  const apparentAge = Math.floor((responseTime - dateOf(fields, responseTime)) / 1000);
  const responseDelay = Math.max(0, responseTime - requestTime) / 1000;
  return Math.max(apparentAge, ageValue(fields) + responseDelay);
}

/** current_age (§4.2.3), seconds, not rounded. */
export function currentAge(stored: StoredHead, now: number): number {
  return stored.initialAge + Math.max(0, now - stored.responseTime) / 1000;
}

/**
 * For how long it has been stale, seconds; negative: for how long it is still fresh. `endedFor`: for how long a soft purge
 * has made it so.
 */
export function staleness(
  stored: StoredHead,
  { now, endedFor = Number.NEGATIVE_INFINITY }: { now: number; endedFor?: number | undefined },
): number {
  return Math.max(currentAge(stored, now) - stored.lifetime, endedFor);
}

/**
 * For how long past its freshness a stored response is worth keeping, seconds: as long as it may be used stale; and where
 * it can be validated as long again as it was fresh, but ten minutes to a day.
 */
export function keepSeconds(stored: StoredHead): number {
  const staleUse = Math.max(stored.staleWhileRevalidate, stored.staleIfError);
  const validation = hasValidator(stored) ? Math.min(Math.max(stored.lifetime, 600), 86_400) : 0;
  return Math.max(staleUse, validation);
}

/** Those of the heuristically cacheable statuses (RFC 9110 §15.1) that are no errors; errors are not cached unless the
 * route names them. */
const UNERRING: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);
/** Where the heuristic is enabled, the errors too that RFC 9110 §15.1 lists. */
const HEURISTIC: ReadonlySet<number> = new Set([...UNERRING, 404, 405, 410, 414, 501]);
/** A tenth of a long life is still at most a day: beyond that §4.2.2 would want a warning. */
const MAX_HEURISTIC = 86_400;
/** §1.2.2. */
const MAX_DELTA = 2 ** 31;

/** What the route states, less its jitter: what was stored together is not to expire together. */
function configuredLifetime({ status, policy, random }: FreshnessAsk): number | undefined {
  const lifetime = policy.statuses[status] ?? (UNERRING.has(status) ? policy.ttl : undefined);
  return lifetime === undefined || policy.jitter === 0 ? lifetime : lifetime * (1 - policy.jitter * random());
}

/** What the origin states; garbage states that it is stale (§4.2.1). Beside a targeted field Expires states nothing. */
function* originClaims({ fields, directives, responseTime }: FreshnessAsk): Generator<Claim, void> {
  const { cc, isTargeted } = directives;
  const claim = (by: Claim["by"], lifetime: number): Claim => ({ by, lifetime, statedBy: "origin" });
  if (cc.has("s-maxage")) yield claim("s-maxage", seconds(cc, "s-maxage") ?? 0);
  if (cc.has("max-age")) yield claim("max-age", seconds(cc, "max-age") ?? 0);
  const expires = isTargeted ? undefined : field(fields, "expires");
  if (expires !== undefined) {
    const expiry = parseHttpDate(expires, responseTime);
    const left = expiry === undefined ? 0 : (expiry - dateOf(fields, responseTime)) / 1000;
    yield claim("expires", Math.min(MAX_DELTA, Math.max(0, left)));
  }
  if (isForWhole(cc, "no-cache")) yield claim("no-cache", 0);
}

function heuristicLifetime({ status, fields, directives, responseTime }: FreshnessAsk): number | undefined {
  if (!HEURISTIC.has(status) && directives.cc.get("public") !== true) return undefined;
  const text = field(fields, "last-modified");
  const lastModified = text === undefined ? undefined : parseHttpDate(text, responseTime);
  if (lastModified === undefined) return undefined;
  const unchanged = (dateOf(fields, responseTime) - lastModified) / 1000;
  return unchanged < 0 ? undefined : Math.min(MAX_HEURISTIC, unchanged / 10);
}

/** When the origin made the response, epoch ms; where it does not say, when it came (RFC 9110 §6.6.1). */
function dateOf(fields: Fields, responseTime: number): number {
  const text = field(fields, "date");
  return (text === undefined ? undefined : parseHttpDate(text, responseTime)) ?? responseTime;
}

/** §5.1: of several members the first; what is no number of seconds is ignored. */
function ageValue(fields: Fields): number {
  const [first] = members(field(fields, "age") ?? "");
  return first !== undefined && /^\d+$/.test(first) ? Math.min(Number(first), MAX_DELTA) : 0;
}
