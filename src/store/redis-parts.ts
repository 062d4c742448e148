// What the store in Redis is made of, each part told what it needs of the others:
//
//   connections.ts  lines to Redis (heartbeat.ts)      reach.ts    may it be read, may it be written
//   batch.ts        one turn's questions, one write    trips.ts    what a look means, and whether once is enough
//   routing.ts      in a Cluster: to which node        parts.ts    in a Cluster: one look at several nodes
//   journal.ts      invalidations                      leases.ts   who fetches
//   replicas.ts     whether replicas have them         presence.ts which sidecars live
//   landings.ts     who waits for whom                 bus.ts      what sidecars tell one another beside that

import { createAsking } from "./batch.ts";
import { createBus } from "./bus.ts";
import { ATTEMPT_MS, type Connections, openConnections } from "./connections.ts";
import { checkRights, readFence } from "./heartbeat.ts";
import { createHighestClock } from "./highest-clock.ts";
import { createJournal } from "./journal.ts";
import { createLandings } from "./landings.ts";
import { createLeases } from "./leases.ts";
import { createPartedAsking } from "./parts.ts";
import { createPresence } from "./presence.ts";
import { createReach } from "./reach.ts";
import { createDialler, type ServerOptions } from "./redis-client.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { createRedisTally, type RedisTally } from "./redis-tally.ts";
import { createReplicas, type WaitOptions } from "./replicas.ts";
import { createRouting } from "./routing.ts";
import { type Codec, JOURNAL_LEASE_MS, type Notice } from "./store.ts";
import { createTrips } from "./trips.ts";

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

/** The parts, each told what it needs of the others. `tell` hears of every invalidation. */
export function assemble<V>(options: RedisOptions<V>, keys: RedisKeys, tell: (notice: Notice) => void) {
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
