// The path of one request, top to bottom. A pure decision comes first (cache/reuse.ts), then one switch that acts.
//
//   route ─none→ 404 · limit ─over→ 429 · unsafe method → forward, invalidate, respond · no cache → pass, tunnel
//   GET, HEAD on a cached route → look, the limits in the same trip → deliver, validate behind, or fetch

import { type Cache, createCache } from "./cache/cache.ts";
import type { Told } from "./cache/finding.ts";
import type { Flights } from "./cache/flights.ts";
import { isUnsafe, type Tagger } from "./cache/invalidation.ts";
import { invalidatedByResponse } from "./cache/outcome.ts";
import { withOwnTags } from "./cache/own-tags.ts";
import type { CachePolicy } from "./cache/policy.ts";
import type { Forward } from "./cache/reuse.ts";
import { cacheStatus } from "./cache/status.ts";
import type { StoredResponse } from "./cache/stored-response.ts";
import { type Found, type Trace, timing, type Visit } from "./cache/visit.ts";
import { createWatch, isWatched } from "./cache/watching.ts";
import type { Signal } from "./http/abort.ts";
import { believed, isLoop } from "./http/forwarding.ts";
import { type Request, type Response, withFields } from "./http/message.ts";
import { problem } from "./http/problem.ts";
import type { Clients } from "./limit/client.ts";
import type { Asked, Limiter } from "./limit/limiter.ts";
import type { LimitedRoute } from "./limit/plan.ts";
import { tooMany } from "./limit/quota-fields.ts";
import { createOrigin } from "./outbound.ts";
import { type About, type Answer, Passage, type PassageParts } from "./passage.ts";
import { andThen, type Soon, type Store, type Verdict, type Write, type WriteEnd } from "./store/store.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** What the proxy needs to know of a route. */
export interface ProxyRoute extends LimitedRoute {
  readonly cache: CachePolicy | false;
  /** Whether an unsafe request is taken while its invalidation cannot be noted where the other sidecars see it. */
  readonly onStoreFailure: "proceed" | "refuse";
}

type Params = Readonly<Record<string, string>>;

export interface ProxyParts extends PassageParts {
  readonly match: (authority: string, path: string) => { route: ProxyRoute; params: Params } | undefined;
  readonly clients: Clients;
  readonly limiter: Limiter;
  readonly tagger: Tagger;
  readonly store: Store<StoredResponse>;
  readonly upstream: Pick<Upstream, "forward">;
  /** The response that tells of an error; `isUnsent`: the origin cannot have seen the request. */
  readonly failure: (error: unknown, trace: Trace) => { readonly response: Response; readonly isUnsent: boolean };
  /** Hears of content that broke off on its way into the store: where nobody reads along, no client notices. */
  readonly broken: (error: Error, request: Request, trace: Trace) => void;
  /** Hears the route of each request that a limit refuses. */
  readonly refused?: (routeId: string) => void;
  /** Hears of each request to the origin that got no answer. */
  readonly unanswered?: (error: unknown, request: Request, trace: Trace) => void;
  /** Hears of each request to the origin: of which route, and how long its head took, ms. */
  readonly forwarded?: (routeId: string | undefined, ms: number) => void;
  /** Epoch ms. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** As the cache's (cache.ts). */
  readonly era?: number;
  readonly flights?: Flights;
  /** Hears what is found out about routes in shadow mode and by verifying hits. */
  readonly told?: Told;
  /** Aborts when the process is to end: what no client waits for and nothing is stored of is given up then. */
  readonly closing?: Signal;
  /** Resolves after so many ms. */
  readonly wait?: (ms: number) => Promise<void>;
  /** What an unsafe request invalidates by the configuration that has taken this one's place since it came. */
  readonly invalidatedSince?: (request: Request) => readonly string[];
}

/** One request under way. */
interface Exchange {
  readonly request: Request;
  readonly route: ProxyRoute;
  readonly params: Params;
  readonly asked: Asked;
  readonly about: About;
}

interface Written {
  readonly response: Response;
  /** undefined: it did not happen. */
  readonly end: WriteEnd | undefined;
}

