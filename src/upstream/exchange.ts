// One request to the origin and its response: what the connection library calls while the exchange goes on, and the
// Source that a response's content is read from. Content is pushed on as it arrives; a sink that has enough pauses the
// connection. At most HELD_BYTES and one piece more are held for a sink that has not started.

import type { Duplex } from "node:stream";
import type { Signal } from "../http/abort.ts";
import { field } from "../http/fields.ts";
import type { Fields, Flow, Request, Response, Sink, Source } from "../http/message.ts";
import { notePassed } from "../runtime.ts";
import { UpstreamFailure } from "./failure.ts";

const HELD_BYTES = 65_536;
const NOTHING = new Uint8Array(0);
const NO_FIELDS: Fields = [];

/** Of an exchange that its sender does not count among those that wait. */
export const NO_SEAT = -1;

/** What is sent: `fields` as they go onto the wire; `content` is streamed, never buffered. */
export type ForwardRequest = Pick<Request, "method" | "authority" | "target" | "fields" | "content" | "upgrade"> & {
  /** Aborts the exchange, also after its response has begun. */
  readonly signal: Signal | undefined;
};

/** The library's hold on one exchange. */
export interface Controller {
  readonly rawHeaders?: unknown;
  readonly rawTrailers?: unknown;
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** Who sends the request. */
export interface Sender {
  /** The request goes onto the wire. */
  started(exchange: Exchange): void;
  /** So much content came. */
  received(bytes: number): void;
  /** Nothing of a response has come. True: the request is sent once more, and the exchange begins anew. */
  again(exchange: Exchange, failure: UpstreamFailure): boolean;
  /** Complete, failed or aborted. Called once. */
  over(exchange: Exchange): void;
}

export interface Settle {
  resolve(response: Response): void;
  reject(failure: UpstreamFailure): void;
}

export class Exchange implements Source, Flow {
  readonly request: ForwardRequest;
  /** Kept by the sender: how often it has been sent, to which origin, and since when and where it waits to be. */
  tries = 0;
  place = 0;
  arrived = 0;
  seat = NO_SEAT;
  readonly #sender: Sender;
  readonly #settle: Settle;
  #answered = false;
  #controller: Controller | undefined;
  #status = 0;
  #fields: Fields = NO_FIELDS;
  #trailers: Fields = NO_FIELDS;
  #settled = false;
  /** The library is done with it. */
  #over = false;
  #failure: UpstreamFailure | undefined;
  #sink: Sink | undefined;
  #stopped = false;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  readonly #abort = () => this.giveUp(new UpstreamFailure("aborted"));

