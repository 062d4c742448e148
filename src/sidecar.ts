// One running Forebay, put together from its configuration: store → limits → cache → proxy → listeners.
// cli/commands.ts starts and ends it.

import { randomUUID } from "node:crypto";
import { withAccessLog } from "./access.ts";
import { createAdmin } from "./admin/admin.ts";
import { createGate } from "./admin/gate.ts";
import { type Purged, withPurgeMethod } from "./admin/purging.ts";
import { responseCodec } from "./cache/codec.ts";
import { createTagger } from "./cache/invalidation.ts";
import { type Purge as Asked, purgeOf, purgeOfTarget } from "./cache/purge.ts";
import type { StoredResponse } from "./cache/stored-response.ts";
import { createRouter } from "./config/router.ts";
import type { Config } from "./config/schema.ts";
import type { Response } from "./http/message.ts";
import { problem } from "./http/problem.ts";
import { createClients } from "./limit/client.ts";
import { createLimiter } from "./limit/limiter.ts";
import type { Log } from "./log.ts";
import { createProxy } from "./proxy.ts";
import { createListener, type Handler } from "./server/server.ts";
import { createAnnouncingStore } from "./store/announcing.ts";
import type { Bus } from "./store/bus.ts";
import { createEvents, type Events } from "./store/events.ts";
import { createFailOpenStore } from "./store/fail-open.ts";
import { createLimits } from "./store/limits.ts";
import { createMemoryStore } from "./store/memory.ts";
import { createReceipts } from "./store/receipts.ts";
import type { Crowd, Health, LimitQuestion, Store } from "./store/store.ts";
import { createTieredStore } from "./store/tiered.ts";
import { failureResponse, UpstreamFailure } from "./upstream/failure.ts";
import { createUpstream, type Upstream } from "./upstream/upstream.ts";

export interface Sidecar {
  /** Where clients are served, and where health is told; as URLs. */
  readonly listen: string;
  readonly admin: string | null;
  /** Not ready from now on; stops accepting, lets requests finish within the configured time, closes all. */
  close(): Promise<void>;
}

/** How many clients' quotas are counted in this process while Redis is away. */
const LOCAL_QUOTAS = 100_000;
const BREAKER = { failures: 5, openMs: 1000 };

/** Starts to serve. Rejects where an address cannot be bound. */
export async function startSidecar(config: Config, log: Log): Promise<Sidecar> {
  const { store, local, events, ...others } = await openStore(config, log);
  const upstream = createUpstream(config.origin);
  const clients = createClients(config.trustedProxies);
  const now = Date.now;
  const originFailed = createFailureLog(log);
  const proxy = createProxy({
    match: createRouter(config.routes),
    clients,
    limiter: createLimiter({ global: config.rateLimit, clients, local, now }),
    tagger: createTagger(config.routes),
    store,
    upstream: { forward: withFailureLog(upstream, originFailed) },
    failure: (error) => failed(error, log),
    broken: (error, { method }) => originFailed("origin failed in the middle of its response", { error, method }),
    refused: (route) => events.count("refused", route),
    newId: randomUUID,
    now,
    elapsed: () => performance.now(),
    random: Math.random,
  });
  let isReady = false;
  const purge = createPurge(config, { store, events, log, ...others });
  const admin = createListener(
    createAdmin({
      health: () => ({ store: store.health() }),
      isReady: () => isReady,
      gate: createGate({ token: config.adminToken ?? "", isLocal: isOnLoopback(config.admin) }),
      purge: purge.asked,
      events,
    }),
  );
  const observed = withAccessLog(proxy, { log, wanted: config.log, client: clients.bucket });
  const listener = createListener(purge.byMethod(observed.handler), {
    log: { error: (context, message) => log.error(message, { ...context }) },
    ...observed.options,
  });
  try {
    const [bound, adminBound] = await Promise.all([
      listener.listen(config.listen),
      config.admin && admin.listen(config.admin),
    ]);
    isReady = true;
    return {
      listen: bound.url,
      admin: adminBound ? adminBound.url : null,
      async close() {
        isReady = false;
        const until = performance.now() + config.drain;
        await listener.drain(config.drain);
        events.close();
        await Promise.all([store.close(), upstream.close(Math.max(0, until - performance.now()))]);
        if (adminBound) await admin.drain(0);
      },
    };
  } catch (error) {
    events.close();
    await Promise.all([store.close(), upstream.close(0), listener.drain(0), admin.drain(0)]);
    throw error;
  }
}

interface Opened {
  readonly store: Store<StoredResponse>;
  /** What counts while the store is silent. */
  readonly local: Parameters<typeof createLimiter>[0]["local"];
  readonly events: Events;
  /** Of the others that share the store, where there may be some. */
  readonly bus?: Bus;
  readonly crowd?: () => Crowd;
}

