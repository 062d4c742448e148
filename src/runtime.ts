// The few places where Node and Deno differ. What is not here is alike in both, as far as the tests can tell.

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const isDeno = "Deno" in globalThis;

/** node:http's response refuses fields with control characters in them; Deno's writes them out as they are. */
export const refusesUnfitFields = !isDeno;

export interface ProcessFigures {
  readonly runtime: "node" | "deno";
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  /** Since the epoch. */
  readonly startedAtSeconds: number;
  readonly residentBytes: number;
  readonly heapTotalBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
}

/** What the runtime knows of its process. */
export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    runtime: isDeno ? "deno" : "node",
    cpuUserSeconds: user / 1e6,
    cpuSystemSeconds: system / 1e6,
    startedAtSeconds: Date.now() / 1000 - process.uptime(),
    residentBytes: rss,
    heapTotalBytes: heapTotal,
    heapUsedBytes: heapUsed,
    externalBytes: external,
  };
}

/** The engine's collector; Deno lends none. */
const collect = isDeno ? undefined : borrowCollector();

/**
 * To be told of every piece of content that passes. Each one read from a socket is 64 KB outside of the heap, behind an
 * object of a few bytes in it, so the engine sees no reason to collect before 60 to 100 MB of them have piled up.
 * A collection of the young ones takes about a millisecond.
 */
export function notePassed(bytes: number): void {
  passed += bytes;
  if (passed < PASSED_BETWEEN) return;
  passed = 0;
  collect?.({ type: "minor", execution: "sync" });
}

const PASSED_BETWEEN = 8 * 1024 * 1024;
let passed = 0;

function borrowCollector(): NodeJS.GCFunction | undefined {
  setFlagsFromString("--expose-gc");
  return runInNewContext("globalThis.gc");
}

/** What a library has left for others under a name of its own (Symbol.for) in this process; undefined: nothing. */
export function leftGlobally(name: string): unknown {
  return (globalThis as Record<symbol, unknown>)[Symbol.for(name)];
}
