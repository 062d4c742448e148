// What happens in all sidecars, as it happens: server-sent events (WHATWG HTML §9.2). Each has its kind as event name,
// "sidecar:number" as id, and what it is as JSON. A client that does not keep up misses some, and is told how many.

import type { Flow, Response, Sink, Source } from "../http/message.ts";
import { problem } from "../http/problem.ts";

/** What is told: store/events.ts. */
interface Told {
  readonly from: string;
  readonly seq: number;
  readonly at: number;
  readonly what: { readonly kind: string };
}

export interface Feed {
  /** This sidecar's name. */
  readonly id: string;
  /** Hears of everything from now on; returns how to end that. */
  listen(hear: (event: Told) => void): () => void;
  /** How many were lost on their way here. */
  lost(): number;
}

const MAX_STREAMS = 20;
/** A comment so often, so that nobody in between takes the connection for dead, ms. */
const ALIVE_MS = 15_000;
const FIELDS = ["Content-Type", "text/event-stream", "Cache-Control", "no-store", "X-Accel-Buffering", "no"];

/** How GET /api/events is answered. */
export function createEventStreams(feed: Feed): () => Response {
  const open = new Set<EventStream>();
  return () => {
    if (open.size >= MAX_STREAMS) return problem(503, `There are ${MAX_STREAMS} who listen already.`);
    const stream: EventStream = new EventStream(feed, () => open.delete(stream));
    open.add(stream);
    return { status: 200, fields: FIELDS, content: stream };
  };
}

class EventStream implements Source, Flow {
  readonly #feed: Feed;
  readonly #ended: () => void;
  #sink: Sink | undefined;
  #isFull = false;
  #missed = 0;
  #lost: number;
  #unlisten = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(feed: Feed, ended: () => void) {
    this.#feed = feed;
    this.#ended = ended;
    this.#lost = feed.lost();
  }

  start(sink: Sink): Flow {
    this.#sink = sink;
    this.#write("hello", { sidecar: this.#feed.id });
    this.#unlisten = this.#feed.listen(({ from, seq, at, what }) => {
      this.#tellLost();
      this.#write(what.kind, { sidecar: from, seq, at, ...what }, `${from}:${seq}`);
    });
    this.#timer = setInterval(() => this.#isFull || this.#send(": alive\n\n"), ALIVE_MS).unref();
    return this;
  }

  resume(): void {
    this.#isFull = false;
    const missed = this.#missed;
    this.#missed = 0;
    if (missed > 0) this.#write("missed", { count: missed });
  }

  cancel(): void {
    this.#unlisten();
    clearInterval(this.#timer);
    this.#ended();
  }

  #tellLost(): void {
    const lost = this.#feed.lost();
    if (lost > this.#lost) this.#write("lost", { count: lost - this.#lost });
    this.#lost = lost;
  }

  /** JSON has no line breaks in it, so nothing in it ends the event. */
  #write(name: string, data: unknown, id?: string): void {
    if (this.#isFull) this.#missed += 1;
    else this.#send(`${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #send(text: string): void {
    this.#isFull = this.#sink?.write(new TextEncoder().encode(text)) === false;
  }
}
