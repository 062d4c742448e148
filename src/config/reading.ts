// How is the configuration of a sidecar read? In a thread of its own: 500 routes take some 200 ms to be read and checked,
// for which no request may wait, and what reads them takes memory that nobody needs between two readings. It is plain
// data, so it comes back as JSON, which the engine reads faster than a structured clone: 2 ms of 500 routes.

import { Worker } from "node:worker_threads";
import type { LoadOptions } from "./load.ts";
import { ConfigError } from "./mistakes.ts";
import { deepFreeze } from "./plain.ts";
import type { Config } from "./schema.ts";
import type { Environment } from "./variables.ts";

/** What the thread is given. */
export type ReadingOrder = Pick<LoadOptions, "file" | "env" | "flags">;

/** What it says. */
export type Reading =
  | { readonly kind: "read"; readonly json: string }
  | { readonly kind: "mistaken"; readonly mistakes: readonly string[] };

/** A file that takes longer is not worth waiting for. */
const MAX_MS = 30_000;

/** Where the runtime finds what it has compiled before. */
const COMPILED = ["NODE_COMPILE_CACHE", "NODE_DISABLE_COMPILE_CACHE", "TMPDIR"];

/** Without what is loaded before a program (`node --import ./otel.mjs`): an SDK would start and export a second time. What the
 * file takes from the environment is in the order. */
const bare = (env: Environment) => ({
  execArgv: [],
  env: Object.fromEntries(COMPILED.map((name) => [name, env[name]]).filter(([, value]) => value)),
  // The engine keeps the pages of a young generation that has grown: 6 MB.
  resourceLimits: { maxYoungGenerationSizeMb: 2 },
});

/** As loadConfig, without a wait of anybody else. Rejects with ConfigError where there are mistakes. */
export function readConfig(order: ReadingOrder): Promise<Config> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(besideThis("reading-thread"), bare(order.env));
    const tooLate = () => failed(new Error(`reading took more than ${MAX_MS / 1000} s`));
    const timer = setTimeout(tooLate, MAX_MS);
    const over = () => {
      clearTimeout(timer);
      void worker.terminate();
    };
    // Settled first: Deno tells of the end of a thread while it is being ended.
    const failed = (error: unknown) => {
      reject(error);
      over();
    };
    worker.once("message", (reading: Reading) => {
      if (reading.kind === "mistaken") reject(new ConfigError(reading.mistakes));
      else resolve(deepFreeze(JSON.parse(reading.json)));
      over();
    });
    worker.once("error", failed);
    worker.once("exit", () => failed(new Error("the thread that reads ended before it had read")));
    worker.postMessage({ ...order, env: { ...order.env } });
  });
}

/** A file of this folder, as source or built as this one is. */
function besideThis(name: string): URL {
  const [suffix = ""] = /\.[a-z]+$/.exec(new URL(import.meta.url).pathname) ?? [];
  return new URL(name + suffix, import.meta.url);
}
