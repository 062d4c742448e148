// How is the origin asked whether a stored response still holds, and what does its 304 change (RFC 9111 §4.3)? Towards
// clients preconditions are evaluated by http/preconditions.ts instead.

import { formatHttpDate, parseHttpDate } from "../http/date.ts";
import { field, has, only, without } from "../http/fields.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { directivesOf } from "./directives.ts";
import { freshnessLifetime } from "./freshness.ts";
import type { CachePolicy } from "./policy.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import { ownNames, storedHead } from "./storing.ts";

/**
 * The fields of the request that fills the cache: without the client's own conditions and ranges, which are answered from
 * what comes; with ours (§4.3.1) where `stored` has validators. `usable` false: it is known to have been overtaken by a write or a purge, so
 * that only a validator will do that tells the two apart.
 */
export function conditionalFields(request: Request, stored?: StoredResponse, usable = true): Fields {
  const fields = without(request.fields, CONDITIONS);
  if (stored?.etag !== undefined) fields.push("If-None-Match", stored.etag);
  if (stored?.lastModified !== undefined && (usable || isTellingTime(stored))) {
    fields.push("If-Modified-Since", stored.lastModified);
  }
  return fields;
}

/**
 * Whether Last-Modified tells this response from one made after it (RFC 9110 §8.8.2.2): not where it was made in the second in
 * which it changed, since a write within that second gives the next one the same time.
 */
export function isTellingTime({ lastModified, fields, responseTime }: StoredResponse): boolean {
  const changed = lastModified === undefined ? undefined : parseHttpDate(lastModified);
  const made = parseHttpDate(field(fields, "date") ?? "") ?? responseTime;
  return changed !== undefined && changed + 1000 <= made;
}

export interface FreshenTimes {
  /** Epoch ms: the conditional request went out, the 304 came in. */
  readonly requestTime: number;
  readonly responseTime: number;
  readonly policy: CachePolicy;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

/**
 * The stored response as the 304 updates it (§3.2, §4.3.4); undefined where the 304 does not speak of it. It may be
 * delivered; whether it may be stored again is for `storing` to say of its fields: a 304 may well forbid that.
 * @param notModified hop-by-hop fields removed, Age still there
 */
export function freshen(
  stored: StoredResponse,
  notModified: Pick<Response, "status" | "fields" | "targeted" | "ownTags">,
  times: FreshenTimes,
): StoredResponse | undefined {
  return notModified.status === 304 && selects(notModified.fields, stored)
    ? updated(stored, notModified, times)
    : undefined;
}

/** The stored response with the fields of a later one without content that speaks of it (§3.2), as old and as fresh as that. */
export function updated(
  stored: StoredResponse,
  update: Pick<Response, "fields" | "targeted" | "ownTags">,
  times: FreshenTimes,
): StoredResponse {
  const fields = merged(stored, update.fields, times.responseTime);
  const targeted = update.targeted ?? stored.targeted;
  const ownTags = update.ownTags ?? stored.ownTags;
  const directives = directivesOf({ fields, targeted });
  const ask = { status: stored.status, fields, targeted, ownTags, directives, ...times };
  const freshness = freshnessLifetime(ask) ?? { lifetime: 0, statedBy: "origin" };
  return { ...storedHead(ask, freshness), body: stored.body };
}

/** The lines of a response that are for its own client alone: not kept in what was stored or freshened by it. */
export function ownLines(response: Fields, stored: StoredHead, policy: CachePolicy): string[] {
  const names = ownNames(directivesOf(stored).cc, policy);
  return names.length === 0 ? [] : only(response, new Set(names));
}

const CONDITIONS: ReadonlySet<string> = new Set([
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "range",
]);

/** Not updated (§3.2): they describe the bytes stored, or the message that the 304 itself is. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  "content-length",
  "content-encoding",
  "content-range",
  "content-md5",
  "content-digest", // of the content of the message that carries it (RFC 9530 §2): a 304 has none
  "transfer-encoding",
  "trailer",
]);

/**
 * §4.3.4. Two departures, both for 304s that did answer our own condition: one without any validator selects, since many
 * origins leave them out; and a weak validator of ours is compared weakly even if the 304's is strong, since origins
 * that compress on the way weaken it in the 200 alone.
 */
function selects(fields: Fields, stored: StoredResponse): boolean {
  const etag = field(fields, "etag");
  if (etag !== undefined && stored.etag !== undefined) {
    return isSameTag(etag, stored.etag);
  }
  if (etag !== undefined && !isWeak(etag)) return false;
  const lastModified = field(fields, "last-modified");
  if (lastModified === undefined || stored.lastModified === undefined) return true;
  return isSameTime(lastModified, stored.lastModified);
}

function isWeak(etag: string): boolean {
  return etag.startsWith("W/");
}

function opaque(etag: string): string {
  return isWeak(etag) ? etag.slice(2) : etag;
}

/** Weakly, as above. */
export function isSameTag(etag: string, stored: string | undefined): boolean {
  return stored !== undefined && opaque(etag) === opaque(stored);
}

/** The same text, or the same moment. */
export function isSameTime(lastModified: string, stored: string | undefined): boolean {
  if (stored === undefined || lastModified === stored) return stored !== undefined;
  const time = parseHttpDate(lastModified);
  return time !== undefined && time === parseHttpDate(stored);
}

/** Each field of the 304 replaces all stored lines of its name; what it does not name stays, Vary among it. */
function merged(stored: StoredResponse, update: Fields, responseTime: number): Fields {
  const notUpdated = new Set(OF_THE_BODY);
  // The stored bytes are known to be weakly equal only: a strong tag is not theirs.
  if (stored.etag !== undefined && isWeak(stored.etag)) notUpdated.add("etag");
  const fresh = without(update, notUpdated);
  // Its age counts from the 304, not from the first response's Date.
  if (!has(fresh, "date")) fresh.push("Date", formatHttpDate(responseTime));
  const replaced = new Set<string>();
  for (let i = 0; i < fresh.length; i += 2) replaced.add((fresh[i] as string).toLowerCase());
  return [...without(stored.fields, replaced), ...fresh];
}
