// What would be done with a request, and why? Told by asking the parts that the proxy itself is made of (proxy.ts, which
// is the picture that this follows): nothing is decided here. Nothing is counted, stored or fetched either.

import { mayPurge } from "../admin/purging.ts";
import { createTagger } from "../cache/invalidation.ts";
import { judged } from "../cache/judging.ts";
import { unescapeUnreserved, variantKey } from "../cache/key.ts";
import { keyParts, variantParts } from "../cache/key-parts.ts";
import { responseTags, withOwnTags } from "../cache/own-tags.ts";
import type { StoredResponse } from "../cache/stored-response.ts";
import { decide, type Trace, type Visit, visiting } from "../cache/visit.ts";
import { nearMisses } from "../config/near-misses.ts";
import { normalPath } from "../config/pattern.ts";
import { createRouter } from "../config/router.ts";
import type { Config, RouteConfig } from "../config/schema.ts";
import { lines, withoutBlanks } from "../http/fields.ts";
import { isLoop } from "../http/forwarding.ts";
import type { Fields, Request } from "../http/message.ts";
import { createClients } from "../limit/client.ts";
import { createLimiter } from "../limit/limiter.ts";
import { planFor } from "../limit/plan.ts";
import { asReceived } from "../outbound.ts";
import { asBelieved, rawPath, wayOf } from "../proxy.ts";
import type { Reading } from "../store/store.ts";
import { type Explanation, FORMAT, type FreshnessSaid, type KeySaid, type LimitSaid } from "./explanation.ts";
import { rulesFor, rulesOf } from "./freshness-rules.ts";

/** A response that the origin might give. */
export interface Sample {
  readonly status: number;
  readonly fields: Fields;
}

export interface Explained {
  readonly explanation: Explanation;
  /** To look in the store with; undefined: nothing is stored on this route. */
  readonly visit: Visit | undefined;
}

const uncounted = () => ({ allowed: 0, refused: 0 });

/** The returned function explains requests under `config`. `now`: epoch ms, when `sample` is to have come. `era`: as in Key. */
export function createExplainer(config: Config, now: () => number, era = 0) {
  const visitFor = visiting(era);
  const match = createRouter(config.routes);
  const tagger = createTagger(config.routes);
  const clients = createClients(config.trustedProxies);
  const purgers = config.purge && createClients(config.purge.allow);

  /** Before anything else is looked at (purges.ts). */
  function purgeWay(received: Request): "purge" | "purge-refused" | undefined {
    if (purgers === undefined || received.method !== "PURGE") return undefined;
    return mayPurge(received, purgers.trusts) ? "purge" : "purge-refused";
  }

  function limitsOn(request: Request, route: RouteConfig): LimitSaid[] {
    const options = { global: config.rateLimit, clients, local: { charge: () => [] }, now };
    // A limiter of its own has nothing in reserve and remembers nobody: it says what it would ask.
    const { plan, keys, questions } = createLimiter(options).ask(request, route);
    return planFor(config.rateLimit ?? [], route, { clients, tally: uncounted }).limits.map(
      ({ name, rate, keyPrefix }) => {
        const at = plan.limits.findIndex((limit) => limit.keyPrefix === keyPrefix);
        const { algorithm, limit, window, by, burst = limit, enforce, reserve, onStoreFailure } = rate;
        return {
          ...{
            name: JSON.parse(name),
            algorithm,
            limit,
            windowMs: window,
            burst,
            by,
            enforced: enforce,
            reserve,
            onStoreFailure,
          },
          key: keys[at] ?? null,
          client: questions[at]?.client ?? null,
        };
      },
    );
  }

  return (received: Request, sample?: Sample): Explained => {
    const request = asBelieved(received, clients);
    const { method, authority, target } = request;
    const path = rawPath(target);
    const matched = match(authority, path);
    const route = matched?.route;
    const tags = matched === undefined ? [] : tagger.carried(matched.route.id, request, matched.params);
    const visit = route?.cache ? ofNobody(visitFor(request, route.cache, { tags, trace: nobody() })) : undefined;
    const invalidated = matched === undefined ? [] : tagger.invalidated(matched.route.id, request, matched.params);
    const { id, host = null, path: pattern, cache } = route ?? {};
    const purging = purgeWay(received);
    const explanation: Explanation = {
      format: FORMAT,
      request: { method, authority, target, path: normalPath(path), removed: removedFrom(received, request) },
      way: purging ?? (route === undefined ? "no-route" : isLoop(request) ? "loop" : waySaid(request, route)),
      route:
        matched === undefined || id === undefined || pattern === undefined
          ? null
          : { id, host, path: pattern, params: matched.params, isCached: cache !== false },
      otherRoutes: nearMisses(config.routes, { authority, path, winner: route }),
      client: { counted: clients.bucket(request), hops: clients.trace(received) },
      key: visit === undefined ? null : keyOf(visit, undefined),
      freshness: visit === undefined ? null : { rules: rulesOf(visit.policy), response: null },
      tags: visit === undefined ? [] : tags,
      invalidates: { tags: invalidated, paths: route?.invalidate?.paths ?? [] },
      limits: route === undefined || purging !== undefined ? [] : limitsOn(request, route),
    };
    if (visit === undefined || sample === undefined) return { explanation, visit };
    const isUnlimited = explanation.limits.every(({ key }) => key === null);
    const freshness = freshnessOf(visit, sample, { now: now(), isUnlimited });
    return { explanation: { ...explanation, ...freshness }, visit };
  };
}

