// Many requests, one fetch: who fetches, and who waits for whom. Inside the process the first request begins a flight
// and the others follow it (flights.ts, following.ts); among the sidecars the flights' leaders compete for one lease
// (take-off.ts). A wait ends at `collapse.wait`: then a request asks the origin, together with those whose wait ends with
// its own (gathering.ts). After an error of the origin's one of those who waited asks once more, for all of them.

import { LRUCache } from "lru-cache";
import type { Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import type { Landing, Lease, Store } from "../store/store.ts";
import { type Fetch, reasonOf } from "./fetching.ts";
import { createFlights, type Ending, type Flight, type Flights, mayCollapse } from "./flights.ts";
import { createFollowing, deliverable, type Followed } from "./following.ts";
import { createGatherings } from "./gathering.ts";
import { insteadOfError } from "./stale-if-error.ts";
import { cacheStatus } from "./status.ts";
import type { StoredResponse } from "./stored-response.ts";
import { createTakingOff, leaseOf } from "./take-off.ts";
import { decide, type Found, namesOf, type Timed, type Visit } from "./visit.ts";

export interface Collapsing {
  /** The response for a request that the store could not answer, fetched or shared. Rejects where the origin cannot be asked. */
  fetch(visit: Visit, found: Found): Promise<Response>;
  /** Validates the stored response that `found` has just delivered, stale or ahead of its end, once at a time per key. Never rejects. */
  validateBehind(visit: Visit, found: Found): Promise<void>;
}

interface CollapsingParts {
  readonly store: Store<StoredResponse>;
  readonly fetch: Fetch;
  /** Epoch ms. */
  readonly now: () => number;
  readonly timed: Timed;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Those of the process; left out: there is nobody to share them with. */
  readonly flights?: Flights | undefined;
}

const LANDINGS: Readonly<Record<Ending["kind"], Landing>> = {
  stored: "stored",
  "not-storable": "not-storable",
  "not-flown": "failed",
  "server-error": "error",
  failed: "failed",
};

/** For who would be one too many to wait. Nobody is sent on to the origin in their place: it has one fetch to answer. */
const CROWDED = problem(503, "Too many requests wait for this response already.", ["Retry-After", "1"]);
/** For who waited while the origin answered two others with errors. */
const FAILING = problem(503, "The origin answered two requests like this one with errors.", ["Retry-After", "1"]);
/** How rarely hits on trust ask for the same, ms. */
const CERTIFIED_MS = 1000;
const MAX_CERTIFIED = 10_000;
/** Longer than any origin may take to begin its answer, ms. */
const UNTIL_ANSWERED_MS = 86_400_000;

export function createCollapsing(parts: CollapsingParts): Collapsing {
  const { store, fetch, now, timed, elapsed, random, flights = createFlights() } = parts;
  const { tally } = flights;
  const gatherings = createGatherings();
  const { follow, shared } = createFollowing({ store, tally, now });
  /** Keys whose certainty was asked for a moment ago. */
  const certified = new LRUCache<string, true>({ maxSize: MAX_CERTIFIED, sizeCalculation: () => 1, ttl: CERTIFIED_MS });
  const takeOff = createTakingOff({ store, tally, now, timed, elapsed, random });

  async function collapsed(visit: Visit, first: Found): Promise<Response> {
    const reason = reasonOf(first.decision);
    visit.trace.cache = reason === "stale" ? "expired" : reason;
    if (!mayCollapse(visit, first, now())) return alone(visit, first);
    const until = now() + waitOf(visit);
    if (!first.reading.fence.shared) return gathered(visit, first, { until, isRetry: false });
    let isRetry = false;
    for (let found = first; ; ) {
      const flight = flights.join(flightOf(visit, found), found.reading.fence);
      if (flight === undefined) return lead(visit, found, { until, isRetry });
      const followed = await follow(visit, flight, { reason, waitMs: until - now() });
      if (followed?.kind === "shared") return followed.response;
      if (followed !== undefined && !mayLookAgain(followed)) return unshared(visit, found, followed);
      if (followed?.kind === "server-error") {
        const instead = despite(visit, found, { ...followed, isRetry });
        if (instead !== undefined) return instead;
      }
      isRetry = followed?.kind === "server-error";
      if (followed?.kind === "not-flown" && followed.isUnread === true)
        return gathered(visit, found, { until, isRetry });
      found = await again(visit);
      const stored = deliverable(found.decision);
      const status = followed?.kind === "stored" ? followed.status : undefined;
      if (stored !== undefined) return shared(visit, { reason, status }, stored);
      if (!mayCollapse(visit, found, now())) return alone(visit, found);
      if (followed === undefined) return gathered(visit, found, { isRetry });
      if (!found.reading.fence.shared) return gathered(visit, found, { until, isRetry });
    }
  }

  /** With those who asked before the same fetch began: while the fence cannot be read, and when the wait is over. */
  async function gathered(visit: Visit, found: Found, { until, isRetry }: Patience): Promise<Response> {
    const place = gatherings.enter(flightKey(visit, found), until === undefined || isRetry);
    if (place === undefined) return alone(visit, found);
    const { flight } = place;
    if (place.role === "lead") {
      flight.isRetry = isRetry;
      await place.mayLeave;
      return ended(flight, fly(visit, found, { flight, isRead: true, isFollowed: place.isFollowed }));
    }
    const waitMs = until === undefined ? UNTIL_ANSWERED_MS : until - now();
    const followed = await follow(visit, flight, { reason: reasonOf(found.decision), waitMs });
    if (followed === undefined) return until === undefined ? alone(visit, found) : gathered(visit, found, { isRetry });
    if (followed.kind === "shared") return followed.response;
    if (followed.kind === "server-error") {
      return despite(visit, found, { ...followed, isRetry }) ?? gathered(visit, found, { until, isRetry: true });
    }
    return mayLookAgain(followed) ? alone(visit, found) : unshared(visit, found, followed);
  }

  /** By itself: stored where it may be, shared with nobody under way. */
  function alone(visit: Visit, found: Found): Promise<Response> {
    return fetch(visit, found, { land: () => {}, signal: visit.request.signal, isRead: true });
  }

  async function lead(visit: Visit, found: Found, { until, isRetry }: Patience & { until: number }): Promise<Response> {
    const flight = flights.begin(flightOf(visit, found), found.reading.fence);
    flight.isRetry = isRetry;
    const start = await ended(flight, takeOff(visit, { flight, names: namesOf(found.reading), until }));
    if (start.kind === "landed") return shared(visit, { reason: reasonOf(found.decision) }, start.stored);
    if (start.kind === "alone") return alone(visit, start.found);
    if (start.kind === "unread") return gathered(visit, start.found, { until, isRetry: flight.isRetry });
    if (start.kind === "failing") return failing(visit, start.found);
    return ended(flight, fly(visit, start.found, { flight, lease: start.lease, isRead: true }));
  }

  /** The flight's fetch. It belongs to all who follow it: it goes on when the client that began it leaves. */
  function fly(
    visit: Visit,
    found: Found,
    flown: { flight: Flight; lease?: Lease | undefined; isRead: boolean; isFollowed?: boolean },
  ): Promise<Response> {
    const { flight, lease, isRead, isFollowed = false } = flown;
    const land = (ending: Ending) => {
      lease?.release(LANDINGS[ending.kind]);
      flight.end(ending.kind === "server-error" ? { ...ending, isRepeated: flight.isRetry } : ending);
    };
    return fetch(visit, found, { arrive: flight.arrive, land, signal: undefined, isRead, isFollowed });
  }

  async function validateBehind(visit: Visit, delivered: Found): Promise<void> {
    if (visit.request.method !== "GET") return;
    const found = delivered.reading.fence.shared ? delivered : await certain(visit, delivered);
    if (found === undefined || !found.reading.fence.shared || stillDue(delivered, found) === undefined) return;
    const { reading } = found;
    if (flights.join(flightOf(visit, found), reading.fence) !== undefined) return;
    const flight = flights.begin(flightOf(visit, found), reading.fence);
    try {
      const { lease, reading: latest } = await store.lead(visit.key, namesOf(reading), visit.tags, leaseOf(visit));
      const decided = decide(visit, latest, now());
      const before = stillDue(found, decided);
      // Without the lease another sidecar is at it.
      if (lease === undefined || before === undefined) {
        flight.end({ kind: "not-flown" });
        return lease?.release("failed");
      }
      flight.fence = latest.fence;
      const validation: Found = {
        reading: latest,
        decision: { kind: "validate", stored: before, reason: "stale", staleIfError: false },
      };
      await fly(visit, validation, { flight, lease, isRead: false });
    } catch (error) {
      // Nobody waits for it; the origin's failure is logged where it is asked.
      flight.end({ kind: "failed", error: error as Error });
    }
  }

  /** As the store says now, which was not asked about what was delivered on trust: a flight begins from the fence. undefined: it has
   * been asked within the last second, and whoever asked does what is to be done. */
  async function certain(visit: Visit, delivered: Found): Promise<Found | undefined> {
    const key = flightKey(visit, delivered);
    if (certified.has(key)) return undefined;
    certified.set(key, true);
    return again(visit, { certain: true });
  }

  async function again(visit: Visit, { certain = false } = {}): Promise<Found> {
    const question = { key: visit.key, tags: visit.tags, limits: [], certain };
    return decide(visit, await timed(visit.trace, "look", store.look(question)), now());
  }

  /** What a follower does whose flight brought nothing for it, and nothing that the store could answer with. An origin that cannot
   * be asked is not asked once more for each. */
  async function unshared(visit: Visit, found: Found, ending: Unshared) {
    if (ending.kind === "not-storable") return alone(visit, found);
    const stale = insteadOfError(visit, found, { now: now(), collapsed: true });
    if (stale !== undefined) return stale;
    if (ending.kind === "failed") throw ending.error;
    return CROWDED;
  }

  /** The answer to a follower whose flight ended with an error of the origin's. undefined: it was the first one that it hears of,
   * and may have been about the leader. */
  function despite(visit: Visit, found: Found, { status, isRepeated, isRetry }: ServerError & { isRetry: boolean }) {
    if (isRetry || isRepeated === true) return failing(visit, found, status);
    return insteadOfError(visit, found, { now: now(), collapsed: true, status });
  }

  function failing(visit: Visit, found: Found, status?: number): Response {
    const stale = insteadOfError(visit, found, { now: now(), collapsed: true, status });
    if (stale !== undefined) return stale;
    const reason = reasonOf(found.decision);
    visit.trace.cache = "collapsed";
    const said = cacheStatus.forwarded({ reason, status, collapsed: true, detail: "origin-failing" });
    return { ...FAILING, fields: [...FAILING.fields, "Cache-Status", said] };
  }

  return { fetch: collapsed, validateBehind };
}

/** What `step` gives; where it fails the flight has failed, whoever should have said so. */
async function ended<T>(flight: Flight, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    flight.end({ kind: "failed", error: error as Error });
    throw error;
  }
}

