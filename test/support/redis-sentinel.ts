// Sentinels for tests: a master, a replica, and three sentinels that watch them, each a process of its own on a free
// loopback port. They notice a silent master after half a second, and fail over when told to, or when it is gone.

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authority } from "./certificates.ts";
import { found } from "./found.ts";
import { freePort } from "./ports.ts";
import { end, findProgram, launchProgram, sendOnce, startRedis, type TestRedis } from "./redis.ts";
import { tlsPort } from "./redis-tls.ts";

export interface TestSentinel {
  /** For `store.redis.sentinel`. */
  readonly name: string;
  /** host:port of each sentinel. */
  readonly nodes: readonly string[];
  /** The first one began as the master. */
  readonly servers: readonly TestRedis[];
  /** The server that all sentinels name as the master. */
  master(): Promise<TestRedis>;
  /** Makes another server the master, as an operator would; resolves when all sentinels name it. */
  failover(): Promise<void>;
  /** Resolves with the master when all sentinels name another than `old`. */
  movedFrom(old: TestRedis): Promise<TestRedis>;
  /** Sends one command to every sentinel, by its ordinary port. */
  tell(...words: string[]): Promise<void>;
  stop(): Promise<void>;
}

const NAME = "main";
/** Of a failover that is told. */
const ATTEMPTS = 5;
const ATTEMPT_MS = 10_000;

/**
 * `args` are appended to the command line of the servers. With an `authority` they and the sentinels speak TLS with one
 * another, and where they do is what `nodes` and the sentinels name.
 */
export async function startSentinel(args: readonly string[] = [], authority?: Authority): Promise<TestSentinel> {
  const common = ["--repl-diskless-sync-delay", "0", ...args]; // else a replica waits 5 s for others
  /** By the port that the sentinels name. */
  const byPort = new Map<number, TestRedis>();
  const launch = async (...more: string[]) => {
    const tls = authority && (await tlsPort(authority));
    const server = await startRedis([...common, ...(tls?.args ?? []), ...more]);
    const port = tls?.port ?? server.port;
    byPort.set(port, server);
    return { server, port };
  };
  const { server: first, port: watched } = await launch();
  await launch("--replicaof", "127.0.0.1", String(watched));
  await found("a replica", async () => String(await first.command("INFO", "replication")).includes("state=online"));
  const folder = mkdtempSync(join(tmpdir(), "forebay-sentinel-"));
  const sentinels = await Promise.all([0, 1, 2].map((index) => launchSentinel(folder, { index, watched, authority })));
  const servers = [...byPort.values()];
  const send = (port: number, ...words: string[]) => sendOnce(`redis://127.0.0.1:${port}`, words);
  const ask = (port: number, ...words: string[]) => send(port, "SENTINEL", ...words);

  async function master(): Promise<TestRedis | undefined> {
    const named = await Promise.all(sentinels.map(({ port }) => ask(port, "GET-MASTER-ADDR-BY-NAME", NAME)));
    const [port, ...others] = new Set(named.map((place) => Number((place as string[])[1])));
    return others.length === 0 && port !== undefined ? byPort.get(port) : undefined;
  }

  const current = () => found("one master", master);
  const movedFrom = (old: TestRedis, patienceMs?: number) =>
    found(
      "another master",
      async () => {
        const now = await master();
        return now !== old && now;
      },
      patienceMs,
    );
  // Each knows the replica and both others: then they can fail over.
  await found("the sentinels", async () => {
    const seen = await Promise.all(sentinels.map(({ port }) => ask(port, "MASTER", NAME)));
    const facts = seen.map((reply) => new Map(pairs(reply)));
    return facts.every((each) => each.get("num-slaves") === "1" && each.get("num-other-sentinels") === "2");
  });
  return {
    name: NAME,
    nodes: sentinels.map(({ node }) => node),
    servers,
    master: current,
    movedFrom,
    tell: async (...words) => void (await Promise.all(sentinels.map(({ port }) => send(port, ...words)))),
    async failover() {
      const old = await current();
      const tell = () => ask(sentinels[0]?.port ?? 0, "FAILOVER", NAME);
      // Refused while a replica is not known to be in good shape. On a busy machine it may be given up, or be followed by
      // another one back: then it is told once more.
      for (let attempt = 1; ; attempt++) {
        await found("a failover", () => tell().then(Boolean, () => false));
        try {
          await movedFrom(old, ATTEMPT_MS);
          return;
        } catch (error) {
          if (attempt === ATTEMPTS) throw error;
        }
      }
    },
    async stop() {
      await Promise.all(sentinels.map(({ child }) => end(child)));
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface LaunchedSentinel {
  /** The one that is not for TLS. */
  readonly port: number;
  /** host:port for whoever asks for the master. */
  readonly node: string;
  readonly child: ChildProcess;
}

async function launchSentinel(
  folder: string,
  { index, watched, authority }: { index: number; watched: number; authority: Authority | undefined },
): Promise<LaunchedSentinel> {
  const port = await freePort();
  const tls = authority && (await tlsPort(authority));
  const file = join(folder, `sentinel-${index}.conf`);
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${watched} 2`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 2000`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = await launchProgram(findProgram(), [file, "--sentinel", ...(tls?.args ?? [])], "+monitor master");
  return { port, node: `127.0.0.1:${tls?.port ?? port}`, child };
}

/** Of a map as either protocol gives it. */
function pairs(reply: unknown): [string, string][] {
  if (!Array.isArray(reply)) return Object.entries(reply as Record<string, string>);
  return reply.flatMap((name, i) => (i % 2 === 0 ? [[String(name), String(reply[i + 1])] as [string, string]] : []));
}
