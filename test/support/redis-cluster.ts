// A Redis Cluster for tests: three masters, each a process of its own on free loopback ports, that count a silent one as
// failed after a second and go on serving the slots of the others. Redis 7.0 or newer, or Valkey.

import { hashSlot } from "../../src/store/hash-slot.ts";
import type { Authority } from "./certificates.ts";
import { found } from "./found.ts";
import { freePort } from "./ports.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { tlsPort } from "./redis-tls.ts";

export interface TestCluster {
  /** For `store.redis.cluster`. */
  readonly nodes: readonly string[];
  /** The first three began as masters. */
  readonly servers: readonly TestRedis[];
  /** FLUSHALL on every master. */
  flush(): Promise<void>;
  /** The master that serves the slot of `key`, as all nodes that answer say. */
  ownerOf(key: string): Promise<TestRedis>;
  /** All that serve any slot, as all nodes that answer say. */
  masters(): Promise<TestRedis[]>;
  /** The same of several keys, in their order. */
  ownersOf(keys: readonly string[]): Promise<TestRedis[]>;
  /** Makes a new process a replica of `master`; resolves when it is one that has caught up. */
  replicate(master: TestRedis): Promise<TestRedis>;
  /** Moves the slot of `key` to another master. `midway` runs while what is there lies on both sides of the move. */
  move(key: string, steps?: Move): Promise<TestRedis>;
  /** Resolves when all nodes that answer find the cluster in order. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface Move {
  /** The slot is marked as moving, and all that is there is still at its old place. */
  begun?(): Promise<unknown>;
  /** All is at its new place, and the slot is still marked as moving. */
  moved?(): Promise<unknown>;
}

const LAST_SLOT = 16_383;
const MEETINGS = 12;
const MEETING_MS = 5000;
/** A frozen one never answers. */
const VIEW_MS = 1000;

/**
 * Starts three masters. `args` are appended to the command line of every server. With an `authority` they speak TLS with
 * one another, and `nodes` are where they do.
 */
