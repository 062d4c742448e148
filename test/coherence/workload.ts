// Readers and writers at random over a few hot resources, on all sidecars. Each operation goes into the history.

import { request } from "undici";
import { askedBy, changedBy, isWhole, plain, targetOf, versionsIn } from "./asking.ts";
import type { Read, Write, WriteEnding } from "./history.ts";
import type { Manner } from "./origin.ts";
import type { Random } from "./random.ts";
import { changeAt, fetchOf, HOST, LONELY, PURGE_OF_EVERYTHING, type Purge, purgesOf, QUIET } from "./resources.ts";
import type { Place } from "./sidecars.ts";
import type { Topology } from "./topology.ts";

export interface Tally {
  /** Answered with a response, whatever its status. */
  reads: number;
  writes: number;
  /** With a receipt that names a clock. */
  purges: number;
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
  /** Whether an operator purges everything now and then: that hides what a fault has spoilt. */
  readonly isEverythingPurged: boolean;
}

const PATIENCE_MS = 20_000;
/** What the origin does with a write that the client has left is waited for no longer. */
const ORIGIN_MS = 2000;
/** So seldom that a path's turn comes again only when others must have invalidated for its last write. */
const LONELY_MS = 1500;
const PURGE_MS = 600;
/** A purge of everything makes good whatever was lost before it, so there are few. */
const EVERYTHING = 0.03;

export function createWorkload(topology: Topology, random: Random, pace: Pace): Workload {
  const { places, origin, recording } = topology;
  const tally: Tally = {
    reads: 0,
    writes: 0,
    purges: 0,
    hits: 0,
    collapsed: 0,
    errors: 0,
    broken: 0,
    lastBroken: "",
    torn: [],
  };
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
      const isOurs = answer.headers["x-origin"] === undefined && !status.includes("origin-failing");
      if (answer.statusCode >= 500 && isOurs) tally.errors += 1;
      if (answer.statusCode >= 300) return;
      const stated = String(answer.headers["x-versions"] ?? "");
      const target = [asked.method, path, ...Object.values(asked.headers)].join(" ");
      const askedAt = Number(answer.headers["x-asked"]);
      if (!(askedAt > 0) || !isWhole(answer, text, stated))
        tally.torn.push(`${sidecar} ${target}: ${text.slice(0, 60)}… (${status})`);
      const versions = [[fetchOf(path.split("?")[0] ?? ""), askedAt] as const, ...versionsIn(stated)];
      recording.reads.push({ start, end, sidecar, target, versions, status } satisfies Read);
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
      isTaken: false,
      // Read when the history is checked: what the origin does after the client's end counts, too.
      get applied() {
        return origin.record(id)?.applied ?? [];
      },
      get originEndingAt() {
        return origin.record(id)?.endingAt ?? Number.POSITIVE_INFINITY;
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

  async function purge(place: Place, { what, covers }: Purge): Promise<void> {
    const { id: sidecar } = place;
    const start = performance.now();
    try {
      const { statusCode, body } = await request(`${place.admin}/api/purge`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(what),
        headersTimeout: PATIENCE_MS,
      });
      const receipt = (await body.json()) as { clock?: number | null };
      const end = performance.now();
      if (statusCode !== 200 || typeof receipt.clock !== "number") {
        if (statusCode !== 202) tally.errors += 1;
        return;
      }
      tally.purges += 1;
      recording.writes.push({
        start,
        end,
        sidecar,
        target: `purge ${JSON.stringify(what)}`,
        ending: "answered",
        applied: covers.map((path) => ({ subject: fetchOf(path), version: start, at: start })),
        originEndingAt: end,
        originDoneAt: end,
        isAnsweredByOrigin: false,
        isNamedByResponse: false,
        isTaken: true,
      } satisfies Write);
    } catch {
      // Its sidecar was killed: it promised nothing.
    }
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
      const path = changedBy(own);
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

  async function operator(own: Random, until: () => number): Promise<void> {
    while (performance.now() < until()) {
      const isEverything = pace.isEverythingPurged && own.chance(EVERYTHING);
      await purge(own.pick(places), isEverything ? PURGE_OF_EVERYTHING : own.pick(purgesOf(own)));
      await pause(own.between(0.5, 1.5) * PURGE_MS);
    }
  }

  return {
    tally,
    read,
    write,
    async run(until) {
      const readers = Array.from({ length: pace.readers }, (_, i) => reader(random.fork(`reader ${i}`), until));
      const writers = Array.from({ length: pace.writers }, (_, i) => writer(random.fork(`writer ${i}`), until));
      const others = [lonelyWriter(random.fork("lonely writer"), until), operator(random.fork("operator"), until)];
      await Promise.all([...readers, ...writers, ...others]);
    },
  };
}

interface Named {
  readonly id: string;
  readonly path: string;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
