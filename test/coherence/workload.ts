// Readers and writers at random over a few hot resources, on all sidecars. Each operation goes into the history.

import type { Dispatcher } from "undici";
import type { Read, Write, WriteEnding } from "./history.ts";
import type { Manner } from "./origin.ts";
import type { Random } from "./random.ts";
import { changeAt, ITEMS, LISTS, LONELY, QUIET, TEAMS } from "./resources.ts";
import type { Place } from "./sidecars.ts";
import type { Topology } from "./topology.ts";

export interface Tally {
  /** Answered with a response, whatever its status. */
  reads: number;
  writes: number;
  /** Answered from what was stored. */
  hits: number;
  /** Answered with another request's fetch. */
  collapsed: number;
  /** With an error of the sidecar's own. */
  errors: number;
  /** Not answered: the connection broke. */
  broken: number;
  /** Why it did so last, in words. */
  lastBroken: string;
  /** Whose content was not whole, or was not that of its fields: in words. */
  torn: string[];
}

export interface Workload {
  readonly tally: Tally;
  /** One read through `place`, recorded. */
  read(place: Place, path: string): Promise<void>;
  /** One write through `place`, recorded; resolves when it is over for its client. `id`: the origin knows it by. */
  write(place: Place, path: string, how?: { manner?: Manner; id?: string; hangUpMs?: number }): Promise<void>;
  /** Readers and writers at work until `until` (monotonic ms, asked each time); resolves when the last operation has ended. */
  run(until: () => number): Promise<void>;
}

export interface Pace {
  readonly readers: number;
  readonly writers: number;
}

const HOST = "app.test";
const PATIENCE_MS = 20_000;
/** What the origin does with a write that the client has left is waited for no longer. */
const ORIGIN_MS = 2000;
/** So seldom that a path's turn comes again only when others must have invalidated for its last write. */
const LONELY_MS = 1500;

export function createWorkload(topology: Topology, random: Random, pace: Pace): Workload {
  const { places, origin, recording } = topology;
  const tally: Tally = { reads: 0, writes: 0, hits: 0, collapsed: 0, errors: 0, broken: 0, lastBroken: "", torn: [] };
  let written = 0;

  async function read(place: Place, path: string, asked = plain): Promise<void> {
    const { id: sidecar } = place;
    const start = performance.now();
    try {
      const headers = { host: HOST, ...asked.headers };
      const answer = await place.pool.request({ path, method: asked.method, headers, headersTimeout: PATIENCE_MS });
      const text = await answer.body.text();
      const end = performance.now();
      tally.reads += 1;
      const status = String(answer.headers["cache-status"] ?? "");
      if (status.includes("; hit")) tally.hits += 1;
      if (status.includes("collapsed")) tally.collapsed += 1;
      if (answer.statusCode >= 500 && answer.headers["x-origin"] === undefined) tally.errors += 1;
      if (answer.statusCode >= 300) return;
      const stated = String(answer.headers["x-versions"] ?? "");
      const target = [asked.method, path, ...Object.values(asked.headers)].join(" ");
      if (!isWhole(answer, text, stated)) tally.torn.push(`${sidecar} ${target}: ${text.slice(0, 60)}… (${status})`);
      recording.reads.push({ start, end, sidecar, target, versions: versionsIn(stated), status } satisfies Read);
    } catch (error) {
      tally.broken += 1;
      tally.lastBroken = String(error);
      await pause(20);
    }
  }

  async function write(
    place: Place,
    path: string,
    { manner = "ok", id = `w${written}`, hangUpMs }: { manner?: Manner; id?: string; hangUpMs?: number } = {},
  ): Promise<void> {
    written += 1;
    const { id: sidecar } = place;
    const start = performance.now();
    const signal = hangUpMs === undefined ? undefined : AbortSignal.timeout(Math.ceil(hangUpMs));
    let ending: WriteEnding;
    let isRefused = false;
    try {
      const headers = { host: HOST, "x-write": id, "x-manner": manner };
      const options = { path, method: "POST", headers, body: "change", headersTimeout: PATIENCE_MS } as const;
      const answer = await place.pool.request(signal ? { ...options, signal } : options);
      ending = answer.headers["x-origin"] === undefined ? "failed" : "answered";
      isRefused = answer.statusCode >= 400 && answer.statusCode < 500;
      await answer.body.dump().catch(() => {});
      tally.writes += 1;
      if (ending === "failed" && manner !== "broken" && manner !== "late") tally.errors += 1;
    } catch (error) {
      ending = signal?.aborted ? "hung-up" : "broken";
      if (ending === "broken") {
        tally.broken += 1;
        tally.lastBroken = String(error);
      }
    }
    const end = performance.now();
    if (!isRefused) await note({ start, end, sidecar, target: `POST ${path} (${manner})`, ending, id, path });
  }

  /** The origin may not be done with it yet. */
  async function note(known: Pick<Write, "start" | "end" | "sidecar" | "target" | "ending"> & Named): Promise<void> {
    const { id, path, ...rest } = known;
    const isNamedByResponse = changeAt(path)?.group !== undefined;
    const write: Write = {
      ...rest,
      isNamedByResponse,
      // Read when the history is checked: what the origin does after the client's end counts, too.
      get applied() {
        return origin.record(id)?.applied ?? [];
      },
      get originDoneAt() {
        return origin.record(id)?.doneAt ?? Number.POSITIVE_INFINITY;
      },
      get isAnsweredByOrigin() {
        return origin.record(id)?.isAnswered ?? false;
      },
    };
    recording.writes.push(write);
    for (const until = performance.now() + ORIGIN_MS; performance.now() < until && !isOver(id); ) await pause(20);
  }

  const isOver = (id: string) => (origin.record(id)?.doneAt ?? Number.POSITIVE_INFINITY) < Number.POSITIVE_INFINITY;

  async function reader(own: Random, until: () => number): Promise<void> {
    while (performance.now() < until()) {
      const path = targetOf(own);
      await read(own.pick(places), path, askedBy(own, path));
      if (own.chance(0.1)) await pause(own.next() * 5);
    }
  }

  async function writer(own: Random, until: () => number): Promise<void> {
    while (performance.now() < until()) {
      await pause(own.between(30, 90));
      const path = own.chance(0.15) ? `/joins/${own.below(TEAMS)}` : `/items/${own.below(ITEMS)}`;
      const place = own.pick(places);
      const draw = own.next();
      if (draw < 0.08) await write(place, path, { manner: "error" });
      else if (draw < 0.12) await write(place, path, { manner: "refused" });
      else if (draw < 0.16) await write(place, path, { manner: "broken" });
      else if (draw < 0.17) await write(place, path, { manner: "late" });
      else if (draw < 0.25) await write(place, path, { hangUpMs: own.between(1, 15) });
      else await write(place, path);
    }
  }

  // Where the next write is long in coming, nothing but this one's own invalidation makes it known.
  async function lonelyWriter(own: Random, until: () => number): Promise<void> {
    for (let turn = 0; performance.now() < until(); turn++) {
      const path = `/quiet/${LONELY + (turn % (QUIET - LONELY))}`;
      for (const place of places) await read(place, path);
      const place = own.pick(places);
      const draw = own.next();
      if (draw < 0.25) await write(place, path, { manner: "error" });
      else if (draw < 0.5) await write(place, path, { manner: "late" });
      else if (draw < 0.6) await write(place, path, { manner: "broken" });
      else await write(place, path, { manner: "slow", hangUpMs: own.between(20, 280) });
      await pause(own.between(0.5, 1.5) * LONELY_MS);
    }
  }

  return {
    tally,
    read,
    write,
    async run(until) {
      const readers = Array.from({ length: pace.readers }, (_, i) => reader(random.fork(`reader ${i}`), until));
      const writers = Array.from({ length: pace.writers }, (_, i) => writer(random.fork(`writer ${i}`), until));
      await Promise.all([...readers, ...writers, lonelyWriter(random.fork("lonely writer"), until)]);
    },
  };
}

