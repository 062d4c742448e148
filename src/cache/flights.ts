// Which fetches of this process are under way, and who may join one (RFC 9111 §4, collapsed requests). The joining
// rule is the fence's: a follower may join only if nothing it has just read is later than the flight's stamp, so
// that a flight begun before a write never answers a request made after it. Leases between processes: take-off.ts;
// what those who joined get: following.ts.

import type { FenceReading, Stored } from "../store/store.ts";
import type { Fill } from "./fill.ts";
import type { CachePolicy } from "./policy.ts";
import { isPartial, isShareable } from "./reuse.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import type { Found, Visit } from "./visit.ts";

/** A storable response on its way: its head is there, and its content is being buffered. */
export interface Arriving {
  readonly kind: "arriving";
  /** The origin's. */
  readonly status: number;
  readonly head: StoredHead;
  readonly fill: Pick<Fill, "reader">;
  /** What it will be stored under. */
  readonly stamp: number;
  readonly tags: readonly string[];
  readonly names: readonly string[];
  readonly variant: string;
}

/** How a flight ended. */
export type Ending =
  | {
      readonly kind: "stored";
      /** The origin's, which is 304 where it validated; undefined: another sidecar asked it. */
      readonly status: number | undefined;
      readonly stored: Stored<StoredResponse>;
      readonly names: readonly string[];
      readonly variant: string;
    }
  /** What came may serve only the one it was fetched for: each of the others asks for itself. */
  | { readonly kind: "not-storable" }
  /** Nothing was fetched: another sidecar is at it, or it was not due any more. Each of the others looks again. `isUnread`: the
   * fence cannot be read any more, and they gather. */
  | { readonly kind: "not-flown"; readonly isUnread?: boolean }
  /** The origin answered with an error that is not stored; `status` undefined: it answered another sidecar so. `isRepeated`: and
   * had just done so before, so that nobody asks once more. */
  | { readonly kind: "server-error"; readonly status: number | undefined; readonly isRepeated?: boolean }
  /** The origin could not be asked. */
  | { readonly kind: "failed"; readonly error: Error };

export interface Flight {
  /** How many wait for it now. */
  followers: number;
  /** The origin has just answered somebody else's request for the same with an error. */
  isRetry: boolean;
  /** The reading it is fenced by; replaced by a later one as long as its fetch has not begun. */
  fence: FenceReading;
  /** The first that is known of it: that its response is arriving, or how it ended. */
  readonly news: Promise<Arriving | Ending>;
  readonly ended: Promise<Ending>;
  /** Tells of a response that others may read along with; not every one does. */
  arrive(arriving: Arriving): void;
  /** Ends it; later calls change nothing. */
  end(ending: Ending): void;
}

/** What a flight is for. */
interface Aim {
  readonly key: string;
  /** Known by identity. Where another configuration has taken the place of the one that a flight was begun under, and says
   * something else of its route, or names another origin, what it brings is not for those who ask from then on. */
  readonly policy: CachePolicy;
}

/** What there is of flights, and of waiting for those of other sidecars. */
export interface FlightTally {
  underWay: number;
  /** Requests that wait for one. */
  followers: number;
  /** Waits for another sidecar's flight that are over, and how long they took, ms. */
  leaseWaits: number;
  leaseWaitMs: number;
}

export function createFlightTally(): FlightTally {
  return { underWay: 0, followers: 0, leaseWaits: 0, leaseWaitMs: 0 };
}

export interface Flights {
  /** Where they are counted. */
  readonly tally: FlightTally;
  /** The flight with this aim that a request with this reading may follow. */
  join(aim: Aim, fence: FenceReading): Flight | undefined;
  /** A new flight; one of the same key that could not be joined goes on for its own followers. */
  begin(aim: Aim, fence: FenceReading): Flight;
}

/** From so many followers on, what the store is told of a landing leaves first: other processes wait for it, and answering
 * a thousand takes 40 ms. */
const A_CROWD = 16;
const UNREAD: FenceReading = Object.freeze({ shared: false, clock: 0, latest: Number.POSITIVE_INFINITY });

/** The flights of one process: as many as there are fetches under way, which the upstream's queue bounds. */
export function createFlights(tally: FlightTally = createFlightTally()): Flights {
  const flights = new Map<string, { readonly flight: Flight; readonly policy: CachePolicy }>();
  return {
    tally,
    join({ key, policy }, fence) {
      const found = flights.get(key);
      return found?.policy === policy && mayJoin(found.flight, fence) ? found.flight : undefined;
    },
    begin({ key, policy }, fence) {
      tally.underWay += 1;
      const flight = createFlight(fence, () => {
        tally.underWay -= 1;
        if (flights.get(key)?.flight === flight) flights.delete(key);
      });
      flights.set(key, { flight, policy });
      return flight;
    },
  };
}

/** A flight that is in no list. `fence` left out: one that nobody may join. `landed` is called once, when it ends. */
export function createFlight(fence: FenceReading = UNREAD, landed: () => void = () => {}): Flight {
  const news = Promise.withResolvers<Arriving | Ending>();
  const ended = Promise.withResolvers<Ending>();
  let isUnderWay = true;
  const tell = (ending: Ending) => {
    news.resolve(ending);
    ended.resolve(ending);
  };
  const flight: Flight = {
    followers: 0,
    isRetry: false,
    fence,
    news: news.promise,
    ended: ended.promise,
    arrive: news.resolve,
    end(ending) {
      if (!isUnderWay) return;
      isUnderWay = false;
      landed();
      if (flight.followers < A_CROWD) tell(ending);
      else setImmediate(tell, ending);
    },
  };
  return flight;
}

function mayJoin(flight: Flight, fence: FenceReading): boolean {
  if (fence.soft !== undefined && fence.soft > flight.fence.clock) return false;
  return flight.fence.shared && fence.shared && fence.latest <= flight.fence.clock;
}

/** Whether a request may wait for another's fetch, or make others wait for its own. */
export function mayCollapse({ request, policy }: Visit, { reading, decision }: Found, now: number): boolean {
  if (policy.collapse === false || !isShareable(request, policy)) return false;
  // It asks the origin for its part alone, or on a condition of its own; what it has validated is the whole.
  if (decision.kind === "forward" && (decision.reason === "bypass" || isPartial(request))) return false;
  // A client that insists on the origin is not served by a fetch that began before it asked.
  if ((decision.kind === "forward" || decision.kind === "validate") && decision.reason === "request") return false;
  // What must be validated for each request would only make them wait in a row.
  if (decision.kind === "validate" && (decision.stored.alwaysValidate || decision.stored.lifetime <= 0)) return false;
  return (reading.record?.passUntil ?? 0) <= now;
}
