// One fetch from the origin through to the store: forward or validate, freshen on a 304, store what may be stored,
// and tell how it ended. Who fetches, and who waits instead, is collapsing.ts.

import { Abort, type Signal } from "../http/abort.ts";
import { field } from "../http/fields.ts";
import { type Fields, type Request, type Response, release } from "../http/message.ts";
import type { Soon, Store } from "../store/store.ts";
import { clientHolds, deliver, fieldsOf304 } from "./delivery.ts";
import { createFill } from "./fill.ts";
import type { Ending } from "./flights.ts";
import { currentAge, keepSeconds } from "./freshness.ts";
import { type Forward, isPartial, type Reuse } from "./reuse.ts";
import { cacheStatus } from "./status.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import { complete, type NotStorable, type Storing, type StoringAsk, storing } from "./storing.ts";
import { conditionalFields, freshen } from "./validation.ts";
import { type Found, namesOf, type Trace, type Visit } from "./visit.ts";

/** Asks the origin; rejects where it cannot be asked. `signal` undefined: the fetch outlives its client. The time it takes is added to `trace`. */
export type Origin = (
  request: Request,
  options: { fields: Fields; signal: Signal | undefined; trace: Trace },
) => Promise<Response>;

export interface FetchOptions {
  /** Hears once how the fetch ended, possibly after the response was returned. */
  readonly land: (ending: Ending) => void;
  readonly signal: Signal | undefined;
  /** False where no client waits for the response: it is stored and let go. */
  readonly isRead: boolean;
  /** True: there are others to share it, even where it cannot be stored for want of a stamp. */
  readonly isFollowed?: boolean;
}

/** Fetches for a visit, stores, and returns what its client gets. Rejects, having landed, where the origin cannot be asked and nothing stale may stand in. */
export type Fetch = (visit: Visit, found: Found, options: FetchOptions) => Promise<Response>;

export interface FetchParts {
  readonly store: Store<StoredResponse>;
  readonly origin: Origin;
  /** Epoch ms. */
  readonly now: () => number;
}

/** How long requests for a key go straight through after what came was not storable, ms. */
const PASS_MS = 10_000;
/** More names than this in a Vary would make every request a variant of its own. */
const MAX_NAMES = 10;
/** Reasons that lie in the request: the next one for the key may well be storable. */
const OF_THE_REQUEST: ReadonlySet<Refusal> = new Set<Refusal>([
  "store-away",
  "method",
  "request-content",
  "request",
  "partial",
]);

/** "store-away": there is no stamp to store it under. "event-stream": it does not end, and nobody is to wait for it. */
type Refusal = NotStorable | "store-away" | "event-stream";
type Judgement = Extract<Storing, { kind: "storable" }> | { readonly kind: "not-storable"; readonly reason: Refusal };

/** What came, and for whom. */
interface Arrival {
  readonly response: Response;
  readonly requestTime: number;
  readonly options: FetchOptions;
  readonly leash: Leash | undefined;
}

export function createFetch({ store, origin, now }: FetchParts): Fetch {
  const fetch: Fetch = async (visit, found, options) => {
    const requestTime = now();
    const leash = leashed(options.signal);
    let response: Response;
    try {
      const fields = fieldsFor(visit, found);
      response = await origin(visit.request, { fields, signal: leash?.signal, trace: visit.trace });
    } catch (error) {
      options.land({ kind: "failed", error: error as Error });
      const stale = insteadOfError(visit, found, { now: now() });
      if (stale !== undefined) return stale;
      throw error;
    }
    const arrival = { response, requestTime, options, leash };
    if (found.decision.kind === "validate" && response.status === 304) return freshened(visit, found, arrival);
    const stale =
      response.status >= 500 ? insteadOfError(visit, found, { now: now(), status: response.status }) : undefined;
    if (stale === undefined) return taken(visit, found, arrival);
    options.land({ kind: "server-error", status: response.status });
    release(response.content);
    return stale;
  };

  /** §4.3.4: the stored response is freshened under the stamp of the reading before its validation. */
  function freshened(visit: Visit, found: Found, { response, requestTime, options }: Arrival): Soon<Response> {
    const { policy, request } = visit;
    const times = { requestTime, responseTime: now(), policy };
    const before = found.reading.stored?.value;
    const stored = before === undefined ? undefined : freshen(before, response, times);
    // The 304 speaks of another response than ours: ask again, without conditions.
    if (stored === undefined)
      return fetch(visit, { ...found, decision: { kind: "forward", reason: "stale" } }, options);
    const mayStore = found.reading.fence.shared && storing({ request, response: stored, ...times }).kind === "storable";
    options.land(mayStore ? keep(visit, found, stored) : { kind: "not-storable" });
    return deliver(visit, stored, { now: now(), status: statusOf(found, { status: 304, stored: mayStore }) });
  }

  /** Stores what may be stored, while it is on its way to the client. */
  function taken(visit: Visit, found: Found, arrival: Arrival): Response {
    const { response, requestTime, options, leash } = arrival;
    const { isFollowed = false } = options;
    const verdict = judged(visit, found, { response, requestTime, responseTime: now(), isFollowed });
    if (verdict.kind === "not-storable") return passed(visit, found, { ...arrival, reason: verdict.reason });
    const head = verdict.stored;
    leash?.letGo();
    const status = statusOf(found, { status: response.status, stored: found.reading.fence.shared });
    const isHeld = options.isRead && clientHolds(visit, head);
    const isWanted = options.isRead && !isHeld;
    const content = filling(visit, found, { head, content: response.content, isWanted, land: options.land });
    if (isHeld)
      return { status: 304, fields: [...fieldsOf304(head.fields), "Cache-Status", status], content: undefined };
    return { status: response.status, fields: [...response.fields, "Cache-Status", status], content };
  }

  /** Buffers the content towards the store; returns what its client reads. */
  function filling(visit: Visit, found: Found, { head, content, isWanted, land }: Filling): Response["content"] {
    if (content === undefined || content instanceof Uint8Array) {
      land(keep(visit, found, complete(head, content ?? new Uint8Array())));
      return isWanted ? content : undefined;
    }
    const fill = createFill(content, visit.policy.maxBody, isWanted);
    void fill.filled.then((filled) => {
      if (filled.kind === "whole") return land(keep(visit, found, complete(head, filled.body)));
      land({ kind: "not-storable" });
      if (filled.kind === "broken") return;
      void store.pass(visit.key, namesOf(found.reading), now() + PASS_MS);
    });
    return isWanted ? fill.reader() : undefined;
  }

  function passed(visit: Visit, found: Found, arrival: Arrival & { reason: Refusal }): Response {
    const { response, options, reason } = arrival;
    const isError = response.status >= 500;
    options.land(isError ? { kind: "server-error", status: response.status } : { kind: "not-storable" });
    if (!OF_THE_REQUEST.has(reason) && !isError) void store.pass(visit.key, namesOf(found.reading), now() + PASS_MS);
    if (!options.isRead) release(response.content);
    const status = statusOf(found, { status: response.status, detail: reason });
    return { ...response, fields: [...response.fields, "Cache-Status", status] };
  }

  function keep(visit: Visit, found: Found, value: StoredResponse): Ending {
    const names = union(namesOf(found.reading), value.names);
    const at = now();
    const freshUntil = value.alwaysValidate ? at : at + (value.lifetime - currentAge(value, at)) * 1000;
    const keepUntil = Math.max(at, freshUntil) + keepSeconds(value) * 1000;
    const stored = { value, stamp: found.reading.fence.clock, tags: visit.tags, freshUntil, keepUntil };
    if (found.reading.fence.shared) void store.put(visit.key, names, stored);
    return { kind: "stored", stored, names, variant: visit.key.variant(names) };
  }

  return fetch;
}

