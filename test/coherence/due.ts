// From when on must whom be answered with a write? What is promised and what not is README's "What is guaranteed, and its
// limits" and DESIGN.md's "The fence", read to the letter: an exception is made here only where they make one.

import type { Application, History, Outage, Partition, SidecarId, Span, Write } from "./history.ts";

export interface Promises {
  /** `store.memory.trust`, ms. */
  readonly trustMs: number;
  /** After which others invalidate for a process that died, ms: JOURNAL_LEASE_MS. */
  readonly journalMs: number;
  /** `store.redis.writeDeadline`, ms. */
  readonly writeDeadlineMs: number;
  /** `store.redis.settle`, ms. */
  readonly settleMs: number;
}

/** From when on a write counts: for the sidecar that took it, and for the others. Infinity: never by itself. */
export interface Due {
  readonly own: number;
  readonly others: number;
}

/** Journals are looked through once a second, at a heartbeat of 250 ms, by whoever lives; and that takes a moment. */
const SWEEP_MS = 1000 + 250 + 750;
/** Between the origin's answer to a client that has left and Redis' to the invalidation, besides `writeDeadlineMs`. */
const HUNG_UP_MS = 500;
/** A sidecar that has not come back so long after its wire was mended has broken a promise. */
const LONGEST_RETURN_MS = 10_000;
/** A wire held for less goes unnoticed: what was written into it is done when it is released. */
const UNNOTICED_MS = 1000;

const NEVER = Number.POSITIVE_INFINITY;

export interface Given {
  readonly history: History;
  readonly promises: Promises;
}

/** From when on `application`, made by `write`, must be answered with. */
export function due(write: Write, application: Application, given: Given): Due {
  const { history, promises } = given;
  const killedAt = history.kills.get(write.sidecar) ?? NEVER;
  if (wasLost(write, killedAt, given)) {
    if (write.isNamedByResponse || isCutOff(history, write, Math.min(killedAt, write.end))) return both(NEVER);
    return both(sweptBy(history, Math.max(killedAt, application.at), promises));
  }
  const own = invalidation(write, application, given);
  return { own, others: Math.max(own, replay(write, killedAt, given)) + promises.trustMs };
}

/** Whether the sidecar died before it can be said to have invalidated. */
function wasLost(write: Write, killedAt: number, { promises }: { promises: Promises }): boolean {
  return !wasTold(write) && killedAt < leftBehind(write, promises);
}

/** Whether its client heard how it ended: it does so only after the invalidation. */
function wasTold({ ending }: Write): boolean {
  return ending === "answered" || ending === "failed";
}

/** When the sidecar that took the write has invalidated for it. */
function invalidation(write: Write, { at }: Application, { history, promises }: Given): number {
  // Nobody knows what a response would have named.
  if (write.isNamedByResponse && !write.isAnsweredByOrigin) return NEVER;
  const first = wasTold(write) ? write.end : leftBehind(write, promises);
  // One that went on in the origin after it was given up is invalidated for once more.
  return at <= write.originDoneAt ? first : Math.max(first, sweptBy(history, at, promises));
}

/** When a write whose client has left is over in its sidecar. */
function leftBehind({ originDoneAt, end }: Write, { writeDeadlineMs }: Promises): number {
  return Math.max(end, originDoneAt) + writeDeadlineMs + HUNG_UP_MS;
}

/**
 * When a write that was kept for want of Redis is known to the others. 0: it was not, or they do not ask Redis before they
 * know. A sidecar cut off from a Redis that others still reach cannot invalidate for them until it is back; one that is
 * killed before forgets what it kept.
 */
function replay(write: Write, killedAt: number, { history, promises }: Given): number {
  let at = 0;
  for (const partition of history.partitions) {
    if (partition.sidecar !== write.sidecar || write.end < partition.from) continue;
    const backAt = returned(partition, { history, promises });
    if (write.start > backAt) continue;
    at = Math.max(at, backAt);
  }
  const keptUntil = outagesOf(history, write.sidecar)
    .filter(({ from, to }) => from <= write.end && write.end <= to)
    .reduce((latest, { to }) => Math.max(latest, to), at);
  if (killedAt >= write.start && killedAt <= keptUntil) return NEVER;
  return at;
}

/** When all that a sidecar kept behind a broken wire has been replayed: it says that it is well `settle` after that. */
function returned(partition: Partition, { history, promises }: Given): number {
  const noticed = outagesOf(history, partition.sidecar).filter(
    ({ from, to }) => from <= partition.to + UNNOTICED_MS && to >= partition.from,
  );
  if (noticed.length === 0) return partition.to + UNNOTICED_MS;
  const wellAt = Math.max(...noticed.map(({ to }) => to));
  return Math.max(partition.to, Math.min(wellAt - promises.settleMs, partition.to + LONGEST_RETURN_MS));
}

/** Whether the sidecar may have been without Redis between the write's beginning and `until`. */
function isCutOff({ partitions, outages, redisAway }: History, { sidecar, start }: Write, until: number): boolean {
  const isIn = ({ from, to }: Span) => from <= until && to >= start;
  const isOurs = (span: Outage) => span.sidecar === sidecar && isIn(span);
  return redisAway.some(isIn) || partitions.some(isOurs) || outages.some(isOurs);
}

/** When others have invalidated for somebody who was last heard of at `from`; they cannot while Redis is away. */
function sweptBy({ redisAway }: History, from: number, { journalMs, trustMs }: Promises): number {
  let until = from + journalMs + SWEEP_MS + trustMs;
  for (const away of redisAway) {
    if (away.from < until && away.to > from) until += Math.min(away.to, NEVER) - Math.max(away.from, from);
  }
  return until;
}

function outagesOf({ outages }: History, sidecar: SidecarId): readonly Outage[] {
  return outages.filter((outage) => outage.sidecar === sidecar);
}

function both(at: number): Due {
  return { own: at, others: at };
}

/**
 * Until when the invalidation for a write depends on processes that keep time: on others that notice an outage, on whoever
 * comes back in time, on whoever sweeps. 0: it never did, because Redis had it before the client heard.
 */
export function timedUntil(write: Write, application: Application, given: Given): number {
  const { history, promises } = given;
  if (!wasTold(write) || application.at > write.originDoneAt) return due(write, application, given).others;
  const outage = outagesOf(history, write.sidecar).find(({ from, to }) => from <= write.end && write.end <= to);
  if (outage !== undefined) return outage.to;
  return write.end - write.originDoneAt < promises.writeDeadlineMs ? 0 : write.end + promises.writeDeadlineMs;
}
