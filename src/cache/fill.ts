// One origin response on its way into the cache: it is buffered whole while its readers already read along, each at its
// own pace, all out of the same pieces. No client slows the buffering. Past `maxBytes` nothing is kept for the store and
// nobody may begin to read; for those who do, the source goes on while one of them takes more and none is a whole
// buffer behind. Only content that ended properly is ever called whole (RFC 9111 §3.3), and what broke off breaks off
// for every reader.

import type { Fields, Flow, Sink, Source } from "../http/message.ts";

/** How the buffering ended. */
export type Filled =
  | { readonly kind: "whole"; readonly body: Uint8Array }
  | { readonly kind: "oversize" }
  | { readonly kind: "broken"; readonly error: Error };

export interface Fill {
  /** Settles once; never rejects. */
  readonly filled: Promise<Filled>;
  /** The content from its beginning, for one reader, who must start or release it. undefined: it is not being buffered any more,
   * or has stood still for a second, so that nobody else is to be caught in it. */
  reader(): Source | undefined;
  /** Starts the content; to be called once, when those who surely read have their readers. */
  begin(): void;
}

/** How long a fill goes on that nobody reads any more, ms. */
const ALONE_MS = 60_000;
/** How long a reader that holds up the others may take for half a buffer, ms. */
const STALLED_MS = 30_000;
/** After how long without a piece nobody begins to read any more, ms. */
const QUIET_MS = 1000;

/** Buffers `content` up to `maxBytes`. */
export function createFill(content: Source, maxBytes: number): Fill {
  return new Buffering(content, maxBytes);
}

class Buffering implements Fill, Sink {
  readonly filled: Promise<Filled>;
  private settle: (filled: Filled) => void = () => {};
  private readonly content: Source;
  private readonly maxBytes: number;
  private flow: Flow | undefined;
  /** What is still needed: everything while it is buffered, then what the slowest reader has not taken. */
  private pieces: Uint8Array[] = [];
  /** In `pieces`. */
  private bytes = 0;
  /** Pieces that came before them, and their bytes. */
  private forgotten = 0;
  private forgottenBytes = 0;
  private state: "buffering" | "passing" | "ended" | "failed" | "cancelled" = "buffering";
  private trailers: Fields = [];
  private error: Error | undefined;
  private readonly readers = new Set<Reader>();
  /** The source was told to wait. */
  private isPaused = false;
  /** When the last piece came, or the content was started; monotonic, ms. */
  private movedAt = Number.POSITIVE_INFINITY;
  /** Runs while nobody reads what is buffered, and later while the slowest reader holds up others. */
  private timer: NodeJS.Timeout | undefined;

