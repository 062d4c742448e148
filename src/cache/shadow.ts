// What would the cache have done? A route in shadow mode answers nothing from it: each request goes to the origin as its
// client sent it. Beside that the cache is run as if: what would be stored is, under a key of its own (shadowKey) and with
// a digest in the place of its content, so that writes invalidate it, it grows stale and it varies as it would; and where
// it would have answered, the origin's answer is compared with its.

import { Buffer } from "node:buffer";
import { has } from "../http/fields.ts";
import type { Response } from "../http/message.ts";
import type { Store } from "../store/store.ts";
import { compared, type Digest, overheard } from "./comparing.ts";
import { clientHolds } from "./delivery.ts";
import { type Origin, reasonOf } from "./fetching.ts";
import type { Judge, Told } from "./finding.ts";
import { asGet } from "./head.ts";
import { judged, type Refusal } from "./judging.ts";
import { kept } from "./marks.ts";
import { responseTags, withOwnTags } from "./own-tags.ts";
import type { Reuse } from "./reuse.ts";
import { namesApart, type Sketch, sketchOf } from "./sketch.ts";
import { cacheStatus } from "./status.ts";
import type { StoredResponse } from "./stored-response.ts";
import { storing } from "./storing.ts";
import { freshen } from "./validation.ts";
import type { Found, Visit } from "./visit.ts";

/** The origin's answer to a visit; rejects where it cannot be asked. */
export type Shadow = (visit: Visit, found: Found) => Promise<Response>;

