// Upstreams and scripted origins for one test each, and a reader of what comes back.

import type { Socket } from "node:net";
import { expect } from "vitest";
import type { Fields, Response, Sink } from "../../src/http/message.ts";
import type { UpstreamFailure } from "../../src/upstream/failure.ts";
import { createUpstream, type ForwardRequest, type OriginConfig, type Upstream } from "../../src/upstream/upstream.ts";
import { type Handler, type Origin, type RawOrigin, startOrigin, startRawOrigin } from "../support/origin.ts";

const closing: (() => Promise<unknown>)[] = [];

/** For afterEach. */
export async function stopAsking(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

export async function origin(handler: Handler): Promise<Origin> {
  const started = await startOrigin(handler);
  closing.push(started.close);
  return started;
}

export async function rawOrigin(script: (socket: Socket, nth: number) => void): Promise<RawOrigin> {
  const started = await startRawOrigin(script);
  closing.push(started.close);
  return started;
}

type Options = Partial<Omit<OriginConfig, "timeout">> & { timeout?: Partial<OriginConfig["timeout"]> };

export function upstreamTo(url: string | string[], { timeout, ...options }: Options = {}): Upstream {
  const upstream = createUpstream({
    url: [url].flat(),
    connections: 8,
    timeout: { connect: 1000, headers: 5000, body: 5000, ...timeout },
    ...options,
  });
  closing.push(() => upstream.close(0));
  return upstream;
}

export const ask = (more: Partial<ForwardRequest> = {}): ForwardRequest => ({
  method: "GET",
  authority: "a.example",
  target: "/",
  fields: ["Host", "a.example"],
  content: undefined,
  signal: undefined,
  upgrade: undefined,
  ...more,
});

interface Read {
  readonly bytes: Buffer;
  readonly trailers: Fields;
}

/** All of a response's content; rejects if it fails. */
export function read({ content }: Response): Promise<Read> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    const sink: Sink = {
      write: (piece) => pieces.push(piece) > 0,
      end: (trailers) => resolve({ bytes: Buffer.concat(pieces), trailers }),
      fail: reject,
    };
    if (content === undefined || content instanceof Uint8Array)
      resolve({ bytes: Buffer.from(content ?? []), trailers: [] });
    else content.start(sink);
  });
}

export const failure = (promise: Promise<unknown>): Promise<UpstreamFailure> =>
  promise.then(
    () => expect.unreachable("it should have failed"),
    (error) => error,
  );

/** A port on which nobody listens. */
export async function deadUrl(): Promise<string> {
  const gone = await startRawOrigin(() => {});
  await gone.close();
  return gone.url;
}
