// The thread in which a configuration is read while requests are served: see reading.ts, which starts it.

import { parentPort } from "node:worker_threads";
import { loadConfig } from "./load.ts";
import { ConfigError } from "./mistakes.ts";
import type { Reading, ReadingOrder } from "./reading.ts";

// It stays until it is terminated: nothing that it says can be lost.
parentPort?.on("message", (order: ReadingOrder) => parentPort?.postMessage(read(order)));

function read(order: ReadingOrder): Reading {
  try {
    return { kind: "read", json: JSON.stringify(loadConfig(order)) };
  } catch (error) {
    if (error instanceof ConfigError) return { kind: "mistaken", mistakes: error.mistakes };
    throw error;
  }
}
