// A listener on a free port whose handler is the test's own.

import type { Request, Response } from "../../src/http/message.ts";
import { createListener, type Handler, type Listener, type ListenerOptions } from "../../src/server/server.ts";
import { bytesOf } from "../support/origin.ts";

const listeners: Listener[] = [];

/** For afterEach: closes every listener at once. */
export async function stopServing(): Promise<void> {
  await Promise.all(listeners.splice(0).map((listener) => listener.drain(0)));
}

/** Listens, and keeps the requests that the handler was given. */
export async function serve(
  handler: Handler,
  options?: ListenerOptions,
): Promise<{ port: number; asked: Request[]; listener: Listener }> {
  const asked: Request[] = [];
  const listener = createListener((request) => {
    asked.push(request);
    return handler(request);
  }, options);
  listeners.push(listener);
  const bound = await listener.listen({ host: "127.0.0.1", port: 0 });
  return { port: "port" in bound ? bound.port : 0, asked, listener };
}

/** All of a request's content. */
export async function contentOf(request: Request): Promise<Buffer> {
  return request.content === undefined ? Buffer.alloc(0) : bytesOf(request.content);
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const ok = (text: string): Response => ({ status: 200, fields: [], content: bytes(text) });

/** A GET as bytes, on a connection that closes after it. */
export const get = (target: string, ...fields: string[]): string =>
  `${[`GET ${target} HTTP/1.1`, "Host: a.example", "Connection: close", ...fields].join("\r\n")}\r\n\r\n`;

/** Content that comes piece by piece, one in each turn of the event loop. */
export function source(pieces: string[], trailers: string[] = []): Response["content"] {
  return {
    start(sink) {
      let next = 0;
      const step = () => {
        const piece = pieces[next++];
        if (piece === undefined) sink.end(trailers);
        else {
          sink.write(bytes(piece));
          setImmediate(step);
        }
      };
      setImmediate(step);
      return { resume: () => {}, cancel: () => {} };
    },
  };
}
