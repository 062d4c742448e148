// A scripted origin for tests: a node:http server on a free loopback port that records what it was asked, and a raw
// one that speaks whatever bytes the test wants. Both close every connection at the end.

import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, createServer as createRawServer, type Server, type Socket } from "node:net";

/** Answers one request; a thrown error becomes a 500 with its message. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** What the origin saw of a request, as its head arrived. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** Resolves when the request's exchange is over: true if it was broken off before the response was complete. */
  readonly aborted: Promise<boolean>;
}

export interface Origin {
  readonly url: string;
  readonly port: number;
  /** Every request so far, in order of arrival. */
  readonly seen: readonly Seen[];
  /** The sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Replaces the script. */
  handler: Handler;
  /** How many requests asked for this target (path and query); all requests where left out. */
  count(target?: string): number;
  /** Resolves with the nth request (from 1), at once if it has been seen. */
  nth(n: number): Promise<Seen>;
  close(): Promise<void>;
}

/** Starts an origin on a free loopback port, or on `options.port`. */
export async function startOrigin(handler: Handler, options: ServerOptions & { port?: number } = {}): Promise<Origin> {
  const seen: Seen[] = [];
  const waiting = new Map<number, (seen: Seen) => void>();
  const server = createServer(options, (request, response) => {
    seen.push(record(request, response));
    waiting.get(seen.length)?.(seen[seen.length - 1] as Seen);
    answer(origin.handler, request, response);
  });
  server.on("checkContinue", (request, response) => server.emit("request", request, response));
  const { port, sockets } = await open(server, options.port);
  const origin: Origin = {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    sockets,
    handler,
    count: (target) => (target === undefined ? seen.length : seen.filter((one) => one.url === target).length),
    nth: (n) => new Promise((resolve) => (seen[n - 1] ? resolve(seen[n - 1] as Seen) : waiting.set(n, resolve))),
    close: () => close(server, sockets),
  };
  return origin;
}

export interface RawOrigin {
  readonly url: string;
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  /** Connections accepted so far. */
  readonly accepted: number;
  close(): Promise<void>;
}

/** Starts an origin that is handed each connection as it is: for garbage, truncated responses, silence, tunnels. */
export async function startRawOrigin(script: (socket: Socket, nth: number) => void): Promise<RawOrigin> {
  let accepted = 0;
  const server = createRawServer((socket) => {
    accepted += 1;
    script(socket, accepted);
  });
  const { port, sockets } = await open(server);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    sockets,
    get accepted() {
      return accepted;
    },
    close: () => close(server, sockets),
  };
}

/** A raw script: waits for each request head and writes `bytes`; then ends the connection if asked to. */
export function replying(bytes: string, after: "keep" | "end" | "reset" = "keep"): (socket: Socket) => void {
  return (socket) => {
    let head = "";
    socket.on("data", (chunk) => {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      head = "";
      socket.write(bytes, "latin1", () => {
        if (after === "end") socket.end();
        if (after === "reset") socket.resetAndDestroy();
      });
    });
  };
}

/** All of a message's content. */
export async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

function record(request: IncomingMessage, response: ServerResponse): Seen {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  response.once("close", () => resolve(!response.writableFinished));
  return {
    method: request.method ?? "",
    url: request.url ?? "",
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    aborted: promise,
  };
}

async function answer(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await handler(request, response);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end(String(error));
  }
}

async function open(server: Server, port = 0): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, sockets };
}

async function close(server: Server, sockets: Set<Socket>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
