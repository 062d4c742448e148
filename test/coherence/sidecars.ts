// One place for a sidecar: a port, the process that listens there now, and its wires to Redis. A process that was killed
// is replaced by a new one on the same port. What it says of its store goes into the history.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { open, type Recording, type SidecarId } from "./history.ts";
import type { Mutation } from "./mutations.ts";
import type { Wire } from "./shared-redis.ts";

export interface Place {
  /** Of the process that is there now. */
  readonly id: SidecarId;
  /** Its wires to Redis; none: there are none that could be broken, with Sentinel. */
  readonly wires: readonly Wire[];
  /** URL of the admin listener. */
  readonly admin: string;
  /** To the process that is there now; a new one after each kill. */
  readonly pool: Pool;
  /** Whether it has its store, in its own words. */
  readonly isWell: boolean;
  /** Resolves when it has; rejects after `ms`. */
  well(ms: number): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** A new process on the same port, after `kill`. Resolves when it serves. */
  replace(): Promise<void>;
  close(): Promise<void>;
}

export interface PlaceOptions {
  readonly number: number;
  readonly port: number;
  readonly wires: readonly Wire[];
  readonly admin: string;
  /** File. */
  readonly config: string;
  readonly mutation: Mutation | undefined;
  readonly recording: Recording;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 60_000;
/** Of what a sidecar says, these lines are for the checker. */
const TOLD = /"msg":"(store (ok|degraded)|listening|log lines dropped)/;
const preload = (file: string) => ["--import", new URL(file, import.meta.url).href];

export async function openPlace(options: PlaceOptions): Promise<Place> {
  const { number, port, wires, admin, recording } = options;
  const listeners = new Set<() => void>();
  let incarnation = 0;
  let id = `${number}.0`;
  let isWell = false;
  let child: ChildProcess;
  let pool: Pool;
  let endOutage: () => void = () => {};

  function tell(well: boolean, why: string): void {
    if (well === isWell) return;
    isWell = well;
    if (well) endOutage();
    else endOutage = open(recording.outages, { sidecar: id, why });
    for (const hear of listeners) hear();
  }

  async function launch(): Promise<void> {
    isWell = false;
    endOutage = open(recording.outages, { sidecar: id, why: "it starts", isStart: true });
    pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1 });
    child = start(options);
    const own = child;
    own.on("message", (message: { stalledMs?: number }) => {
      if (message.stalledMs === undefined) return;
      const to = performance.now();
      recording.stalls.push({ who: id, from: to - message.stalledMs, to });
    });
    await serves(own, options, (state, why) => own === child && tell(state === "ok", why));
  }

  function end(): Promise<unknown> {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    return exited;
  }

  await launch();
  return {
    get id() {
      return id;
    },
    get pool() {
      return pool;
    },
    get isWell() {
      return isWell;
    },
    wires,
    admin,
    well: (ms) =>
      new Promise((resolve, reject) => {
        if (isWell) return resolve();
        const timer = setTimeout(() => {
          listeners.delete(hear);
          void readiness(admin).then((said) => {
            reject(new Error(`sidecar ${id} has not had its store for ${ms} ms: ${said}`));
          });
        }, ms);
        const hear = () => {
          if (!isWell) return;
          clearTimeout(timer);
          listeners.delete(hear);
          resolve();
        };
        listeners.add(hear);
      }),
    async kill() {
      recording.kills.set(id, performance.now());
      await end();
      endOutage();
      isWell = false;
      void pool.destroy();
    },
    async replace() {
      incarnation += 1;
      id = `${number}.${incarnation}`;
      await launch();
    },
    async close() {
      await Promise.all([end(), pool.destroy()]);
      for (const { relay } of wires) await relay.stop();
    },
  };
}

/** In its own words; why it does not tell, where it does not. */
function readiness(admin: string): Promise<string> {
  const asked = fetch(`${admin}/readyz`, { signal: AbortSignal.timeout(5000) });
  return asked.then((answer) => answer.text()).catch(String);
}

function start({ port, config, mutation }: PlaceOptions): ChildProcess {
  const env = { ...process.env, FOREBAY_MUTATION: mutation?.name };
  const loaded = [...preload("stalls.ts"), ...(mutation ? preload("mutate.ts") : [])];
  // At level info a sidecar that comes and goes often says so late.
  const args = ["src/main.ts", "--config", config, "--listen", `127.0.0.1:${port}`, "--log-level", "debug"];
  const child = spawn(process.execPath, [...loaded, ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const endWithUs = () => void child.kill("SIGKILL");
  process.once("exit", endWithUs);
  child.once("exit", () => process.off("exit", endWithUs));
  return child;
}

/** Resolves when the process listens, and all of its mutation has taken. */
async function serves(
  child: ChildProcess,
  { mutation }: PlaceOptions,
  tell: (state: "ok" | "degraded", why: string) => void,
): Promise<void> {
  let said = "";
  const taken = new Set<string>();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on("message", (message: { mutated?: string }) => {
    if (message.mutated !== undefined) taken.add(message.mutated);
  });
  child.stderr?.on("data", (text) => {
    said = (said + text).slice(-4000);
  });
  if (child.stdout) {
    createInterface({ input: child.stdout }).on("line", (text) => {
      if (!TOLD.test(text)) return;
      if (text.includes("log lines dropped")) throw new Error(`what a sidecar said of its store may be lost: ${text}`);
      const { msg, detail = "" } = parsed(text);
      if (msg === "store ok" || msg === "store degraded") tell(msg === "store ok" ? "ok" : "degraded", detail);
      if (msg === "listening") resolve();
    });
  }
  child.once("exit", (code) => reject(new Error(`start a sidecar: it ended with ${code}: ${said}`)));
  const timer = setTimeout(() => reject(new Error(`start a sidecar: not listening after ${START_MS} ms`)), START_MS);
  await promise.finally(() => clearTimeout(timer));
  const expected = new Set(mutation?.edits.map(({ file }) => file)).size;
  // The messages may still be on their way; the line was.
  for (let turn = 0; taken.size < expected && turn < 100; turn++) await new Promise((next) => setTimeout(next, 20));
  if (taken.size !== expected) throw new Error(`mutate "${mutation?.name}": ${taken.size} of ${expected} files were`);
}

function parsed(line: string): { msg?: string; detail?: string } {
  try {
    return JSON.parse(line) ?? {};
  } catch {
    return {};
  }
}
