// Many requests, one fetch: who fetches, and who waits for whom. Inside the process the first request begins a flight
// and the others follow it (flights.ts, following.ts); among the sidecars the flights' leaders compete for one lease,
// and whoever does not get it is woken when it lands. A wait ends at `collapse.wait`: then a request asks the origin by
// itself.

import type { Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import type { Landing, Lease, Reading, Store, Watch } from "../store/store.ts";
import { type Fetch, reasonOf } from "./fetching.ts";
import { createFlights, type Ending, type Flight, type Flights } from "./flights.ts";
import { createFollowing, deliverable, type Followed } from "./following.ts";
import { createGatherings } from "./gathering.ts";
import { isPartial, isShareable } from "./reuse.ts";
import { insteadOfError } from "./stale-if-error.ts";
import type { StoredResponse } from "./stored-response.ts";
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

/** How long a lease is asked for where the route does not collapse, so that its validations still do, ms. */
const BACKGROUND_LEASE_MS = 10_000;
const LANDINGS: Readonly<Record<Ending["kind"], Landing>> = {
  stored: "stored",
  "not-storable": "not-storable",
  "not-flown": "failed",
  "server-error": "failed",
  failed: "failed",
};

/** For who would be one too many to wait. Nobody is sent on to the origin in their place: it has one fetch to answer. */
const CROWDED = problem(503, "Too many requests wait for this response already.", ["Retry-After", "1"]);
/** So that not all sidecars ask for a lease that has ended at the same moment, ms. */
const RETRY_JITTER_MS = 25;

/** What a leader knows when it may go: the lease (or that its wait is over), what another sidecar brought, that it is on its own, or
 * that the fence cannot be read any more. */
type TakeOff =
  | { readonly kind: "lead"; readonly found: Found; readonly lease: Lease | undefined }
  | { readonly kind: "landed"; readonly stored: StoredResponse }
  | { readonly kind: "alone"; readonly found: Found }
  | { readonly kind: "unread"; readonly found: Found };

export function createCollapsing(parts: CollapsingParts): Collapsing {
  const { store, fetch, now, timed, elapsed, random, flights = createFlights() } = parts;
  const { tally } = flights;
  const gatherings = createGatherings();
  const { follow, shared } = createFollowing({ store, tally, now });

  async function collapsed(visit: Visit, first: Found): Promise<Response> {
    const reason = reasonOf(first.decision);
    visit.trace.cache = reason === "stale" ? "expired" : reason;
    if (!mayCollapse(visit, first, now())) return alone(visit, first);
    const until = now() + waitOf(visit);
    if (!first.reading.fence.shared) return gathered(visit, first, until);
    for (let found = first; ; ) {
      const flight = flights.join(flightOf(visit, found), found.reading.fence);
      if (flight === undefined) return lead(visit, found, until);
      const followed = await follow(visit, flight, { reason, waitMs: until - now() });
      if (followed?.kind === "shared") return followed.response;
      if (!mayLookAgain(followed)) return unshared(visit, found, followed);
      if (followed.kind === "not-flown" && followed.isUnread === true) return gathered(visit, found, until);
      found = await again(visit);
      const stored = deliverable(found.decision);
      const status = followed.kind === "stored" ? followed.status : undefined;
      if (stored !== undefined) return shared(visit, { reason, status }, stored);
      if (!mayCollapse(visit, found, now())) return alone(visit, found);
      if (!found.reading.fence.shared) return gathered(visit, found, until);
    }
  }

  /** While the fence cannot be read: with those who asked before the same fetch began. `until`: epoch ms. */
  async function gathered(visit: Visit, found: Found, until: number): Promise<Response> {
    const place = gatherings.enter(flightKey(visit, found));
    if (place === undefined) return alone(visit, found);
    const { flight } = place;
    if (place.role === "lead") {
      await place.mayLeave;
      return ended(flight, fly(visit, found, { flight, isRead: true, isFollowed: place.isFollowed }));
    }
    const followed = await follow(visit, flight, { reason: reasonOf(found.decision), waitMs: until - now() });
    if (followed?.kind === "shared") return followed.response;
    return mayLookAgain(followed) ? alone(visit, found) : unshared(visit, found, followed);
  }

  /** By itself: stored where it may be, shared with nobody under way. */
  function alone(visit: Visit, found: Found): Promise<Response> {
    return fetch(visit, found, { land: () => {}, signal: visit.request.signal, isRead: true });
  }

  async function lead(visit: Visit, found: Found, until: number): Promise<Response> {
    const flight = flights.begin(flightOf(visit, found), found.reading.fence);
    const start = await ended(flight, takeOff(visit, { flight, names: namesOf(found.reading), until }));
    if (start.kind === "landed") return shared(visit, { reason: reasonOf(found.decision) }, start.stored);
    if (start.kind === "alone") return alone(visit, start.found);
    if (start.kind === "unread") return gathered(visit, start.found, until);
    return ended(flight, fly(visit, start.found, { flight, lease: start.lease, isRead: true }));
  }

  /** The flight's fetch. It belongs to all who follow it: it goes on when the client that began it leaves. */
  function fly(
    visit: Visit,
    found: Found,
    flown: { flight: Flight; lease?: Lease | undefined; isRead: boolean; isFollowed?: boolean },
  ): Promise<Response> {
    const land = (ending: Ending) => {
      flown.lease?.release(LANDINGS[ending.kind]);
      flown.flight.end(ending);
    };
    const { flight, isRead, isFollowed = false } = flown;
    return fetch(visit, found, { arrive: flight.arrive, land, signal: undefined, isRead, isFollowed });
  }

  /** Before a flight's fetch: the lease, or what its holder brings. Each turn asks for the lease and looks, in one trip. */
  async function takeOff(
    visit: Visit,
    { flight, names, until }: { flight: Flight; names: readonly string[]; until: number },
  ): Promise<TakeOff> {
    let watch: Watch | undefined;
    try {
      for (let landing: Landing | undefined; ; ) {
        const { lease, retryMs, reading } = await timed(
          visit.trace,
          "lead",
          store.lead(visit.key, names, visit.tags, leaseOf(visit)),
        );
        const found = decide(visit, reading, now());
        if (reading.fence.shared) flight.fence = reading.fence;
        if (deliverable(found.decision) !== undefined) return landed(visit, { flight, found, lease });
        if (lease !== undefined) return { kind: "lead", found, lease };
        if (landing === "not-storable" || !mayCollapse(visit, found, now())) return onItsOwn(flight, found);
        if (!reading.fence.shared) return unread(flight, found);
        if (now() >= until) return { kind: "lead", found, lease: undefined };
        if (watch !== undefined && sameNames(names, reading)) {
          const began = elapsed();
          landing = await watch.landed(Math.min(retryMs + random() * RETRY_JITTER_MS, until - now()));
          tally.leaseWaits += 1;
          tally.leaseWaitMs += elapsed() - began;
        } else {
          // Subscribed first, looked at again next, and only then waited for: no landing falls in between.
          watch?.close();
          names = namesOf(reading);
          watch = await store.watch(visit.key, names);
        }
      }
    } finally {
      watch?.close();
    }
  }

  async function validateBehind(visit: Visit, found: Found): Promise<void> {
    const { reading } = found;
    if (visit.request.method !== "GET" || !reading.fence.shared) return;
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

  async function again(visit: Visit): Promise<Found> {
    const reading = await timed(visit.trace, "look", store.look({ key: visit.key, tags: visit.tags, limits: [] }));
    return decide(visit, reading, now());
  }

  /** What a follower does whose flight brought nothing for it. An origin that cannot be asked is not asked once more for
   * each; after an error of its own it is, where nothing stale stands in: the error may have been about the leader. */
  async function unshared(visit: Visit, found: Found, ending: Exclude<Followed, LookAgain | { kind: "shared" }>) {
    if (ending?.kind === "crowded") return insteadOfError(visit, found, { now: now(), collapsed: true }) ?? CROWDED;
    if (ending === undefined || ending.kind === "not-storable") return alone(visit, found);
    const status = ending.kind === "server-error" ? { status: ending.status } : {};
    const stale = insteadOfError(visit, found, { now: now(), collapsed: true, ...status });
    if (stale !== undefined) return stale;
    if (ending.kind === "failed") throw ending.error;
    return alone(visit, found);
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

/** Another sidecar brought it meanwhile. */
function landed(
  visit: Visit,
  { flight, found, lease }: { flight: Flight; found: Found; lease: Lease | undefined },
): TakeOff {
  const { stored } = found.reading;
  lease?.release("stored");
  if (stored === undefined) return onItsOwn(flight, found);
  const names = namesOf(found.reading);
  flight.end({ kind: "stored", status: undefined, stored, names, variant: visit.key.variant(names) });
  return { kind: "landed", stored: stored.value };
}

/** Redis has been lost since the first look: whoever waits gathers, as who comes now does. */
function unread(flight: Flight, found: Found): TakeOff {
  flight.end({ kind: "not-flown", isUnread: true });
  return { kind: "unread", found };
}

function onItsOwn(flight: Flight, found: Found): TakeOff {
  flight.end({ kind: "not-storable" });
  return { kind: "alone", found };
}

/** Whether a request may wait for another's fetch, or make others wait for its own. */
function mayCollapse({ request, policy }: Visit, { reading, decision }: Found, now: number): boolean {
  if (policy.collapse === false || !isShareable(request, policy)) return false;
  // It asks the origin for its part alone, or on a condition of its own; what it has validated is the whole.
  if (decision.kind === "forward" && (decision.reason === "bypass" || isPartial(request))) return false;
  // A client that insists on the origin is not served by a fetch that began before it asked.
  if ((decision.kind === "forward" || decision.kind === "validate") && decision.reason === "request") return false;
  // What must be validated for each request would only make them wait in a row.
  if (decision.kind === "validate" && (decision.stored.alwaysValidate || decision.stored.lifetime <= 0)) return false;
  return (reading.record?.passUntil ?? 0) <= now;
}

/** Endings after which the store may answer, though the flight itself does not. */
type LookAgain = Extract<Ending, { kind: "stored" | "not-flown" }>;

function mayLookAgain(followed: Followed): followed is LookAgain {
  return followed?.kind === "stored" || followed?.kind === "not-flown";
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

function sameNames(names: readonly string[], reading: Reading<StoredResponse>): boolean {
  return names.join() === namesOf(reading).join();
}

function waitOf({ policy }: Visit): number {
  return policy.collapse === false ? 0 : policy.collapse.wait;
}

function leaseOf({ policy }: Visit): number {
  return policy.collapse === false ? BACKGROUND_LEASE_MS : policy.collapse.lease;
}