export async function startCluster(args: readonly string[] = [], authority?: Authority): Promise<TestCluster> {
  /** Where its peers, and whoever uses the Cluster, find each. */
  const ports = new Map<TestRedis, number>();
  const launch = async () => {
    const tls = authority && (await tlsPort(authority));
    const server = await launchNode([...(tls ? [...tls.args, "--tls-cluster", "yes"] : []), ...args]);
    ports.set(server, tls?.port ?? server.port);
    return server;
  };
  const servers = await Promise.all([launch(), launch(), launch()]);
  const ids = new Map<TestRedis, string>();
  const learnId = async (server: TestRedis) => void ids.set(server, String(await server.command("CLUSTER", "MYID")));
  await Promise.all(servers.map(learnId));
  await Promise.all(
    servers.map(async (server, i) => {
      const share = (LAST_SLOT + 1) / servers.length;
      const [first, last] = [Math.ceil(i * share), Math.ceil((i + 1) * share) - 1];
      await server.command("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
      await server.command("CLUSTER", "ADDSLOTSRANGE", String(first), String(last));
    }),
  );
  const meet = async (server: TestRedis) => {
    const [first] = servers;
    if (first && first !== server)
      await server.command("CLUSTER", "MEET", "127.0.0.1", String(ports.get(first)), String(await busPort(first)));
  };
  const known = async (server: TestRedis) => {
    const info = await server.command("CLUSTER", "INFO").then(String, () => undefined);
    return (
      info === undefined ||
      (info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${servers.length}`))
    );
  };
  const settled = async (patienceMs?: number) => {
    const isSettled = async () => (await Promise.all(servers.map(known))).every(Boolean);
    await found("a cluster in order", isSettled, patienceMs);
  };
  // Nodes give a meeting up after a second, which a busy machine may take: then they are told once more.
  const join = async (newcomers: readonly TestRedis[]) => {
    for (let meeting = 1; ; meeting++) {
      for (const server of newcomers) await meet(server);
      try {
        return await settled(MEETING_MS);
      } catch (error) {
        if (meeting === MEETINGS) throw error;
      }
    }
  };
  const stop = async () => void (await Promise.all(servers.map((server) => server.stop())));
  await join(servers).catch(async (error) => {
    await stop(); // else they would keep this process alive
    throw error;
  });

  async function ownersOf(keys: readonly string[]): Promise<TestRedis[]> {
    return found("owners that all agree on", async () => {
      const views = await viewsOf(servers);
      const owners = keys.map((key) => agreed(views.map((view) => portIn(view, hashSlot(key)))));
      return !owners.includes(undefined) && (owners as TestRedis[]);
    });
  }

  async function masters(): Promise<TestRedis[]> {
    return found("masters that all agree on", async () => {
      const views = (await viewsOf(servers)).map((view) => new Set(view.map(([, , [, port]]) => port)));
      const [first, ...others] = views;
      const isSame = (ports: Set<number>) =>
        first !== undefined && ports.size === first.size && [...ports].every((port) => first.has(port));
      return first !== undefined && others.every(isSame) && servers.filter(({ port }) => first.has(port));
    });
  }

  /** The server of the one port that all name. */
  function agreed(ports: readonly (number | undefined)[]): TestRedis | undefined {
    const named = new Set(ports);
    return named.size === 1 ? servers.find(({ port }) => named.has(port)) : undefined;
  }

  async function ownerOf(key: string): Promise<TestRedis> {
    return (await ownersOf([key]))[0] as TestRedis;
  }

  async function move(key: string, { begun, moved }: Move = {}): Promise<TestRedis> {
    const slot = String(hashSlot(key));
    const from = await ownerOf(key);
    const to = (await masters()).find((server) => server !== from) as TestRedis;
    const [idFrom = "", idTo = ""] = [ids.get(from), ids.get(to)];
    await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", idFrom);
    await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", idTo);
    await begun?.();
    for (;;) {
      const keys = (await from.command("CLUSTER", "GETKEYSINSLOT", slot, "100")) as string[];
      if (keys.length === 0) break;
      await from.command("MIGRATE", "127.0.0.1", String(to.port), "", "0", "5000", "REPLACE", "KEYS", ...keys);
    }
    await moved?.();
    await to.command("CLUSTER", "SETSLOT", slot, "NODE", idTo);
    await from.command("CLUSTER", "SETSLOT", slot, "NODE", idTo);
    return to;
  }

  return {
    nodes: servers.map((server) => `127.0.0.1:${ports.get(server)}`),
    servers,
    masters,
    ownerOf,
    ownersOf,
    move,
    settled: () => settled(),
    async flush() {
      const flushed = servers.map((server) =>
        server.flush().catch((error) => !/READONLY/.test(String(error)) && Promise.reject(error)),
      );
      await Promise.all(flushed);
    },
    async replicate(master) {
      const replica = await launch();
      await learnId(replica);
      servers.push(replica);
      await join([replica]);
      const follow = () => replica.command("CLUSTER", "REPLICATE", ids.get(master) ?? "");
      await found("a replica", () => follow().then(Boolean, () => false));
      const replication = async () => String(await replica.command("INFO", "replication"));
      await found("a replica that has caught up", async () => (await replication()).includes("master_link_status:up"));
      return replica;
    },
    stop,
  };
}

async function launchNode(args: readonly string[]): Promise<TestRedis> {
  const bus = String(await freePort());
  const facts = { enabled: "yes", port: bus, "node-timeout": "1000", "require-full-coverage": "no" };
  const cluster = Object.entries(facts).flatMap(([name, value]) => [`--cluster-${name}`, value]);
  const server = await startRedis([...cluster, "--repl-diskless-sync-delay", "0", ...args]); // else a replica waits 5 s for others
  const start = async () => {
    await server.start();
    await endImports(server);
  };
  const restart = async () => {
    await server.kill();
    await start();
  };
  return { ...server, start, restart };
}

// A master that finds keys of another's slot in its snapshot takes that slot for one that is being moved to it, and then does
// not hear of it any more: it would go on naming a master that has failed.
async function endImports(server: TestRedis): Promise<void> {
  const nodes = String(await server.command("CLUSTER", "NODES"));
  for (const [, slot = ""] of nodes.matchAll(/\[(\d+)-<-/g)) {
    await server.command("CLUSTER", "SETSLOT", slot, "STABLE").catch(() => {}); // a replica by now has none
  }
}

async function busPort(server: TestRedis): Promise<number> {
  return Number(
    ((await server.command("CONFIG", "GET", "cluster-port")) as { "cluster-port": string })["cluster-port"],
  );
}

type Ranges = readonly (readonly [first: number, last: number, master: readonly [host: string, port: number]])[];

/** Of those that answer. */
async function viewsOf(servers: readonly TestRedis[]): Promise<Ranges[]> {
  const late = () => new Promise<undefined>((resolve) => void setTimeout(() => resolve(undefined), VIEW_MS));
  const view = (server: TestRedis) => server.command("CLUSTER", "SLOTS").catch(() => undefined);
  const views = await Promise.all(servers.map((server) => Promise.race([view(server), late()])));
  return views.filter((each) => each !== undefined) as Ranges[];
}

function portIn(ranges: Ranges, slot: number): number | undefined {
  return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
}