/** Memory alone, or memory above Redis, whose every failure is a miss. */
async function openStore({ store: { prefix, redis, fence, memory } }: Config, log: Log): Promise<Opened> {
  const common = { maxBytes: memory.max, slots: fence.slots, codec: responseCodec, now: Date.now };
  const counts = createLimits({ now: Date.now, max: LOCAL_QUOTAS });
  // Memory never falls silent: nothing need be noted for that.
  if (redis === undefined) {
    const events = createEvents({ now: Date.now });
    const store = createAnnouncingStore(createMemoryStore(common), events);
    return { store, local: { charge: counts.charge }, events };
  }
  // Loaded where it is used: 20 MB.
  const { createRedisStore } = await import("./store/redis.ts");
  const told = (state: Health["state"], detail: string) =>
    log[state === "ok" ? "info" : "warn"](`store ${state}`, { detail });
  const warn = (risk: string) => log.warn("store at risk", { detail: risk });
  const shared = createRedisStore({ ...redis, prefix, slots: fence.slots, codec: responseCodec, log: told, warn });
  const { bus, crowd } = shared;
  const events = createEvents({ bus, now: Date.now });
  const changed = (open: boolean, reason: string) => void events.tell({ kind: "breaker", open, reason });
  const store = createTieredStore(createFailOpenStore(shared, { breaker: BREAKER, log, changed }), {
    ...common,
    trustMs: memory.trust,
  });
  const charge = (questions: readonly LimitQuestion[]) => counts.charge(questions, crowd());
  const local = { charge, note: counts.note };
  return { store: createAnnouncingStore(store, events), local, events, bus, crowd };
}

/** How long a receipt waits for the other sidecars to say that they have heard, ms; and where all are to be waited for. */
const RECEIPT_MS = 250;
const RECEIPT_OF_ALL_MS = 5000;

/** What an operator purges, by the admin listener or by PURGE. */
function createPurge(
  config: Config,
  { log, ...parts }: Pick<Opened, "store" | "events" | "bus" | "crowd"> & { log: Log },
) {
  const receipts = createReceipts({ ...parts, elapsed: () => performance.now() });
  async function purged(asked: Asked, waitMs: number): Promise<Purged> {
    if (asked.kind === "mistake") return asked;
    const receipt = await receipts.purge(asked.tags, waitMs);
    log.info("purged", { ...receipt });
    return { kind: "receipt", receipt };
  }
  const allowed = config.purge && createClients(config.purge.allow);
  return {
    asked: (what: unknown, isForAll: boolean): Promise<Purged> =>
      purged(purgeOf(what, config.routes), isForAll ? RECEIPT_OF_ALL_MS : RECEIPT_MS),
    byMethod: (handler: Handler): Handler =>
      allowed === undefined
        ? handler
        : withPurgeMethod(handler, {
            allows: allowed.trusts,
            purge: (authority, target) => purged(purgeOfTarget(authority, target), RECEIPT_MS),
          }),
  };
}

function isOnLoopback(address: Config["admin"]): boolean {
  if (address === false || "path" in address) return true;
  return address.host === "localhost" || createClients(["loopback"]).trusts(address.host);
}

/** What the client is told of an error. */
function failed(error: unknown, log: Log): { response: Response; isUnsent: boolean } {
  if (error instanceof UpstreamFailure) return { response: failureResponse(error), isUnsent: error.isUnsent };
  log.error("a request failed", { error });
  return { response: problem(500, "The proxy failed to answer this request."), isUnsent: false };
}

type FailureLog = (message: string, failure: { readonly error: unknown; readonly method: string }) => void;

/** Failures of the origin in the log, one a second at the most for each kind. */
function createFailureLog(log: Log): FailureLog {
  const silentUntil = new Map<string, number>();
  return (message, { error, method }) => {
    const kind = error instanceof UpstreamFailure ? error.kind : "given-up";
    const at = performance.now();
    if (kind === "aborted" || at < (silentUntil.get(message + kind) ?? 0)) return;
    silentUntil.set(message + kind, at + 1000);
    const cause = error instanceof UpstreamFailure ? error.cause : error;
    log.warn(message, { kind, method, cause: String(cause ?? "") });
  };
}

/** `upstream` with a line in the log where there is no response. */
function withFailureLog(upstream: Upstream, failed: FailureLog): Upstream["forward"] {
  return async (request) => {
    try {
      return await upstream.forward(request);
    } catch (error) {
      if (error instanceof UpstreamFailure) failed("origin failed", { error, method: request.method });
      throw error;
    }
  };
}