  constructor(content: Source, maxBytes: number) {
    this.content = content;
    this.maxBytes = maxBytes;
    this.filled = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  reader(): Source | undefined {
    if (this.state !== "buffering" || performance.now() - this.movedAt > QUIET_MS) return undefined;
    this.stopTimer();
    const reader = new Reader(this);
    this.readers.add(reader);
    return reader;
  }

  begin(): void {
    if (this.readers.size === 0) this.waitAlone();
    this.movedAt = performance.now();
    this.flow = this.content.start(this);
  }

  write(piece: Uint8Array): boolean {
    if (this.state === "cancelled") return false;
    this.movedAt = performance.now();
    this.pieces.push(piece);
    this.bytes += piece.byteLength;
    if (this.state === "buffering" && this.bytes > this.maxBytes) this.stopBuffering();
    for (const reader of this.readers) this.feed(reader);
    if (this.state === "buffering") return true;
    this.forget();
    this.isPaused = !this.mayGoOn();
    this.watchSlowest();
    return !this.isPaused;
  }

  end(trailers: Fields): void {
    if (this.state === "cancelled") return;
    if (this.state === "buffering") this.settle({ kind: "whole", body: join(this.pieces, this.bytes) });
    this.trailers = trailers;
    this.close("ended");
  }

  fail(error: Error): void {
    if (this.state === "cancelled") return;
    this.error = error;
    this.settle({ kind: "broken", error });
    this.close("failed");
  }

  /** For a reader that begins, or can take more. False: it was given up, or has left. */
  serve(reader: Reader): boolean {
    if (!this.readers.has(reader)) return false;
    this.feed(reader);
    this.goOn();
    return true;
  }

  /** A reader went away: a buffering fill finishes for the others, a passing one goes on as long as anybody reads. */
  leave(reader: Reader): void {
    if (!this.readers.delete(reader)) return;
    if (this.readers.size > 0) this.goOn();
    else if (this.state === "buffering") this.waitAlone();
    else if (this.state === "passing") this.abandon(new Error("the last reader left"));
    else this.forget();
  }

  /** Gives a reader what it has not had yet, as long as it takes it. */
  private feed(reader: Reader): void {
    if (reader.isFed) return;
    reader.isFed = true;
    while (!reader.isFull && this.readers.has(reader)) {
      const piece = this.pieces[reader.place - this.forgotten];
      if (piece === undefined) break;
      reader.place += 1;
      reader.take(piece);
    }
    reader.isFed = false;
    if (reader.hasBegun && reader.place === this.forgotten + this.pieces.length) this.finish(reader);
  }

  private finish(reader: Reader): void {
    const isOver = this.state === "ended" || this.state === "failed";
    if (!isOver || !this.readers.delete(reader)) return;
    if (this.state === "ended") reader.end(this.trailers);
    else reader.fail(this.error ?? new Error("the content broke off"));
  }

  private stopBuffering(): void {
    this.state = "passing";
    this.settle({ kind: "oversize" });
    if (this.readers.size === 0) this.abandon(new Error("too large to keep, and nobody reads it"));
  }

  private close(state: "ended" | "failed"): void {
    this.stopTimer();
    this.state = state;
    for (const reader of this.readers) this.feed(reader);
    this.forget();
  }

  private abandon(error: Error): void {
    this.stopTimer();
    this.state = "cancelled";
    this.forget();
    this.settle({ kind: "broken", error });
    // Not from inside `begin`: `flow` is set once `start` has returned.
    queueMicrotask(() => this.flow?.cancel());
  }

  /** After a reader has taken something or left. */
  private goOn(): void {
    if (this.state === "buffering") return;
    this.forget();
    if (this.isPaused && this.mayGoOn()) {
      this.isPaused = false;
      this.flow?.resume();
    }
    this.watchSlowest();
  }

  private mayGoOn(): boolean {
    return this.state === "passing" && this.bytes <= this.maxBytes && this.isWanted();
  }

  /** Whether any reader waits for more. */
  private isWanted(): boolean {
    for (const reader of this.readers) if (!reader.isFull) return true;
    return false;
  }

  /** Lets go of what every reader has taken. */
  private forget(): void {
    if (this.readers.size === 0) {
      this.pieces = [];
      return;
    }
    const end = this.forgotten + this.pieces.length;
    let slowest = end;
    for (const { place } of this.readers) if (place < slowest) slowest = place;
    if (slowest === this.forgotten) return;
    for (const { byteLength } of this.pieces.splice(0, slowest - this.forgotten)) {
      this.bytes -= byteLength;
      this.forgottenBytes += byteLength;
    }
    this.forgotten = slowest;
  }

  /** The slowest holds up others: is it slow, or does it take a piece now and then to hold them up for ever? */
  private watchSlowest(): void {
    if (this.state !== "passing") return;
    const from = this.forgottenBytes;
    if (this.bytes <= this.maxBytes / 2) this.stopTimer();
    else if (this.bytes > this.maxBytes && this.isWanted())
      this.timer ??= setTimeout(() => this.dropSlowest(from), STALLED_MS).unref();
  }

  private dropSlowest(from: number): void {
    this.timer = undefined;
    if (this.readers.size > 1 && this.forgottenBytes - from < this.maxBytes / 2) {
      const error = new Error("the others did not wait any longer");
      for (const reader of this.readers) {
        if (reader.place > this.forgotten) continue;
        this.readers.delete(reader);
        reader.fail(error);
      }
    }
    this.goOn();
  }

  private waitAlone(): void {
    this.timer = setTimeout(() => this.abandon(new Error("nobody read it, and it did not end")), ALONE_MS).unref();
  }

  private stopTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/** One reader's place in the content. */
class Reader implements Source, Flow {
  /** The next piece it gets, counted from the beginning of the content. */
  place = 0;
  /** Takes nothing for the moment: it has not begun, or has asked to wait. */
  isFull = true;
  /** Is being given pieces. */
  isFed = false;
  private readonly fill: Buffering;
  private sink: Sink | undefined;

  constructor(fill: Buffering) {
    this.fill = fill;
  }

  get hasBegun(): boolean {
    return this.sink !== undefined;
  }

  start(sink: Sink): Flow {
    this.sink = sink;
    this.isFull = false;
    if (!this.fill.serve(this)) this.fail(new Error("it was not read in time"));
    return this;
  }

  resume(): void {
    this.isFull = false;
    this.fill.serve(this);
  }

  cancel(): void {
    this.fill.leave(this);
  }

  take(piece: Uint8Array): void {
    this.isFull = this.sink?.write(piece) === false;
  }

  end(trailers: Fields): void {
    this.sink?.end(trailers);
  }

  fail(error: Error): void {
    this.sink?.fail(error);
  }
}

/** One array of its own: pieces are often small windows on large buffers, which would stay in memory as long as they. */
function join(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const only = pieces[0];
  if (pieces.length === 1 && only !== undefined && only.buffer.byteLength === bytes) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}
