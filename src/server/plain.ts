// A connection read here and not by node:http, as long as its client sends the simplest requests (plain-head.ts): that is
// less than half the work. At the first octet that is anything else the connection is node:http's, with all that was
// not answered yet, and stays so. Requests are answered one at a time, in the order they came (RFC 9112 §9.3.2).

import type { Server, Socket } from "node:net";
import { Abort, type Signal } from "../http/abort.ts";
import { type Fields, type Request, type Response, release } from "../http/message.ts";
import type { Limits } from "./incoming.ts";
import { UNANSWERED } from "./last.ts";
import { type PlainHead, PlainHeads } from "./plain-head.ts";
import { finish, respondRaw } from "./raw.ts";

/** What the connections of one listener have in common. */
export interface PlainOptions extends Limits {
  readonly keepAliveMs: number;
  readonly headersMs: number;
  readonly sendMs: number;
  handle(request: Request): Response | Promise<Response>;
  /** Called when the exchange with the client is over; undefined: nobody wants to know. `status` 0: there was no response. */
  readonly finished:
    | ((request: Request, outcome: { status: number; complete: boolean }, answer: Response | undefined) => void)
    | undefined;
  /** The handler failed, or answered with what cannot be sent. */
  failed(error: unknown, request: Request): void;
  /** No further request is wanted. */
  isDraining(): boolean;
  /** The reason phrase of a status. */
  reason(status: number): string;
}

export interface PlainReader {
  /** Destroys the connections on which nothing is being answered. */
  closeIdle(): void;
}

/** Comes between `server`, which is node:http's, and its own reading of connections. */
export function readPlain(server: Server, options: PlainOptions): PlainReader {
  const connections = new Map<Socket, PlainConnection>();
  const reading = server.listeners("connection") as ((socket: Socket) => void)[];
  if (reading.length === 0) throw new TypeError("a server that does not read its connections");
  const handOver = (socket: Socket) => {
    connections.delete(socket);
    for (const read of reading) read.call(server, socket);
  };
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    connections.set(socket, new PlainConnection(socket, options, handOver));
    socket.once("close", () => connections.delete(socket));
  });
  return {
    closeIdle() {
      for (const [socket, connection] of connections) if (connection.isIdle()) socket.destroy();
    },
  };
}

/** How much longer than it was told a client's idle connection is kept, ms: its next request may be on the way. */
const GRACE_MS = 1000;
const NOTHING = Buffer.alloc(0);

class PlainConnection {
  readonly #socket: Socket;
  readonly #options: PlainOptions;
  readonly #giveAway: (socket: Socket) => void;
  readonly #heads: PlainHeads;
  readonly #keepAlive: string;
  readonly #idleMs: number;
  readonly #peer: string;
  /** What was received last, as octets and as text, and how much of it has been taken. What cannot be taken at once is put back
   * into the socket's own buffer, which is bounded, and the client's end is not told of before that has been read. */
  #received: Buffer = NOTHING;
  #text = "";
  #taken = 0;
  #exchange: PlainExchange | undefined;
  /** No response follows the one that was given. */
  #isLast = false;

