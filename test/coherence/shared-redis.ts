// The Redis that the sidecars of a run share, and how each gets to it: one server; a master and a replica that three
// sentinels watch; or a Redis Cluster of three masters with a replica each. Where a sidecar can have a wire of its own to a
// server, that wire can be broken. The nodes of a Cluster tell their clients where others are, but for the host, which is
// then the one that the client has asked: so every sidecar has a loopback address of its own, on which the wires to the
// nodes have the nodes' own ports. The sentinels tell where the master is, so that there can be no wires.

import { createRedisKeys } from "../../src/store/redis-keys.ts";
import { found } from "../support/found.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { type Relay, startRelay } from "../support/relay.ts";

export const TOPOLOGIES = ["redis", "sentinel", "cluster"] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

export interface SharedRedis {
  readonly servers: readonly TestRedis[];
  /** The server that holds the fence now. */
  master(): Promise<TestRedis>;
  /** Those that are in use, and hold none of it. */
  others(): Promise<readonly TestRedis[]>;
  /** The one that will take the place of `master`. */
  replicaOf(master: TestRedis): TestRedis;
  flush(): Promise<void>;
  /** Makes the replica of `old` the master in its place, as an operator would; resolves when it is. */
  handOver(old: TestRedis): Promise<unknown>;
  /** Resolves with the master that has taken the place of `old`, when all that answer say so. */
  movedFrom(old: TestRedis): Promise<TestRedis>;
  /** Has another server serve the slot of `key`. `midway` runs twice: all is still there, all is gone from there. */
  reshard(key: string, midway: () => Promise<unknown>): Promise<unknown>;
  /** The way of the sidecar with this number, from 1: a line of `store.redis`, and the wires that it goes over. */
  way(number: number): Promise<Way>;
  stop(): Promise<void>;
}

export interface Way {
  readonly where: string;
  readonly wires: readonly Wire[];
}

export interface Wire {
  readonly relay: Relay;
  readonly to: TestRedis;
}

export const FENCE = createRedisKeys("forebay").fence;

export function startSharedRedis(name: TopologyName): Promise<SharedRedis> {
  return { redis: single, sentinel: watched, cluster: clustered }[name]();
}

async function single(): Promise<SharedRedis> {
  const redis = await startRedis();
  return {
    servers: [redis],
    master: async () => redis,
    others: async () => [],
    replicaOf: () => redis,
    flush: redis.flush,
    handOver: () => impossible("hand over"),
    movedFrom: () => impossible("fail over"),
    reshard: () => impossible("reshard"),
    async way() {
      const relay = await startRelay(redis.port, { vital: FENCE });
      return { where: `url: redis://127.0.0.1:${relay.port}`, wires: [{ relay, to: redis }] };
    },
    stop: redis.stop,
  };
}

async function watched(): Promise<SharedRedis> {
  const { name, nodes, servers, master, movedFrom, failover, stop } = await startSentinel();
  return {
    servers,
    master,
    others: async () => [],
    replicaOf: (master) => servers.find((server) => server !== master) as TestRedis,
    flush: async () => (await master()).flush(),
    handOver: failover,
    movedFrom,
    reshard: () => impossible("reshard"),
    way: async () => ({ where: `sentinel: ${JSON.stringify({ name, nodes })}`, wires: [] }),
    stop,
  };
}

async function clustered(): Promise<SharedRedis> {
  const cluster = await startCluster(["--cluster-preferred-endpoint-type", "unknown-endpoint"]);
  const partners = await replicated(cluster);
  const { servers, masters, settled, move } = cluster;
  const master = () => cluster.ownerOf(FENCE);

  const replicaOf = (master: TestRedis) => partners.get(master) as TestRedis;

  async function movedFrom(old: TestRedis): Promise<TestRedis> {
    const partner = replicaOf(old);
    await found("a fail-over", async () => (await masters()).includes(partner));
    return partner;
  }

  return {
    servers,
    master,
    async others() {
      const fence = await master();
      return (await masters()).filter((server) => server !== fence);
    },
    replicaOf,
    flush: cluster.flush,
    async handOver(old) {
      await replicaOf(old).command("CLUSTER", "FAILOVER");
      await movedFrom(old);
    },
    movedFrom,
    async reshard(key, midway) {
      await settled();
      await move(key, { begun: midway, moved: midway });
    },
    async way(number) {
      const host = `127.0.0.${number + 1}`;
      const relays = await Promise.all(
        servers.map(({ port }) => startRelay(port, { at: { host, port }, vital: FENCE })),
      );
      const nodes = servers.map(({ port }) => `${host}:${port}`);
      const wires = relays.map((relay, i) => ({ relay, to: servers[i] as TestRedis }));
      return { where: `cluster: ${JSON.stringify(nodes)}`, wires };
    },
    stop: cluster.stop,
  };
}

/** Gives every master a replica; of each server the other of its pair, which one will lead when the other is lost. */
async function replicated({ servers, replicate, stop }: TestCluster): Promise<Map<TestRedis, TestRedis>> {
  const partners = new Map<TestRedis, TestRedis>();
  try {
    for (const master of [...servers]) {
      const replica = await replicate(master);
      partners.set(master, replica).set(replica, master);
    }
    return partners;
  } catch (error) {
    await stop();
    throw error;
  }
}

function impossible(what: string): Promise<never> {
  return Promise.reject(new Error(`${what}: not on this topology`));
}
