// As many requests as a number of connections can make, for some seconds (autocannon), and what they cost the proxy's
// processes in CPU time meanwhile. autocannon counts latencies in whole milliseconds, so they are kept here.

import autocannon from "autocannon";
import { cpuMicros, spent } from "../procfs.ts";
import { quantile } from "../statistics.ts";
import { authority } from "./asking.ts";

/** What to ask for. */
export interface SteadyAsk {
  /** Scheme, host and port. */
  readonly url: string;
  /** Asked for in turn by every connection; `[<id>]` in a path becomes unique. */
  readonly paths: readonly string[];
  readonly seconds: number;
  readonly connections: number;
  /** At the most; undefined: as many as they can make. */
  readonly perSecond?: number;
  /** Whose CPU time is counted. */
  readonly pids: readonly number[];
}

/** What came. */
export interface Steady {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Number of responses by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections broken and requests timed out. */
  readonly errors: number;
  /** CPU time of the processes in the interval, microseconds; undefined without /proc. */
  readonly cpuMicros: number | undefined;
}

/** Latencies beyond this many are not kept: 30 s at 100,000 requests/s. */
const keptLatencies = 3_000_000;
const latencies = new Float64Array(keptLatencies);

/** Runs the load; resolves when it is over. Rejects where autocannon cannot start. */
export function steady(ask: SteadyAsk): Promise<Steady> {
  return new Promise((resolve, reject) => {
    const statuses: Record<string, number> = {};
    let requests = 0;
    let before = cpuMicros(ask.pids);
    let startedAt = performance.now();
    const cannon = autocannon(settings(ask), (error: unknown, result) => {
      if (error) return reject(error);
      const cpu = spent(before, cpuMicros(ask.pids));
      const seconds = (performance.now() - startedAt) / 1000;
      resolve({
        requests,
        seconds,
        ...spread(requests - ask.connections),
        statuses,
        errors: result.errors,
        cpuMicros: cpu,
      });
    });
    cannon.on("start", () => {
      before = cpuMicros(ask.pids);
      startedAt = performance.now();
    });
    cannon.on("response", (_client, status, _bytes, ms) => {
      // The first request of each connection waited until all the others were set up.
      if (requests >= ask.connections) latencies[(requests - ask.connections) % keptLatencies] = ms;
      requests += 1;
      statuses[status] = (statuses[status] ?? 0) + 1;
    });
  });
}

function settings(ask: SteadyAsk): autocannon.Options {
  return {
    url: ask.url,
    headers: { host: authority },
    connections: ask.connections,
    duration: ask.seconds,
    ...(ask.perSecond === undefined ? {} : { overallRate: ask.perSecond }),
    requests: ask.paths.map((path) => ({ path })),
    idReplacement: ask.paths.some((path) => path.includes("[<id>]")),
    // The end is looked for at this interval, milliseconds.
    sampleInt: 50,
  };
}

function spread(count: number): { p50Ms: number; p99Ms: number } {
  const sorted = latencies.subarray(0, Math.max(0, Math.min(count, keptLatencies))).sort();
  return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
}
