// Sentinels for tests: a master, a replica, and three sentinels that watch them, each a process of its own on a free
// loopback port. They notice a silent master after half a second, and fail over when told to, or when it is gone.

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { found } from "./found.ts";
import { end, findProgram, freePort, launchProgram, sendOnce, startRedis, type TestRedis } from "./redis.ts";

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
  stop(): Promise<void>;
}

const NAME = "main";
/** Of a failover that is told. */
const ATTEMPTS = 5;
const ATTEMPT_MS = 10_000;

/** `args` are appended to the command line of the servers. */
export async function startSentinel(args: readonly string[] = []): Promise<TestSentinel> {
  const first = await startRedis(args);
  const second = await startRedis([...args, "--replicaof", "127.0.0.1", String(first.port)]);
  const servers = [first, second];
  await found("a replica", async () => String(await first.command("INFO", "replication")).includes("state=online"));
  const folder = mkdtempSync(join(tmpdir(), "forebay-sentinel-"));
  const sentinels = await Promise.all([0, 1, 2].map((index) => launchSentinel(folder, { index, watched: first.port })));
  const ask = (port: number, ...words: string[]) => sendOnce(`redis://127.0.0.1:${port}`, ["SENTINEL", ...words]);

  async function master(): Promise<TestRedis | undefined> {
    const named = await Promise.all(sentinels.map(({ port }) => ask(port, "GET-MASTER-ADDR-BY-NAME", NAME)));
    const ports = new Set(named.map((place) => Number((place as string[])[1])));
    return ports.size === 1 ? servers.find(({ port }) => ports.has(port)) : undefined;
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
    nodes: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    servers,
    master: current,
    movedFrom,
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

async function launchSentinel(
  folder: string,
  { index, watched }: { index: number; watched: number },
): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort();
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
  return { port, child: await launchProgram(findProgram(), [file, "--sentinel"], "+monitor master") };
}

/** Of a map as either protocol gives it. */
function pairs(reply: unknown): [string, string][] {
  if (!Array.isArray(reply)) return Object.entries(reply as Record<string, string>);
  return reply.flatMap((name, i) => (i % 2 === 0 ? [[String(name), String(reply[i + 1])] as [string, string]] : []));
}
