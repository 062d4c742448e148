// A stored response on its way to a client: Age, Cache-Status, and what the client's own conditions and ranges make of
// it, in the order of RFC 9110 §13.2.2: 304, then the parts asked for, then the whole (RFC 9111 §4.3.2).

import { randomUUID } from "node:crypto";
import { parseHttpDate } from "../http/date.ts";
import { field, has, isNamed, without } from "../http/fields.ts";
import type { Fields, Response } from "../http/message.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import { problem } from "../http/problem.ts";
import { type ByteRange, contentRange, isRangeValid, multipart, requestedRanges, slice } from "../http/range.ts";
import { currentAge } from "./freshness.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import type { Visit } from "./visit.ts";

/**
 * The response to `visit` made of `stored`: whole, 304, 206 or 416.
 * @param status the Cache-Status member
 * @param now epoch ms
 * @param isValidated the origin has just said that it holds: Age would deny that (RFC 9111 §5.1)
 */
export function deliver(
  visit: Visit,
  stored: StoredResponse,
  { status, now, isValidated = false }: { status: string; now: number; isValidated?: boolean },
): Response {
  const { request } = visit;
  const age = isValidated ? undefined : Math.floor(currentAge(stored, now));
  if (stored.status === 200 && isParticular(request.fields)) {
    const added = addedFields(age, status);
    if (clientHolds(visit, stored)) {
      return { status: 304, fields: [...fieldsOf304(stored.fields), ...added], content: undefined };
    }
    const part = request.method === "GET" ? inPart(request.fields, stored, added) : undefined;
    if (part !== undefined) return part;
  }
  const content = request.method === "HEAD" ? undefined : stored.body;
  return { status: stored.status, fields: fieldsOf(stored, age, status), content };
}

/** What was delivered whole last. Those who waited for one response, or ask for it in one second, are told the same: they
 * get the same fields, known by identity as such where they are written (server/raw.ts). */
let last: { of: Fields; age: number | undefined; status: string; fields: Fields } | undefined;

function fieldsOf({ fields: of }: StoredHead, age: number | undefined, status: string): Fields {
  if (last === undefined || last.of !== of || last.age !== age || last.status !== status)
    last = { of, age, status, fields: of.concat(addedFields(age, status)) };
  return last.fields;
}

/** `age`: seconds. */
function addedFields(age: number | undefined, status: string): string[] {
  return age === undefined ? ["Cache-Status", status] : ["Age", String(age), "Cache-Status", status];
}

/**
 * Whether the client's If-None-Match or If-Modified-Since says that it has this response already (§4.3.2). A response
 * that names no Last-Modified is as old as its Date says.
 */
export function clientHolds({ request }: Visit, stored: StoredHead): boolean {
  if (stored.status !== 200) return false;
  const { fields } = request;
  if (!has(fields, "if-none-match") && !has(fields, "if-modified-since")) return false;
  const lastModified = dateIn(stored.lastModified) ?? dateIn(field(stored.fields, "date")) ?? stored.responseTime;
  const selected = stored.etag === undefined ? { lastModified } : { lastModified, etag: stored.etag };
  return evaluatePreconditions(request, selected) === "not-modified";
}

/**
 * The lines of `fields` that belong into a 304 (RFC 9110 §15.4.5): the rest the client has. Last-Modified is there for the
 * caches behind us where no ETag tells them which of their responses is meant.
 */
export function fieldsOf304(fields: Fields): string[] {
  const isTagged = has(fields, "etag");
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    if (KEPT_IN_304.has(name) || (name === "last-modified" && !isTagged)) {
      kept.push(fields[i] as string, fields[i + 1] as string);
    }
  }
  return kept;
}

/** Besides those that §15.4.5 names: what other caches, before and behind us, are told; and the cookie that came with a 304. */
const KEPT_IN_304: ReadonlySet<string> = new Set([
  ...["cache-control", "content-location", "date", "etag", "expires", "vary"],
  ...["cache-status", "cdn-cache-control", "set-cookie"],
]);

/** Said of the whole content, so not of a part: its length, its place, its digests (RFC 9530 §2, RFC 2616 §14.15). */
const OF_THE_WHOLE = ["content-length", "content-range", "content-digest", "content-md5"];
const NOT_IN_206: ReadonlySet<string> = new Set(OF_THE_WHOLE);
/** Each part says its own. */
const NOT_IN_MULTIPART: ReadonlySet<string> = new Set([...OF_THE_WHOLE, "content-type"]);
/** A client that knows what it has a part of is not told again how to read it (§15.3.7). */
const NOT_AFTER_IF_RANGE: ReadonlySet<string> = new Set([
  ...OF_THE_WHOLE,
  ...["content-type", "content-encoding", "content-language", "last-modified"],
]);

/** Whether a request may be after something else than the whole response. One look at the fields: nearly none is. */
function isParticular(fields: Fields): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    switch (name.length) {
      case 5:
        if (isNamed(name, "range")) return true;
        break;
      case 13:
        if (isNamed(name, "if-none-match")) return true;
        break;
      case 17:
        if (isNamed(name, "if-modified-since")) return true;
    }
  }
  return false;
}

/**
 * 206, or 416 where there is nothing of what is asked for; undefined where the whole is the answer (§14.2). Ranges are those
 * of the representation as it is stored, content coding and all.
 */
function inPart(asked: Fields, stored: StoredResponse, added: readonly string[]): Response | undefined {
  const range = field(asked, "range");
  if (range === undefined) return undefined;
  const ifRange = field(asked, "if-range");
  const { etag, lastModified } = stored;
  const validators = { etag, lastModified, date: field(stored.fields, "date") };
  if (ifRange !== undefined && !isRangeValid(ifRange, validators)) return undefined;
  const ranges = requestedRanges(range, stored.body.length);
  if (ranges === undefined) return undefined;
  const [first] = ranges;
  if (first === undefined) {
    const fields = ["Content-Range", contentRange(stored.body.length), ...added];
    return problem(416, "None of the ranges asked for begins within the representation.", fields);
  }
  const isKnown = ifRange !== undefined;
  return ranges.length === 1
    ? onePart(stored, first, { isKnown, added })
    : manyParts(stored, ranges, { isKnown, added });
}

/** `isKnown`: by its If-Range the client has another part. */
interface InPart {
  readonly isKnown: boolean;
  readonly added: readonly string[];
}

/** §15.3.7.1 */
function onePart({ fields, body }: StoredResponse, range: ByteRange, { isKnown, added }: InPart): Response {
  const content = slice(body, range);
  const kept = without(fields, isKnown ? NOT_AFTER_IF_RANGE : NOT_IN_206);
  kept.push("Content-Range", contentRange(body.length, range), "Content-Length", String(content.length), ...added);
  return { status: 206, fields: kept, content };
}

/** §15.3.7.2. The whole instead, if it is coded: clients would decode the multipart and not its parts. */
function manyParts(
  { fields, body }: StoredResponse,
  ranges: readonly ByteRange[],
  { isKnown, added }: InPart,
): Response | undefined {
  if (has(fields, "content-encoding")) return undefined;
  // Nobody who made the body can have known it.
  const boundary = randomUUID();
  const { content, length } = multipart(body, ranges, { boundary, type: field(fields, "content-type") });
  const kept = without(fields, isKnown ? NOT_AFTER_IF_RANGE : NOT_IN_MULTIPART);
  kept.push("Content-Type", `multipart/byteranges; boundary=${boundary}`, "Content-Length", String(length), ...added);
  return { status: 206, fields: kept, content };
}

function dateIn(value: string | undefined): number | undefined {
  return value === undefined ? undefined : parseHttpDate(value);
}
