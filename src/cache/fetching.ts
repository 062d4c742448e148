// One fetch from the origin through to the store: forward or validate, freshen on a 304, store what may be stored,
// and tell how it ended. Who fetches, and who waits instead, is collapsing.ts.

import type { Signal } from "../http/abort.ts";
import { has, only } from "../http/fields.ts";
import { type Fields, type Request, type Response, release } from "../http/message.ts";
import { joined, type Soon, type Store } from "../store/store.ts";
import { clientHolds, deliver, fieldsOf304 } from "./delivery.ts";
import { createFill } from "./fill.ts";
import type { Arriving, Ending } from "./flights.ts";
import { asGet, heedHead } from "./head.ts";
import { isOfTheRequest, judged, type Refusal } from "./judging.ts";
import { type Leash, leashed } from "./leash.ts";
import { kept, marks } from "./marks.ts";
import { responseTags, withOwnTags } from "./own-tags.ts";
import { type Forward, isPartial, type Reuse } from "./reuse.ts";
import { mayOffer, named, type Offer, offers } from "./siblings.ts";
import { insteadOfError } from "./stale-if-error.ts";
import { cacheStatus } from "./status.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import { complete, storing } from "./storing.ts";
import { conditionalFields, freshen, ownLines } from "./validation.ts";
import { type Found, namesOf, type Timed, type Trace, type Visit } from "./visit.ts";

/** Asks the origin; rejects where it cannot be asked. `signal` undefined: the fetch outlives its client. The time it takes is added to `trace`. */
export type Origin = (
  request: Request,
  options: { fields: Fields; signal: Signal | undefined; trace: Trace },
) => Promise<Response>;

export interface FetchOptions {
  /** Hears of a storable response whose content is still to come: others may read along. Left out: nobody else may. */
  readonly arrive?: (arriving: Arriving) => void;
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
  /** Hears of content that broke off on its way into the store. */
  readonly broken: (error: Error, request: Request, trace: Trace) => void;
  /** Epoch ms. */
  readonly now: () => number;
  readonly timed: Timed;
  /** From 0 to 1. */
  readonly random: () => number;
}

interface AskOptions extends FetchOptions {
  /** Variants of the key that the origin may choose from. */
  readonly offered?: readonly Offer[] | undefined;
}

const AGE: ReadonlySet<string> = new Set(["age"]);
/** How long requests for a key go straight through after what came was not storable, ms. */
const PASS_MS = 10_000;
/** How new a stored response may be for a HEAD to leave it alone, ms. */
const UPDATE_MS = 1000;
/** Statuses that answer the conditions of one request. */
const CONDITIONAL: ReadonlySet<number> = new Set([304, 412]);

/** What came, and for whom. */
interface Arrival {
  readonly response: Response;
  readonly requestTime: number;
  readonly options: FetchOptions;
  readonly leash: Leash | undefined;
}

interface Validated extends Arrival {
  /** What the 304 may be about. */
  readonly before: StoredResponse | undefined;
}

