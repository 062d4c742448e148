// Takes connections from clients, hands each request to the handler as plain data, and writes what it answers. The only
// file that knows node:http. What it decides by itself is what no handler could: whether a message is well-formed
// (RFC 9112), how long a client may dawdle, and how connections end.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type Fields, type Request, type Response, release } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { type Address, type Bound, bind } from "./address.ts";
import { ClientContent, discardRest } from "./content.ts";
import { admit, DEFAULT_LIMITS, Incoming, type Limits } from "./incoming.ts";
import { faultOf, respondLast, UNANSWERED, unreadable } from "./last.ts";
import { breakOff, respond } from "./outgoing.ts";
import { type PlainOptions, type PlainReader, readPlain } from "./plain.ts";
import { type BareSocket, switchProtocol } from "./raw.ts";
import { join } from "./tunnel.ts";
import { asOrdinary, isForTunnel, protocolOf } from "./upgrade.ts";

export type Handler = (request: Request) => Response | Promise<Response>;

export interface ListenerOptions {
  /** Told of what the handler should never do. */
  readonly log?: { error(context: object, message: string): void };
  /** Longer targets get a 414. Default 16384. */
  readonly maxTargetBytes?: number;
  /** Larger field sections get a 431. Default 32768. */
  readonly maxFieldsBytes?: number;
  /** Ms an idle connection is kept. Default 65000. */
  readonly keepAliveMs?: number;
  /** Ms a client may take for the head of a request. Default 30000. */
  readonly headersMs?: number;
  /** Ms a client may pause in the content of a request that is being read. Default 60000. */
  readonly contentMs?: number;
  /** Ms a client may go without taking anything of a response. Default 60000. */
  readonly sendMs?: number;
  /** Called once for each request, when its exchange is over. `response`: the handler's; undefined: the client had left. May change. */
  readonly onFinished?: ((request: Request, outcome: Outcome, response: Response | undefined) => void) | undefined;
}

export interface Outcome {
  /** 0: the client left before there was a response. */
  readonly status: number;
  /** The response was handed to the network whole. */
  readonly complete: boolean;
}

export interface Listener {
  /** Resolves when connections are accepted; rejects with an Error that says which address, and what to do. */
  listen(address: Address): Promise<Bound>;
  /** Stops accepting, lets responses finish for `deadlineMs`, then destroys what is left. Resolves when all is closed. */
  drain(deadlineMs: number): Promise<void>;
}

const DEFAULTS = {
  ...DEFAULT_LIMITS,
  keepAliveMs: 65_000,
  headersMs: 30_000,
  contentMs: 60_000,
  sendMs: 60_000,
};

/** A listener that answers every request by `handler`; a response given without a promise is written at once. */
export function createListener(handler: Handler, options: ListenerOptions = {}): Listener {
  return new HttpListener(handler, options);
}

// node:http answers an over-long head without saying which part was too long, so it gets room to see more than is allowed.
const HEAD_ROOM = 4;
const DRAIN_TICK_MS = 50;

class HttpListener implements Listener {
  readonly #handler: Handler;
  readonly #options: ListenerOptions & Limits & typeof DEFAULTS;
  /** As they were given: what may change is read from them each time. */
  readonly #given: ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that node:http has not been given (plain.ts). */
  readonly #plain: PlainReader;
  /** Connections that node:http has let go of. */
  readonly #bare = new WeakSet<BareSocket>();
  /** Connections on which the last response has been given: what was sent after its request is not looked at. */
  readonly #last = new WeakSet<object>();
  #draining = false;

  constructor(handler: Handler, options: ListenerOptions) {
    this.#handler = handler;
    this.#options = { ...DEFAULTS, ...options };
    this.#given = options;
    this.#server = this.#create();
    this.#plain = readPlain(this.#server, this.#plainOptions());
    this.#server.prependListener("connection", (socket) => this.#accept(socket));
  }

