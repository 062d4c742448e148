// How does a service do with and without Forebay in front of it? GETs by autocannon from a fixed number of connections, in
// short rounds that alternate between the two, so that whatever else happens meanwhile falls on both alike.

import autocannon from "autocannon";
import type { Serving } from "./serving.ts";

export interface LoadAsk {
  /** URL without path. */
  readonly origin: string;
  /** Asked for in turn. */
  readonly targets: readonly string[];
  /** Of both sides together. */
  readonly seconds: number;
  readonly connections: number;
  readonly signal: AbortSignal;
  /** Of the whole, 0 to 1. */
  readonly progressed: (done: number, what: string) => void;
}

/** What one side did, all rounds together. */
export interface Side {
  /** Answered; `sent` counts those too that the end of a round cut off: the origin had them. */
  readonly requests: number;
  readonly sent: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** undefined: there was no answer. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** What the origin was asked, and what was read from its connections; clients': what they read. Heads included. */
  readonly originRequests: number;
  readonly originBytes: number;
  readonly clientBytes: number;
  /** Answered from what is stored; by the fetch of another. */
  readonly hits: number;
  readonly collapsed: number;
  /** Connections broken, requests timed out, and answers of 500 and above. */
  readonly errors: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Why requests went to the origin, in the words of Cache-Status. */
  readonly reasons: Readonly<Record<string, number>>;
}

export interface LoadResult {
  readonly direct: Side;
  readonly forebay: Side;
  readonly rounds: number;
  /** Too much failed: it was ended early. */
  readonly isCutShort: boolean;
}

/** A round with so many errors is ended: a connection that is refused is tried again at once. */
const BAILOUT = 200;
const TIMEOUT_SECONDS = 10;
const KEPT_LATENCIES = 1_000_000;
const MAX_REASONS = 32;
const MAX_CONNECTION_TARGETS = 1000;

/** Runs the load. Rejects where Forebay ends; what the origin does to requests is in the result. */
export async function compareUnderLoad(ask: LoadAsk, serving: Serving): Promise<LoadResult> {
  const rounds = Math.max(2, Math.round(ask.seconds / 2));
  const seconds = ask.seconds / rounds / 2;
  const [direct, forebay] = [createTally(), createTally()];
  const before = await serving.counted();
  let isCutShort = false;
  for (let round = 0; round < rounds && !isCutShort && !ask.signal.aborted; round++) {
    const both = [
      { tally: direct, url: ask.origin, what: "asking directly" },
      { tally: forebay, url: serving.url, what: "asking through Forebay" },
    ];
    // Whoever comes second finds the service warmed up by the first.
    if (round % 2 === 1) both.reverse();
    for (const [half, { tally, url, what }] of both.entries()) {
      const done = (share: number) =>
        ask.progressed((round * 2 + half + share) / rounds / 2, `round ${round + 1} of ${rounds}: ${what}`);
      done(0);
      const { errors } = await shoot({ ...ask, url, seconds, tally, done });
      isCutShort ||= errors >= BAILOUT;
    }
  }
  const after = await serving.counted();
  const own = direct.side();
  return {
    ...{ rounds, isCutShort },
    direct: { ...own, originRequests: own.sent, originBytes: own.clientBytes },
    forebay: {
      ...forebay.side(),
      originRequests: after.requests - before.requests,
      originBytes: after.bytes - before.bytes,
    },
  };
}

type Tally = ReturnType<typeof createTally>;

interface Shot extends Pick<LoadAsk, "origin" | "targets" | "connections" | "signal"> {
  readonly url: string;
  readonly seconds: number;
  readonly tally: Tally;
  readonly done: (share: number) => void;
}

