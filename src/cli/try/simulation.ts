// What would Forebay have done with the requests of a log? They are played through the rules of the configuration (routes,
// keys, what may be stored and for how long, what a write invalidates: the very functions that serve) with the log's own
// times, statuses and sizes, once for each TTL. Pure: no clock, no network. What a log does not tell is taken as absent:
// request fields but Host, so variants and conditions, and what the origin's own fields would have forbidden.

import { createTagger, isUnsafe } from "../../cache/invalidation.ts";
import { pathOf, primaryKey } from "../../cache/key.ts";
import { createRouter } from "../../config/router.ts";
import type { RouteConfig } from "../../config/schema.ts";
import { Abort } from "../../http/abort.ts";
import type { Request } from "../../http/message.ts";
import type { LoggedRequest } from "./log-line.ts";
import { createTrialCache, createWrites, type Outcome, type Read } from "./trial-cache.ts";

/** A TTL to be tried. */
export interface Column {
  readonly name: string;
  /** Seconds, instead of each cached route's own; undefined: the routes' own. */
  readonly ttl: number | undefined;
}

/** What would have happened with one TTL. */
export interface Cell {
  /** Reads answered from what is stored. */
  hits: number;
  /** Reads that shared the fetch of another. */
  collapsed: number;
  /** Requests that the origin gets, writes included, and what it answers with. */
  originRequests: number;
  originBytes: number;
  /** Content stored at one moment, at the most. */
  storedBytes: number;
}

export interface PredictedRow {
  readonly route: string;
  requests: number;
  /** GET and HEAD. */
  reads: number;
  readonly cells: readonly Cell[];
}

export interface Prediction {
  readonly columns: readonly Column[];
  /** By requests, most first. */
  readonly rows: readonly PredictedRow[];
  readonly total: PredictedRow;
  /** Epoch ms; 0 where there was no request. */
  readonly from: number;
  readonly to: number;
  /** Requests that no route matches: they are answered with 404. */
  readonly unrouted: number;
  /** Responses to store whose size the log does not tell: taken as empty. */
  readonly unsized: number;
  /** Requests whose query the log keeps back. */
  readonly hiddenQueries: number;
  /** Responses dropped because this simulation remembers `maxStored` at one time. */
  readonly dropped: number;
}

export interface SimulationOptions {
  readonly routes: readonly RouteConfig[];
  readonly columns: readonly Column[];
  /** For requests whose host the log does not tell. */
  readonly authority: string;
  /** The row that a request is counted in. */
  readonly rowOf: (routeId: string, target: string) => string;
  readonly maxStored?: number;
}

const MAX_STORED = 200_000;
const MAX_ROWS = 1000;
export interface Simulation {
  /** In the order of the log. A request that began before one that was counted already is taken as of its time. */
  add(logged: LoggedRequest): void;
  result(): Prediction;
}

export function createSimulation(options: SimulationOptions): Simulation {
  const { routes, columns, authority, rowOf, maxStored = MAX_STORED } = options;
  const match = createRouter(routes);
  const tagger = createTagger(routes);
  const writes = createWrites();
  const caches = columns.map(({ ttl }) => createTrialCache({ ttl, maxStored, writes }));
  const rows: PredictedRow[] = [];
  const rowNumbers = new Map<string, number>();
  const total = rowNamed("all");
  const seen = { from: 0, to: 0, unrouted: 0, unsized: 0, hiddenQueries: 0 };
  let count = 0;

  function rowNamed(route: string): PredictedRow {
    return { route, requests: 0, reads: 0, cells: columns.map(emptyCell) };
  }

  function rowNumber(name: string): number {
    const known = rowNumbers.get(name);
    if (known !== undefined) return known;
    if (rows.length >= MAX_ROWS && name !== OTHERS) return rowNumber(OTHERS);
    rowNumbers.set(name, rows.length);
    return rows.push(rowNamed(name)) - 1;
  }

  return {
    add(logged) {
      const request = requestOf(logged, authority);
      const matched = match(request.authority, pathOf(request.target));
      if (matched === undefined) {
        seen.unrouted += 1;
        return;
      }
      const { route, params } = matched;
      const row = rowNumber(rowOf(route.id, request.target));
      const now = Math.max(seen.to, logged.time);
      if (count === 0) seen.from = now;
      seen.to = now;
      count += 1;
      if (logged.hidesQuery) seen.hiddenQueries += 1;
      const isRead = logged.method === "GET" || logged.method === "HEAD";
      if (isRead && route.cache && logged.bytes === undefined) seen.unsized += 1;
      const own = rows[row] as PredictedRow;
      for (const counted of [own, total]) {
        counted.requests += 1;
        if (isRead) counted.reads += 1;
      }
      if (isUnsafe(logged.method) && !(logged.status >= 400 && logged.status < 500)) {
        writes.note(tagger.invalidated(route.id, request, params), count);
      }
      const policy = isRead ? route.cache : false;
      const key = policy ? primaryKey(request, policy) : "";
      let tags: readonly string[] | undefined;
      const tagsOf = () => {
        tags ??= tagger.carried(route.id, request, params);
        return tags;
      };
      for (const [index, cache] of caches.entries()) {
        const cells = [own.cells[index] as Cell, total.cells[index] as Cell];
        const read: Read = { logged, now, count, route, key, row, tagsOf };
        const outcome = policy ? cache.read(read) : "origin";
        for (const cell of cells) note(cell, outcome, logged.bytes ?? 0);
        if (policy) {
          const [ownCell, totalCell] = cells as [Cell, Cell];
          ownCell.storedBytes = Math.max(ownCell.storedBytes, cache.bytes(row));
          totalCell.storedBytes = Math.max(totalCell.storedBytes, cache.bytes());
        }
      }
    },
    result: () => ({
      ...seen,
      columns,
      rows: rows.toSorted((one, other) => other.requests - one.requests),
      total,
      dropped: caches.reduce((sum, cache) => sum + cache.dropped(), 0),
    }),
  };
}

const OTHERS = "(others)";

function emptyCell(): Cell {
  return { hits: 0, collapsed: 0, originRequests: 0, originBytes: 0, storedBytes: 0 };
}

function note(cell: Cell, outcome: Outcome, bytes: number): void {
  if (outcome === "hit" || outcome === "stale") cell.hits += 1;
  if (outcome === "collapsed") cell.collapsed += 1;
  if (outcome === "origin" || outcome === "stale") {
    cell.originRequests += 1;
    cell.originBytes += bytes;
  }
}

/** What of a request the rules look at. */
function requestOf({ method, authority: host, target }: LoggedRequest, authority: string): Request {
  return {
    ...{ method, target, authority: host ?? authority, scheme: "http", fields: [], content: undefined, peer: "" },
    ...{ signal: NEVER, upgrade: undefined },
  };
}

const NEVER = new Abort();
