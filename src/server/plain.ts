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
  readonly finished: ((request: Request, outcome: { status: number; complete: boolean }) => void) | undefined;
  /** The handler failed, or answered with what cannot be sent. */
  failed(error: unknown): void;
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
  const reading = server.listeners("connection").at(-1) as (socket: Socket) => void;
  const handOver = (socket: Socket) => {
    connections.delete(socket);
    reading.call(server, socket);
  };
  server.off("connection", reading);
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

/** What is held of a client that sends on while it is being answered, bytes: past it, it must wait. */
const MAX_HELD = 65_536;

class PlainConnection {
  readonly #socket: Socket;
  readonly #options: PlainOptions;
  readonly #takeOver: (socket: Socket) => void;
  readonly #heads: PlainHeads;
  readonly #keepAlive: string;
  readonly #peer: string;
  /** What was received and not yet answered: from `#at` on in `#text`, then `#held`. */
  #text = "";
  #at = 0;
  #held: Buffer[] = [];
  #exchange: PlainExchange | undefined;

  /** `handOver` takes the socket with nothing under way, its first unread octets those that are not simple. */
  constructor(socket: Socket, options: PlainOptions, handOver: (socket: Socket) => void) {
    this.#socket = socket;
    this.#takeOver = handOver;
    this.#options = options;
    this.#heads = new PlainHeads(options);
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(options.keepAliveMs / 1000)}\r\n`;
    this.#peer = socket.remoteAddress ?? "";
    socket.setTimeout(options.headersMs);
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose);
    socket.on("timeout", this.#onTimeout).on("error", this.#onError);
  }

  /** Nothing is being answered. */
  isIdle(): boolean {
    return this.#exchange === undefined;
  }

  readonly #onData = (received: Buffer): void => {
    if (this.#exchange !== undefined) {
      this.#held.push(received);
      if (sizeOf(this.#held) > MAX_HELD) this.#socket.pause();
      return;
    }
    this.#text = received.toString("latin1");
    this.#at = 0;
    this.#next();
  };

  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#exchange?.leave();
    this.#tell(false);
  };

  /** Of the network's silence only: a response that is waited for may take its time. */
  readonly #onTimeout = (): void => {
    if (this.#exchange === undefined || this.#socket.writableLength > 0) this.#socket.destroy();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  #next(): void {
    const head = this.#heads.head(this.#text, this.#at);
    if (head === undefined) this.#handOver();
    else {
      this.#at = head.end;
      this.#serve(new PlainExchange(head, this.#peer));
    }
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
    if (this.#socket.destroyed || !this.#socket.writable) {
      letGo(response);
      return;
    }
    try {
      if (response.tunnel !== undefined) throw new Error("A tunnel answers a request that asked for no upgrade.");
      this.#respond(exchange, response, this.#options.isDraining());
    } catch (error) {
      letGo(response);
      this.#fault(exchange, error);
    }
  }

  #fault(exchange: PlainExchange, error: unknown): void {
    this.#options.failed(error);
    if (exchange.status !== 0) this.#socket.destroy();
    else if (this.#socket.writable) this.#respond(exchange, UNANSWERED, true);
  }

  #respond(exchange: PlainExchange, response: Response, closing: boolean): void {
    const { reason, sendMs, keepAliveMs } = this.#options;
    const ask = {
      method: exchange.method,
      reason: reason(response.status),
      connection: closing ? "Connection: close\r\n" : this.#keepAlive,
      sendMs,
      idleMs: keepAliveMs,
    };
    respondRaw(this.#socket, response, ask, closing ? this.#onLastWritten : this.#onWritten);
    exchange.status = response.status;
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return; // the connection closes, which is heard of
    this.#tell(true);
    if (this.#socket.timeout !== this.#options.keepAliveMs) this.#socket.setTimeout(this.#options.keepAliveMs);
    if (this.#at < this.#text.length) this.#next();
    else if (this.#held.length > 0) this.#takeHeld();
    else this.#text = "";
  };

  readonly #onLastWritten = (error?: Error | null): void => {
    if (error) return;
    this.#tell(true);
    this.#release();
    this.#socket.on("error", this.#onError);
    finish(this.#socket);
  };

  #takeHeld(): void {
    const held = Buffer.concat(this.#held);
    this.#held = [];
    this.#socket.resume();
    this.#onData(held);
  }

  #tell(complete: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined) this.#options.finished?.(exchange, { status: exchange.status, complete });
  }

  #handOver(): void {
    const unread = Buffer.concat([Buffer.from(this.#text.slice(this.#at), "latin1"), ...this.#held]);
    this.#release();
    this.#socket.setTimeout(0);
    this.#socket.pause();
    this.#socket.unshift(unread);
    this.#takeOver(this.#socket);
    this.#socket.resume();
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
  /** Of the response; 0: there is none yet. */
  status = 0;
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

function sizeOf(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.length;
  return bytes;
}
