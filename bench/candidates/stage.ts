// What stands around the candidates of one scenario: origin, Redis, a folder for their files. Made anew for each
// scenario, so that none inherits the state of another.

import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "../load/asking.ts";
import { freePort, type Running, start, stopWhere, which } from "../processes.ts";
import { startProgram } from "../programs/program.ts";

/** The surroundings of a scenario. */
export interface Stage {
  /** For configuration, caches and profiles; removed at the end. */
  readonly dir: string;
  readonly originPort: number;
  /** How many requests the origin has had. */
  originRequests(): Promise<number>;
  /** undefined: no redis-server is installed. */
  readonly redis: { readonly running: Running; readonly port: number } | undefined;
}

/** One thing that is measured: a server, or several that act as one. */
export interface Candidate {
  readonly name: string;
  /** Where it is reached, without a trailing slash; one per sidecar. */
  readonly urls: readonly string[];
  /** Its processes; their descendants belong to it too. */
  readonly roots: readonly number[];
}

/** A candidate that cannot take part, and why. */
export interface Skipped {
  readonly name: string;
  readonly skipped: string;
}

/** Starts a candidate; one that cannot start is skipped, with what it said. */
export async function orSkipped(name: string, start: () => Promise<Candidate | Skipped>): Promise<Candidate | Skipped> {
  try {
    return { ...(await start()), name };
  } catch (error) {
    return { name, skipped: `did not start: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Starts origin and Redis, does the work, stops everything that runs, removes the folder. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "forebay-bench-"));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  process.once("exit", remove);
  const origin = await startProgram("origin", "origin.ts", { core: "load" });
  const redis = await startRedis(dir);
  const originRequests = async () => ((await origin.ask({}, 5000)) as { requests: number }).requests;
  try {
    return await work({ dir, originPort: origin.port, originRequests, redis });
  } finally {
    await stopWhere((one) => one.name !== "load generator");
    process.off("exit", remove);
    remove();
  }
}

/** The redis-server or valkey-server to use; undefined: none is installed. */
export function redisBinary(): string | undefined {
  return process.env.REDIS_SERVER_BIN ?? which("redis-server") ?? which("valkey-server");
}

/** Resolves when a server answers GET `path` with any status, polling; rejects when it exits or after `timeoutMs`. */
export async function untilAnswering(running: Running, url: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while ((await ask(url, 2000)).status === 0) {
    const ended = running.child.exitCode !== null;
    if (ended || performance.now() > deadline) {
      throw new Error(`${running.name}: ${ended ? "ended" : `no answer within ${timeoutMs} ms`}\n${running.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function startRedis(dir: string): Promise<Stage["redis"]> {
  const program = redisBinary();
  if (program === undefined) return undefined;
  const port = await freePort();
  const where = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir];
  // Only keys with a time to live are evicted: the fence has none.
  const limits = ["--save", "", "--appendonly", "no", "--maxmemory", "512mb", "--maxmemory-policy", "volatile-ttl"];
  const running = start(program, [...where, ...limits], { name: "redis", core: "load" });
  await untilSaid(running, "Ready to accept connections");
  return { running, port };
}

/** Resolves when the program has written `words`; rejects when it ends or 5 s have passed. */
function untilSaid(running: Running, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      running.child.stdout?.off("data", look);
      running.child.off("exit", fail);
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = () => running.output().includes(words) && settle();
    const fail = () => settle(new Error(`${running.name}: did not become ready\n${running.output()}`));
    const timer = setTimeout(fail, 5000);
    running.child.stdout?.on("data", look);
    running.child.once("exit", fail);
  });
}
