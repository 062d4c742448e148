// What does the response to an unsafe request invalidate that the request did not name (RFC 9111 §4.4, RFC 9875 §3)?
// Only within the origin that the client asked, and of an error only the groups that it names all the same: after a 5xx nobody
// knows whether the write happened. The request's own tags: invalidation.ts.

import { field, lines, members } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";
import { invalidatedGroupTags } from "./groups.ts";
import { pathTag } from "./invalidation.ts";

/** The tags of the URIs in Location and Content-Location, and of the groups in Cache-Group-Invalidation. */
export function invalidatedByResponse(
  request: Request,
  { status, fields }: { readonly status: number; readonly fields: Fields },
): readonly string[] {
  if (status < 200 || (status >= 400 && status < 500)) return [];
  const references = status >= 500 ? [] : [...lines(fields, "location"), ...lines(fields, "content-location")];
  const tags = references.flatMap((reference) => locationTag(request, reference) ?? []);
  return [...new Set([...tags, ...invalidatedGroupTags(request, fields)])];
}

/** undefined: it is no URI, or one of another origin. A relative one is resolved against the request's. */
function locationTag(request: Request, reference: string): string | undefined {
  const { scheme, authority, target } = request;
  const uri = URL.parse(ascii(reference), `${scheme}://${authority}${target}`);
  if (uri === null || !isSameOrigin(uri, request)) return undefined;
  return pathTag(authority, uri.pathname);
}

/**
 * Whether it is the origin that was asked: as the client named it to us, or to the trusted proxies before us, since origins
 * answer by either. What is invalidated is in any case a path of the authority under which its responses are stored.
 */
function isSameOrigin(uri: URL, { scheme, authority, fields }: Request): boolean {
  const schemes = [scheme, ...members((field(fields, "x-forwarded-proto") ?? "").toLowerCase())];
  const hosts = [authority, ...members(field(fields, "x-forwarded-host") ?? "")];
  if (!schemes.some((each) => uri.protocol === `${each}:`)) return false;
  // Case, default ports and the other spellings of a host are the URL class' affair.
  return hosts.some((host) => URL.parse(`${uri.protocol}//${host}`)?.host === uri.host);
}

const BEYOND_ASCII = /[\x80-\xff]/g;

/** Field values hold one character for each byte; a URI has such bytes escaped. */
function ascii(value: string): string {
  return value.replace(BEYOND_ASCII, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}
