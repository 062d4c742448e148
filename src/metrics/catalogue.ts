// Every metric there is: its name, what it means, what its labels may say, and where its value comes from. The README's table
// is made of this one. Names are Prometheus' own way of naming: seconds, bytes, `_total` for what only grows. A name, once
// released, keeps its meaning. No label comes from a client: routes and limits are those of the configuration.

import type { ProcessFigures } from "../runtime.ts";
import type { Happened } from "./happened.ts";
import { BOUNDS_MS, type Histogram } from "./histogram.ts";
import { OUTCOMES, STATUSES } from "./outcome.ts";
import type { Tallies } from "./tallies.ts";
import type { Traffic } from "./traffic.ts";

/** Where values come from. */
export interface Sources {
  readonly traffic: Traffic;
  readonly tallies: Tallies;
  readonly happened: Happened;
  /** How late a timer of ours was. */
  readonly loopDelay: Histogram;
  readonly isStoreOk: () => boolean;
  /** By route. */
  readonly compared: () => Readonly<Record<string, { readonly same: number; readonly different: number }>>;
  readonly logDropped: () => number;
  readonly figures: () => ProcessFigures;
  readonly version: string;
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | Histogram;
}

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  read(sources: Sources): Iterable<Sample>;
}

export const CATALOGUE: readonly Metric[] = [
  {
    name: "forebay_requests_total",
    type: "counter",
    help: "Requests whose exchange is over, by route, by how they were answered, and by the class of their status (none: the client left first).",
    labels: ["route", "outcome", "status"],
    *read({ traffic }) {
      for (const [route, { cells }] of traffic.routes) {
        for (const [i, value] of cells.entries()) {
          const outcome = OUTCOMES[Math.floor(i / STATUSES.length)] ?? "none";
          const status = STATUSES[i % STATUSES.length] ?? "none";
          if (value > 0) yield { labels: { route, outcome, status }, value };
        }
      }
    },
  },
  times("forebay_request_duration_seconds", "From a request's head to the end of its response.", "total"),
  times("forebay_store_wait_seconds", "How long requests waited for the store, those that did.", "store"),
  times(
    "forebay_origin_duration_seconds",
    "Until the head of the origin's response, or its failure; each time it was asked.",
    "origin",
  ),
  {
    name: "forebay_sent_bytes_total",
    type: "counter",
    help: "Content handed to clients.",
    labels: ["route"],
    *read({ traffic }) {
      for (const [route, { bytes }] of traffic.routes) yield { labels: { route }, value: bytes };
    },
  },
  counter("forebay_origin_received_bytes_total", "Content that came from the origin.", (of) => of.tallies.origin.bytes),
  gauge("forebay_flights", "Fetches under way that others may share.", (of) => of.tallies.flights.underWay),
  gauge("forebay_followers", "Requests that wait for another one's fetch.", (of) => of.tallies.flights.followers),
  counter(
    "forebay_lease_waits_total",
    "Waits for the fetch of another sidecar that are over.",
    (of) => of.tallies.flights.leaseWaits,
  ),
  counter(
    "forebay_lease_wait_seconds_total",
    "How long those waits took, together.",
    (of) => of.tallies.flights.leaseWaitMs / 1000,
  ),
  {
    name: "forebay_limit_requests_total",
    type: "counter",
    help: "Requests that a limit had its say on: its route (`global`: all; `#2`: the second of several), and whether it let them pass. One that is not enforced counts as refused what it would refuse.",
    labels: ["limit", "result"],
    *read({ tallies }) {
      for (const [limit, { allowed, refused }] of tallies.limits) {
        yield { labels: { limit, result: "allowed" }, value: allowed };
        yield { labels: { limit, result: "refused" }, value: refused };
      }
    },
  },
  {
    name: "forebay_compared_total",
    type: "counter",
    help: "Answers of the origin compared with what the cache would have given (`mode: shadow`) or had given (`verify`), and whether they differed.",
    labels: ["route", "result"],
    *read({ compared }) {
      for (const [route, { same, different }] of Object.entries(compared())) {
        yield { labels: { route, result: "same" }, value: same };
        yield { labels: { route, result: "different" }, value: different };
      }
    },
  },
  counter("forebay_stored_total", "Responses given to the store.", (of) => of.happened.stored),
  counter("forebay_invalidations_total", "Writes that invalidated.", (of) => of.happened.invalidations),
  counter("forebay_purges_total", "Purges asked of this sidecar.", (of) => of.happened.purges),
  gauge("forebay_memory_bytes", "What is held in memory, about.", (of) => of.tallies.shelf.bytes),
  gauge("forebay_memory_entries", "Keys that something is held for in memory.", (of) => of.tallies.shelf.entries),
  counter("forebay_memory_evictions_total", "Keys that had to go for others.", (of) => of.tallies.shelf.evictions),
  gauge("forebay_store_up", "1: the store is in order; 0: it is degraded.", (of) => (of.isStoreOk() ? 1 : 0)),
  gauge("forebay_breaker_open", "1: Redis is left alone for a while.", (of) => (of.happened.isBreakerOpen ? 1 : 0)),
  counter("forebay_breaker_openings_total", "How often that began.", (of) => of.happened.breakerOpenings),
  gauge("forebay_redis_connections", "Connections to Redis that stand.", (of) => of.tallies.redis.open),
  counter(
    "forebay_redis_connections_lost_total",
    "Connections to Redis that were lost or could not be made; each is made anew.",
    (of) => of.tallies.redis.lost,
  ),
  gauge(
    "forebay_redis_pending_commands",
    "Commands of reads whose answers are still to come.",
    (of) => of.tallies.redis.pending,
  ),
  {
    name: "forebay_redis_round_trip_seconds",
    type: "histogram",
    help: "From the questions of one turn of the event loop, sent together, to the last of their answers.",
    labels: [],
    read: ({ tallies }) => [{ labels: {}, value: tallies.roundTrips }],
  },
  counter(
    "forebay_redis_timeouts_total",
    "Of those, how many took longer than `deadline`.",
    (of) => of.tallies.redis.timeouts,
  ),
  {
    name: "forebay_event_loop_delay_seconds",
    type: "histogram",
    help: "How late a timer was that is due ten times a second.",
    labels: [],
    read: ({ loopDelay }) => [{ labels: {}, value: loopDelay }],
  },
  counter("forebay_log_lines_dropped_total", "Log lines that stdout did not take.", (of) => of.logDropped()),
  {
    name: "forebay_build_info",
    type: "gauge",
    help: "Always 1.",
    labels: ["version", "runtime"],
    read: ({ version, figures }) => [{ labels: { version, runtime: figures().runtime }, value: 1 }],
  },
  counter("process_cpu_user_seconds_total", "CPU time of the process.", (of) => of.figures().cpuUserSeconds),
  counter("process_cpu_system_seconds_total", "CPU time of the system for it.", (of) => of.figures().cpuSystemSeconds),
  gauge("process_start_time_seconds", "When it began, since the epoch.", (of) => of.figures().startedAtSeconds),
  gauge("process_resident_memory_bytes", "Its resident memory.", (of) => of.figures().residentBytes),
  gauge("nodejs_heap_size_total_bytes", "The heap of its engine.", (of) => of.figures().heapTotalBytes),
  gauge("nodejs_heap_size_used_bytes", "What of that is in use.", (of) => of.figures().heapUsedBytes),
  gauge("nodejs_external_memory_bytes", "Held outside of that heap.", (of) => of.figures().externalBytes),
];

