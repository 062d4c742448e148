// The cache, for the proxy: look, decide, and then deliver, validate behind, or fetch. Policy meets the store here;
// the rules are reuse.ts and storing.ts, the waiting for one another is collapsing.ts.

import type { Request, Response } from "../http/message.ts";
import { andThen, type LimitQuestion, type Reading, type Soon, type Store } from "../store/store.ts";
import { createCollapsing } from "./collapsing.ts";
import { deliver } from "./delivery.ts";
import { createFetch, type Origin } from "./fetching.ts";
import type { Flights } from "./flights.ts";
import type { CachePolicy } from "./policy.ts";
import { isDueAhead } from "./refresh-ahead.ts";
import { cacheStatus } from "./status.ts";
import type { StoredResponse } from "./stored-response.ts";
import { behind, decide, type Found, type Trace, timing, type Visit, visiting } from "./visit.ts";

export interface Cache {
  /** A GET or HEAD on a route with this policy; `tags` are what its response carries. */
  visit(request: Request, policy: CachePolicy, context: { tags: readonly string[]; trace: Trace }): Visit;
  /** What is stored and what it means, and what the limits say: one round trip. */
  look(visit: Visit, limits: readonly LimitQuestion[]): Soon<Found>;
  /** The response from what is stored, fresh or in its stale-while-revalidate time; `ttl` in seconds, negative when stale. */
  deliver(visit: Visit, stored: StoredResponse, ttl: number): Response;
  /** Whether this fresh response is to be validated although it is fresh (`refreshAhead`). */
  isDueAhead(visit: Visit, stored: StoredResponse): boolean;
  /** Validates what was just delivered. Does not hold the client's connection. */
  validateBehind(visit: Visit, found: Found): void;
  /** The response from the origin, fetched for this request or shared with others. Rejects where the origin cannot be asked. */
  fetch(visit: Visit, found: Found): Promise<Response>;
}

interface CacheParts {
  readonly store: Store<StoredResponse>;
  readonly origin: Origin;
  /** Hears of content that broke off on its way into the store. */
  readonly broken: (error: Error, request: Request, trace: Trace) => void;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Which of this process' configurations the policies and tags are of. */
  readonly era?: number;
  /** Those of other configurations beside this one's. */
  readonly flights?: Flights;
}

export function createCache({ store, origin, broken, now, elapsed, random, era = 0, flights }: CacheParts): Cache {
  const timed = timing(elapsed);
  const fetch = createFetch({ store, origin, broken, now, timed, random });
  const collapsing = createCollapsing({ store, now, timed, elapsed, random, fetch, flights });

  function found(visit: Visit, reading: Reading<StoredResponse>): Soon<Found> {
    const found = decide(visit, reading, now());
    const isOnTrust = !reading.fence.shared && reading.stored !== undefined;
    if (!isOnTrust || found.decision.kind === "fresh") return found;
    // Memory answered without asking, and what it holds must be validated: that needs the fence as it stands now.
    const question = { key: visit.key, tags: visit.tags, limits: [], certain: true };
    return andThen(store.look(question), (certain) => decide(visit, { ...certain, verdicts: reading.verdicts }, now()));
  }

  return {
    visit: visiting(era),
    look(visit, limits) {
      const reading = timed(visit.trace, "look", store.look({ key: visit.key, tags: visit.tags, limits }));
      return andThen(reading, (reading) => found(visit, reading));
    },
    deliver(visit, stored, ttl) {
      visit.trace.cache = ttl < 0 ? "stale" : "hit";
      return deliver(visit, stored, { now: now(), status: cacheStatus.hit(ttl) });
    },
    isDueAhead({ policy: { refreshAhead } }, stored) {
      return refreshAhead > 0 && isDueAhead(stored, { refreshAhead, now: now(), random: random() });
    },
    validateBehind(visit, found) {
      void collapsing.validateBehind(behind(visit), found);
    },
    fetch: collapsing.fetch,
  };
}
