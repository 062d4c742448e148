// The store in Redis, shared by any number of processes (DESIGN, "The store protocol"). Redis 6.0 or newer (BITFIELD_RO,
// RESP3). It may fail at any time, with StoreUnavailable: fail-open.ts stands above it. Here its parts are put together:
//
//   connections.ts  lines to Redis (heartbeat.ts)      reach.ts    may it be read, may it be written
//   batch.ts        one turn's questions, one write    trips.ts    what a look means, and whether once is enough
//   routing.ts      in a Cluster: to which node        parts.ts    in a Cluster: one look at several nodes
//   journal.ts      invalidations                      leases.ts   who fetches
//   replicas.ts     whether replicas have them
//   landings.ts     who waits for whom                 variants.ts what is stored, which variants a key has
//   bus.ts          what sidecars tell one another beside that

import { type Ask, createAsking } from "./batch.ts";
import { type Bus, createBus } from "./bus.ts";
import { ATTEMPT_MS, type Connections, type Line, openConnections } from "./connections.ts";
import { checkRights, readFence } from "./heartbeat.ts";
import { createHighestClock } from "./highest-clock.ts";
import { createJournal } from "./journal.ts";
import { createLandings } from "./landings.ts";
import { createLeases } from "./leases.ts";
import { createPartedAsking } from "./parts.ts";
import { createPresence } from "./presence.ts";
import { createReach } from "./reach.ts";
import { createDialler, type ServerOptions } from "./redis-client.ts";
import { createRedisKeys, type RedisKeys } from "./redis-keys.ts";
import { createRedisTally, type RedisTally } from "./redis-tally.ts";
import { createReplicas, type WaitOptions } from "./replicas.ts";
import { createRouting } from "./routing.ts";
import {
  type Codec,
  type Crowd,
  JOURNAL_LEASE_MS,
  type Key,
  type Lead,
  type Notice,
  type Question,
  type Reading,
  type Store,
  type Stored,
} from "./store.ts";
import { createTrips } from "./trips.ts";
import { StoreUnavailable, within } from "./unavailable.ts";
import { type At, createVariants } from "./variants.ts";

export interface RedisOptions<V> extends ServerOptions {
  /** What all keys begin with. */
  readonly prefix: string;
  /** For commands; one more is for subscriptions. */
  readonly connections: number;
  /** Ms after which a question is given up. */
  readonly deadline: number;
  /** Ms that a write waits for its invalidation. More than 750, in which an outage is noticed by all. */
  readonly writeDeadline: number;
  /** Ms that nothing is read after an outage. More than 700, in which a lost connection is made anew. */
  readonly settle: number;
  /** Replicas waited for before a write goes out and before it is acknowledged; undefined: none. */
  readonly wait?: WaitOptions | undefined;
  /** Numbers in the fence; the same in every process. */
  readonly slots: number;
  readonly codec: Codec<V>;
  /** Ms after which others invalidate for a process that died in the middle of a write. */
  readonly journalLease?: number;
  /** Invalidations kept while Redis is away; past it, everything is invalidated. */
  readonly maxOwed?: number;
  /** Told when the state of health, or what there is to say about it, changes. */
  log?(state: "ok" | "degraded", detail: string): void;
  /** Told once what of the settings of Redis hurts. */
  warn?(risk: string): void;
  /** Told, once a second at the most, how often too few replicas said in time that they have a write, and why. */
  unreplicated?(count: number, reason: string): void;
  /** Where its connections count what they do. */
  readonly tally?: RedisTally | undefined;
  /** Epoch ms. */
  now?(): number;
}

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

  async function look({ key, tags, limits, since }: Question): Promise<Reading<V>> {
    if (reach.isSettling() && limits.length > 0) throw await chargedOnly(limits);
    reach.mayRead(lineOf(key ? trips.place(key.primary) : { line: 0 }));
    return (await trips.look({ key, tags, limits, since })).reading;
  }

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

