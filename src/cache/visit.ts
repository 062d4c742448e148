// One request on a cached route: what is asked, under which policy, what a look at the store means for it, and what
// the access log will say of its way.

import type { Fields, Request } from "../http/message.ts";
import type { Asker, Key, Reading, Soon } from "../store/store.ts";
import { primaryKey, shadowKey, variantKey } from "./key.ts";
import type { CachePolicy } from "./policy.ts";
import { type Reuse, reuse } from "./reuse.ts";
import type { StoredResponse } from "./stored-response.ts";

/** What the log says of a request; filled in along its way. */
export interface Trace extends Asker {
  /** What the limiter said: "none" where no limit holds. */
  readonly limit: string;
  /** How the cache answered: "hit", "stale", "collapsed", or why the request went forward (RFC 9211); where that is because
   * what is stored is stale: "validated" with a 304, else "expired". */
  cache: string;
  /** Time spent waiting for the store and for the origin, ms. */
  msStore: number;
  msOrigin: number;
  /** Told of the steps on the way, where a tracer collects them. */
  readonly span?: Steps | undefined;
}

/** Where the steps of a request are told of (tracing.ts). */
export interface Steps {
  /** The store is waited for; what is returned is to be called when that is over. */
  store(what: StoreStep): () => void;
  /** The origin is asked with these fields. */
  origin(request: Request, fields: Fields): OriginStep;
}

export interface OriginStep {
  /** Those given, with the step's own place in the trace instead of the one before. */
  readonly fields: Fields;
  /** To be called once; `status` undefined: there was no answer, and why. */
  end(status: number | undefined, error?: unknown): void;
}

/** What the store is asked. */
export type StoreStep = "look" | "lead" | "siblings" | "recall" | "begin" | "commit";

/** As `timed`, with the clock of one place: monotonic, ms. */
export type Timed = <T>(trace: Trace, what: StoreStep, soon: Soon<T>) => Soon<T>;

/** Waits for `soon` and adds the wait to `trace`. No wait, no time, and no step. */
export function timing(elapsed: () => number): Timed {
  return (trace, what, soon) => {
    if (!(soon instanceof Promise)) return soon;
    const began = elapsed();
    const over = trace.span?.store(what);
    const waited = () => {
      trace.msStore += elapsed() - began;
      over?.();
    };
    // As finally does, which makes three promises of it.
    return soon.then(
      (value) => {
        waited();
        return value;
      },
      (error: unknown) => {
        waited();
        throw error;
      },
    );
  };
}

export interface Visit {
  readonly request: Request;
  readonly policy: CachePolicy;
  readonly key: Key;
  /** What a response stored for this request carries. */
  readonly tags: readonly string[];
  readonly trace: Trace;
}

/** Makes the visits of one configuration: of a GET or HEAD on a route with this policy; `tags` are what its response
 * carries. `era`: as in Key. */
export function visiting(era: number) {
  return (request: Request, policy: CachePolicy, { tags, trace }: Pick<Visit, "tags" | "trace">): Visit => {
    const variant = (names: readonly string[]) => variantKey(names, request.fields);
    const primary = policy.mode === "shadow" ? shadowKey(request, policy) : primaryKey(request, policy);
    const key = { primary, variant, era, asker: trace };
    return { request, policy, key, tags, trace };
  };
}

/** The visit for what is done behind its client's back: time that no client waits for is not the request's. */
export function behind(visit: Visit): Visit {
  const { requestId, route, traceId, limit, span } = visit.trace;
  const trace = { requestId, route, traceId, limit, span, cache: "stale", msStore: 0, msOrigin: 0 };
  return { ...visit, trace };
}

/** A look at the store, and what it means for the request. */
export interface Found {
  readonly reading: Reading<StoredResponse>;
  readonly decision: Reuse;
}

/** What `reading` means for this request at `now` (epoch ms). */
export function decide(visit: Visit, reading: Reading<StoredResponse>, now: number): Found {
  const { request, policy } = visit;
  const stored = reading.stored?.value;
  const varies = namesOf(reading).length > 0;
  const endedFor = reading.softAt === undefined ? undefined : secondsSincePurge(reading, now);
  return { reading, decision: reuse({ request, stored, usable: reading.usable, endedFor, policy, now, varies }) };
}

/**
 * Seconds since what was read was purged softly; undefined: it was not. The fence's clock is that of Redis, which may be
 * another than ours: it was not before the request that brought the response, and not after now.
 */
export function secondsSincePurge({ stored, softAt }: Reading<StoredResponse>, now: number): number | undefined {
  if (softAt === undefined || stored === undefined) return undefined;
  return Math.max(0, now - Math.max(softAt / 1000, stored.value.requestTime)) / 1000;
}

/** What the variants of the key that was looked at differ by. */
export function namesOf(reading: Reading<StoredResponse>): readonly string[] {
  return reading.record?.names ?? [];
}
