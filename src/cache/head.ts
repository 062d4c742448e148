// What does the response to a HEAD say of the stored response that a GET could have been answered with (RFC 9111 §4.3.5)?
// It is never stored itself.

import { field } from "../http/fields.ts";
import type { Request, Response } from "../http/message.ts";
import { isStrongMatch } from "../http/preconditions.ts";
import type { StoredResponse } from "./stored-response.ts";
import { type NotStorable, type StoringAsk, storing } from "./storing.ts";
import { type FreshenTimes, isSameTag, isSameTime, isTellingTime, updated } from "./validation.ts";

export type Heeded =
  /** It is of the same representation: `stored` is the stored response with its fields. */
  | { readonly kind: "update"; readonly stored: StoredResponse }
  /** It is of another one: the stored response is to be considered stale. */
  | { readonly kind: "stale" }
  /** It tells nothing, or must not be made use of. */
  | { readonly kind: "nothing" };

export interface HeadAsk {
  readonly request: Request;
  readonly response: Pick<Response, "status" | "fields" | "targeted" | "ownTags">;
  readonly stored: StoredResponse;
  /** False: invalidated since it was fetched. */
  readonly usable: boolean;
}

const NOTHING: Heeded = { kind: "nothing" };
const STALE: Heeded = { kind: "stale" };
/** Reasons not to store an update that say nothing against what is stored. */
const OF_THE_REQUEST: ReadonlySet<NotStorable> = new Set<NotStorable>(["request", "request-content", "authorization"]);

/**
 * What becomes of the stored response. A departure: the RFC has one updated as well where the HEAD brings no validator at
 * all. Then nothing shows that the stored content is still the current one, and whoever probes with HEAD would keep it fresh
 * for ever.
 */
export function heedHead(ask: HeadAsk, times: FreshenTimes): Heeded {
  const { request, response, stored } = ask;
  if (response.status !== 200) return NOTHING;
  if (isOfAnother(ask)) return STALE;
  // Some frameworks state a length of nothing for every HEAD; a strong tag knows better.
  if (isOtherLength(ask)) return isSameStrongTag(ask) ? NOTHING : STALE;
  if (!isOfTheSame(ask)) return NOTHING;
  const update = updated(stored, response, times);
  const verdict = storing({ request: asGet(request), response: update, ...times });
  if (verdict.kind === "storable") return { kind: "update", stored: update };
  return OF_THE_REQUEST.has(verdict.reason) ? NOTHING : STALE;
}

/** What storing is to judge by where a response for GET is kept on account of a HEAD. */
export function asGet({ content, fields }: Request): StoringAsk["request"] {
  return { method: "GET", content, fields };
}

/** A validator that is not the stored one's, or a stored error that is none any more. */
function isOfAnother({ response: { status, fields }, stored }: HeadAsk): boolean {
  const etag = field(fields, "etag");
  const lastModified = field(fields, "last-modified");
  return (
    status !== stored.status ||
    (etag !== undefined && !isSameTag(etag, stored.etag)) ||
    (lastModified !== undefined && !isSameTime(lastModified, stored.lastModified))
  );
}

function isOtherLength({ response: { fields }, stored }: HeadAsk): boolean {
  const length = field(fields, "content-length");
  return length !== undefined && /^\d+$/.test(length) && Number(length) !== stored.body.byteLength;
}

function isSameStrongTag({ response: { fields }, stored }: HeadAsk): boolean {
  const etag = field(fields, "etag");
  return etag !== undefined && stored.etag !== undefined && isStrongMatch(etag, stored.etag);
}

/** Whether a validator says so that can tell the two apart; none of those received differs. */
function isOfTheSame({ response: { fields }, stored, usable }: HeadAsk): boolean {
  if (field(fields, "etag") !== undefined) return true;
  return field(fields, "last-modified") !== undefined && (usable || isTellingTime(stored));
}