/** What a request may still do. */
interface Patience {
  /** Epoch ms. undefined: its wait for others is over, and it follows the next fetch as if it were its own. */
  readonly until?: number | undefined;
  /** The origin has just answered somebody else's request for the same with an error. */
  readonly isRetry: boolean;
}

type ServerError = Extract<Ending, { kind: "server-error" }>;

/** Endings after which the store may answer, though the flight itself does not. */
type LookAgain = Extract<Ending, { kind: "stored" | "not-flown" | "server-error" }>;

type Unshared = Exclude<Followed, LookAgain | { kind: "shared" } | undefined>;

function mayLookAgain(followed: NonNullable<Followed>): followed is LookAgain {
  return ["stored", "not-flown", "server-error"].includes(followed.kind);
}

/** The stored response that is to be validated behind; undefined: there is nothing to do any more, or no time to do it behind. */
function stillDue({ decision: before }: Found, { decision: latest }: Found): StoredResponse | undefined {
  if (latest.kind === "stale-while-revalidate") return latest.stored;
  const isAhead = before.kind === "fresh" && latest.kind === "fresh";
  return isAhead && latest.stored.responseTime === before.stored.responseTime ? latest.stored : undefined;
}

function flightOf(visit: Visit, found: Found) {
  return { key: flightKey(visit, found), policy: visit.policy };
}

function flightKey({ key }: Visit, { reading }: Found): string {
  return `${key.primary}\n${key.variant(namesOf(reading))}`;
}

function waitOf({ policy }: Visit): number {
  return policy.collapse === false ? 0 : policy.collapse.wait;
}