/** The README's table. */
export function metricsTable(): string {
  const lines = CATALOGUE.map(({ name, type, help, labels }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${help} |\n`;
  });
  return ["| name | type | labels | meaning |\n", "| --- | --- | --- | --- |\n", ...lines].join("");
}

/** The values of a metric's lines in the text format: of a histogram its buckets, cumulative, then its sum and count. */
export function* linesOf({ name, read }: Metric, sources: Sources) {
  for (const { labels, value } of read(sources)) {
    if (typeof value === "number") yield { metricName: name, labels, value };
    else yield* bucketsOf(name, labels, value);
  }
}

function* bucketsOf(name: string, labels: Sample["labels"], { counts, sumMs }: Histogram) {
  let upTo = 0;
  for (const [range, count] of counts.entries()) {
    upTo += count;
    const bound = BOUNDS_MS[range];
    const le = bound === undefined ? "+Inf" : String(bound / 1000);
    yield { metricName: `${name}_bucket`, labels: { ...labels, le }, value: upTo };
  }
  yield { metricName: `${name}_sum`, labels, value: sumMs / 1000 };
  yield { metricName: `${name}_count`, labels, value: upTo };
}

/** A histogram by route; routes for which there is nothing are left out. */
function times(name: string, help: string, which: "total" | "store" | "origin"): Metric {
  return {
    ...{ name, type: "histogram", help, labels: ["route"] },
    *read({ traffic }) {
      for (const [route, counts] of traffic.routes) {
        const histogram = counts[which];
        if (histogram.counts.some((count) => count > 0)) yield { labels: { route }, value: histogram };
      }
    },
  };
}

function counter(name: string, help: string, value: (of: Sources) => number): Metric {
  return { name, type: "counter", help, labels: [], read: (of) => [{ labels: {}, value: value(of) }] };
}

function gauge(name: string, help: string, value: (of: Sources) => number): Metric {
  return { ...counter(name, help, value), type: "gauge" };
}