  listen(address: Address): Promise<Bound> {
    return bind(this.#server, address);
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const tick = setInterval(() => this.#closeIdle(), DRAIN_TICK_MS);
    const deadline = setTimeout(() => this.#destroy(() => true), deadlineMs);
    // Those that never asked for anything are not idle in every runtime's eyes.
    this.#destroy((socket) => socket.bytesRead === 0);
    this.#closeIdle();
    await closed;
    clearInterval(tick);
    clearTimeout(deadline);
  }

  #create(): Server {
    const { headersMs, keepAliveMs, maxFieldsBytes, maxTargetBytes } = this.#options;
    const server = createServer({
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headersMs,
      requestTimeout: 0, // content is timed piece by piece: an upload may take long
      connectionsCheckingInterval: Math.min(headersMs, 5000),
      maxHeaderSize: HEAD_ROOM * (maxFieldsBytes + maxTargetBytes),
      requireHostHeader: false, // refused by admit(), with a problem
      shouldUpgradeCallback: isForTunnel,
    });
    server.maxHeadersCount = 0; // counted in bytes; what is beyond a count would be dropped in silence
    server.on("error", (error) => {
      // While it listens: a connection could not be accepted, for want of file descriptors, say. The others live on.
      if (server.listening) this.#options.log?.error({ err: error }, "a connection could not be accepted");
    });
    server.on("request", (message, out) => this.#serve(message, out));
    server.on("checkContinue", (message, out) => this.#serve(message, out, () => out.writeContinue()));
    server.on("checkExpectation", (_message, out) =>
      this.#answer(out, "GET", problem(417, "No expectation but 100-continue can be met."), true),
    );
    server.on("upgrade", (message, socket, head) => this.#upgrade(message, socket as BareSocket, head));
    server.on("connect", (message, socket) => this.#refuse(message, socket as BareSocket));
    server.on("clientError", (error, socket) => this.#unreadable(error, socket as BareSocket));
    return server;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // Reset before it was accepted: who that was cannot be known any more, and nobody's word would look like a unix socket's.
    if (socket.remoteAddress === undefined && typeof this.#server.address() !== "string") socket.destroy();
  }

  /** What plain.ts is to know. */
  #plainOptions(): PlainOptions {
    const given = this.#given;
    return {
      ...this.#options,
      handle: this.#handler,
      get finished() {
        return given.onFinished;
      },
      failed: (error, { fields }) => this.#report(error, fields),
      isDraining: () => this.#draining,
      reason: (status) => STATUS_CODES[status] ?? "",
    };
  }

  #closeIdle(): void {
    this.#server.closeIdleConnections();
    this.#plain.closeIdle();
  }

  #serve(message: IncomingMessage, out: ServerResponse, onFirstRead?: () => void): void {
    if (this.#last.has(message.socket)) return;
    const request = admit(message, out, this.#options);
    if (!(request instanceof Incoming)) {
      out.once("finish", () => discardRest(message));
      this.#answer(out, message.method ?? "GET", request, request.status === 400);
      return;
    }
    if (request.hasContent) this.#attachContent(request, message, out, onFirstRead);
    if (this.#given.onFinished !== undefined) this.#tellWhenFinished(request, out);
    try {
      const response = this.#handler(request);
      if (response instanceof Promise) {
        response.then(
          (later) => this.#answer(out, request.method, request.answered(later)),
          (error) => this.#fault(out, request.method, error),
        );
      } else {
        this.#answer(out, request.method, request.answered(response));
      }
    } catch (error) {
      this.#fault(out, request.method, error);
    }
  }

  #attachContent(request: Incoming, message: IncomingMessage, out: ServerResponse, onFirstRead?: () => void): void {
    const idleMs = this.#options.contentMs;
    request.content = new ClientContent(message, onFirstRead === undefined ? { idleMs } : { idleMs, onFirstRead });
    out.once("finish", () => {
      request.content?.destroy();
      discardRest(message);
    });
  }

  #tellWhenFinished(request: Incoming, out: ServerResponse): void {
    out.once("close", () => {
      const status = out.headersSent ? out.statusCode : 0;
      this.#given.onFinished?.(request, { status, complete: out.writableFinished }, request.answer);
    });
  }

  /** `closing`: the connection is not to be used again. */
  #answer(out: ServerResponse, method: string, response: Response, closing = false): void {
    if (out.destroyed) {
      release(response.content);
      response.tunnel?.destroy();
      return;
    }
    const ask = { method, closing: closing || this.#draining, sendMs: this.#options.sendMs };
    if (ask.closing) this.#last.add(out.req.socket);
    try {
      if (response.tunnel !== undefined) throw new Error("A tunnel answers a request that asked for no upgrade.");
      respond(out, response, ask);
    } catch (error) {
      release(response.content);
      response.tunnel?.destroy();
      this.#fault(out, method, error);
    }
  }

  /** The handler failed, or answered with what cannot be sent. */
  #fault(out: ServerResponse, method: string, error: unknown): void {
    this.#report(error, out.req.rawHeaders);
    if (out.headersSent || out.destroyed) breakOff(out);
    else respond(out, UNANSWERED, { method, closing: true, sendMs: this.#options.sendMs });
  }

  #report(error: unknown, fields: Fields): void {
    this.#options.log?.error(faultOf(error, fields), "a request could not be answered");
  }

  #upgrade(message: IncomingMessage, socket: BareSocket, head: Uint8Array): void {
    if (!isForTunnel(message)) {
      // Before Node 24.9 there is no shouldUpgradeCallback: the connection is begun anew, with an ordinary request.
      socket.unshift(Buffer.concat([asOrdinary(message), head]));
      this.#server.emit("connection", socket);
      return;
    }
    this.#keep(socket);
    const request = admit(message, socket, this.#options);
    if (!(request instanceof Incoming)) {
      this.#answerRaw(socket, message, request);
      return;
    }
    request.upgrade = protocolOf(message);
    Promise.resolve(request)
      .then(this.#handler)
      .catch((error) => {
        this.#options.log?.error(faultOf(error, request.fields), "an upgrade could not be answered");
        return UNANSWERED;
      })
      .then((response) => {
        const { destroyed: hasLeft } = socket;
        this.#given.onFinished?.(request, { status: hasLeft ? 0 : response.status, complete: !hasLeft }, response);
        if (response.tunnel === undefined) this.#answerRaw(socket, message, response);
        else {
          switchProtocol(socket, response.fields, STATUS_CODES[101] ?? "");
          join(socket, response.tunnel, head);
        }
      });
  }

  #refuse(message: IncomingMessage, socket: BareSocket): void {
    this.#keep(socket);
    this.#answerRaw(socket, message, problem(501, "This is no proxy for CONNECT."));
  }

  /** What arrived is no request: said so where no response has begun, and the connection is given up. */
  #unreadable(error: Error, socket: BareSocket & { _httpMessage?: ServerResponse | null }): void {
    if (this.#bare.has(socket)) return;
    this.#keep(socket);
    const code = "code" in error ? String(error.code) : "";
    const underWay = socket._httpMessage;
    socket.removeAllListeners("data"); // what else comes is for nobody, and must not be reported again and again
    // Not the request being answered but what follows it is at fault: the connection closes after the response.
    if (underWay?.req.complete) underWay.once("finish", () => socket.end());
    else if (code === "ECONNRESET" || !socket.writable || underWay?.headersSent) socket.destroy();
    else this.#answerRaw(socket, undefined, unreadable(code));
  }

  #answerRaw(socket: BareSocket, message: IncomingMessage | undefined, response: Response): void {
    const reason = (status: number) => STATUS_CODES[status] ?? "";
    const failed = (error: unknown) => this.#report(error, message?.rawHeaders ?? []);
    respondLast(socket, response, { method: message?.method ?? "GET", sendMs: this.#options.sendMs, reason, failed });
  }

  #keep(socket: BareSocket): void {
    socket.on("error", () => socket.destroy());
    this.#bare.add(socket);
  }

  #destroy(which: (socket: Socket) => boolean): void {
    for (const socket of this.#sockets) if (which(socket)) socket.destroy();
  }
}