  /** `handOver` takes the socket with nothing under way, its first unread octets those that are not simple. */
  constructor(socket: Socket, options: PlainOptions, handOver: (socket: Socket) => void) {
    this.#socket = socket;
    this.#giveAway = handOver;
    this.#options = options;
    this.#heads = new PlainHeads(options);
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(options.keepAliveMs / 1000)}\r\n`;
    this.#idleMs = options.keepAliveMs + GRACE_MS;
    this.#peer = socket.remoteAddress ?? "";
    socket.setTimeout(options.headersMs);
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose);
    socket.on("timeout", this.#onTimeout).on("error", this.#onError);
  }

  /** Nothing is being answered, nor is the last answer on its way. */
  isIdle(): boolean {
    return this.#exchange === undefined && !this.#isLast;
  }

  readonly #onData = (received: Buffer): void => {
    if (this.#exchange !== undefined) {
      this.#wait(received);
      this.#putBack();
      return;
    }
    this.#received = received;
    this.#text = received.toString("latin1");
    this.#taken = 0;
    this.#next();
  };

  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#exchange?.leave();
    this.#end(false);
  };

  /** Of the network's silence only: a response that is waited for may take its time. But a client whose octets are not
   * read could leave unseen. */
  readonly #onTimeout = (): void => {
    const isStill = this.#exchange === undefined || this.#socket.writableLength > 0 || this.#socket.isPaused();
    if (isStill) this.#socket.destroy();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  #next(): void {
    const head = this.#heads.head(this.#text, this.#taken);
    if (head === undefined) {
      this.#handOver();
      return;
    }
    this.#taken = head.end;
    this.#serve(new PlainExchange(head, this.#peer));
    if (!this.#isWritten()) this.#putBack();
  }

  /** A response was given, and the network has all of it. */
  #isWritten(): boolean {
    return this.#exchange?.isWhole === true && this.#socket.writableLength === 0;
  }

  /** The rest waits. */
  #putBack(): void {
    const rest = this.#received.subarray(this.#taken);
    this.#forget();
    if (rest.length > 0) this.#wait(rest);
  }

  #wait(octets: Buffer): void {
    this.#socket.pause();
    this.#socket.unshift(octets);
  }

  #forget(): void {
    this.#received = NOTHING;
    this.#text = "";
    this.#taken = 0;
  }

  #serve(exchange: PlainExchange): void {
    this.#exchange = exchange;
    try {
      const response = this.#options.handle(exchange);
      if (response instanceof Promise) {
        response.then(
          (later) => this.#answer(exchange, later),
          (error) => this.#fault(exchange, error),
        );
      } else {
        this.#answer(exchange, response);
      }
    } catch (error) {
      this.#fault(exchange, error);
    }
  }

  #answer(exchange: PlainExchange, response: Response): void {
    exchange.answer = response;
    if (this.#socket.destroyed || !this.#socket.writable) {
      letGo(response);
      return;
    }
    exchange.status = response.status;
    try {
      if (response.tunnel !== undefined) throw new Error("A tunnel answers a request that asked for no upgrade.");
      this.#respond(exchange, response, this.#options.isDraining());
    } catch (error) {
      if (!this.#socket.destroyed) letGo(response);
      this.#fault(exchange, error);
    }
  }

  #fault(exchange: PlainExchange, error: unknown): void {
    this.#options.failed(error, exchange);
    if (!this.#socket.writable) return;
    exchange.status = UNANSWERED.status;
    this.#respond(exchange, UNANSWERED, true);
  }

  #respond(exchange: PlainExchange, response: Response, closing: boolean): void {
    const { reason, sendMs } = this.#options;
    const ask = {
      method: exchange.method,
      reason: reason(response.status),
      connection: closing ? "Connection: close\r\n" : this.#keepAlive,
      sendMs,
    };
    respondRaw(this.#socket, response, ask, closing ? this.#onLastWritten : this.#onWritten);
    exchange.isWhole = response.content === undefined || response.content instanceof Uint8Array;
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return; // the connection closes, which is heard of
    this.#end(true);
    if (this.#socket.timeout !== this.#idleMs) this.#socket.setTimeout(this.#idleMs);
    if (this.#taken < this.#received.length) this.#next();
    else {
      this.#forget();
      if (this.#socket.isPaused()) this.#socket.resume();
    }
  };

  readonly #onLastWritten = (error?: Error | null): void => {
    if (error) return;
    this.#isLast = true;
    this.#end(true);
    this.#release();
    this.#socket.on("error", this.#onError);
    finish(this.#socket);
  };

  #end(complete: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined) return;
    this.#options.finished?.(exchange, { status: exchange.status, complete }, exchange.answer);
  }

  #handOver(): void {
    this.#release();
    this.#socket.setTimeout(0);
    this.#wait(this.#received.subarray(this.#taken));
    this.#giveAway(this.#socket);
    this.#socket.resume();
    // At once, for node:http reads past the socket from now on: on Deno it would be given what comes next before this.
    while (this.#socket.readableFlowing && this.#socket.read() !== null);
  }

  #release(): void {
    this.#socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose);
    this.#socket.off("timeout", this.#onTimeout).off("error", this.#onError);
  }
}

class PlainExchange implements Request {
  readonly method = "GET";
  readonly scheme = "http";
  readonly version = undefined;
  readonly content = undefined;
  readonly upgrade = undefined;
  readonly authority: string;
  readonly target: string;
  readonly fields: Fields;
  readonly peer: string;
  /** Of the response; 0: there is none yet. The connection's own. */
  status = 0;
  /** The response came in one piece. */
  isWhole = false;
  /** What the handler answered. */
  answer: Response | undefined = undefined;
  #leaving: Abort | undefined;
  #hasLeft = false;

  constructor(head: PlainHead, peer: string) {
    this.authority = head.authority;
    this.target = head.target;
    this.fields = head.fields;
    this.peer = peer;
  }

  get signal(): Signal {
    this.#leaving ??= new Abort();
    if (this.#hasLeft) this.#leaving.abort();
    return this.#leaving;
  }

  /** The client is gone before its response was complete. */
  leave(): void {
    this.#hasLeft = true;
    this.#leaving?.abort();
  }
}

function letGo(response: Response): void {
  release(response.content);
  response.tunnel?.destroy();
}
