// What was asked lately? The counts of traffic.ts only grow, so what they were a while ago is kept, and the difference is
// what happened since: for each of the last seconds, for each ten seconds of the last hour, and for about the last
// minute by route. Nothing of it costs a request anything.

import { quantile } from "./histogram.ts";
import type { Counts, Traffic } from "./traffic.ts";

const SECOND_MS = 1000;
/** Rates are those of so many whole seconds. */
const SECONDS = 5;
export const STEP_MS = 10_000;
export const STEPS = 360;
/** After so many steps what a route had counted is kept anew: a "last minute" is 30 to 60 s long. */
const MARK_STEPS = 3;

/** What each step of the last hour has a number for. */
const SERIES = ["requests", "hits", "forwards", "errors", "limited"] as const;

type Rates = Pick<Counts, "requests" | "hits" | "forwards">;

interface Mark {
  readonly requests: number;
  readonly total: Float64Array;
}

interface Marks {
  readonly at: number;
  readonly all: Mark;
  readonly routes: ReadonlyMap<string, Mark>;
}

export class Recent {
  readonly #traffic: Traffic;
  /** At the beginning of each of the last seconds, oldest first. */
  readonly #seconds: { readonly at: number; readonly counts: Rates }[] = [];
  readonly #series: Readonly<Record<(typeof SERIES)[number] | "p50" | "p99", Float64Array>>;
  /** Where the next step is written: the oldest one stands there. */
  #place = 0;
  /** Epoch ms at which the step under way ends. */
  #stepEnds: number;
  /** At its beginning. */
  #stepBegan: Snapshot;
  #older: Marks;
  #newer: Marks;
  #steps = 0;

  /** `now`: epoch ms, here and below. */
  constructor(traffic: Traffic, now: number) {
    this.#traffic = traffic;
    const column = () => new Float64Array(STEPS);
    const [requests, hits, forwards, errors, limited, p50, p99] = [...SERIES, "p50", "p99"].map(column) as Columns;
    this.#series = { requests, hits, forwards, errors, limited, p50, p99 };
    this.#stepEnds = (Math.floor(now / STEP_MS) + 1) * STEP_MS;
    this.#stepBegan = snapshot(traffic.all);
    this.#older = this.#marks(now);
    this.#newer = this.#older;
    this.#second(now);
  }

  /** To be called once a second, and before anything is asked; late or not at all, it makes up for it. */
  tick(now: number): void {
    const last = this.#seconds.at(-1)?.at ?? 0;
    if (now - last >= SECOND_MS || now < last) this.#second(now);
    // A clock set forward by hours need not be followed step by step.
    if (now - this.#stepEnds > STEPS * STEP_MS) this.#stepEnds = (Math.floor(now / STEP_MS) - STEPS + 1) * STEP_MS;
    while (now >= this.#stepEnds) this.#step(now);
    // One set back: the hour goes on from there.
    if (this.#stepEnds - now > STEP_MS) this.#stepEnds = (Math.floor(now / STEP_MS) + 1) * STEP_MS;
  }

  perSecond(now: number): Rates {
    const first = this.#seconds[0] ?? { at: now, counts: this.#traffic.all };
    const seconds = Math.max(1, (now - first.at) / SECOND_MS);
    const rate = (name: keyof Rates) => rounded((this.#traffic.all[name] - first.counts[name]) / seconds);
    return { requests: rate("requests"), hits: rate("hits"), forwards: rate("forwards") };
  }

  /** Quantiles of all routes' times, ms, of about the last minute. */
  latency(): { readonly p50: number; readonly p90: number; readonly p99: number } {
    const { counts } = this.#traffic.all.total;
    const of = (q: number) => rounded(quantile(counts, this.#older.all.total, q));
    return { p50: of(0.5), p90: of(0.9), p99: of(0.99) };
  }

  /** One route in about the last minute. */
  route(name: string, now: number): { readonly perSecond: number; readonly p50: number; readonly p99: number } {
    const counts = this.#traffic.routes.get(name);
    if (counts === undefined) return { perSecond: 0, p50: 0, p99: 0 };
    const before = this.#older.routes.get(name);
    const seconds = Math.max(1, (now - this.#older.at) / SECOND_MS);
    return {
      perSecond: rounded((counts.requests - (before?.requests ?? 0)) / seconds),
      p50: rounded(quantile(counts.total.counts, before?.total, 0.5)),
      p99: rounded(quantile(counts.total.counts, before?.total, 0.99)),
    };
  }

  /** The last hour, oldest first; the step under way is not in it. */
  series() {
    const inOrder = (of: Float64Array) => [...of.subarray(this.#place), ...of.subarray(0, this.#place)];
    const { requests, hits, forwards, errors, limited, p50, p99 } = this.#series;
    return {
      stepMs: STEP_MS,
      until: this.#stepEnds - STEP_MS,
      requests: inOrder(requests),
      hits: inOrder(hits),
      forwards: inOrder(forwards),
      errors: inOrder(errors),
      limited: inOrder(limited),
      p50: inOrder(p50),
      p99: inOrder(p99),
    };
  }

  #second(now: number): void {
    const { requests, hits, forwards } = this.#traffic.all;
    this.#seconds.push({ at: now, counts: { requests, hits, forwards } });
    if (this.#seconds.length > SECONDS + 1) this.#seconds.shift();
  }

  #step(now: number): void {
    const { all } = this.#traffic;
    const before = this.#stepBegan;
    for (const name of SERIES) this.#series[name][this.#place] = all[name] - before[name];
    this.#series.p50[this.#place] = rounded(quantile(all.total.counts, before.total, 0.5));
    this.#series.p99[this.#place] = rounded(quantile(all.total.counts, before.total, 0.99));
    this.#place = (this.#place + 1) % STEPS;
    this.#stepEnds += STEP_MS;
    this.#stepBegan = snapshot(all);
    this.#steps += 1;
    if (this.#steps % MARK_STEPS !== 0) return;
    this.#older = this.#newer;
    this.#newer = this.#marks(now);
  }

  #marks(at: number): Marks {
    const { all, routes } = this.#traffic;
    return { at, all: mark(all), routes: new Map([...routes].map(([name, counts]) => [name, mark(counts)])) };
  }
}

type Column = Float64Array;
type Columns = [Column, Column, Column, Column, Column, Column, Column];
type Snapshot = Readonly<Record<(typeof SERIES)[number], number>> & { readonly total: Float64Array };

function snapshot({ requests, hits, forwards, errors, limited, total }: Counts): Snapshot {
  return { requests, hits, forwards, errors, limited, total: total.counts.slice() };
}

function mark({ requests, total }: Counts): Mark {
  return { requests, total: total.counts.slice() };
}

/** Three digits behind the point say all there is to say. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
