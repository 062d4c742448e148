// Does a conditional request proceed, given the representation it would select (RFC 9110 §13.2.2)? Whether preconditions
// apply at all is the caller's to know: not where the unconditional answer would be neither 2xx nor 412 (§13.2.1), and a
// cache answering for itself leaves If-Match and If-Unmodified-Since to the origin (RFC 9111 §4.3.2). Not If-Range.

import { parseHttpDate } from "./date.ts";
import { field, withoutBlanks } from "./fields.ts";
import type { Fields } from "./message.ts";

/** `not-modified` asks for 304, `failed` for 412. */
export type Precondition = "proceed" | "not-modified" | "failed";

/** The validators of an existing representation. `etag` as sent; `lastModified` in epoch ms. */
export interface Selected {
  readonly etag?: string | undefined;
  readonly lastModified?: number | undefined;
}

/** Evaluates the request's preconditions in the order of §13.2.2. A date that is none is as if it were not there. */
export function evaluatePreconditions(
  request: { readonly method: string; readonly fields: Fields },
  selected: Selected,
): Precondition {
  const { method, fields } = request;
  const ifMatch = field(fields, "if-match");
  if (ifMatch !== undefined) {
    if (!isAnyMatch(ifMatch, selected.etag, isStrongMatch)) return "failed";
  } else if (isModifiedSince(field(fields, "if-unmodified-since"), selected) === true) return "failed";

  const isRead = method === "GET" || method === "HEAD";
  const ifNoneMatch = field(fields, "if-none-match");
  if (ifNoneMatch !== undefined) {
    if (!isAnyMatch(ifNoneMatch, selected.etag, isWeakMatch)) return "proceed";
    return isRead ? "not-modified" : "failed";
  }
  if (!isRead) return "proceed";
  return isModifiedSince(field(fields, "if-modified-since"), selected) === false ? "not-modified" : "proceed";
}

/** Where the list's quotes are odd, an unclosed one is an ordinary character. */
const LISTED_TAG = /(?:[^",]|"[^"]*"|")+/g;
const WELL_FORMED = /^"[^"]*"$/;

function isAnyMatch(list: string, etag: string | undefined, isMatch: (a: string, b: string) => boolean): boolean {
  if (withoutBlanks(list) === "*") return true;
  if (etag === undefined) return false;
  if (isMatch(list, etag)) return true; // nearly always a list of one
  return (list.match(LISTED_TAG) ?? []).some((listed) => isMatch(withoutBlanks(listed), etag));
}

/** §8.8.3.2. A tag not quoted as it should be is no strong validator of anything. */
export function isStrongMatch(listed: string, etag: string): boolean {
  return listed === etag && WELL_FORMED.test(etag);
}

/** §8.8.3.2. What is not quoted as it should be matches only the very same text: the client can have it only from us. */
function isWeakMatch(listed: string, etag: string): boolean {
  return listed === etag || opaque(listed) === opaque(etag);
}

function opaque(tag: string): string {
  return tag.startsWith('W/"') ? tag.slice(2) : tag;
}

/** undefined: not to be decided, for want of a valid date or of a modification date (§13.1.3, §13.1.4). */
function isModifiedSince(date: string | undefined, selected: Selected): boolean | undefined {
  if (date === undefined || selected.lastModified === undefined) return undefined;
  const since = parseHttpDate(date);
  // HTTP dates have no parts of a second.
  return since === undefined ? undefined : Math.floor(selected.lastModified / 1000) * 1000 > since;
}
