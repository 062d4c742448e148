// From when on must whom be answered with a write? What is promised and what not is README's "What is guaranteed, and its
// limits" and DESIGN.md's "The fence", read to the letter: an exception is made here only where they make one; what is in
// quotes below is the README's.

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
/** Between the origin's answer for a client that has left and Redis' to the invalidation; besides `writeDeadlineMs` where Redis
 * was away. */
const HUNG_UP_MS = 500;
/** What a sidecar says of its store reaches the checker within this. */
const SAID_LATE_MS = 500;
/** A sidecar that has not come back so long after its wire was mended has broken a promise. */
const LONGEST_RETURN_MS = 10_000;
/** A wire held for less goes unnoticed: what was written into it is done when it is released. */
const UNNOTICED_MS = 1000;

/** What made a sidecar lose its store happened within this before it says so. */
const BEGUN_MS = 1250;

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

/** Whether the sidecar died before it can be said to have invalidated: the response has not "left a sidecar". */
function wasLost(write: Write, killedAt: number, given: Given): boolean {
  return !wasTold(write) && killedAt < leftBehind(write, given);
}

/** Whether its client heard how it ended: it does so only after the invalidation. */
function wasTold({ ending }: Write): boolean {
  return ending === "answered" || ending === "failed";
}

/** When the sidecar that took the write has invalidated for it. */
function invalidation(write: Write, { at }: Application, given: Given): number {
  const { history, promises } = given;
  // "Nobody can know what else a service changes", where the response that would have named it never came.
  if (write.isNamedByResponse && !write.isAnsweredByOrigin) return NEVER;
  const first = wasTold(write) ? write.end : leftBehind(write, given);
  // "One that got no answer may still be going on in the origin, so everything is invalidated once more 10 to 12 s later."
  return at <= write.originDoneAt ? first : Math.max(first, sweptBy(history, at, promises));
}

/** When the origin is done with a write, and its client too. */
function overAt(write: Write): number {
  return wasTold(write) ? write.end : Math.max(write.end, write.originDoneAt);
}

/** When a write whose client has left ("a write is not given up when its client leaves") is over in its sidecar. */
function leftBehind(write: Write, { history, promises }: Given): number {
  const until = overAt(write) + HUNG_UP_MS;
  return isCutOff(history, write, until) ? until + promises.writeDeadlineMs : until;
}

/**
 * Whether Redis may not have had the invalidation when the write was over: "a write that is taken while Redis is away waits
 * `writeDeadline` and is then kept". Whoever was answered sooner, by a sidecar that was not out, knows that Redis has it.
 */
function mayBeKept(write: Write, { history, promises }: Given): boolean {
  if (write.isTaken) return false;
  if (!wasTold(write) || write.end - write.originEndingAt >= promises.writeDeadlineMs) return true;
  return outagesAt(history, write).length > 0;
}

/** Those in which its sidecar was when the write was over, in its own words, which may be late. */
function outagesAt(history: History, write: Write): readonly Outage[] {
  const at = overAt(write);
  return outagesOf(history, write.sidecar).filter(({ from, to }) => from - SAID_LATE_MS <= at && at <= to);
}

/**
 * When a write that was kept for want of Redis is known to the others. 0: it was not, or they do not ask Redis before they
 * know. It can be lost: by "the sidecar's own death in that time, and a Redis that only this sidecar cannot reach, from
 * which the others go on reading"; the latter until it is back. One that has some of its connections left can reach it.
 */
function replay(write: Write, killedAt: number, given: Given): number {
  if (!mayBeKept(write, given)) return 0;
  const { history } = given;
  let at = 0;
  for (const partition of history.partitions) {
    if (partition.sidecar !== write.sidecar || overAt(write) < partition.from) continue;
    const backAt = returned(partition, given);
    if (write.start > backAt) continue;
    at = Math.max(at, backAt);
  }
  const keptUntil = outagesAt(history, write).reduce((latest, { to }) => Math.max(latest, to), at);
  const isKilled = killedAt < NEVER; // an outage that is not over lasts until NEVER, too
  if (isKilled && killedAt >= write.start && killedAt <= keptUntil) return NEVER;
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
  const isOurs = (span: Partition) => span.sidecar === sidecar && isIn(span);
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
  if (!wasTold(write) || application.at > write.originDoneAt) return due(write, application, given).others;
  if (!mayBeKept(write, given)) return 0;
  const [outage] = outagesAt(given.history, write);
  return outage?.to ?? write.end + given.promises.writeDeadlineMs;
}

/** When what cost the write's sidecar its store happened, where it had lost it before the write was over. */
export function lostDuring(write: Write, { history }: Given): Span | undefined {
  const [outage] = outagesAt(history, write);
  return outage && !outage.isStart ? { from: outage.from - BEGUN_MS, to: outage.from } : undefined;
}
