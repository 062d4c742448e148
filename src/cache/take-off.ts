// Which sidecar fetches what several are asked for at once? A flight's leader asks for the lease and looks, in one trip; without
// it, it is woken when the lease's holder has landed, and uses what that brought or competes again. DESIGN.md, "Leases and
// wake-ups". Who waits for whom inside this process: collapsing.ts.

import type { Landing, Lease, Reading, Store, Watch } from "../store/store.ts";
import { type Flight, type FlightTally, mayCollapse } from "./flights.ts";
import { deliverable } from "./following.ts";
import type { StoredResponse } from "./stored-response.ts";
import { decide, type Found, namesOf, type Timed, type Visit } from "./visit.ts";

/** What a leader knows when it may go: the lease (or that its wait is over), what another sidecar brought, that it is on its own,
 * that the origin has answered others with two errors in a row, or that the fence cannot be read any more. */
export type TakeOff =
  | { readonly kind: "lead"; readonly found: Found; readonly lease: Lease | undefined }
  | { readonly kind: "landed"; readonly stored: StoredResponse }
  | { readonly kind: "alone"; readonly found: Found }
  | { readonly kind: "failing"; readonly found: Found }
  | { readonly kind: "unread"; readonly found: Found };

/** Before a flight's fetch: the lease, or what its holder brings. `names`: by which the stored variants are told apart, as far as
 * known; `until`: epoch ms, when the wait is over. Ends the flight where nothing will be fetched for it. Rejects where the store
 * does. */
export type TakingOff = (
  visit: Visit,
  how: { readonly flight: Flight; readonly names: readonly string[]; readonly until: number },
) => Promise<TakeOff>;

interface TakingOffParts {
  readonly store: Pick<Store<StoredResponse>, "lead" | "watch">;
  readonly tally: Pick<FlightTally, "leaseWaits" | "leaseWaitMs">;
  /** Epoch ms. */
  readonly now: () => number;
  readonly timed: Timed;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** How long a lease is asked for where the route does not collapse, so that its validations still do, ms. */
const BACKGROUND_LEASE_MS = 10_000;
/** So that not all sidecars ask for a lease that has ended at the same moment, ms. */
const RETRY_JITTER_MS = 25;

export function createTakingOff({ store, tally, now, timed, elapsed, random }: TakingOffParts): TakingOff {
  return async (visit, { flight, names: known, until }) => {
    let names = known;
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
        if (lease !== undefined) {
          const isFailing = flight.isRetry && (await watch?.landed(0)) === "error";
          if (!isFailing) return { kind: "lead", found, lease };
          lease.release("error");
          return failing(flight, found);
        }
        if (landing === "not-storable" || !mayCollapse(visit, found, now())) return onItsOwn(flight, found);
        if (!reading.fence.shared) return unread(flight, found);
        if (now() >= until) return { kind: "lead", found, lease: undefined };
        if (watch !== undefined && sameNames(names, reading)) {
          const began = elapsed();
          landing = await watch.landed(Math.min(retryMs + random() * RETRY_JITTER_MS, until - now()));
          tally.leaseWaits += 1;
          tally.leaseWaitMs += elapsed() - began;
          if (landing === "error" && flight.isRetry) return failing(flight, found);
          if (landing !== undefined) flight.isRetry = landing === "error";
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
  };
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

function failing(flight: Flight, found: Found): TakeOff {
  flight.end({ kind: "server-error", status: undefined, isRepeated: true });
  return { kind: "failing", found };
}

function onItsOwn(flight: Flight, found: Found): TakeOff {
  flight.end({ kind: "not-storable" });
  return { kind: "alone", found };
}

function sameNames(names: readonly string[], reading: Reading<StoredResponse>): boolean {
  return names.join() === namesOf(reading).join();
}

/** How long a lease is asked for at a time, ms. */
export function leaseOf({ policy }: Visit): number {
  return policy.collapse === false ? BACKGROUND_LEASE_MS : policy.collapse.lease;
}
