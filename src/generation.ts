// What one configuration makes: the route of a request, who asks, what is limited, cached and invalidated, and where the
// origin is. Another configuration makes another one, which takes its place between two requests; those under way end on
// the one they came to. What outlives configurations is sidecar.ts' and given here.

import { randomUUID } from "node:crypto";
import type { AccessLog } from "./access.ts";
import { createGate, type Gate } from "./admin/gate.ts";
import { createTagger } from "./cache/invalidation.ts";
import { createRouter } from "./config/router.ts";
import type { Config } from "./config/schema.ts";
import type { Response } from "./http/message.ts";
import { problem } from "./http/problem.ts";
import { createClients } from "./limit/client.ts";
import { createLimiter } from "./limit/limiter.ts";
import type { Log } from "./log.ts";
import { createProxy } from "./proxy.ts";
import type { Purges } from "./purges.ts";
import type { Handler } from "./server/server.ts";
import type { Storage } from "./storage.ts";
import { failureResponse, UpstreamFailure } from "./upstream/failure.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** What lasts as long as the process. */
export interface Lasting extends Pick<Storage, "store" | "local" | "events"> {
  readonly upstream: Upstream;
  readonly access: AccessLog;
  readonly purges: Purges;
  readonly originFailed: FailureLog;
  readonly log: Log;
}

export interface Generation {
  readonly config: Config;
  /** Of the public listener. */
  readonly handle: Handler;
  /** Of the admin listener. */
  readonly gate: Gate;
}

/** Throws where the configuration is impossible in a way that its check does not know. */
export function createGeneration(config: Config, lasting: Lasting): Generation {
  const { store, local, events, upstream, access, purges, originFailed, log } = lasting;
  const clients = createClients(config.trustedProxies);
  const now = Date.now;
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
  const observed = access.observed(proxy, { wanted: config.log, client: clients.bucket });
  return {
    config,
    handle: purges.byMethod(observed, config),
    gate: createGate({ token: config.adminToken ?? "", isLocal: isOnLoopback(config.admin) }),
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

export type FailureLog = (message: string, failure: { readonly error: unknown; readonly method: string }) => void;

/** Failures of the origin in the log, one a second at the most for each kind. */
export function createFailureLog(log: Log): FailureLog {
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
