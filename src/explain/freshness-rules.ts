// Which rule decides for how long a response is fresh, and which others lose to it? By what freshness.ts itself finds in a
// response; without one, by what the route leaves to be found.

import { type Directives, directivesOf, parseTargeted } from "../cache/directives.ts";
import { type Claim, type FreshnessAsk, freshnessClaims } from "../cache/freshness.ts";
import type { CachePolicy } from "../cache/policy.ts";
import { parseCacheControl } from "../http/cache-control.ts";
import { field } from "../http/fields.ts";
import type { FreshnessRule } from "./explanation.ts";

type By = FreshnessRule["by"];
type Verdict = FreshnessRule["verdict"];

/** The rules of a route for a response that nobody has seen yet. */
export function rulesOf(policy: CachePolicy): readonly FreshnessRule[] {
  const route = routeText(policy);
  const overrides = policy.override && route !== null;
  const origin = (by: By): FreshnessRule => rule(by, overrides ? "outranked" : "if-stated");
  return [
    overrides ? rule("override", "decides", route) : rule("override", "off"),
    ...ORIGIN.map(origin),
    policy.heuristic ? origin("heuristic") : rule("heuristic", "off"),
    route === null ? rule("ttl", "silent") : rule("ttl", overrides ? "outranked" : "if-stated", route),
  ];
}

/** The rules for this response. */
export function rulesFor(ask: Omit<FreshnessAsk, "directives">): readonly FreshnessRule[] {
  const directives = directivesOf(ask);
  const claims = [...freshnessClaims({ ...ask, directives })];
  const [first] = claims;
  const claimOf = (...by: Claim["by"][]) => claims.find((claim) => by.includes(claim.by));
  const said = (by: By, claim: Claim | undefined, says: string | null = null): FreshnessRule => {
    if (claim === undefined) return rule(by, "silent", says);
    return { by, says: says ?? claim.by, lifetime: claim.lifetime, verdict: claim === first ? "decides" : "outranked" };
  };
  const { policy } = ask;
  const route = claimOf("ttl", "statuses");
  const routeSays = route && routeClaimText(route, ask);
  const overrides = policy.override && route !== undefined;
  return [
    overrides ? said("override", route, routeSays) : rule("override", "off"),
    ...LEVELS.map((by) => levelRule(by, ask, { inForce: directives, claims })),
    directives.isTargeted && field(ask.fields, "expires") !== undefined
      ? rule("expires", "outranked", field(ask.fields, "expires") ?? null)
      : said("expires", claimOf("expires"), field(ask.fields, "expires") ?? null),
    policy.heuristic ? said("heuristic", claimOf("heuristic"), lastModifiedOf(ask)) : rule("heuristic", "off"),
    overrides ? rule("ttl", "outranked", routeSays) : said("ttl", route, routeSays),
  ];
}

const LEVELS = ["forebay-cache-control", "cdn-cache-control", "cache-control"] as const;
const ORIGIN: readonly By[] = [...LEVELS, "expires"];
const BY_DIRECTIVES: readonly Claim["by"][] = ["s-maxage", "max-age", "no-cache"];

/** One of the fields that may hold directives, of which only the first that can be read counts. */
function levelRule(
  by: (typeof LEVELS)[number],
  ask: Omit<FreshnessAsk, "directives">,
  { inForce, claims }: { inForce: Directives; claims: readonly Claim[] },
): FreshnessRule {
  const says = (by === "forebay-cache-control" ? ask.targeted : field(ask.fields, by)) ?? null;
  if (says === null) return rule(by, "silent");
  const cc = by === "cache-control" ? parseCacheControl(says) : parseTargeted(says);
  if (cc === undefined) return rule(by, "unreadable", says);
  const isInForce = by === levelInForce(ask, inForce);
  const own = isInForce ? claims : [...freshnessClaims({ ...ask, directives: { cc, isTargeted: true } })];
  const claim = own.find(({ by }) => BY_DIRECTIVES.includes(by));
  if (claim === undefined) return rule(by, isInForce ? "silent" : "outranked", says);
  return { by, says, lifetime: claim.lifetime, verdict: isInForce && claim === claims[0] ? "decides" : "outranked" };
}

function levelInForce({ targeted }: Pick<FreshnessAsk, "targeted">, inForce: Directives): By {
  if (!inForce.isTargeted) return "cache-control";
  return parseTargeted(targeted) === undefined ? "cdn-cache-control" : "forebay-cache-control";
}

function rule(by: By, verdict: Verdict, says: string | null = null): FreshnessRule {
  return { by, says, lifetime: null, verdict };
}

function routeText({ ttl, statuses }: CachePolicy): string | null {
  const stated = [
    ...(ttl === undefined ? [] : [`ttl ${ttl} s`]),
    ...Object.entries(statuses).map(([status, seconds]) => `${status}: ${seconds} s`),
  ];
  return stated.length === 0 ? null : stated.join(", ");
}

function routeClaimText(
  { by }: Claim,
  { status, policy: { ttl, statuses } }: Pick<FreshnessAsk, "status" | "policy">,
): string {
  return by === "ttl" ? `ttl ${ttl} s` : `${status}: ${statuses[status]} s`;
}

function lastModifiedOf({ fields }: Pick<FreshnessAsk, "fields">): string | null {
  const value = field(fields, "last-modified");
  return value === undefined ? null : `Last-Modified: ${value}`;
}
