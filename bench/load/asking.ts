// One request at a time over kept connections, with its latency: what paced load, bursts and checks are made of. Not
// for throughput (see steady.ts).

import { Agent, get, type IncomingHttpHeaders } from "node:http";

/** What one request got. */
export interface Answer {
  /** 0: no whole response came. */
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly bytes: number;
  /** From asking to the last byte. */
  readonly ms: number;
}

/** Whom every request is for: sidecars on different ports share what is stored for one authority. */
export const authority = "bench.test";

// First in, first out: no connection rests so long that the other end closes it just when it is used again.
const agent = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 512, scheduling: "fifo" });

/** GETs a URL; never rejects. */
export function ask(url: string, timeoutMs = 10_000): Promise<Answer> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let fields: IncomingHttpHeaders = {};
    const done = (status: number, bytes: number) =>
      resolve({ status, fields, bytes, ms: performance.now() - startedAt });
    const request = get(url, { agent, headers: { host: authority }, timeout: timeoutMs }, (response) => {
      let bytes = 0;
      fields = response.headers;
      response.on("data", (piece: Buffer) => {
        bytes += piece.length;
      });
      response.on("end", () => done(response.complete ? (response.statusCode ?? 0) : 0, bytes));
      response.on("error", () => done(0, bytes));
    });
    request.on("timeout", () => request.destroy(new Error("timed out")));
    request.on("error", () => done(0, 0));
  });
}

/** Whether the response says that it came from the cache: Cache-Status (RFC 9211), or X-Cache as the peers are set up. */
export function isHit(fields: IncomingHttpHeaders): boolean {
  const status = fields["cache-status"];
  return (typeof status === "string" && /^forebay;\s*hit/.test(status)) || fields["x-cache"] === "HIT";
}
