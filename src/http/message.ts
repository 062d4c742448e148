// What a request and a response are to everything behind the listener: plain data (RFC 9110 §6), no socket, no
// runtime type. server/ makes and consumes them towards clients, upstream/ towards the origin.

import type { Duplex } from "node:stream";
import type { Signal } from "./abort.ts";

/** Field lines in wire order, flat: name, value, name, value … Names keep their case; look them up with fields.ts. */
export type Fields = readonly string[];

export interface Request {
  /** As sent: methods are case-sensitive (§9.1). */
  readonly method: string;
  readonly scheme: "http" | "https";
  /** What the client spoke where that was HTTP/1.0, for Via (§7.6.3); undefined: 1.1. */
  readonly version?: "1.0" | undefined;
  /** Host and port the client asked for, lower-case, without the scheme's default port. Never empty. */
  readonly authority: string;
  /** Origin-form: path and query as sent, beginning with "/"; "*" for a server-wide OPTIONS. */
  readonly target: string;
  readonly fields: Fields;
  /** undefined: the request has no content. Must be read at most once. */
  readonly content: AsyncIterable<Uint8Array> | undefined;
  /** IP address of the connection's other end, without port; "" on a unix socket. */
  readonly peer: string;
  /** Aborts when the client leaves before its response is complete. Made when first asked for. */
  readonly signal: Signal;
  /** The protocol asked for where this is an upgrade request (§7.8), lower-case. */
  readonly upgrade: string | undefined;
}

/** Never changed once it was given, nor its fields and content: the same object says the same. */
export interface Response {
  readonly status: number;
  readonly fields: Fields;
  /** undefined: no content (HEAD, 204, 304). Bytes are whole; a Source arrives in pieces. */
  readonly content: Uint8Array | Source | undefined;
  /** From the origin alone: its Forebay-Cache-Control (RFC 9213), which is for this proxy and not among `fields`. */
  readonly targeted?: string | undefined;
  /** From the origin alone: the tags that it named for the caches in front of it (cache/own-tags.ts). */
  readonly ownTags?: readonly string[] | undefined;
  /** True: its content ends where the connection does (RFC 9112 §6.3), so that its end cannot be told from a break. */
  readonly endsAtClose?: boolean;
  /** Only with status 101: the connection to the origin, to be joined with the client's. */
  readonly tunnel?: Duplex;
}

/** Content that arrives in pieces. `start` is called exactly once. */
export interface Source {
  /** Begins delivery into `sink`, possibly before it returns. */
  start(sink: Sink): Flow;
}

/** Where content goes. After `end` or `fail` nothing more is called. */
export interface Sink {
  /** Takes one piece, which must not be changed afterwards. False: send no more until `Flow.resume`. */
  write(piece: Uint8Array): boolean;
  /** The content is complete. */
  end(trailers: Fields): void;
  /** The content broke off: what was written must never look complete. */
  fail(error: Error): void;
}

/** The sink's hold on its source. */
export interface Flow {
  resume(): void;
  /** The sink wants no more; the source lets go of what it holds and calls the sink no more. */
  cancel(): void;
}

/** Lets go of content that nobody is going to read. */
export function release(content: Response["content"]): void {
  if (content === undefined || content instanceof Uint8Array) return;
  content.start({ write: () => false, end: () => {}, fail: () => {} }).cancel();
}

/** `request` with other fields; everything else is still the received one's. */
export function withFields(request: Request, fields: Fields): Request {
  const { method, scheme, version, authority, target, content, peer, upgrade } = request;
  return {
    ...{ method, scheme, version, authority, target, fields, content, peer, upgrade },
    get signal() {
      return request.signal;
    },
  };
}