/** The parts, each told what it needs of the others. `tell` hears of every invalidation. */
function assemble<V>(options: RedisOptions<V>, keys: RedisKeys, tell: (notice: Notice) => void) {
  const { deadline, slots, codec, tally = createRedisTally() } = options;
  const clock = createHighestClock();
  const hear = (message: string) => tell(noticeOf(message) ?? { clock: clock.value() + 1, tags: undefined });
  let told = "";
  let warned: string | undefined;
  const reach = createReach({
    ...options,
    connections: () => connections,
    fence: keys.fence,
    clock,
    check: (line) => checkRights(line, keys),
    replay: async () => {
      await Promise.all([connections.subscriber.subscribe(keys.invalidated, hear), landings.resubscribe()]);
      bus.resubscribe();
      await journal.replay();
    },
    changed(state, detail) {
      if (state === "degraded") landings.wakeAll();
      // What goes wrong again and again in the same way is said once.
      if (told !== state + detail) options.log?.(state, detail);
      told = state + detail;
      const risk = connections.risk();
      if (risk !== undefined && risk !== warned) options.warn?.(risk);
      warned = risk ?? warned;
    },
  });
  const dialler = createDialler(options, ATTEMPT_MS);
  const connections: Connections = openConnections({
    dialler,
    tally,
    count: options.connections,
    isWaiting: options.wait !== undefined,
    beat: (line) => readFence(line, keys, { clock, reach, slots }),
    changed() {
      reach.update();
      journal.tick();
      presence.tick();
    },
    lost(reason) {
      reach.explain(reason.message);
      if (told !== "") return;
      // One that has never been in use has no change of health to tell of: a wrong password would never be in the log.
      options.log?.("degraded", reason.message);
      told = `degraded${reason.message}`;
    },
  });
  const { cluster: map } = dialler;
  const routing = map && createRouting({ map, dialler, tally, fence: keys.fence, lines: connections.lines });
  const lines = routing?.lines ?? connections.lines;
  const about = { keys, deadline, clock, tally };
  const asking = lines.map((line) => {
    return routing ? createPartedAsking(line, { ...about, nodeOf: routing.nodeOf }) : createAsking(line, about);
  });
  const [first, askFirst] = [connections.lines[0], asking[0]];
  if (first === undefined || askFirst === undefined) throw new RangeError("connect to Redis: at least one connection");
  const presence = createPresence({ line: first, key: keys.live });
  const landings = createLandings(connections.subscriber, deadline);
  const bus = createBus({ subscriber: connections.subscriber, line: first, channel: keys.bus });
  const { waiter } = connections;
  const short = (count: number, reason: string) => options.unreplicated?.(count, reason);
  const replicas =
    waiter && options.wait && createReplicas({ ...options.wait, line: waiter, key: keys.waited, tell: short });
  const journal = createJournal({
    ...options,
    line: first,
    reach,
    replicas,
    keys,
    leaseMs: options.journalLease ?? JOURNAL_LEASE_MS,
    maxOwed: options.maxOwed ?? 10_000,
    clock,
    tell,
  });
  const trips = createTrips({ keys, slots, codec, asking, deadline, clock, lost: () => reach.lost() });
  const leases = createLeases();
  return {
    ...{ connections, routing, lines, first, askFirst, reach, journal, replicas },
    ...{ landings, leases, trips, presence, bus },
  };
}

// What cannot be read as a notice may have been of anything.
function noticeOf(message: string): Notice | undefined {
  try {
    const { clock, tags, soft } = JSON.parse(message) ?? {};
    const isOurs = tags === null || (Array.isArray(tags) && tags.every((tag) => typeof tag === "string"));
    if (!isOurs || !Number.isSafeInteger(clock)) return undefined;
    return soft === true ? { clock, tags: tags ?? undefined, soft } : { clock, tags: tags ?? undefined };
  } catch {
    return undefined;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
