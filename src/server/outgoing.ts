// Writes a response to a client through node:http's response object: whole bytes at once, a Source as it arrives and
// as fast as the client takes it. A source that fails costs the client its connection: what was cut off must never
// look complete (RFC 9112 §8).

import { type Fields, type Flow, type Response, release, type Sink, type Source } from "../http/message.ts";
import { refusesUnfitFields } from "../runtime.ts";

/** The parts of node:http's response that matter here. */
export interface Outgoing {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  readonly socket: ClientSocket | null;
  readonly req: { readonly httpVersionMinor: number };
  writeHead(status: number, fields: string[]): unknown;
  write(piece: Uint8Array): boolean;
  end(bytes?: Uint8Array): unknown;
  end(octets: string, encoding: "latin1"): unknown;
  flushHeaders(): void;
  addTrailers(trailers: [string, string][]): void;
  on(event: "drain" | "close", listener: () => void): unknown;
  prependOnceListener(event: "finish", listener: () => void): unknown;
}

/** What of a client's socket is needed to write to it in good time. */
export interface ClientSocket {
  readonly writableLength: number;
  setTimeout(ms: number): unknown;
  destroy(): unknown;
  resetAndDestroy(): unknown;
}

export interface Ask {
  readonly method: string;
  /** The connection closes after this response. */
  readonly closing: boolean;
  /** Ms without any progress after which a client that does not read loses its connection. */
  readonly sendMs: number;
}

/** Writes `response`. Throws, with nothing written, where the status or a field cannot be sent. */
export function respond(out: Outgoing, response: Response, ask: Ask): void {
  const { content, status } = response;
  if (!refusesUnfitFields && response.fields.some((part) => UNFIT.test(part))) throw new TypeError("unfit field");
  if (ask.method === "HEAD" || status === 204 || status === 304) {
    out.writeHead(status, head(response, ask, content instanceof Uint8Array && status !== 204 ? content.length : -1));
    out.end();
    release(content);
  } else if (content === undefined || content instanceof Uint8Array) {
    out.writeHead(status, head(response, ask, content?.length ?? 0));
    if (content === undefined || content.length > SMALL_BYTES) out.end(content);
    else out.end(octets(content), "latin1");
    bound(out, ask.sendMs);
  } else {
    out.writeHead(status, head(response, ask, -1));
    new ClientSink(out, ask.sendMs).drink(content);
  }
}

// Up to here head and content together cost less as one string than as two buffers: measured on bare responses of 1 KB,
// 24 µs of CPU instead of 32. Longer strings leave the fast path of the runtime's writes.
export const SMALL_BYTES = 12_288;

/** An octet each character. */
export function octets(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("latin1");
}

// RFC 9110 §5.5
const UNFIT = /[\0\r\n]/;

/** Breaks the connection off. An HTTP/1.0 client may be reading "until it closes" (RFC 9112 §6.3): only a reset tells it
 * that this is not the end. The others know, and get to read what was sent before. */
export function breakOff(out: Outgoing): void {
  if (out.req.httpVersionMinor === 0) out.socket?.resetAndDestroy();
  else out.socket?.destroy();
}

class ClientSink implements Sink {
  readonly #out: Outgoing;
  readonly #sendMs: number;
  #flow: Flow | undefined;
  #written = false;
  #stopped = false;
  #everStopped = false;
  #over = false;

  constructor(out: Outgoing, sendMs: number) {
    this.#out = out;
    this.#sendMs = sendMs;
  }

  drink(source: Source): void {
    const flow = source.start(this);
    if (this.#over) return;
    this.#flow = flow;
    this.#out.on("close", () => this.#left());
    if (this.#out.destroyed) this.#left();
    // Server-sent events and the like: the head does not wait for the first piece.
    else if (!this.#written) this.#out.flushHeaders();
  }

  write(piece: Uint8Array): boolean {
    this.#written = true;
    if (this.#out.write(piece)) return true;
    this.#stopped = true;
    if (!this.#everStopped) this.#out.on("drain", () => this.#drained());
    this.#everStopped = true;
    this.#out.socket?.setTimeout(this.#sendMs);
    return false;
  }

  end(trailers: Fields): void {
    this.#over = true;
    if (trailers.length > 0) this.#out.addTrailers(pairs(trailers));
    this.#out.end();
    bound(this.#out, this.#sendMs);
  }

  fail(): void {
    this.#over = true;
    breakOff(this.#out);
  }

  #drained(): void {
    if (this.#over || !this.#stopped) return;
    this.#stopped = false;
    this.#out.socket?.setTimeout(0);
    this.#flow?.resume();
  }

  #left(): void {
    if (this.#over) return;
    this.#over = true;
    this.#flow?.cancel();
  }
}

/** A client that stops reading the rest of a response loses its connection after a while. */
function bound(out: Outgoing, sendMs: number): void {
  const { socket } = out;
  if (socket === null || socket.writableLength === 0) return;
  socket.setTimeout(sendMs);
  out.prependOnceListener("finish", () => socket.setTimeout(0));
}

/**
 * The fields as they are sent: framing is the connection's affair, so Transfer-Encoding is left out, and Content-Length
 * and Trailer where they contradict what follows. `length`: of the content, to be said where the fields do not; -1: unknown.
 */
function head(response: Response, ask: Ask, length: number): string[] {
  const { fields, status } = response;
  let said = false;
  let clean = true;
  for (let i = 0; i < fields.length; i += 2) {
    const framing = framingOf(fields[i] as string);
    if (framing === "content-length" && status !== 204) said = true;
    else if (framing !== undefined) clean = false;
  }
  if (clean && (said || length < 0) && !ask.closing) return fields as string[];
  const sent = clean ? [...fields] : withoutFraming(fields, { length: said, trailer: length < 0 && !said });
  if (!said && length >= 0) sent.push("Content-Length", String(length));
  if (ask.closing) sent.push("Connection", "close");
  return sent;
}

function framingOf(name: string): "content-length" | "transfer-encoding" | "trailer" | undefined {
  if (name.length === 14 && name.toLowerCase() === "content-length") return "content-length";
  if (name.length === 17 && name.toLowerCase() === "transfer-encoding") return "transfer-encoding";
  if (name.length === 7 && name.toLowerCase() === "trailer") return "trailer";
  return undefined;
}

function withoutFraming(fields: Fields, keep: { length: boolean; trailer: boolean }): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const framing = framingOf(name);
    const goes =
      framing === "transfer-encoding" ||
      (framing === "content-length" && !keep.length) ||
      (framing === "trailer" && !keep.trailer);
    if (!goes) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

function pairs(fields: Fields): [string, string][] {
  const made: [string, string][] = [];
  for (let i = 0; i < fields.length; i += 2) made.push([fields[i] as string, fields[i + 1] as string]);
  return made;
}