export interface ShadowParts extends Judge {
  readonly store: Store<StoredResponse>;
  readonly origin: Origin;
  readonly told: Told;
  /** Epoch ms. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What came, and what the store would have answered with. */
interface Arrival {
  readonly response: Response;
  readonly requestTime: number;
  readonly responseTime: number;
}

export function createShadow({ store, origin, told, judge, now, random }: ShadowParts): Shadow {
  return async function shadowed(visit, found) {
    const { request, policy, trace } = visit;
    const { decision } = found;
    const would = wouldBe(decision);
    trace.cache = would;
    told(visit, { kind: would });
    const requestTime = now();
    let received: Response;
    try {
      received = await origin(request, { fields: request.fields, signal: request.signal, trace });
    } catch (error) {
      if (would === "would-hit") told(visit, { kind: "unjudged", why: "failed" });
      throw error;
    }
    const response = withOwnTags(received, policy);
    const arrival = { response, requestTime, responseTime: now() };
    return decision.kind === "fresh" ? beside(visit, decision, arrival) : asIf(visit, found, arrival);
  };

  /** The cache would have answered: with what is stored. */
  function beside(visit: Visit, { stored, ttl }: Extract<Reuse, { kind: "fresh" }>, arrival: Arrival): Response {
    const { response, requestTime, responseTime } = arrival;
    // The client takes it stale: then it may well be another.
    if (ttl < 0) return answered(response, response.content, `hit; ttl=${ttl}`);
    const essence = essenceIn(stored.body);
    const content = overheard(response.content, (digest) => {
      if (digest === undefined || essence === undefined) return told(visit, { kind: "unjudged", why: "failed" });
      const result = compared({ visit, stored, digest: essence.digest, response, came: digest.text });
      if (result.kind === "incomparable") return told(visit, { kind: "unjudged", why: result.why });
      const storedAt = stored.responseTime;
      if (result.kind === "same") return told(visit, { kind: "same", storedAt, askedAt: requestTime });
      const { aspects } = result;
      const status = { stored: stored.status, origin: response.status };
      const apart = namesApart(essence.asked, sketchOf(visit.request));
      const found = { status, storedAt, at: responseTime, apart, isProven: false };
      void judge(visit, { kind: "different", by: "shadow", aspects, ...found });
    });
    return answered(response, content, `hit; ttl=${ttl}`);
  }

  /** The cache would have asked the origin, and stored what may be stored. */
  function asIf(visit: Visit, found: Found, arrival: Arrival): Response {
    const { response } = arrival;
    const { decision } = found;
    const would = decision.kind === "stale-while-revalidate" ? `hit; ttl=${decision.ttl}` : `fwd=${reasonOf(decision)}`;
    if (response.status === 304) {
      const refused = freshened(visit, found, arrival);
      return refused === undefined ? answered(response, response.content, would) : unkept(refused);
    }
    const verdict = judged(visit, found, { ...arrival, random, isFollowed: false });
    if (verdict.kind === "not-storable") return unkept(verdict.reason);
    const content = overheard(response.content, (digest) => {
      if (digest === undefined) return told(visit, { kind: "not-stored", reason: "incomplete" });
      if (digest.bytes > visit.policy.maxBody) return told(visit, { kind: "not-stored", reason: "oversize" });
      keep(visit, found, { ...verdict.stored, body: essenceOf(digest, sketchOf(visit.request)) });
    });
    return answered(response, content, would);

    function unkept(reason: Refusal): Response {
      told(visit, { kind: "not-stored", reason });
      return answered(response, response.content, `${would}; detail=${reason}`);
    }
  }

  /** The client's own condition was met: if by what is stored, that would have been validated as well. Otherwise why nothing is
   * stored: the cache would have asked without that condition. */
  function freshened(visit: Visit, found: Found, arrival: Arrival): Refusal | undefined {
    const stored = found.decision.kind === "validate" ? found.decision.stored : undefined;
    const { response, requestTime, responseTime } = arrival;
    const { policy } = visit;
    const times = { requestTime, responseTime, policy, random };
    const value = stored && isNamed(visit, stored, response) ? freshen(stored, response, times) : undefined;
    if (value === undefined) return "status";
    const verdict = storing({ request: asGet(visit.request), response: value, ...times });
    if (verdict.kind === "not-storable") return verdict.reason;
    if (responseTags(visit.request, value) === undefined) return "too-many-tags";
    keep(visit, found, value);
    return undefined;
  }

  function keep(visit: Visit, found: Found, value: StoredResponse): void {
    if (!found.reading.fence.shared) return;
    const { names, stored } = kept(visit, found, { value, now: now() });
    void store.put(visit.key, names, stored);
  }
}

/** Whether a 304 to the client's own condition speaks of what is stored: by both ETags, else by the condition. */
function isNamed(visit: Visit, stored: StoredResponse, { fields }: Response): boolean {
  return (stored.etag !== undefined && has(fields, "etag")) || clientHolds(visit, stored);
}

function wouldBe(decision: Reuse): "would-hit" | "would-stale" | "would-miss" {
  if (decision.kind !== "fresh" && decision.kind !== "stale-while-revalidate") return "would-miss";
  return decision.ttl < 0 ? "would-stale" : "would-hit";
}

/** RFC 9211 §2.8: `detail` says what Cache-Status would have said. */
function answered(response: Response, content: Response["content"], would: string): Response {
  const status = cacheStatus.forwarded({ reason: "bypass", status: response.status, detail: `shadow: ${would}` });
  return { ...response, fields: [...response.fields, "Cache-Status", status], content };
}

const encoder = new TextEncoder();

/** What stands in the place of the content. */
interface Essence {
  readonly digest: string;
  /** The request that brought it. */
  readonly asked: Sketch;
}

function essenceOf({ text }: Digest, asked: Sketch): Uint8Array {
  // Not Buffer.from: in the memory store so few bytes would hold the 64 KB of the pool that they were cut from.
  return encoder.encode(JSON.stringify({ digest: text, asked } satisfies Essence));
}

/** undefined: another version wrote it. */
function essenceIn(body: Uint8Array): Essence | undefined {
  try {
    const { digest, asked } = JSON.parse(Buffer.from(body).toString());
    const isWhole = typeof digest === "string" && typeof asked === "object" && asked !== null;
    return isWhole ? { digest, asked } : undefined;
  } catch {
    return undefined;
  }
}
