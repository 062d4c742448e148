// What one configuration makes: the route of a request, who asks, what is limited, cached and invalidated, and where the
// origin is. Another configuration makes another one, which takes its place between two requests; those under way end on
// the one they came to. What outlives configurations is sidecar.ts' and given here.

import { accessLog } from "./access.ts";
import { createGate, type Gate } from "./admin/gate.ts";
import type { Told } from "./cache/finding.ts";
import type { Flights } from "./cache/flights.ts";
import { createTagger } from "./cache/invalidation.ts";
import type { Trace } from "./cache/visit.ts";
import { createRouter } from "./config/router.ts";
import type { Config } from "./config/schema.ts";
import { type Ending, type Endings, inTurn } from "./endings.ts";
import type { Signal } from "./http/abort.ts";
import type { Request, Response } from "./http/message.ts";
import { problem } from "./http/problem.ts";
import { type Clients, createClients, isLoopback } from "./limit/client.ts";
import { createLimiter, createLimiterMemory, type LimiterMemory } from "./limit/limiter.ts";
import type { LimitTally } from "./limit/plan.ts";
import { sparing } from "./log/sparing.ts";
import { forRequest, type Log } from "./log.ts";
import type { Metering } from "./metrics/metering.ts";
import { createProxy, rawPath } from "./proxy.ts";
import type { Purges } from "./purges.ts";
import { createRequestIds } from "./request-ids.ts";
import type { Handler } from "./server/server.ts";
import type { Storage } from "./storage.ts";
import type { RequestTracer } from "./tracing.ts";
import { failureResponse, UpstreamFailure } from "./upstream/failure.ts";
import type { Upstreams } from "./upstream/upstreams.ts";

/** What lasts as long as the process. */
export interface Lasting extends Pick<Storage, "store" | "local" | "events"> {
  readonly upstreams: Upstreams;
  readonly flights: Flights;
  readonly endings: Endings;
  /** Undefined: requests are not counted. */
  readonly metering: Metering | undefined;
  /** Where a limit is counted, by its name. */
  readonly limitTally: (name: string) => LimitTally;
  /** Hears of each request to the origin. */
  readonly forwarded: (routeId: string | undefined, ms: number) => void;
  readonly tracer: RequestTracer | undefined;
  readonly purges: Purges;
  readonly originFailed: FailureLog;
  /** Hears what is found out about watched routes. */
  readonly told: Told;
  /** Aborts when the process is to end. */
  readonly closing: Signal;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  readonly log: Log;
}

export interface Generation {
  readonly config: Config;
  /** From 1, in the order of their making. */
  readonly era: number;
  readonly limiterMemory: LimiterMemory;
  /** What an unsafe request invalidates by this configuration. */
  readonly invalidated: (request: Request) => readonly string[];
  readonly clients: Clients;
  /** Hears of each request whose exchange is over; undefined: nobody wants to. */
  readonly ended: ((ending: Ending) => void) | undefined;
  /** Of the public listener. */
  readonly handle: Handler;
  /** Of the admin listener. */
  readonly gate: Gate;
}

export interface Others {
  /** What it takes the place of; undefined: it is the first. */
  readonly before: Generation | undefined;
  /** The one in use. */
  readonly current: () => Generation;
}

const newId = createRequestIds();

/** Rejects where the configuration is impossible in a way that its check does not know. In steps, between which requests are
 * answered: each takes some milliseconds of 500 routes. */
export async function createGeneration(
  config: Config,
  lasting: Lasting,
  { before, current }: Others,
): Promise<Generation> {
  const {
    store,
    local,
    events,
    upstreams,
    endings,
    metering,
    tracer,
    purges,
    originFailed,
    flights,
    elapsed,
    told,
    closing,
    log,
  } = lasting;
  const era = (before?.era ?? 0) + 1;
  const clients = createClients(config.trustedProxies);
  const now = Date.now;
  await turn();
  const match = createRouter(config.routes);
  await turn();
  const tagger = createTagger(config.routes);
  await turn();
  const limiterMemory = isSameLimits(before?.config, config) ? before?.limiterMemory : undefined;
  const memory = limiterMemory ?? createLimiterMemory();
  const gate = createGate({ token: config.adminToken ?? "", isLocal: isOnLoopback(config.admin) });
  const invalidated = (request: Request): readonly string[] => {
    const matched = match(request.authority, rawPath(request.target));
    return matched === undefined ? [] : tagger.invalidated(matched.route.id, request, matched.params);
  };
  const proxy = createProxy({
    match,
    clients,
    limiter: createLimiter({ global: config.rateLimit, clients, local, tally: lasting.limitTally, now, memory }),
    tagger,
    store,
    upstream: upstreams.use(config.origin),
    forwarded: lasting.forwarded,
    failure: (error, trace) => failed(error, log, trace),
    broken: (error, request, trace) =>
      originFailed("origin failed in the middle of its response", { error, request, trace }),
    unanswered: (error, request, trace) => {
      if (error instanceof UpstreamFailure) originFailed("origin failed", { error, request, trace });
    },
    refused: (route) => events.count("refused", route),
    newId,
    now,
    elapsed,
    random: Math.random,
    begin: tracer?.begin,
    era,
    flights,
    told,
    closing,
    invalidatedSince: (request) => (current().era === era ? NOTHING : current().invalidated(request)),
  });
  const lines = accessLog({ log, wanted: config.log, client: clients.bucket, random: Math.random });
  const handle = purges.byMethod(endings.observed(metering?.weighed(proxy) ?? proxy), config);
  const ended = inTurn(metering?.ended, tracer?.ended, lines);
  return { config, era, limiterMemory: memory, invalidated, clients, ended, handle, gate };
}

/** Of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const NOTHING: readonly never[] = Object.freeze([]);

/** What is held of quotas was counted by their limits: with others it ends, unspent. */
function isSameLimits(before: Config | undefined, config: Config): boolean {
  return before !== undefined && limitsText(before) === limitsText(config);
}

function limitsText({ rateLimit, routes }: Config): string {
  const limited = routes.filter((route) => route.rateLimit !== undefined);
  return JSON.stringify([rateLimit, limited.map(({ id, rateLimit }) => [id, rateLimit])]);
}

function isOnLoopback(address: Config["admin"]): boolean {
  if (address === false || "path" in address) return true;
  return isLoopback(address.host);
}

/** What the client is told of an error. */
function failed(error: unknown, log: Log, trace: Trace): { response: Response; isUnsent: boolean } {
  if (error instanceof UpstreamFailure) return { response: failureResponse(error), isUnsent: error.isUnsent };
  log.error("a request failed", { ...forRequest(trace), error });
  return { response: problem(500, "The proxy failed to answer this request."), isUnsent: false };
}

interface Failure {
  readonly error: unknown;
  readonly request: Request;
  readonly trace: Trace;
}

export type FailureLog = (message: string, failure: Failure) => void;

/** Failures of the origin in the log, one a second at the most for each kind, of which there are a few. */
export function createFailureLog(log: Log): FailureLog {
  const kinds = new Map<string, Pick<Log, "warn">>();
  return (message, { error, request: { method }, trace }) => {
    const kind = error instanceof UpstreamFailure ? error.kind : "given-up";
    if (kind === "aborted") return;
    let lines = kinds.get(message + kind);
    if (lines === undefined) {
      lines = sparing(log, { lines: 1, windowMs: 1000 });
      kinds.set(message + kind, lines);
    }
    const cause = error instanceof UpstreamFailure ? error.cause : error;
    lines.warn(message, { kind, method, ...forRequest(trace), cause: String(cause ?? "") });
  };
}