interface Committing {
  readonly noted: Write;
  readonly end: WriteEnd;
}

/** For a client that has left: nobody reads it. */
const GONE = problem(502, "The client has left.");

/** The handler of the public listener. What it returns never rejects. */
export function createProxy(parts: ProxyParts): (received: Request) => Soon<Answer> {
  const { match, clients, limiter, tagger, store } = parts;
  const timed = timing(parts.elapsed);
  const origin = createOrigin(parts);
  const cache: Cache = createCache({ ...parts, origin });
  const watch = createWatch({ told: () => {}, wait: inMs, ...parts, origin });

  function proxy(received: Request): Soon<Answer> {
    const request = asBelieved(received, clients);
    const matched = match(request.authority, rawPath(request.target));
    const about = new Passage(request, matched?.route.id, parts);
    if (matched === undefined) return answer(problem(404, "No route of this proxy matches the path."), about);
    if (isLoop(request)) return answer(problem(508, "The request has passed this proxy again and again."), about);
    const response = handle({ request, ...matched, asked: limiter.ask(request, matched.route), about });
    if (!(response instanceof Promise)) return answer(response, about);
    return response.then(
      (response) => answer(response, about),
      (error: unknown) => answer(received.signal.aborted ? GONE : failed(error, about).response, about),
    );
  }

  function failed(error: unknown, about: About): ReturnType<ProxyParts["failure"]> {
    about.own = "failed";
    return parts.failure(error, about);
  }

  function handle(exchange: Exchange): Soon<Response> {
    const { request, route, asked } = exchange;
    if (asked.refused) return limited(exchange, undefined, () => problem(500, "A refused request was let in."));
    const way = wayOf(request, route);
    if (way === "write") return write(exchange);
    return way === "read" && route.cache !== false ? read(exchange, route.cache) : pass(exchange);
  }

  function read(exchange: Exchange, policy: CachePolicy): Soon<Response> {
    const { request, route, params, asked, about } = exchange;
    const visit = cache.visit(request, policy, { tags: tagger.carried(route.id, request, params), trace: about });
    return andThen(cache.look(visit, asked.questions), (found) =>
      limited(exchange, found.reading.verdicts, () =>
        isWatched(policy) ? watch(visit, found, reuse) : reuse(visit, found),
      ),
    );
  }

  function reuse(visit: Visit, found: Found): Soon<Response> {
    const { decision } = found;
    switch (decision.kind) {
      case "fresh":
        if (cache.isDueAhead(visit, decision.stored)) cache.validateBehind(visit, found);
        return cache.deliver(visit, decision.stored, decision.ttl);
      case "stale-while-revalidate":
        cache.validateBehind(visit, found);
        return cache.deliver(visit, decision.stored, decision.ttl);
      case "validate":
      case "forward":
        return cache.fetch(visit, found);
      case "unsatisfiable":
        return problem(504, "Nothing stored answers this only-if-cached request.");
    }
  }

  /** The client hears of an unsafe request only after the invalidation is in (RFC 9111 §4.4, and across sidecars). */
  async function write(exchange: Exchange): Promise<Response> {
    const { request, route, params, about } = exchange;
    const tags = tagger.invalidated(route.id, request, params);
    const noting = timed(about, "begin", store.begin(tags, about));
    const verdicts = await verdictsOn(exchange);
    const noted = await noting;
    let isForwarded = false;
    const response = await limited(exchange, verdicts, async () => {
      if (!noted.noted && route.onStoreFailure === "refuse")
        return problem(503, "Writes wait until the store is back.");
      isForwarded = true;
      const { response, end } = await written(exchange);
      if (end === undefined) noted.discard();
      else await timed(about, "commit", committed(request, tags, { noted, end }));
      return response;
    });
    if (!isForwarded) noted.discard();
    return response;
  }

  /** What came under a newer configuration while the write went on carries the tags of that one; so does, as far as they are
   * asked for, what was stored before. Asked once more afterwards: another one may have come meanwhile. */
  async function committed(request: Request, tags: readonly string[], { noted, end }: Committing): Promise<void> {
    await noted.commit(end);
    const since = (parts.invalidatedSince?.(request) ?? []).filter((tag) => !tags.includes(tag));
    if (since.length === 0) return;
    const { mayGoOn = false } = end;
    await committed(request, [...tags, ...since], { noted: await store.begin(since), end: { mayGoOn } });
  }

  /** A 4xx says that the write did not happen. After a 5xx nobody knows; where there was no answer it may even go on. It
   * is not given up when its client leaves: then it would go on unseen. What only a good response names is invalidated too. */
  async function written(exchange: Exchange): Promise<Written> {
    try {
      const response = await forward(exchange, { reason: passReason(exchange), signal: undefined });
      const isRefused = response.status >= 400 && response.status < 500;
      return { response, end: isRefused ? undefined : { also: invalidatedByResponse(exchange.request, response) } };
    } catch (error) {
      const { response, isUnsent } = failed(error, exchange.about);
      return { response, end: isUnsent ? undefined : { mayGoOn: true } };
    }
  }

  /** Neither cached nor invalidating; upgrades too, which become tunnels with the origin's 101. */
  function pass(exchange: Exchange): Soon<Response> {
    const how = { reason: passReason(exchange), signal: exchange.request.signal };
    return andThen(verdictsOn(exchange), (verdicts) => limited(exchange, verdicts, () => forward(exchange, how)));
  }

  async function forward(
    { request, route, about }: Exchange,
    { reason, signal }: { reason: Forward; signal: Signal | undefined },
  ): Promise<Response> {
    about.cache = reason;
    const received = await origin(request, { fields: request.fields, signal, trace: about });
    const response = route.cache === false ? received : withOwnTags(received, route.cache);
    const fields = [...response.fields, "Cache-Status", cacheStatus.forwarded({ reason, status: response.status })];
    return { ...response, fields };
  }

  function verdictsOn({ asked, about }: Exchange): Soon<readonly Verdict[] | undefined> {
    if (asked.questions.length === 0) return [];
    const question = { key: undefined, tags: [], limits: asked.questions, asker: about };
    return andThen(timed(about, "look", store.look(question)), (reading) => reading.verdicts);
  }

  /** What `next` gives where the limits admit the request, with the limits' fields; otherwise the refusal. */
  function limited(
    { asked, about }: Exchange,
    verdicts: readonly Verdict[] | undefined,
    next: () => Soon<Response>,
  ): Soon<Response> {
    const judged = limiter.judge(asked, verdicts);
    about.limit = judged.outcome;
    if (!judged.allowed) {
      about.own = "limited";
      parts.refused?.(about.route ?? "");
      return tooMany(judged);
    }
    if (judged.fields.length === 0) return next();
    return andThen(next(), (response) => ({ ...response, fields: response.fields.concat(judged.fields) }));
  }

  return proxy;
}

/** What is done with a request that the limits admit: the three ways of the picture above. */
export function wayOf({ method, upgrade }: Request, { cache }: Pick<ProxyRoute, "cache">): "write" | "read" | "pass" {
  if (upgrade !== undefined) return "pass";
  if (isUnsafe(method)) return "write";
  return cache !== false && (method === "GET" || method === "HEAD") ? "read" : "pass";
}

/** `received` as everything behind the listener is to see it: without what its peer may not say. */
export function asBelieved(received: Request, clients: Pick<Clients, "trusts">): Request {
  const fields = believed(received.fields, clients.trusts(received.peer));
  return fields === received.fields ? received : withFields(received, fields);
}

function answer({ status, fields, content, tunnel }: Response, about: About): Answer {
  return tunnel === undefined ? { status, fields, content, about } : { status, fields, content, tunnel, about };
}

/** Why a request goes by the cache: bypass is the more specific reason (RFC 9211 §2.2). */
function passReason({ request, route }: Exchange): Forward {
  return route.cache === false || request.upgrade !== undefined ? "bypass" : "method";
}

/** Holds up no end of the process. */
function inMs(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

export function rawPath(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}
