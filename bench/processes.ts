// Which processes the bench runs, on which core, and that none outlives it. Knows nothing of HTTP or of what is measured.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { treeOf } from "./procfs.ts";

/** Proxies have the first core to themselves; load generator, origin and Redis share the second. "any": where there is room. */
export type Core = "proxy" | "load" | "any";

/** A child process of the bench. */
export interface Running {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** The last few kilobytes of what it wrote on stdout and stderr. */
  output(): string;
  /** SIGTERM, after 3 s SIGKILL for it and its descendants. Resolves when it is gone; may be called twice. */
  stop(): Promise<void>;
}

interface StartOptions {
  readonly name: string;
  readonly core: Core;
  /** A channel for messages (Node programs only). */
  readonly ipc?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

const keptOutput = 8192;
const running = new Set<Running>();
const stopping = new WeakSet<Running>();
const taskset = pinning();
let over = false;

/** Whether processes are pinned to cores on this machine, in words for the report. */
export const pinned =
  taskset === undefined
    ? "processes not pinned (no taskset, or one core only)"
    : "the proxy pinned to core 0; load generator, origin and Redis to core 1";

/** Starts a program on a core. Throws where it cannot be spawned, and once the bench is ending. */
export function start(command: string, args: readonly string[], options: StartOptions): Running {
  if (over) throw new Error(`Start ${options.name}: the bench is ending`);
  const [file, all] =
    taskset === undefined ? [command, args] : [taskset, ["-c", coreOf(options.core), command, ...args]];
  const child = spawn(file, all, {
    stdio: options.ipc ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  if (child.pid === undefined) {
    child.on("error", () => {});
    throw new Error(`Start ${options.name}: ${command} could not be spawned`);
  }
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const one: Running = {
    name: options.name,
    pid: child.pid,
    child,
    output: tail(child),
    stop: () => stop(one, exited),
  };
  running.add(one);
  child.once("exit", (code, signal) => {
    running.delete(one);
    if (!stopping.has(one)) console.error(`${one.name} ended by itself (${signal ?? code}):\n${one.output()}`);
  });
  return one;
}

/** Stops what is chosen of all that still runs, the last started first. */
export async function stopWhere(chosen: (one: Running) => boolean): Promise<void> {
  for (const one of [...running].reverse()) if (chosen(one)) await one.stop();
}

/** Stops everything, for good: nothing can be started after that. */
export function stopAll(): Promise<void> {
  over = true;
  return stopWhere(() => true);
}

/** For process.on("exit"), where nothing can be awaited: tells everything to stop, frozen ones too. */
export function tellAllToStop(): void {
  for (const one of running) {
    signal(one.pid, "SIGTERM");
    signal(one.pid, "SIGCONT");
  }
}

/** Where a program is, searching PATH and the system's own program folders; undefined: not installed. */
export function which(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/usr/bin"];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** What a program prints about its version, first line; "" where it says nothing. */
export function versionOf(program: string, flag: string): string {
  const said = spawnSync(program, [flag], { encoding: "utf8", timeout: 5000 });
  return `${said.stdout ?? ""}${said.stderr ?? ""}`.split("\n")[0]?.trim() ?? "";
}

/** A port of 127.0.0.1 nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function stop(one: Running, exited: Promise<void>): Promise<void> {
  if (!running.has(one)) return;
  stopping.add(one);
  const family = treeOf(one.pid);
  signal(one.pid, "SIGTERM");
  signal(one.pid, "SIGCONT");
  const gone = await Promise.race([exited.then(() => true), pause(3000, false, { ref: false })]);
  if (gone) return;
  for (const pid of family) signal(pid, "SIGKILL");
  await exited;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

function tail(child: ChildProcess): () => string {
  let kept = "";
  const keep = (piece: Buffer) => {
    kept = (kept + piece.toString("utf8")).slice(-keptOutput);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => kept;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function coreOf(core: Core): string {
  return { proxy: "0", load: "1", any: "0,1" }[core];
}

function pinning(): string | undefined {
  const program = which("taskset");
  if (program === undefined || availableParallelism() < 2) return undefined;
  return spawnSync(program, ["-c", "0,1", "true"]).status === 0 ? program : undefined;
}
