// One cache of a simulation: what is stored with one TTL, and what each read of the log finds in it.

import { storing } from "../../cache/storing.ts";
import type { RouteConfig } from "../../config/schema.ts";
import { ExpiryHeap } from "./expiry.ts";
import type { LoggedRequest } from "./log-line.ts";

/** "stale": answered from the store, and fetched anew behind it. */
export type Outcome = "hit" | "stale" | "collapsed" | "origin";

interface Stored {
  readonly key: string;
  readonly row: number;
  readonly bytes: number;
  /** Number of the request that began the fetch. */
  readonly begun: number;
  readonly tags: readonly string[];
  /** Epoch ms: the response is there; it is fresh; it may be used stale; nothing is left of it. */
  readonly readyAt: number;
  readonly freshUntil: number;
  readonly until: number;
  /** Until when its stale predecessor is used while it is fetched. */
  readonly coveredUntil: number;
}

/** Beyond, all is taken as invalidated: hits are lost then, none is invented. */
const MAX_TAGS = 500_000;

/** Which tags were invalidated, and by the how-manieth request. */
export function createWrites() {
  const last = new Map<string, number>();
  let floor = 0;
  return {
    note(tags: readonly string[], count: number): void {
      if (last.size + tags.length > MAX_TAGS) {
        last.clear();
        floor = count;
      }
      for (const tag of tags) last.set(tag, count);
    },
    isValid({ tags, begun }: Stored): boolean {
      return begun > floor && tags.every((tag) => (last.get(tag) ?? 0) < begun);
    },
  };
}

export interface Read {
  readonly logged: LoggedRequest;
  readonly now: number;
  readonly count: number;
  readonly route: RouteConfig;
  readonly key: string;
  readonly row: number;
  readonly tagsOf: () => readonly string[];
}

interface CacheOptions {
  readonly ttl: number | undefined;
  readonly maxStored: number;
  readonly writes: ReturnType<typeof createWrites>;
}

/** What is stored with one TTL. */
export function createTrialCache({ ttl, maxStored, writes }: CacheOptions) {
  const stored = new Map<string, Stored>();
  const expiring = new ExpiryHeap<Stored>();
  const lives = createLives(ttl);
  const bytesByRow: number[] = [];
  let bytes = 0;
  let dropped = 0;

  function remove(item: Stored): void {
    if (stored.get(item.key) !== item) return; // another took its place
    stored.delete(item.key);
    count(item.row, -item.bytes);
  }

  function count(row: number, more: number): void {
    bytes += more;
    bytesByRow[row] = (bytesByRow[row] ?? 0) + more;
  }

  function store({ logged, now, count: begun, route, key, row, tagsOf }: Read, coveredUntil: number): void {
    const life = lives(route, logged);
    if (life === undefined) return;
    const before = stored.get(key);
    if (before !== undefined) remove(before);
    const [oldest] = stored.size >= maxStored ? stored.values() : [];
    if (oldest !== undefined) {
      remove(oldest);
      dropped += 1;
    }
    const readyAt = now + logged.ms;
    const freshUntil = readyAt + life.fresh;
    const until = freshUntil + life.stale;
    const size = logged.bytes ?? 0;
    const item = { key, row, bytes: size, begun, tags: tagsOf(), readyAt, freshUntil, until, coveredUntil };
    stored.set(key, item);
    expiring.push(item);
    count(row, size);
    if (expiring.size > 2 * stored.size + 1024) expiring.keep((each) => stored.get(each.key) === each);
  }

  return {
    bytes: (row?: number) => (row === undefined ? bytes : (bytesByRow[row] ?? 0)),
    dropped: () => dropped,
    read(read: Read): Outcome {
      const { logged, now, route, key } = read;
      for (let over = expiring.popUntil(now); over !== undefined; over = expiring.popUntil(now)) remove(over);
      const isWhole = logged.method === "GET" && logged.status !== 206;
      const found = stored.get(key);
      const item = found !== undefined && writes.isValid(found) ? found : undefined;
      if (item !== undefined) {
        if (now < item.readyAt) {
          if (now < item.coveredUntil) return "hit";
          return isWhole && mayWait(route, item.readyAt - now) ? "collapsed" : "origin";
        }
        if (now < item.freshUntil) return "hit";
        if (isWhole && now < item.until) {
          store(read, item.until);
          return "stale";
        }
      }
      if (isWhole) store(read, 0);
      return "origin";
    },
  };
}

function mayWait({ cache }: RouteConfig, ms: number): boolean {
  return cache !== false && cache.collapse !== false && ms <= cache.collapse.wait;
}

interface Life {
  /** Milliseconds. */
  readonly fresh: number;
  readonly stale: number;
}

/** For how long a response is stored; undefined: it is not. As the cache decides, for what the log tells of a response. */
function createLives(ttl: number | undefined): (route: RouteConfig, logged: LoggedRequest) => Life | undefined {
  const known = new Map<RouteConfig, Map<number, Life | undefined>>();
  return (route, { status: logged, bytes = 0 }) => {
    if (route.cache === false || bytes > route.cache.maxBody) return undefined;
    // Forebay asks without the client's condition, and gets the whole.
    const status = logged === 304 ? 200 : logged;
    const lives = known.get(route) ?? new Map<number, Life | undefined>();
    known.set(route, lives);
    if (!lives.has(status)) lives.set(status, lifeOf(route.cache, ttl, status));
    return lives.get(status);
  };
}

function lifeOf(
  cache: Exclude<RouteConfig["cache"], false>,
  ttl: number | undefined,
  status: number,
): Life | undefined {
  const policy = { ...cache, ttl: ttl ?? cache.ttl, jitter: 0 };
  const verdict = storing({
    request: { method: "GET", fields: [], content: undefined },
    response: { status, fields: [] },
    ...{ policy, requestTime: 0, responseTime: 0, random: () => 0 },
  });
  if (verdict.kind !== "storable") return undefined;
  const { lifetime, staleWhileRevalidate } = verdict.stored;
  return { fresh: lifetime * 1000, stale: staleWhileRevalidate * 1000 };
}
