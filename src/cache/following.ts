// What does a request get that follows another one's fetch instead of making its own (RFC 9111 §4, collapsed requests)?
// The response, read along while it still arrives, or as it was stored in the end; else how the flight ended, which is
// for collapsing.ts to act on. Which flight a request may follow at all is said in flights.ts.

import type { Signal } from "../http/abort.ts";
import type { Response } from "../http/message.ts";
import { andThen, type Soon, type Store } from "../store/store.ts";
import { deliver } from "./delivery.ts";
import type { Arriving, Ending, Flight, FlightTally } from "./flights.ts";
import { type Forward, isPartial, type Reuse, reuse } from "./reuse.ts";
import { cacheStatus, type Forwarded } from "./status.ts";
import type { StoredResponse } from "./stored-response.ts";
import type { Visit } from "./visit.ts";

/** How the flight ended is told where this request shares nothing of it; undefined: it did not end in time; "crowded": it has more
 * followers than it may have, or all flights together have. */
export type Followed =
  | { readonly kind: "shared"; readonly response: Response }
  | { readonly kind: "crowded" }
  | Ending
  | undefined;

export interface Following {
  /** Follows `flight` for `waitMs` at the most, reading along aside. Rejects when the client leaves. `reason`: why the request went forward. */
  follow(visit: Visit, flight: Flight, how: How): Promise<Followed>;
  /** The response made of what another request's fetch brought. */
  shared(visit: Visit, why: Why, stored: StoredResponse): Response;
}

interface How {
  readonly reason: Forward;
  readonly waitMs: number;
}

/** Why the request went forward, and the status with which the origin answered the one fetch, where that is known. */
type Why = Pick<Forwarded, "reason" | "status">;

interface FollowingParts {
  readonly store: Pick<Store<StoredResponse>, "look">;
  readonly tally: Pick<FlightTally, "followers">;
  /** Of all flights together; left out: 50,000. */
  readonly maxFollowers?: number;
  /** Epoch ms. */
  readonly now: () => number;
}

interface Arrived extends Pick<How, "reason"> {
  readonly arriving: Arriving;
  /** Epoch ms. */
  readonly until: number;
}

interface Landed extends Pick<How, "reason"> {
  /** undefined: there was none in time. */
  readonly ending: Ending | undefined;
}

/** What a flight brings, whole or still arriving. */
interface Brought extends Pick<Arriving, "stamp" | "tags" | "names" | "variant"> {
  readonly value: StoredResponse;
}

const NOTHING_YET = new Uint8Array(0);
/** Of all flights of this process. */
const MAX_FOLLOWERS = 50_000;
const CROWDED: Followed = Object.freeze({ kind: "crowded" });

export function createFollowing({ store, tally, now, maxFollowers = MAX_FOLLOWERS }: FollowingParts): Following {
  async function follow(visit: Visit, flight: Flight, how: How): Promise<Followed> {
    const { collapse } = visit.policy;
    const isCrowded = collapse !== false && flight.followers >= collapse.followers;
    if (isCrowded || tally.followers >= maxFollowers) return CROWDED;
    tally.followers += 1;
    flight.followers += 1;
    try {
      const until = now() + how.waitMs;
      const news = await within(flight.news, how.waitMs, visit.request.signal);
      if (news?.kind !== "arriving") return await landed(visit, flight, { ending: news, reason: how.reason });
      return await arrived(visit, flight, { arriving: news, reason: how.reason, until });
    } finally {
      tally.followers -= 1;
      flight.followers -= 1;
    }
  }

  async function arrived(visit: Visit, flight: Flight, { arriving, reason, until }: Arrived): Promise<Followed> {
    const response = await readAlong(visit, flight, { arriving, reason });
    if (response !== undefined) return { kind: "shared", response };
    // What has begun to arrive may go on for as long as pieces of it come.
    const { collapse } = visit.policy;
    const waitMs = Math.min(until - now(), collapse === false ? 0 : collapse.wait);
    const ending = await within(flight.ended, waitMs, visit.request.signal);
    return landed(visit, flight, { ending, reason });
  }

  function landed(visit: Visit, flight: Flight, { ending, reason }: Landed): Soon<Followed> {
    if (ending?.kind !== "stored") return ending;
    const { stored, names, variant, status } = ending;
    return andThen(mayShare(visit, flight, { ...stored, names, variant }), (mayHave) => {
      return mayHave ? { kind: "shared", response: shared(visit, { reason, status }, stored.value) } : ending;
    });
  }

  /** The response while it arrives, in the fields that a stored one has; undefined: this request waits for the end. */
  async function readAlong(
    visit: Visit,
    flight: Flight,
    { arriving, reason }: { arriving: Arriving; reason: Forward },
  ): Promise<Response | undefined> {
    // Parts are cut out of the whole.
    if (isPartial(visit.request)) return undefined;
    const stored = { ...arriving.head, body: NOTHING_YET };
    if (!(await mayShare(visit, flight, { ...arriving, value: stored }))) return undefined;
    const response = delivered(visit, { reason, status: arriving.status }, stored);
    const content = response.content === undefined ? undefined : arriving.fill.reader();
    if (response.content !== undefined && content === undefined) return undefined;
    visit.trace.cache = "collapsed";
    return { ...response, content };
  }

  /** Whether what a flight brings may also answer this follower of it: same variant, no validation owed, and none of the tags
   * that only the response knew invalidated since. */
  function mayShare(visit: Visit, flight: Flight, { value, stamp, tags, names, variant }: Brought): Soon<boolean> {
    if (visit.key.variant(names) !== variant) return false;
    const { request, policy } = visit;
    if (deliverable(reuse({ request, stored: value, usable: true, policy, now: now() })) === undefined) return false;
    if (tags.every((tag) => visit.tags.includes(tag))) return true;
    // Where the fence cannot be read those gather who asked before the fetch began.
    if (!flight.fence.shared) return true;
    return andThen(store.look({ key: undefined, tags, limits: [], since: stamp }), ({ fence }) => {
      return fence.shared && fence.latest <= stamp && (fence.soft ?? 0) <= stamp;
    });
  }

  function shared(visit: Visit, why: Why, stored: StoredResponse): Response {
    visit.trace.cache = "collapsed";
    return delivered(visit, why, stored);
  }

  function delivered(visit: Visit, why: Why, stored: StoredResponse): Response {
    return deliver(visit, stored, { now: now(), status: cacheStatus.forwarded({ ...why, collapsed: true }) });
  }

  return { follow, shared };
}

/** What may be delivered without asking: fresh, or stale for a moment in which somebody validates it. */
export function deliverable(decision: Reuse): StoredResponse | undefined {
  return decision.kind === "fresh" || decision.kind === "stale-while-revalidate" ? decision.stored : undefined;
}

/** What `promise` gives; undefined after `ms`; rejects when `signal` aborts. */
function within<T>(promise: Promise<T>, ms: number, signal: Signal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = () => settle(() => reject(new Error("the client has left")));
    const timer = setTimeout(() => settle(() => resolve(undefined)), Math.max(0, ms));
    const settle = (then: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      then();
    };
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
