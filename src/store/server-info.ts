// Who is at the other end of a connection, and may the store live there? Read from the reply to INFO, which every Redis
// and Valkey gives, managed ones too; what is not told there counts as right. Policy only: nothing is asked here.

import { createHash } from "node:crypto";

export interface ServerInfo {
  /** A number for the Redis process, 1 to 2^52; undefined: it does not tell. */
  readonly process: number | undefined;
  /** Why the store cannot live there, in words; undefined: it can. */
  readonly refusal: string | undefined;
  /** What of its settings hurts, in words for a person; undefined: nothing known. */
  readonly risk: string | undefined;
}

/** What `info`, the reply to INFO, says; anything else says nothing. `mayCluster`: it is known to be a node of a Redis Cluster. */
export function readServerInfo(info: unknown, mayCluster = false): ServerInfo {
  const text = String(info);
  const fact = (name: string) => new RegExp(`^${name}:(.+?)\\r?$`, "m").exec(text)?.[1];
  return {
    process: processOf(fact("run_id")),
    refusal: refusalOf({ mode: fact("redis_mode") ?? fact("server_mode"), role: fact("role"), mayCluster }),
    risk: Number(fact("maxmemory") ?? 0) > 0 ? riskOf(fact("maxmemory_policy") ?? "") : undefined,
  };
}

// 52 bits: a Lua number, and a slot of the fence, hold them exactly.
function processOf(id: string | undefined): number | undefined {
  if (id === undefined) return undefined;
  return 1 + Number.parseInt(createHash("sha256").update(id).digest("hex").slice(0, 13), 16);
}

interface Role {
  readonly mode: string | undefined;
  readonly role: string | undefined;
  readonly mayCluster: boolean;
}

function refusalOf({ mode, role, mayCluster }: Role): string | undefined {
  if (mode === "sentinel") return "this is a Redis Sentinel: name it under store.redis.sentinel.nodes";
  if (mode === "cluster" && !mayCluster) {
    return "this is a node of a Redis Cluster: name it under store.redis.cluster, and leave url out";
  }
  // Its fence lags behind, and it takes no invalidation.
  return role === undefined || role === "master" ? undefined : "this Redis is a replica, not the master";
}

// The fence has no time to live, so volatile-* never takes it.
function riskOf(policy: string): string | undefined {
  if (policy.startsWith("allkeys-")) {
    return `maxmemory-policy ${policy} may evict the fence, which makes all that is stored unusable, and notes of writes under way; use volatile-lru`;
  }
  if (policy === "noeviction") {
    return "maxmemory-policy noeviction: a full Redis stores nothing more, and gives up all that is stored at the next invalidation; use volatile-lru";
  }
  return undefined;
}
