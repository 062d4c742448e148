// The store in Redis, shared by any number of processes (DESIGN, "The store protocol"). Redis 6.0 or newer (BITFIELD_RO,
// RESP3). It may fail at any time, with StoreUnavailable: fail-open.ts stands above it. What it is made of: redis-parts.ts.

import type { Ask } from "./batch.ts";
import type { Bus } from "./bus.ts";
import type { Line } from "./connections.ts";
import { createRedisKeys } from "./redis-keys.ts";
import { assemble, type RedisOptions } from "./redis-parts.ts";
import { createSharing } from "./sharing.ts";
import type { Crowd, Key, Lead, Notice, Question, Store, Stored } from "./store.ts";
import { StoreUnavailable, within } from "./unavailable.ts";
import { type At, createVariants } from "./variants.ts";

export type { RedisOptions } from "./redis-parts.ts";

export interface RedisStore<V> extends Store<V> {
  /** Resolves when the store may be read for the first time, or was closed. */
  connected(): Promise<void>;
  /** Who shares it, as last heard. */
  crowd(): Crowd;
  /** What they tell one another. */
  readonly bus: Bus;
}

// Values on their way to Redis, bytes: past it they are not stored.
const MAX_ON_THE_WAY = 32 * 1024 * 1024;

/** Connects in the background: while Redis cannot be reached every question is refused, and writes are kept. */
export function createRedisStore<V>(options: RedisOptions<V>): RedisStore<V> {
  const { deadline, writeDeadline, codec, now = Date.now } = options;
  const keys = createRedisKeys(options.prefix);
  const listeners: ((notice: Notice) => void)[] = [];
  const parts = assemble(options, keys, (notice) => {
    for (const listener of listeners) listener(notice);
  });
  const { connections, routing, lines, reach, journal, landings, leases, trips, presence, bus, first, askFirst } =
    parts;
  const { replicas } = parts;
  const variants = createVariants({ keys, codec });
  let onTheWay = 0;

  function lineOf(place: { line: number }): Line {
    return lines[place.line] ?? first;
  }

  /** Throws StoreUnavailable where it may not be read. */
  function reached({ primary }: Key): At {
    const { digest, ...place } = trips.place(primary);
    const line = lineOf(place);
    reach.mayRead(line);
    return { line, digest };
  }

  const guardOf = ({ key }: Pick<Question, "key">) => {
    const line = lineOf(key ? trips.place(key.primary) : { line: 0 });
    return () => reach.mayRead(line);
  };
  const look = createSharing<V>({
    async ask({ key, tags, limits, since }, leaving) {
      if (reach.isSettling() && limits.length > 0) throw await chargedOnly(limits);
      guardOf({ key })();
      return (await trips.look({ key, tags, limits, since, leaving })).reading;
    },
    guardOf,
    namesOf: trips.namesOf,
    deadline,
  });

  // Limits need no fence: while it may not be read yet they are charged all the same.
  async function chargedOnly(limits: Question["limits"]): Promise<StoreUnavailable> {
    const ask: Ask = { record: undefined, variant: undefined, slots: undefined, limits };
    const { verdicts } = await askFirst(ask);
    return new StoreUnavailable(reach.detail, verdicts && { verdicts });
  }

  async function lead(key: Key, names: readonly string[], tags: readonly string[], leaseMs: number): Promise<Lead<V>> {
    const { line, digest } = reached(key);
    const variant = key.variant(names);
    const held = leases.prepare({
      line,
      key: keys.lease(digest, variant),
      channel: keys.landed(digest, variant),
      ms: Math.max(1, Math.ceil(leaseMs)),
    });
    const { reading, leaseMs: retryMs } = await trips.look({ key, tags, limits: [], lease: held.ask });
    return { lease: retryMs === 0 ? held.begin() : undefined, retryMs, reading };
  }

  function watch(key: Key, names: readonly string[]) {
    const { digest } = reached(key);
    return landings.watch(keys.landed(digest, key.variant(names)));
  }

  async function leased(key: Key, names: readonly string[]): Promise<number> {
    const { line, digest } = reached(key);
    const left = await within(line.send(["PTTL", keys.lease(digest, key.variant(names))]), deadline);
    return Math.max(0, Number(left));
  }

  async function put(key: Key, names: readonly string[], stored: Stored<V>): Promise<void> {
    const ms = Math.ceil(stored.keepUntil - now());
    if (ms < 1) return;
    const at = reached(key);
    const bytes = asBuffer(codec.encode(stored));
    if (onTheWay + bytes.length > MAX_ON_THE_WAY) throw new StoreUnavailable("too much on its way to Redis");
    onTheWay += bytes.length;
    const done = variants.put(at, { key, names, stored, bytes, ms }).finally(() => {
      onTheWay -= bytes.length;
    });
    await within(done, writeDeadline);
  }

  async function pass(key: Key, names: readonly string[], untilMs: number): Promise<void> {
    const ms = Math.ceil(untilMs - now());
    if (ms < 1) return;
    await within(variants.pass(reached(key), { names, passUntil: untilMs, ms }), deadline);
  }

  async function close(): Promise<void> {
    const farewells = [leases.releaseAll(), presence.close()].map((said) => within(said, deadline).catch(() => {}));
    await Promise.all([...farewells, journal.close()]);
    reach.close();
    landings.close();
    routing?.close();
    connections.close();
  }

  return {
    look,
    lead,
    watch,
    put,
    siblings: async (key) => within(variants.siblings(reached(key)), deadline),
    recall: async (key, id) => within(variants.recall(reached(key), id), deadline),
    pass,
    leased,
    begin: (tags) => journal.begin(tags),
    purge: async (...what) => ({ clock: await journal.purge(...what) }),
    onInvalidated: (listener) => void listeners.push(listener),
    health() {
      const owed = journal.owed();
      const detail = owed ? `${reach.detail}; ${owed} invalidations kept` : reach.detail;
      const away = routing?.away();
      const state = reach.isOk() && away === undefined ? "ok" : "degraded";
      const missed = replicas?.missed() ? `${replicas.missed()} times too few replicas in time` : undefined;
      const all = [detail, away, connections.risk(), missed];
      return { state, detail: all.filter((said) => said !== undefined).join("; ") };
    },
    close,
    connected: () => reach.ready.then(() => routing?.opened()),
    crowd: presence.crowd,
    bus,
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
