// One origin response on its way into the cache: it is buffered whole while its client already reads along. A slow
// client never slows the buffering; past `maxBytes` nothing is kept and the client's own pace holds from then on.
// Only content that ended properly is ever called whole (RFC 9111 §3.3).

import type { Fields, Flow, Sink, Source } from "../http/message.ts";

/** How the buffering ended. */
export type Filled =
  | { readonly kind: "whole"; readonly body: Uint8Array }
  | { readonly kind: "oversize" }
  | { readonly kind: "broken"; readonly error: Error };

export interface Fill {
  /** Settles once; never rejects. */
  readonly filled: Promise<Filled>;
  /** The content from its beginning, for its one reader. */
  reader(): Source;
}

/** How long a fill goes on that nobody reads any more, ms. */
const ALONE_MS = 60_000;

/**
 * Buffers `content` up to `maxBytes`; `isRead` false where no client reads along.
 * @param content started at once
 */
export function createFill(content: Source, maxBytes: number, isRead: boolean): Fill {
  return new Buffering(content, maxBytes, isRead);
}

class Buffering implements Fill, Sink {
  readonly filled: Promise<Filled>;
  private settle: (filled: Filled) => void = () => {};
  private readonly maxBytes: number;
  private readonly flow: Flow;
  /** What arrived and is still needed: by the buffer, or by the reader (then from `taken` on). */
  private pieces: Uint8Array[] = [];
  private bytes = 0;
  private state: "buffering" | "passing" | "ended" | "failed" | "cancelled" = "buffering";
  private trailers: Fields = [];
  private error: Error | undefined;
  private sink: Sink | undefined;
  private isReaderLeft = false;
  /** Pieces the reader has been given. */
  private taken = 0;
  private isReaderFull = false;
  private isPumping = false;
  private alone: NodeJS.Timeout | undefined;

  constructor(content: Source, maxBytes: number, isRead: boolean) {
    this.maxBytes = maxBytes;
    this.filled = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.flow = content.start(this);
    if (!isRead) this.leave();
  }

  reader(): Source {
    return { start: (sink) => this.attach(sink) };
  }

  write(piece: Uint8Array): boolean {
    if (this.state === "cancelled") return false;
    this.pieces.push(piece);
    this.bytes += piece.byteLength;
    if (this.state === "buffering" && this.bytes > this.maxBytes) this.stopBuffering();
    this.pump();
    return this.state === "buffering" || (this.state === "passing" && this.sink !== undefined && !this.isReaderFull);
  }

  end(trailers: Fields): void {
    if (this.state === "cancelled") return;
    const isWhole = this.state === "buffering";
    this.trailers = trailers;
    this.close("ended");
    if (isWhole) this.settle({ kind: "whole", body: join(this.pieces, this.bytes) });
    this.pump();
  }

  fail(error: Error): void {
    if (this.state === "cancelled") return;
    this.error = error;
    this.close("failed");
    this.settle({ kind: "broken", error });
    this.pump();
  }

  private attach(sink: Sink): Flow {
    this.sink = sink;
    this.resumeReader();
    return { resume: () => this.resumeReader(), cancel: () => this.leave() };
  }

  /** Gives the reader what it has not had yet, as long as it takes it. */
  private pump(): void {
    if (this.isPumping || this.sink === undefined || this.isReaderLeft) return;
    this.isPumping = true;
    while (!this.isReaderFull && this.taken < this.pieces.length) {
      const piece = this.pieces[this.taken++];
      if (piece !== undefined) this.isReaderFull = !this.sink.write(piece);
      if (this.isReaderLeft) break;
    }
    this.isPumping = false;
    if (this.state !== "buffering") this.forgetTaken();
    if (this.taken === this.pieces.length) this.finishReader();
  }

  private finishReader(): void {
    if (this.isReaderLeft || this.sink === undefined) return;
    if (this.state === "ended") this.sink.end(this.trailers);
    else if (this.state === "failed") this.sink.fail(this.error ?? new Error("the content broke off"));
    else return;
    this.isReaderLeft = true;
  }

  private resumeReader(): void {
    this.isReaderFull = false;
    this.pump();
    if (this.state === "passing" && !this.isReaderFull) this.flow.resume();
  }

  /** The reader went away: a buffering fill finishes for the others, a passing one has nobody left to serve. */
  private leave(): void {
    if (this.isReaderLeft) return;
    this.isReaderLeft = true;
    if (this.state === "passing") this.abandon(new Error("the last reader left"));
    else if (this.state === "buffering") {
      this.alone = setTimeout(() => this.abandon(new Error("the content never ended")), ALONE_MS);
      this.alone.unref();
    }
  }

  private stopBuffering(): void {
    this.state = "passing";
    this.settle({ kind: "oversize" });
    if (this.isReaderLeft) this.abandon(new Error("too large to keep, and nobody reads it"));
  }

  private abandon(error: Error): void {
    this.close("cancelled");
    this.pieces = [];
    this.settle({ kind: "broken", error });
    // Not from inside the constructor: `flow` is set once `start` has returned.
    queueMicrotask(() => this.flow.cancel());
  }

  private close(state: "ended" | "failed" | "cancelled"): void {
    clearTimeout(this.alone);
    this.state = state;
  }

  private forgetTaken(): void {
    if (this.taken === 0) return;
    this.pieces.splice(0, this.taken);
    this.taken = 0;
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
