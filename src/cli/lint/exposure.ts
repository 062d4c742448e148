// What of the configuration lets strangers in, or tells them apart wrongly? Who is believed, who may purge, whom the limits
// count, and passwords that travel in the clear.

import type { Config, RateLimitConfig } from "../../config/schema.ts";
import { createClients, isLoopback } from "../../limit/client.ts";
import type { Warning } from "./rules.ts";

type Path = Warning["path"];

type IsWritten = (path: Path) => boolean;

/** `isWritten`: whether the file says something there, as Inspected does. */
export function lintExposure(config: Config, isWritten: IsWritten): Warning[] {
  return [
    ...lintTrust(config),
    ...lintPurging(config),
    ...lintAdmin(config),
    ...lintLimits(config, isWritten),
    ...lintPasswords(config),
  ];
}

/** A network of half of all addresses or more. */
function isEverybody(network: string): boolean {
  return /\/[01]$/.test(network);
}

function lintTrust({ trustedProxies }: Config): Warning[] {
  return trustedProxies.flatMap((network, index) => {
    if (!isEverybody(network)) return [];
    const text =
      "believes what any client says of its address, so limits by ip are evaded and logs lie; name your load balancers' networks, such as 10.0.0.0/8";
    return [{ rule: "trusts-everyone", path: ["trustedProxies", index], text } as const];
  });
}

function lintPurging({ purge }: Config): Warning[] {
  return (purge?.allow ?? []).flatMap((network, index) => {
    if (!isEverybody(network)) return [];
    const text =
      "lets any client purge, so anyone can send all traffic to the origin; name the networks that deploy, such as loopback";
    return [{ rule: "purge-from-everywhere", path: ["purge", "allow", index], text } as const];
  });
}

function lintAdmin({ admin, adminToken = "" }: Config): Warning[] {
  if (admin === false || isLocal(admin) || adminToken !== "") return [];
  const text =
    "is reachable from other machines and has no adminToken, so anyone there sees its health and events, and nobody can purge; set adminToken, or write 127.0.0.1";
  return [{ rule: "admin-unprotected", path: ["admin"], text }];
}

function isLocal(address: Exclude<Config["admin"], false>): boolean {
  return "path" in address || isLoopback(address.host);
}

interface LimitAt {
  readonly path: Path;
  readonly limit: RateLimitConfig[number];
}

/** Beside those of a route, those for all. */
function lintLimits(config: Config, isWritten: IsWritten): Warning[] {
  const limitsAt = (path: Path, limits: RateLimitConfig = []): LimitAt[] =>
    limits.map((limit, index) => ({ path: isWritten([...path, index]) ? [...path, index] : path, limit }));
  const shared = limitsAt(["rateLimit"], config.rateLimit);
  const own = config.routes.map(({ rateLimit }, index) => limitsAt(["routes", index, "rateLimit"], rateLimit));
  const all = [...shared, ...own.flat()];
  return [
    ...all.flatMap(lintExceptions),
    ...lintBehindProxy(config, all),
    ...[shared, ...own].flatMap((limits) => lintEvadable(limits, shared)),
  ];
}

function lintExceptions({ path, limit }: LimitAt): Warning[] {
  return limit.except.flatMap((network, index) => {
    if (!isEverybody(network)) return [];
    const text =
      "excepts every client, so the limit never counts; name the networks that are meant, or leave the limit out";
    return [{ rule: "limit-excepts-everyone", path: [...path, "except", index], text } as const];
  });
}

/** Said once: it is about the listener, not about the limit. */
function lintBehindProxy({ listen, trustedProxies }: Config, limits: readonly LimitAt[]): Warning[] {
  const byAddress = limits.find(({ limit }) => limit.by.includes("ip"));
  if (byAddress === undefined) return [];
  const rule = "limit-behind-proxy";
  if (isLocal(listen)) {
    const peer = "path" in listen ? "" : "127.0.0.1";
    if (createClients(trustedProxies).trusts(peer)) return [];
    const text =
      "counts by ip, but listen is on this machine alone: whoever comes through a proxy here counts as one client; write trustedProxies: [loopback]";
    return [{ rule, path: byAddress.path, text }];
  }
  if (trustedProxies.length > 0) return [];
  const text =
    "counts by ip, and no proxy is trusted: all who come through a load balancer count as one client; name it in trustedProxies, or allow this where clients connect directly";
  return [{ rule, path: byAddress.path, text }];
}

/** A client that invents a new value for each request is a new client each time. */
function lintEvadable(limits: readonly LimitAt[], shared: readonly LimitAt[]): Warning[] {
  const isFirm = ({ limit }: LimitAt) => limit.by.length === 1 && limit.by[0] === "ip" && limit.enforce;
  const first = limits.find(({ limit }) => limit.enforce);
  if (first === undefined || [...limits, ...shared].some(isFirm)) return [];
  const text =
    "counts by what a client may invent, so a new value is a new quota; put a wider limit by ip beside it, or allow this where the values are checked before Forebay";
  return [{ rule: "limit-evadable", path: first.path, text }];
}

function lintPasswords({ store: { redis } }: Config): Warning[] {
  if (redis === undefined) return [];
  const { url, sentinel, cluster, tls } = redis;
  const own = url === undefined ? undefined : new URL(url);
  const way = url !== undefined ? "url" : sentinel !== undefined ? "sentinel" : "cluster";
  const hosts = own ? [own.hostname] : (sentinel?.nodes ?? cluster ?? []).map((node) => node.replace(/:\d+$/, ""));
  const hasPassword = (redis.password ?? sentinel?.password ?? own?.password ?? "") !== "";
  const isEncrypted = own ? own.protocol === "rediss:" : tls !== undefined;
  if (!hasPassword || isEncrypted || hosts.every(isLoopback)) return [];
  const mend = own ? "write rediss://" : "write tls: {}";
  const text = `sends the password, and all that is stored, unencrypted to another machine; ${mend}, or allow this where the network encrypts`;
  return [{ rule: "plain-text-password", path: ["store", "redis", way], text }];
}
