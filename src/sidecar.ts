// One running Forebay, put together from its configuration: store → limits → cache → proxy → listeners.
// cli/commands.ts starts and ends it.

import { randomUUID } from "node:crypto";
import { withAccessLog } from "./access.ts";
import { createAdmin } from "./admin/admin.ts";
import { createGate } from "./admin/gate.ts";
import { createTagger } from "./cache/invalidation.ts";
import { createRouter } from "./config/router.ts";
import type { Config } from "./config/schema.ts";
import type { Response } from "./http/message.ts";
import { problem } from "./http/problem.ts";
import { createClients } from "./limit/client.ts";
import { createLimiter } from "./limit/limiter.ts";
import type { Log } from "./log.ts";
import { createProxy } from "./proxy.ts";
import { createPurges } from "./purges.ts";
import { createListener } from "./server/server.ts";
import { openStorage } from "./storage.ts";
import { failureResponse, UpstreamFailure } from "./upstream/failure.ts";
import { createUpstream, type Upstream } from "./upstream/upstream.ts";

export interface Sidecar {
  /** Where clients are served, and where health is told; as URLs. */
  readonly listen: string;
  readonly admin: string | null;
  /** Not ready from now on; stops accepting, lets requests finish within the configured time, closes all. */
  close(): Promise<void>;
}

/** Starts to serve. Rejects where an address cannot be bound. */
export async function startSidecar(config: Config, log: Log): Promise<Sidecar> {
  const storage = await openStorage(config, log);
  const { store, local, events } = storage;
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
  const purges = createPurges(config, { ...storage, log });
  const admin = createListener(
    createAdmin({
      health: () => ({ store: store.health() }),
      isReady: () => isReady,
      gate: createGate({ token: config.adminToken ?? "", isLocal: isOnLoopback(config.admin) }),
      purge: purges.asked,
      events,
    }),
  );
  const observed = withAccessLog(proxy, { log, wanted: config.log, client: clients.bucket });
  const listener = createListener(purges.byMethod(observed.handler), {
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