export function createFetch({ store, origin, broken, now, timed, random }: FetchParts): Fetch {
  const fetch: Fetch = (visit, found, options) => {
    return mayOffer(visit.request, found.decision) ? offering(visit, found, options) : asked(visit, found, options);
  };

  /** With other variants to choose from. They are asked for only here, where none matched. */
  async function offering(visit: Visit, found: Found, options: FetchOptions): Promise<Response> {
    const siblings = await timed(visit.trace, "siblings", store.siblings(visit.key));
    return asked(visit, found, { ...options, offered: offers(visit.request, siblings) });
  }

  async function asked(visit: Visit, found: Found, options: AskOptions): Promise<Response> {
    const requestTime = now();
    const leash = leashed(options.signal);
    let response: Response;
    try {
      const fields = fieldsFor(visit, found, options.offered);
      const received = await origin(visit.request, { fields, signal: leash?.signal, trace: visit.trace });
      response = withOwnTags(received, visit.policy);
    } catch (error) {
      options.land({ kind: "failed", error: error as Error });
      const stale = insteadOfError(visit, found, { now: now() });
      if (stale !== undefined) return stale;
      throw error;
    }
    const arrival = { response, requestTime, options, leash };
    if (response.status === 304) {
      const { offered = [] } = options;
      if (offered.length > 0) return recalled(visit, found, { ...arrival, offered });
      if (found.decision.kind === "validate") {
        return freshened(visit, found, { ...arrival, before: found.reading.stored?.value });
      }
    }
    const stale =
      response.status >= 500 ? insteadOfError(visit, found, { now: now(), status: response.status }) : undefined;
    if (stale === undefined) return taken(visit, found, arrival);
    options.land({ kind: "server-error", status: response.status });
    release(response.content);
    return stale;
  }

  /** §4.3.4: the variant that the 304 names is this request's, too. */
  async function recalled(visit: Visit, found: Found, arrival: Arrival & { offered: readonly Offer[] }) {
    const offer = named(arrival.offered, arrival.response.fields);
    const sibling = offer && (await timed(visit.trace, "recall", store.recall(visit.key, offer.id)));
    // Another may stand in its place by now.
    const before = sibling?.value.etag === offer?.etag ? sibling?.value : undefined;
    return freshened(visit, found, { ...arrival, before });
  }

  /** §4.3.4: the stored response is freshened under the stamp of the reading before its validation. */
  function freshened(visit: Visit, found: Found, arrival: Validated): Soon<Response> {
    const { response, requestTime, options, before } = arrival;
    const { policy, request } = visit;
    const times = { requestTime, responseTime: now(), policy, random };
    const stored = before === undefined ? undefined : freshen(before, response, times);
    // The 304 speaks of another response than ours: ask again, without conditions.
    if (stored === undefined) {
      const decision: Reuse = { kind: "forward", reason: reasonOf(found.decision) };
      return asked(visit, { ...found, decision }, { ...options, offered: undefined });
    }
    visit.trace.cache = "validated";
    const verdict = storing({ request: asGet(request), response: stored, ...times });
    const isMarked = responseTags(request, stored) !== undefined;
    const mayStore = found.reading.fence.shared && verdict.kind === "storable" && isMarked;
    options.land(mayStore ? keep(visit, found, stored, 304) : { kind: "not-storable" });
    const status = statusOf(found, { status: 304, stored: mayStore });
    const delivered = deliver(visit, stored, { now: now(), status, isValidated: !has(response.fields, "age") });
    return { ...delivered, fields: [...delivered.fields, ...ownLines(response.fields, stored, policy)] };
  }

  /** Stores what may be stored, while it is on its way to the client. */
  function taken(visit: Visit, found: Found, arrival: Arrival): Response {
    const { response, requestTime, options, leash } = arrival;
    const { isFollowed = false } = options;
    if (visit.request.method === "HEAD") heed(visit, found, arrival);
    const verdict = judged(visit, found, { response, requestTime, responseTime: now(), random, isFollowed });
    if (verdict.kind === "not-storable") return passed(visit, found, { ...arrival, reason: verdict.reason });
    const head = verdict.stored;
    leash?.letGo();
    const isStored = found.reading.fence.shared && isWhole(response);
    const status = statusOf(found, { status: response.status, stored: isStored });
    const isHeld = options.isRead && clientHolds(visit, head);
    const isWanted = options.isRead && !isHeld;
    const content = filling(visit, found, { head, content: response.content, isWanted, options });
    if (isHeld) {
      const own = ownLines(response.fields, head, visit.policy);
      const fields = [...fieldsOf304(head.fields), ...own, ...only(response.fields, AGE), "Cache-Status", status];
      return { status: 304, fields, content: undefined };
    }
    return { status: response.status, fields: [...response.fields, "Cache-Status", status], content };
  }

  /** Buffers the content towards the store; returns what its client reads. */
  function filling(visit: Visit, found: Found, { head, content, isWanted, options }: Filling): Response["content"] {
    const { arrive, land } = options;
    if (content === undefined || content instanceof Uint8Array) {
      land(keep(visit, found, complete(head, content ?? new Uint8Array())));
      return isWanted ? content : undefined;
    }
    const fill = createFill(content, visit.policy.maxBody);
    const own = isWanted ? fill.reader() : undefined;
    arrive?.({ kind: "arriving", status: head.status, head, fill, ...marks(visit, found, head) });
    void fill.filled.then((filled) => {
      if (filled.kind === "whole") return land(keep(visit, found, complete(head, filled.body)));
      land({ kind: "not-storable" });
      if (filled.kind === "broken") return broken(filled.error, visit.request, visit.trace);
      void store.pass(visit.key, namesOf(found.reading), now() + PASS_MS);
    });
    fill.begin();
    return own;
  }

  function passed(visit: Visit, found: Found, arrival: Arrival & { reason: Refusal }): Response {
    const { response, options, reason } = arrival;
    const isError = response.status >= 500;
    options.land(isError ? { kind: "server-error", status: response.status } : { kind: "not-storable" });
    const isOfKey = !isOfTheRequest(reason) && !isError && !CONDITIONAL.has(response.status);
    if (isOfKey && reasonOf(found.decision) !== "bypass") {
      void store.pass(visit.key, namesOf(found.reading), now() + PASS_MS);
    }
    if (!options.isRead) release(response.content);
    const status = statusOf(found, { status: response.status, detail: reason });
    return { ...response, fields: [...response.fields, "Cache-Status", status] };
  }

  /** §4.3.5. Marked stale it stays under its old stamp: nothing made it anew. */
  function heed(visit: Visit, found: Found, { response, requestTime }: Arrival): void {
    const { stored, usable, fence } = found.reading;
    if (stored === undefined || !fence.shared) return;
    const times = { requestTime, responseTime: now(), policy: visit.policy, random };
    const about = { request: visit.request, response, stored: stored.value, usable: isAsItWas(found.reading) };
    const heeded = heedHead(about, times);
    // Not for each of many: the whole body is written again.
    if (heeded.kind === "update") {
      const isDue = now() - stored.value.responseTime >= UPDATE_MS;
      if (isDue && responseTags(visit.request, heeded.stored) !== undefined) keep(visit, found, heeded.stored);
    }
    if (heeded.kind !== "stale" || !usable || stored.value.alwaysValidate) return;
    const value = { ...stored.value, alwaysValidate: true };
    // Those of this configuration too: it may have been stored under another one.
    const tags = joined(stored.tags, visit.tags);
    void store.put(visit.key, namesOf(found.reading), { ...stored, value, tags, freshUntil: now() });
  }

  function keep(visit: Visit, found: Found, value: StoredResponse, status = value.status): Ending {
    const { names, variant, stored } = kept(visit, found, { value, now: now() });
    if (found.reading.fence.shared) void store.put(visit.key, names, stored);
    return { kind: "stored", status, stored, names, variant };
  }

  return fetch;
}

