// A response written to a bare socket, where node:http has let go of it: the request could not be parsed, or asked for
// an upgrade. The connection closes after it (RFC 9112 §9.6), except after a 101.

import type { Duplex } from "node:stream";
import { type Fields, type Flow, type Response, release, type Sink } from "../http/message.ts";
import type { ClientSocket } from "./outgoing.ts";

export type BareSocket = Duplex & ClientSocket;

interface Ask {
  readonly method: string;
  /** The reason phrase of the status. */
  readonly reason: string;
  /** Ms without any progress after which a client that does not read loses its connection. */
  readonly sendMs: number;
}

/** Writes the head of a 101; what follows on the socket is the other protocol's. */
export function switchProtocol(socket: BareSocket, fields: Fields, reason: string): void {
  socket.write(`HTTP/1.1 101 ${reason}\r\n${lines(fields, isNothing)}\r\n`, "latin1");
}

/** Writes the whole of `response` and closes the connection. */
export function respondRaw(socket: BareSocket, response: Response, ask: Ask): void {
  const { content, status } = response;
  if (socket.destroyed || !socket.writable) {
    release(content);
    return;
  }
  socket.setTimeout(ask.sendMs);
  socket.once("timeout", () => socket.destroy());
  const isEmpty = ask.method === "HEAD" || status === 204 || status === 304 || content === undefined;
  if (isEmpty || content instanceof Uint8Array) {
    socket.cork();
    socket.write(head(response, ask, false), "latin1");
    if (!isEmpty && content instanceof Uint8Array) socket.write(content);
    else release(content);
    finish(socket);
    socket.uncork();
  } else {
    const sink = new ChunkedSink(socket);
    socket.write(head(response, ask, true), "latin1");
    const flow = content.start(sink);
    sink.follow(flow);
  }
}

/** RFC 9112 §7.1. Always chunked, so that an end can be told from a breakdown. */
class ChunkedSink implements Sink {
  readonly #socket: BareSocket;
  #over = false;

  constructor(socket: BareSocket) {
    this.#socket = socket;
  }

  follow(flow: Flow): void {
    if (this.#over) return;
    this.#socket.on("drain", () => {
      if (!this.#over) flow.resume();
    });
    this.#socket.on("close", () => {
      if (!this.#over) flow.cancel();
    });
    if (this.#socket.destroyed) flow.cancel();
  }

  write(piece: Uint8Array): boolean {
    if (piece.length === 0) return true;
    this.#socket.cork();
    this.#socket.write(`${piece.length.toString(16)}\r\n`, "latin1");
    this.#socket.write(piece);
    const goOn = this.#socket.write("\r\n", "latin1");
    this.#socket.uncork();
    return goOn;
  }

  end(trailers: Fields): void {
    this.#over = true;
    this.#socket.write(`0\r\n${lines(trailers, isNothing)}\r\n`, "latin1");
    finish(this.#socket);
  }

  fail(): void {
    this.#over = true;
    this.#socket.destroy();
  }
}

const LINGER_MS = 1000;

/** Ends our side, then reads on for a moment: a socket destroyed with something unread takes back what was sent. */
function finish(socket: BareSocket): void {
  socket.end();
  socket.resume();
  socket.once("finish", () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once("end", () => socket.destroy());
    socket.once("close", () => clearTimeout(timer));
  });
}

function head(response: Response, ask: Ask, chunked: boolean): string {
  const { content, fields, status } = response;
  const isWhole = content instanceof Uint8Array && status !== 204 && status !== 304;
  const kept = lines(fields, isWhole || chunked || status === 204 ? isFraming : isConnection);
  const framing = chunked ? "Transfer-Encoding: chunked\r\n" : isWhole ? `Content-Length: ${content.length}\r\n` : "";
  return `HTTP/1.1 ${status} ${ask.reason}\r\n${kept}${framing}Connection: close\r\n\r\n`;
}

const UNFIT = /[\r\n\0]/;

function lines(fields: Fields, leftOut: (name: string) => boolean): string {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (leftOut(name.toLowerCase()) || UNFIT.test(name) || UNFIT.test(value)) continue;
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

function isNothing(): boolean {
  return false;
}

function isConnection(name: string): boolean {
  return name === "connection" || name === "transfer-encoding" || name === "keep-alive";
}

function isFraming(name: string): boolean {
  return isConnection(name) || name === "content-length";
}
