// What has happened in which sidecar? Stores, invalidations, purges, refusals and breaker changes, told to this process
// at once and to the others in batches, over the bus (bus.ts). Off the hot path: what is frequent is counted and told
// once a second, the rest goes into a short queue. Nothing depends on an event: those that are too many, or on their
// way while Redis is away, are lost. Each has its sender's next number, so that whoever listens can count the lost.
// Only changes of the breaker are told again until somebody hears: an opening comes of the same silence that loses it.

import { randomBytes } from "node:crypto";
import type { Bus } from "./bus.ts";
import { type Happening, read } from "./happenings.ts";

/** One thing that happened. */
export interface Event {
  /** The sidecar in which it did: a name drawn at its start. */
  readonly from: string;
  /** Of that sidecar's, from 1. */
  readonly seq: number;
  /** Epoch ms, by that sidecar's clock. */
  readonly at: number;
  readonly what: Happening;
}

export interface Events {
  /** This sidecar's name. */
  readonly id: string;
  /** Something happened here. Never throws, never waits. Its number. */
  tell(what: Happening): number;
  /** One more of what is only counted: a response was stored, or a request to a route was refused. */
  count(kind: "stored"): void;
  count(kind: "refused", route: string): void;
  /** Sends what is queued now. How many sidecars listened, this one included; 0: nobody knows. Never rejects. */
  flush(): Promise<number>;
  /** Hears of everything, here and elsewhere, from now on; returns how to end that. */
  listen(hear: (event: Event) => void): () => void;
  /** How many events of others were lost on their way here. */
  lost(): number;
  /** No timer is left. */
  close(): void;
}

export interface EventsOptions {
  /** undefined: there are no others. */
  readonly bus?: Bus | undefined;
  /** Epoch ms. */
  readonly now: () => number;
  readonly id?: string;
}

const SUBJECT = "events";
/** Between two batches, and between two counts. */
const BATCH_MS = 250;
const COUNT_MS = 1000;
/** Before what nobody heard is told again. */
const RETRY_MS = 1000;
/** More in one batch are lost. */
const MAX_QUEUED = 100;
/** So many of those that nobody heard are told again: an opening and its closing. */
const MAX_KEPT = 2;
/** Routes whose refusals are told apart within one count; the rest are counted together. */
const MAX_COUNTED = 100;
const OTHER_ROUTES = "…";
/** Sidecars whose numbers are remembered: those heard of last. */
const MAX_KNOWN = 1000;
const LONGEST_MESSAGE = 1 << 20;
const ID = /^[\w-]{1,32}$/;

export function createEvents(options: EventsOptions): Events {
  return new Stream(options);
}

class Stream implements Events {
  readonly id: string;
  readonly #options: EventsOptions;
  readonly #listeners = new Set<(event: Event) => void>();
  #seq = 0;
  #queue: Event[] = [];
  #stored = 0;
  readonly #refused = new Map<string, number>();
  #batchTimer: NodeJS.Timeout | undefined;
  #countTimer: NodeJS.Timeout | undefined;
  /** By sidecar, the last number heard; those heard of last are last. */
  readonly #heard = new Map<string, number>();
  #lost = 0;
  #isClosed = false;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.id = options.id ?? randomBytes(9).toString("base64url");
    options.bus?.listen(SUBJECT, (message) => this.#hear(message));
  }