interface Leash {
  readonly signal: Signal;
  /** From now on the client's leaving aborts nothing: what comes is stored. */
  letGo(): void;
}

/** A signal that follows the client's until it is let go; undefined for a fetch that outlives its client anyway. */
function leashed(client: Signal | undefined): Leash | undefined {
  if (client === undefined) return undefined;
  const signal = new Abort();
  const abort = () => signal.abort();
  if (client.aborted) abort();
  else client.addEventListener("abort", abort);
  return { signal, letGo: () => client.removeEventListener("abort", abort) };
}

interface Filling {
  readonly head: StoredHead;
  readonly content: Response["content"];
  readonly isWanted: boolean;
  readonly land: (ending: Ending) => void;
}

/** storing.ts, and what only shows here: whether the fence was read, and how much comes. */
function judged(
  visit: Visit,
  { reading, decision }: Found,
  arrived: Pick<StoringAsk, "requestTime" | "responseTime"> & { response: Response; isFollowed: boolean },
): Judgement {
  const { request, policy } = visit;
  const verdict = storing({ request, policy, ...arrived });
  if (verdict.kind === "not-storable") return verdict;
  const refused = (reason: Refusal): Judgement => ({ kind: "not-storable", reason });
  if (!reading.fence.shared && !arrived.isFollowed) return refused("store-away");
  if (arrived.response.endsAtClose) return refused("incomplete");
  // A condition of the client's went along: what came may be true for it alone.
  if (decision.kind === "forward" && decision.reason === "bypass") return refused("request");
  if (field(arrived.response.fields, "content-type")?.startsWith("text/event-stream")) return refused("event-stream");
  if (Number(field(arrived.response.fields, "content-length") ?? 0) > policy.maxBody) return refused("oversize");
  // Of all variants together, since the key tells them apart by the names of all.
  if (union(namesOf(reading), verdict.stored.names).length > MAX_NAMES) return refused("too-many-vary-names");
  return verdict;
}

/** Towards the origin a fetch that is to be stored asks for the whole, whatever conditions the client has. */
function fieldsFor({ request }: Visit, { decision, reading }: Found): Fields {
  if (decision.kind === "validate") return conditionalFields(request, decision.stored, reading.usable);
  const isFill =
    request.method === "GET" && !isPartial(request) && decision.kind === "forward" && decision.reason !== "bypass";
  return isFill ? conditionalFields(request) : request.fields;
}

/** §4.2.4, RFC 5861 §4: a stale response stands in for an error, where both sides allow it. */
export function insteadOfError(
  visit: Visit,
  { decision }: Found,
  error: { now: number; status?: number },
): Response | undefined {
  if (decision.kind !== "validate" || !decision.staleIfError) return undefined;
  visit.trace.cache = "stale";
  const { now, ...rest } = error;
  return deliver(visit, decision.stored, {
    now,
    status: cacheStatus.forwarded({ reason: decision.reason, detail: "stale-if-error", ...rest }),
  });
}

function statusOf({ decision }: Found, rest: { status: number; stored?: boolean; detail?: string }): string {
  return cacheStatus.forwarded({ reason: reasonOf(decision), ...rest });
}

/** Why the request went forward. */
export function reasonOf(decision: Reuse): Forward {
  return decision.kind === "validate" || decision.kind === "forward" ? decision.reason : "stale";
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  if (b.every((name) => a.includes(name))) return a;
  return [...new Set([...a, ...b])].sort();
}