function waySaid(request: Request, route: RouteConfig): Explanation["way"] {
  const way = wayOf(request, route);
  return way === "read" && route.cache && route.cache.mode === "shadow" ? "shadow" : way;
}

/** What the key of a visit says, and its variant where variants differ by `names`. */
export function keyOf({ request, key }: Visit, names: readonly string[] | undefined): KeySaid {
  const parts = keyParts(key.primary);
  const keyed = new Set([...parts.headers.map(({ name }) => name), ...(names ?? []), "host", "cookie"]);
  const headers = namesIn(request.fields).filter((name) => !keyed.has(name));
  const cookies = cookiesIn(request.fields).filter((name) => !parts.cookies.some((cookie) => cookie.name === name));
  return {
    text: key.primary,
    parts,
    ignored: { query: ignoredPairs(request.target, parts.query), headers, cookies },
    variant: names === undefined ? null : variantParts(variantKey(names, request.fields)),
  };
}

function freshnessOf(
  visit: Visit,
  { status, fields }: Sample,
  { now, isUnlimited }: { now: number; isUnlimited: boolean },
): { key: KeySaid; freshness: FreshnessSaid; tags: readonly string[] } {
  const { policy, request, tags } = visit;
  const received = asReceived({ status, fields, content: undefined }, { upgrade: undefined, isUnlimited });
  const response = withOwnTags({ ...received, endsAtClose: false }, policy);
  const times = { requestTime: now, responseTime: now, random: () => 0 };
  const verdict = judged(visit, decide(visit, NOTHING_STORED, now), { response, isFollowed: false, ...times });
  const rules = rulesFor({ ...response, targeted: response.targeted, policy, ...times });
  const stored = verdict.kind === "storable" ? verdict.stored : undefined;
  return {
    key: keyOf(visit, stored?.names),
    freshness: {
      rules,
      response: {
        status,
        refused: verdict.kind === "storable" ? null : verdict.reason,
        lifetime: stored?.lifetime ?? null,
        staleWhileRevalidate: stored?.staleWhileRevalidate ?? 0,
        staleIfError: stored?.staleIfError ?? 0,
        alwaysValidate: stored?.alwaysValidate ?? false,
      },
    },
    tags: stored === undefined ? tags : [...new Set([...tags, ...(responseTags(request, stored) ?? [])])],
  };
}

const NOTHING_STORED: Reading<StoredResponse> = Object.freeze({
  fence: Object.freeze({ shared: true, clock: 0, latest: 0 }),
  record: undefined,
  stored: undefined,
  usable: false,
  verdicts: undefined,
});

function nobody(): Trace {
  return { requestId: "", route: undefined, traceId: undefined, limit: "none", cache: "-", msStore: 0, msOrigin: 0 };
}

/** What the log says of its questions to the store is about no request. */
function ofNobody(visit: Visit): Visit {
  return { ...visit, key: { ...visit.key, asker: undefined } };
}

/** The names of fields, lower-case, each once, in the order sent. */
function namesIn(fields: Fields): string[] {
  return [...new Set(fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()))];
}

/** Of fields of `received` that `request` has fewer of. */
function removedFrom(received: Request, request: Request): string[] {
  if (received.fields === request.fields) return [];
  const kept = namesIn(request.fields);
  return namesIn(received.fields).filter((name) => !kept.includes(name));
}

function cookiesIn(fields: Fields): string[] {
  const pairs = lines(fields, "cookie").flatMap((line) => line.split(";").map(withoutBlanks));
  return [...new Set(pairs.filter((pair) => pair !== "").map((pair) => pair.split("=", 1)[0] ?? ""))];
}

/** The pairs of a target's query that are not among those that were keyed. */
function ignoredPairs(target: string, keyed: readonly string[] | null): string[] {
  const mark = target.indexOf("?");
  if (mark === -1) return [];
  const left = [...(keyed ?? [])];
  return unescapeUnreserved(target.slice(mark + 1))
    .split("&")
    .filter((pair) => {
      const at = left.indexOf(pair);
      if (at !== -1) left.splice(at, 1);
      return at === -1 && pair !== "";
    });
}
