// A real Redis for tests: one process of its own on a free loopback port, its data in a temp folder, stopped at the
// end by its process id. REDIS_SERVER_BIN names the program; else redis-server or valkey-server on PATH; else, as root
// on Debian or Ubuntu, the package is installed, saying so.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createClient } from "@redis/client";
import { freePort } from "./ports.ts";
import { installPackage, onPath } from "./programs.ts";

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Sends one command over a connection of its own and gives the reply as it came. */
  command(...args: string[]): Promise<unknown>;
  /** FLUSHALL. */
  flush(): Promise<void>;
  /** Stops the process where it stands (SIGSTOP): connections stay open and unanswered. */
  freeze(): void;
  thaw(): void;
  /** Ends the process at once (SIGKILL); its data folder stays, so `start` brings back what was saved last. */
  kill(): Promise<void>;
  /** Starts the process again on the same port, after `kill`. */
  start(): Promise<void>;
  /** kill, then start. */
  restart(): Promise<void>;
  /** Ends the process and removes its data. To be called once, in afterAll. */
  stop(): Promise<void>;
}

/** Starts a Redis that saves only when told to (SAVE). `args` are appended to its command line. */
export async function startRedis(args: readonly string[] = []): Promise<TestRedis> {
  const program = findProgram();
  const folder = mkdtempSync(join(tmpdir(), "forebay-redis-"));
  const port = await freePort();
  let child = await launch(program, { folder, port, args });
  const url = `redis://127.0.0.1:${port}`;
  const command = (...words: string[]) => sendOnce(url, words);
  const kill = () => end(child);
  const start = async () => {
    child = await launch(program, { folder, port, args });
  };
  return {
    url,
    port,
    command,
    kill,
    start,
    flush: async () => void (await command("FLUSHALL")),
    freeze: () => signal(child, "SIGSTOP"),
    thaw: () => signal(child, "SIGCONT"),
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function launch(program: string, at: { folder: string; port: number; args: readonly string[] }) {
  const where = ["--port", String(at.port), "--bind", "127.0.0.1", "--dir", at.folder];
  return launchProgram(program, [...where, "--save", "", "--appendonly", "no", ...at.args]);
}

/** Starts `program`; resolves when it has said `sign`. It ends with this process at the latest. */
export async function launchProgram(
  program: string,
  args: readonly string[],
  sign = "Ready to accept connections",
): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const endWithUs = () => signal(child, "SIGKILL");
  process.once("exit", endWithUs);
  child.once("exit", () => process.off("exit", endWithUs));
  await ready(child, program, sign);
  return child;
}

function ready(child: ChildProcess, program: string, sign: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (piece: Buffer) => {
      said = (said + piece.toString("latin1")).slice(-4000);
      if (said.includes(sign)) resolve();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("error", (cause) => reject(new Error(`start ${program}: ${cause.message}`, { cause })));
    child.once("exit", (code) => reject(new Error(`start ${program}: it ended with ${code}: ${said}`)));
  });
}

/** SIGKILL; resolves when it is gone. */
export function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    signal(child, "SIGKILL");
  });
}

// By process id: a child's own kill() sends one signal only on Deno.
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(child.pid, name);
}

/** Sends one command over a connection of its own. */
export async function sendOnce(url: string, words: string[], RESP: 2 | 3 = 3): Promise<unknown> {
  const client = createClient({ url, RESP, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (error) {
    if (RESP === 3 && String(error).includes("unknown command")) return sendOnce(url, words, 2);
    throw error;
  }
  try {
    return await client.sendCommand(words);
  } finally {
    client.destroy();
  }
}

/** The server to test with. */
export function findProgram(): string {
  const named = process.env.REDIS_SERVER_BIN;
  if (named) return named;
  return onPath("redis-server") ?? onPath("valkey-server") ?? installed();
}

function installed(): string {
  const found = installPackage("redis-server");
  if (found !== undefined) return found;
  throw new Error(
    "find a Redis to test with: none on PATH; install redis-server or valkey-server (apt-get install redis-server, " +
      "brew install redis), or set REDIS_SERVER_BIN to its program",
  );
}
