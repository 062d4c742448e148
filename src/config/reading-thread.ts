// The thread in which a configuration is read: see reading.ts, which starts it.

import * as module from "node:module";
import { parentPort } from "node:worker_threads";
import type { Reading, ReadingOrder } from "./reading.ts";

// As main.ts does, and before anything is loaded.
module.enableCompileCache?.();

// It stays until it is terminated: nothing that it says can be lost.
parentPort?.on("message", async (order: ReadingOrder) => parentPort?.postMessage(await read(order)));

async function read(order: ReadingOrder): Promise<Reading> {
  const [{ loadConfig }, { ConfigError }] = await Promise.all([import("./load.ts"), import("./mistakes.ts")]);
  try {
    return { kind: "read", json: JSON.stringify(loadConfig(order)) };
  } catch (error) {
    if (error instanceof ConfigError) return { kind: "mistaken", mistakes: error.mistakes };
    throw error;
  }
}