function shoot(shot: Shot): Promise<{ errors: number }> {
  const { url, origin, targets, seconds, connections, signal, tally } = shot;
  return new Promise((resolve, reject) => {
    let client = tally.requests();
    const begunAt = performance.now();
    const cannon = autocannon(
      {
        ...{ url, connections, duration: seconds, timeout: TIMEOUT_SECONDS, bailout: BAILOUT, sampleInt: 50 },
        // Both sides ask the service by its own name.
        headers: { host: new URL(origin).host, "user-agent": "forebay-try" },
        setupClient(each) {
          each.setRequests(strided(targets, client++, connections).map((path) => ({ path })));
          each.on("headers", (head) => tally.head(head as unknown as { headers: readonly string[] }));
        },
      },
      (error: unknown, result) => {
        clearInterval(timer);
        signal.removeEventListener("abort", stop);
        if (error) return reject(error);
        tally.ended({
          errors: result.errors,
          sent: result.requests.sent,
          seconds: (performance.now() - begunAt) / 1000,
        });
        resolve({ errors: result.errors });
      },
    );
    const stop = () => cannon.stop();
    signal.addEventListener("abort", stop, { once: true });
    let toSkip = connections; // the first of each connection waited until all were set up
    cannon.on("response", (_client, status, bytes, ms) => tally.answer(status, bytes, toSkip-- > 0 ? undefined : ms));
    const timer = setInterval(() => shot.done((performance.now() - begunAt) / 1000 / seconds), 100);
  });
}

/** What a connection asks for: every `step`th target from the `from`th on, each as often as the others. */
function strided(targets: readonly string[], from: number, step: number): string[] {
  const count = Math.min(targets.length, MAX_CONNECTION_TARGETS);
  return Array.from({ length: count }, (_, nth) => targets[(from + nth * step) % targets.length] as string);
}

function createTally() {
  const latencies = new Float64Array(KEPT_LATENCIES);
  const statuses: Record<string, number> = {};
  const reasons: Record<string, number> = {};
  const counts = { requests: 0, sent: 0, clientBytes: 0, hits: 0, collapsed: 0, errors: 0, seconds: 0 };
  let measured = 0;
  return {
    requests: () => counts.requests,
    head({ headers }: { readonly headers: readonly string[] }): void {
      const status = cacheStatusOf(headers);
      if (status === undefined) return;
      const { isHit, isCollapsed, reason } = status;
      if (isHit) counts.hits += 1;
      else if (isCollapsed) counts.collapsed += 1;
      if (reason === undefined || isCollapsed) return;
      if (reason in reasons || Object.keys(reasons).length < MAX_REASONS) reasons[reason] = (reasons[reason] ?? 0) + 1;
    },
    answer(status: number, bytes: number, ms: number | undefined): void {
      counts.requests += 1;
      counts.clientBytes += bytes;
      if (status >= 500) counts.errors += 1;
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (ms !== undefined) latencies[measured++ % KEPT_LATENCIES] = ms;
    },
    ended({ errors, sent, seconds }: { errors: number; sent: number; seconds: number }): void {
      counts.errors += errors;
      counts.sent += sent;
      counts.seconds += seconds;
    },
    side() {
      const sorted = latencies.subarray(0, Math.min(measured, KEPT_LATENCIES)).sort();
      const quantile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
      const requestsPerSecond = counts.seconds === 0 ? 0 : counts.requests / counts.seconds;
      return { ...counts, requestsPerSecond, p50Ms: quantile(0.5), p99Ms: quantile(0.99), statuses, reasons };
    },
  };
}

/** Our member of Cache-Status: others may stand before it. */
function cacheStatusOf(headers: readonly string[]) {
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    if (headers[index]?.toLowerCase() !== "cache-status") continue;
    const found = /forebay; (hit|fwd=([\w-]+))([^,]*)$/.exec(headers[index + 1] ?? "");
    if (found === null) continue;
    const detail = /; detail=([\w-]+)/.exec(found[3] ?? "")?.[1];
    const isHit = found[1] === "hit";
    const reason = isHit ? undefined : detail === undefined ? found[2] : `${found[2]}, ${detail}`;
    return { isHit, isCollapsed: (found[3] ?? "").includes("; collapsed"), reason };
  }
  return undefined;
}