  tell(what: Happening): number {
    const event: Event = { from: this.id, seq: ++this.#seq, at: this.#options.now(), what };
    this.#pass(event);
    const isFull = this.#queue.length >= MAX_QUEUED;
    // Whoever purges waits for answers to this one, and a breaker changes seldom: in a flood the others go before it.
    if (isFull && (what.kind === "purged" || what.kind === "breaker")) void this.flush();
    else if (isFull || this.#options.bus === undefined) return event.seq;
    this.#queue.push(event);
    this.#flushIn(BATCH_MS);
    return event.seq;
  }

  count(kind: "stored" | "refused", route = ""): void {
    if (kind === "stored") this.#stored += 1;
    else {
      const isKnown = this.#refused.has(route) || this.#refused.size < MAX_COUNTED;
      const name = isKnown ? route : OTHER_ROUTES;
      this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
    }
    this.#countTimer ??= setTimeout(() => this.#tellCounts(), COUNT_MS).unref();
  }

  async flush(): Promise<number> {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    const events = this.#queue;
    if (events.length === 0 || this.#options.bus === undefined) return 0;
    this.#queue = [];
    const message = JSON.stringify({ from: this.id, events: events.map(({ seq, at, what }) => ({ seq, at, what })) });
    const told = await this.#options.bus.publish(SUBJECT, message).catch(() => 0);
    if (told === 0) this.#keep(events);
    return told;
  }

  listen(hear: (event: Event) => void): () => void {
    this.#listeners.add(hear);
    return () => void this.#listeners.delete(hear);
  }

  lost(): number {
    return this.#lost;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#batchTimer);
    clearTimeout(this.#countTimer);
    this.#listeners.clear();
  }

  // Sorted, for several batches may have been under way; whoever has heard them after all passes them over.
  #keep(unheard: readonly Event[]): void {
    const kept = unheard.filter(({ what }) => what.kind === "breaker").slice(-MAX_KEPT);
    if (kept.length === 0) return;
    this.#queue = [...kept, ...this.#queue].sort((one, other) => one.seq - other.seq).slice(0, MAX_QUEUED);
    this.#flushIn(RETRY_MS);
  }

  #flushIn(ms: number): void {
    if (!this.#isClosed) this.#batchTimer ??= setTimeout(() => void this.flush(), ms).unref();
  }

  #tellCounts(): void {
    this.#countTimer = undefined;
    if (this.#stored > 0) this.tell({ kind: "stored", count: this.#stored });
    this.#stored = 0;
    for (const [route, count] of this.#refused) this.tell({ kind: "refused", route, count });
    this.#refused.clear();
  }

  #hear(message: string): void {
    const batch = message.length > LONGEST_MESSAGE ? undefined : batchOf(message);
    if (batch === undefined || batch.from === this.id) return;
    for (const { seq, at, what } of batch.events) {
      if (seq <= (this.#heard.get(batch.from) ?? 0)) continue; // told again, or overtaken and counted as lost
      this.#countLost(batch.from, seq);
      const happening = read(what); // what another version tells is not for us, and not lost either
      if (happening !== undefined) this.#pass({ from: batch.from, seq, at, what: happening });
    }
  }

  // Where a sidecar was not heard of before nobody knows what it told until now.
  #countLost(from: string, seq: number): void {
    const last = this.#heard.get(from);
    if (last !== undefined && seq > last + 1) this.#lost += seq - last - 1;
    this.#heard.delete(from);
    this.#heard.set(from, seq);
    if (this.#heard.size <= MAX_KNOWN) return;
    const [oldest] = this.#heard.keys();
    if (oldest !== undefined) this.#heard.delete(oldest);
  }

  #pass(event: Event): void {
    for (const hear of [...this.#listeners]) {
      try {
        hear(event);
      } catch {
        this.#listeners.delete(hear); // no write fails because somebody listens
      }
    }
  }
}

interface Batch {
  readonly from: string;
  readonly events: readonly { readonly seq: number; readonly at: number; readonly what: unknown }[];
}

/** undefined: nobody of ours said that. */
function batchOf(message: string): Batch | undefined {
  try {
    const { from, events } = JSON.parse(message) ?? {};
    const isOurs = typeof from === "string" && ID.test(from) && Array.isArray(events) && events.length <= MAX_QUEUED;
    return isOurs && events.every(isNumbered) ? { from, events } : undefined;
  } catch {
    return undefined;
  }
}

function isNumbered(event: unknown): boolean {
  if (typeof event !== "object" || event === null) return false;
  const { seq, at } = event as { seq?: unknown; at?: unknown };
  return Number.isSafeInteger(seq) && Number.isFinite(at);
}
