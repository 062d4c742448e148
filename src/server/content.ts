// A client's content on its way to whoever reads it. It stands between the reader and the connection, because a reader
// that gives up destroys its stream, and the connection must live on to carry the response.

import { Readable } from "node:stream";
import { notePassed } from "../runtime.ts";

/** The parts of node:http's request and socket that matter here. */
interface Connected extends Readable {
  readonly complete: boolean;
  readonly socket: { destroy(): unknown };
}

interface ContentOptions {
  /** Called once, before the first piece is asked for. */
  readonly onFirstRead?: () => void;
  /** Ms that a reader waits for the next piece before the client counts as gone. */
  readonly idleMs: number;
}

export class ClientContent extends Readable {
  readonly #source: Connected;
  readonly #options: ContentOptions;
  #idle: NodeJS.Timeout | undefined;

  constructor(source: Connected, options: ContentOptions) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    this.#options = options;
    this.on("error", () => {}); // whoever reads has its own listener; without a reader there is nobody to tell
  }

  override _read(): void {
    if (this.#idle === undefined) this.#begin();
    this.#idle?.refresh();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    this.#source.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose);
    if (this.#idle !== undefined) this.#source.pause();
    done(error);
  }

  #begin(): void {
    this.#options.onFirstRead?.();
    this.#idle = setTimeout(() => this.#source.socket.destroy(), this.#options.idleMs).unref();
    this.#source.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose);
    if (this.#source.destroyed) this.#onClose();
  }

  readonly #onData = (piece: Uint8Array): void => {
    notePassed(piece.length);
    if (this.push(piece)) this.#idle?.refresh();
    else this.#pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.readableEnded && !this.#source.complete) this.destroy(new Error("The client left in mid-request."));
  };

  #pause(): void {
    this.#source.pause();
    clearTimeout(this.#idle);
  }
}

const LINGER_MS = 5000;

/** Reads on without keeping anything, after the response is complete, so that the next request on the connection is
 * found where it begins (RFC 9112 §9.3); but not for ever. */
export function discardRest(source: Connected): void {
  if (source.complete && source.readableLength === 0) return;
  const timer = setTimeout(() => source.socket.destroy(), LINGER_MS).unref();
  source.once("close", () => clearTimeout(timer));
  source.resume();
}