interface Named {
  readonly id: string;
  readonly path: string;
}

interface Asked {
  readonly method: "GET" | "HEAD";
  readonly headers: Readonly<Record<string, string>>;
}

const plain: Asked = { method: "GET", headers: {} };

function targetOf(random: Random): string {
  const draw = random.next();
  if (draw < 0.35) return `/items/${random.below(ITEMS)}${random.chance(0.2) ? "?full=1" : ""}`;
  if (draw < 0.55) return `/views/${random.below(ITEMS)}`;
  if (draw < 0.6) return `/lists/${random.below(LISTS)}`;
  if (draw < 0.7) return `/teams/${random.below(TEAMS)}`;
  return `/quiet/${random.below(QUIET)}`;
}

function askedBy(random: Random, path: string): Asked {
  const draw = random.next();
  const headers = { "accept-language": random.chance(0.5) ? "de" : "en" };
  if (draw < 0.04) return { method: "HEAD", headers };
  if (draw < 0.08) return { method: "GET", headers: { ...headers, range: "bytes=0-9" } };
  // It would make good what is wrong with the quiet ones before anybody else notices.
  if (draw < 0.1 && !path.startsWith("/quiet"))
    return { method: "GET", headers: { ...headers, "cache-control": "no-cache" } };
  return { method: "GET", headers };
}

function versionsIn(stated: string): Read["versions"] {
  return stated.split(",").map((each) => {
    const [subject = "", version] = each.split("=");
    return [subject, Number(version)] as const;
  });
}

/** A body begins and ends with the versions that its fields state. */
function isWhole({ statusCode }: Dispatcher.ResponseData, text: string, stated: string): boolean {
  if (stated === "" || versionsIn(stated).some(([, version]) => !(version >= 1))) return false;
  if (text === "") return true;
  if (statusCode === 206) return `${stated};xxxxxxxxxx`.startsWith(text) && text.length === 10;
  return text.startsWith(`${stated};`) && text.endsWith(`x${stated}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