  constructor(request: ForwardRequest, sender: Sender, settle: Settle) {
    this.request = request;
    this.#sender = sender;
    this.#settle = settle;
    request.signal?.addEventListener("abort", this.#abort);
  }

  /** Sent, but not on the wire yet. */
  get isQueued(): boolean {
    return this.#controller === undefined && !this.#over;
  }

  /** Ends the exchange wherever it stands; whoever waits for it is told. */
  giveUp(failure: UpstreamFailure): void {
    if (this.#over) return;
    if (this.#controller === undefined) {
      // Still in the library's queue, from which nothing can be taken: it ends there when its turn comes.
      this.#failure = failure;
      this.#reject(failure);
    } else {
      this.#controller.abort(failure);
    }
  }

  onRequestStart(controller: Controller): void {
    // Thrown, it ends the exchange; aborted, it would cost the connection too, which has not been written to yet.
    if (this.#failure !== undefined) throw this.#failure;
    this.#controller = controller;
    this.#sender.started(this);
  }

  onResponseStarted(): void {
    this.#answered = true;
  }

  onResponseStart(controller: Controller, status: number): void {
    // An interim response is not passed on; a 101 that nobody asked for, or without Upgrade, is no response at all.
    if (status === 101) controller.abort(new UpstreamFailure("malformed"));
    if (status < 200) return;
    const fields = flat(controller.rawHeaders);
    if (!isChunkedAtMost(fields)) {
      // A coding that was not asked for, and that nobody here undoes.
      controller.abort(new UpstreamFailure("malformed"));
      return;
    }
    this.#status = status;
    this.#fields = fields;
    // A small response arrives whole in one turn of the event loop. Waiting for the end of this turn, and no longer,
    // lets it be handed on as bytes.
    queueMicrotask(() => this.#deliver());
  }

  onResponseData(controller: Controller, piece: Uint8Array): void {
    notePassed(piece.length);
    this.#sender.received(piece.length);
    if (this.#sink === undefined || this.#stopped) {
      this.#held.push(piece);
      this.#heldBytes += piece.length;
      if (this.#stopped || this.#heldBytes >= HELD_BYTES) controller.pause();
    } else if (!this.#sink.write(piece)) {
      this.#stopped = true;
      controller.pause();
    }
  }

  onResponseEnd(controller: Controller): void {
    this.#trailers = flat(controller.rawTrailers);
    this.#finish();
    if (!this.#stopped) this.#flush();
  }

  onResponseError(_controller: Controller | null, error: unknown): void {
    if (this.#over) return;
    const failure = this.#failure ?? UpstreamFailure.from(error);
    if (!this.#answered && this.#failure === undefined && this.#sender.again(this, failure)) {
      this.#controller = undefined;
      return;
    }
    this.#failure = failure;
    this.#finish();
    this.#reject(failure);
    if (!this.#stopped) this.#flush();
  }

  onRequestUpgrade(controller: Controller, status: number, _fields: unknown, socket: Duplex): void {
    socket.on("error", () => {}); // from here on the tunnel's other end hears of it as "close"
    this.#finish();
    if (this.#settled) {
      socket.destroy();
      return;
    }
    this.#settled = true;
    this.#settle.resolve({ status, fields: flat(controller.rawHeaders), content: undefined, tunnel: socket });
  }

  start(sink: Sink): Flow {
    this.#sink = sink;
    this.#flush();
    return this;
  }

  resume(): void {
    if (this.#sink === undefined) return;
    this.#stopped = false;
    this.#flush();
  }

  cancel(): void {
    this.#sink = undefined;
    this.#held = [];
    this.giveUp(new UpstreamFailure("aborted"));
  }

  #deliver(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle.resolve({ status: this.#status, fields: this.#fields, content: this.#content() });
  }

  /** Nothing, all of it, or what is still to come. */
  #content(): Uint8Array | Source | undefined {
    // RFC 9110 §6.4.1
    if (this.request.method === "HEAD" || this.#status === 204 || this.#status === 304) return undefined;
    const whole = this.#over && this.#failure === undefined && this.#held.length < 2 && this.#trailers.length === 0;
    return whole ? (this.#held[0] ?? NOTHING) : this;
  }

  #flush(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (this.#held.length > 0 && !this.#writeHeld(sink)) return;
    if (!this.#over) {
      this.#controller?.resume();
      return;
    }
    this.#sink = undefined;
    if (this.#failure === undefined) sink.end(this.#trailers);
    else sink.fail(this.#failure);
  }

  #writeHeld(sink: Sink): boolean {
    const held = this.#held;
    for (let i = 0; i < held.length; i++) {
      if (sink.write(held[i] as Uint8Array) || this.#sink === undefined) continue;
      this.#stopped = true;
      this.#held = held.slice(i + 1);
      return false;
    }
    this.#held = [];
    this.#heldBytes = 0;
    return this.#sink !== undefined;
  }

  #reject(failure: UpstreamFailure): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle.reject(failure);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.request.signal?.removeEventListener("abort", this.#abort);
    this.#sender.over(this);
  }
}

/** The library's raw lines (bytes, name and value in turn) as text; field values are octets (RFC 9110 §5.5). */
function flat(raw: unknown): Fields {
  if (!Array.isArray(raw) || raw.length === 0) return NO_FIELDS;
  const fields = new Array<string>(raw.length);
  for (let i = 0; i < raw.length; i++) fields[i] = text(raw[i]);
  return fields;
}

function text(octets: unknown): string {
  return Buffer.isBuffer(octets) ? octets.toString("latin1") : String(octets);
}

function isChunkedAtMost(fields: Fields): boolean {
  const coding = field(fields, "transfer-encoding");
  return coding === undefined || /^(?:chunked|identity)?$/i.test(coding);
}