interface Filling {
  readonly head: StoredHead;
  readonly content: Response["content"];
  readonly isWanted: boolean;
  readonly options: FetchOptions;
}

/** Towards the origin a fetch that is to be stored asks for the whole, whatever conditions the client has. */
function fieldsFor({ request }: Visit, { decision, reading }: Found, offered: readonly Offer[] = []): Fields {
  if (decision.kind === "validate") return conditionalFields(request, decision.stored, isAsItWas(reading));
  const isFill =
    request.method === "GET" && !isPartial(request) && decision.kind === "forward" && decision.reason !== "bypass";
  if (!isFill) return request.fields;
  const fields = conditionalFields(request);
  if (offered.length === 0) return fields;
  return [...fields, "If-None-Match", offered.map(({ etag }) => etag).join(", ")];
}

/** Whether nobody has said that it changed: by a write, or by a soft purge, which may come in the second in which it was made. */
function isAsItWas({ usable, softAt }: Found["reading"]): boolean {
  return usable && softAt === undefined;
}

function statusOf({ decision }: Found, rest: { status: number; stored?: boolean; detail?: string }): string {
  return cacheStatus.forwarded({ reason: reasonOf(decision), ...rest });
}

/** Whether all of the content is there, or its length is known, so that it will not turn out to be too much to store. */
function isWhole({ content, fields }: Response): boolean {
  return content === undefined || content instanceof Uint8Array || has(fields, "content-length");
}

/** Why the request went forward. */
export function reasonOf(decision: Reuse): Forward {
  return decision.kind === "validate" || decision.kind === "forward" ? decision.reason : "stale";
}
