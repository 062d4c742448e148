// A response written to a bare socket (RFC 9112): on connections that plain.ts reads, and where node:http has let go of
// one, because the request could not be parsed or asked for an upgrade.

import type { Duplex } from "node:stream";
import { type Fields, type Flow, type Response, release, type Sink, type Source } from "../http/message.ts";
import { type ClientSocket, octets, SMALL_BYTES } from "./outgoing.ts";
import { fitLines, headOf, statedLength, type WireAsk } from "./wire.ts";

export type BareSocket = Duplex & ClientSocket;

interface RawAsk extends WireAsk {
  /** Ms without any progress after which the socket is told to time out: from now on, where not all is written at once. */
  readonly sendMs: number;
}

/** The last octet was handed to the network, or (error) never will be. */
type Over = (error?: Error | null) => void;

/** Writes the head of a 101; what follows on the socket is the other protocol's. */
export function switchProtocol(socket: BareSocket, fields: Fields, reason: string): void {
  socket.write(`HTTP/1.1 101 ${reason}\r\n${fitLines(fields)}\r\n`, "latin1");
}

/**
 * Writes the whole of `response`. Throws a TypeError, with nothing written and its content not let go of, where the status or a
 * field cannot be sent, and what a source throws when it is started: then, as where content breaks off, the socket is destroyed.
 * Otherwise `over` is called once, never before this returns.
 */
export function respondRaw(socket: BareSocket, response: Response, ask: RawAsk, over: Over): void {
  const { content, status } = response;
  if (ask.method === "HEAD" || status === 204 || status === 304) {
    socket.write(headOf(response, ask), "latin1", over);
    release(content);
  } else if (content === undefined || content instanceof Uint8Array) {
    writeWhole(socket, response, { ask, content, over });
  } else {
    new SocketSink(socket, ask, over).drink(response, content);
  }
  if (socket.writableLength > 0) socket.setTimeout(ask.sendMs);
}

function writeWhole(
  socket: BareSocket,
  response: Response,
  { ask, content, over }: { ask: RawAsk; content: Uint8Array | undefined; over: Over },
): void {
  if (content === undefined || content.length <= SMALL_BYTES) {
    socket.write(smallText(response, ask, content), "latin1", over);
    return;
  }
  socket.cork();
  socket.write(headOf(response, ask), "latin1");
  socket.write(content, over);
  socket.uncork();
}

interface Small extends Pick<Response, "status" | "fields"> {
  readonly content: Uint8Array | undefined;
  readonly connection: string;
  /** Of Date; since the epoch. */
  readonly second: number;
  readonly text: string;
}

// The octets of a part may belong to a large whole, which would be kept with them.
const KEPT_BYTES = 65_536;

/** What was written last in one piece. A crowd that waited for one response is written the same text, made once. */
let last: Small | undefined;

function smallText(response: Response, ask: RawAsk, content: Uint8Array | undefined): string {
  const { status, fields } = response;
  const { connection } = ask;
  const second = Math.floor(Date.now() / 1000);
  const isSame = last?.fields === fields && last.content === content && last.status === status;
  if (isSame && last?.connection === connection && last.second === second) return last.text;
  const head = headOf(response, ask);
  const text = content === undefined ? head : head + octets(content);
  const mayBeKept = content === undefined || content.buffer.byteLength <= KEPT_BYTES;
  last = mayBeKept ? { status, fields, content, connection, second, text } : undefined;
  return text;
}

/** In chunks (§7.1), so that an end can be told from a breakdown, where the fields do not state the length. */
class SocketSink implements Sink {
  readonly #socket: BareSocket;
  readonly #ask: RawAsk;
  readonly #over: Over;
  #isChunked = true;
  /** Octets that were announced and have not come. */
  #missing = 0;
  /** What is gathered before the source has returned: the head, and the content that was there already. */
  #gathered: string | undefined;
  #flow: Flow | undefined;
  #isStopped = false;
  #isOver = false;
  #isUnwanted = false;

  constructor(socket: BareSocket, ask: RawAsk, over: Over) {
    this.#socket = socket;
    this.#ask = ask;
    this.#over = over;
  }

  drink(response: Response, source: Source): void {
    const stated = statedLength(response.fields);
    this.#isChunked = stated === undefined;
    this.#missing = stated ?? 0;
    this.#gathered = headOf(response, this.#ask);
    this.#socket.setTimeout(this.#ask.sendMs);
    this.#socket.on("drain", this.#onDrain).on("close", this.#onClose);
    try {
      this.#flow = source.start(this);
    } catch (error) {
      this.fail(); // what has been written cannot be taken back
      throw error;
    }
    if (this.#isUnwanted) this.#flow.cancel();
    // Server-sent events and the like: the head does not wait for the first piece.
    else if (!this.#isOver) this.#flush();
  }

  write(piece: Uint8Array): boolean {
    if (piece.length === 0) return true;
    if (this.#isOver || !this.#isDue(piece.length)) return false;
    if (this.#gathered !== undefined && this.#gathered.length + piece.length <= SMALL_BYTES) {
      this.#gathered += this.#isChunked ? `${size(piece)}${octets(piece)}\r\n` : octets(piece);
      return true;
    }
    this.#socket.cork();
    this.#flush();
    if (this.#isChunked) this.#socket.write(size(piece), "latin1");
    let goOn = this.#socket.write(piece);
    if (this.#isChunked) goOn = this.#socket.write("\r\n", "latin1");
    this.#socket.uncork();
    this.#isStopped ||= !goOn;
    return goOn;
  }

  end(trailers: Fields): void {
    if (this.#isOver) return;
    if (this.#missing > 0) {
      this.fail();
      return;
    }
    this.#close();
    const rest = this.#gathered ?? "";
    this.#gathered = undefined;
    const last = this.#isChunked ? `${rest}0\r\n${fitLines(trailers)}\r\n` : rest;
    this.#socket.write(last, "latin1", this.#over);
  }

  fail(): void {
    if (this.#isOver) return;
    this.#close();
    this.#socket.destroy();
  }

  /** Whether so much may still come. More than was announced would be taken for the next response. */
  #isDue(bytes: number): boolean {
    if (this.#isChunked) return true;
    this.#missing -= bytes;
    if (this.#missing >= 0) return true;
    this.fail();
    this.#giveUp();
    return false;
  }

  #flush(): void {
    if (this.#gathered === undefined) return;
    this.#socket.write(this.#gathered, "latin1");
    this.#gathered = undefined;
  }

  #close(): void {
    this.#isOver = true;
    this.#socket.off("drain", this.#onDrain).off("close", this.#onClose);
  }

  /** The source is to stop: at once, or when it has returned from its start. */
  #giveUp(): void {
    this.#isUnwanted = true;
    this.#flow?.cancel();
  }

  readonly #onDrain = (): void => {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#flow?.resume();
  };

  readonly #onClose = (): void => {
    this.#close();
    this.#giveUp();
  };
}

const LINGER_MS = 1000;

/** Ends our side, then reads on for a moment: a socket destroyed with something unread takes back what was sent (§9.6). */
export function finish(socket: BareSocket): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("end", () => socket.destroy());
  socket.once("close", () => clearTimeout(timer));
}

function size(piece: Uint8Array): string {
  return `${piece.length.toString(16)}\r\n`;
}
