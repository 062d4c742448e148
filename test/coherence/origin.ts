// The service behind the sidecars. Each subject counts its versions; a response tells those that were true when its
// request arrived, and takes its time. What a write does and when is what its `X-Manner` says. The origin's record of
// when a version came to be is the truth about whether a write happened.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Application } from "./history.ts";
import type { Random } from "./random.ts";
import { changeAt, type Freshness, fetchOf, overtakenBy, resourceAt } from "./resources.ts";

/** ok: changes, then answers. error: changes or not, then answers 500. refused: answers 409. broken: changes, then hangs up.
 * late: hangs up, then changes. slow: like ok, with a long while before and after the change. */
export type Manner = "ok" | "error" | "refused" | "broken" | "late" | "slow";

export interface WriteRecord {
  /** Also of the fetches that it overtakes: those that asked before it began to answer, or hung up. */
  readonly applied: readonly Application[];
  /** When it did so. Infinity: it has not. */
  readonly endingAt: number;
  /** Infinity: it is not over. */
  readonly doneAt: number;
  readonly isAnswered: boolean;
}

export interface CheckOrigin {
  readonly url: string;
  /** Reads answered. */
  readonly reads: number;
  /** What became of the write with this X-Write; undefined: it never came. */
  record(id: string): WriteRecord | undefined;
  /** Resolves when the write with this X-Write has arrived. */
  arrival(id: string): Promise<void>;
  /** The next response for this path takes `ms`; resolves when its request has arrived. */
  delayNext(path: string, ms: number): Promise<void>;
  close(): Promise<void>;
}

const NEVER = Number.POSITIVE_INFINITY;
const READ_MS = 40;
const LONG_READ_MS = 200;
const WRITE_MS = 10;
const SLOW_MS = 150;
const LATE_MS = 250;
const FRESH: Readonly<Record<Freshness, string>> = {
  long: "max-age=600",
  short: "max-age=1, stale-while-revalidate=5",
};
const FILLING = "x".repeat(1500);

export async function startOrigin(random: Random): Promise<CheckOrigin> {
  const versions = new Map<string, number>();
  const records = new Map<string, Recorded>();
  const arrivals = new Map<string, PromiseWithResolvers<void>>();
  const delays = new Map<string, { ms: number; arrived: () => void }>();
  let reads = 0;

  const versionOf = (subject: string) => versions.get(subject) ?? 1;
  const arrivalOf = (id: string) => {
    const known = arrivals.get(id) ?? Promise.withResolvers<void>();
    arrivals.set(id, known);
    return known;
  };

  function apply(subject: string, record: Recorded): void {
    const version = versionOf(subject) + 1;
    versions.set(subject, version);
    record.applied.push({ subject, version, at: performance.now() });
  }

  /** Nothing that was asked for before may answer anybody who asks after the write. */
  function ending(path: string, record: Recorded): void {
    const at = performance.now();
    record.endingAt = at;
    for (const each of overtakenBy(path)) record.applied.push({ subject: fetchOf(each), version: at, at });
  }

  async function read(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const resource = resourceAt(path);
    if (resource === undefined) return void response.writeHead(404).end();
    reads += 1;
    const askedAt = performance.now();
    const stated = resource.subjects.map((subject) => `${subject}=${versionOf(subject)}`).join(",");
    const isLong = resource.freshness === "long";
    const language = isLong ? "" : (request.headers["accept-language"] ?? "");
    const etag = `"${stated}${language}"`;
    const group = resource.group === undefined ? {} : { "cache-groups": `"${resource.group}"` };
    const fields = {
      "cache-control": FRESH[resource.freshness],
      etag,
      "x-versions": stated,
      "x-asked": String(askedAt),
      ...tagFields(resource.tag, versionOf(resource.subjects[0] ?? "")),
      ...(isLong ? {} : { vary: "accept-language" }),
      ...group,
    };
    const delay = delays.get(path);
    delays.delete(path);
    delay?.arrived();
    const body = `${stated};${FILLING}${stated}`;
    const isStated = random.chance(0.7);
    await pause(delay?.ms ?? random.next() * (random.chance(0.1) ? LONG_READ_MS : READ_MS));
    if (delay === undefined && random.chance(0.02)) return void response.writeHead(500, { "x-origin": "1" }).end();
    const asked = (request.headers["if-none-match"] ?? "").split(", ");
    if (asked.includes(etag)) return void response.writeHead(304, fields).end();
    response.writeHead(200, isStated ? { ...fields, "content-length": body.length } : fields);
    if (request.method === "HEAD") return void response.end();
    response.write(body.slice(0, 500));
    await pause(random.next() * READ_MS);
    response.end(body.slice(500));
  }

  async function write(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const change = changeAt(path);
    if (change === undefined) return void response.writeHead(404).end();
    const id = String(request.headers["x-write"]);
    const manner = request.headers["x-manner"] as Manner;
    const record: Recorded = { applied: [], endingAt: NEVER, doneAt: NEVER, isAnswered: false };
    records.set(id, record);
    response.once("close", () => {
      record.doneAt = performance.now();
      record.isAnswered = response.writableFinished;
    });
    request.resume();
    arrivalOf(id).resolve();
    const pauseMs = manner === "slow" ? SLOW_MS : random.next() * WRITE_MS;
    if (manner !== "late") await pause(pauseMs);
    if (manner === "refused") return void response.writeHead(409, { "x-origin": "1" }).end();
    if (manner === "late") {
      ending(path, record);
      response.destroy();
      await pause(LATE_MS);
      return apply(change.subject, record);
    }
    if (manner !== "error" || random.chance(0.7)) apply(change.subject, record);
    if (manner === "broken") {
      ending(path, record);
      return void response.destroy();
    }
    await pause(pauseMs);
    ending(path, record);
    const named = change.group === undefined ? {} : { "cache-group-invalidation": `"${change.group}"` };
    response.writeHead(manner === "error" ? 500 : 200, { "x-origin": "1", ...named }).end("done");
  }

  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const isRead = request.method === "GET" || request.method === "HEAD";
    response.on("error", () => {});
    void (isRead ? read : write)(path, request, response);
  });
  server.keepAliveTimeout = 0; // a connection that closes just when a request comes would be an error of its own
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get reads() {
      return reads;
    },
    record: (id) => records.get(id),
    arrival: (id) => arrivalOf(id).promise,
    delayNext(path, ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      delays.set(path, { ms, arrived: resolve });
      return promise;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Recorded extends WriteRecord {
  applied: Application[];
  endingAt: number;
  doneAt: number;
  isAnswered: boolean;
}

/** In either of the two fields, and after one that other versions do not have: what was remembered of it proves wrong. */
function tagFields(tag: string | undefined, version: number): Record<string, string> {
  if (tag === undefined) return {};
  const turn = `turn-${version % 3}`;
  return version % 2 === 0 ? { "surrogate-key": `${turn} ${tag}` } : { "cache-tag": `${turn}, ${tag}` };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
