// A stored response on its way to a client: Age, Cache-Status, and the client's own conditions (RFC 9111 §4.3.2).

import { parseHttpDate } from "../http/date.ts";
import { field, has } from "../http/fields.ts";
import type { Fields, Response } from "../http/message.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import { currentAge } from "./freshness.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import type { Visit } from "./visit.ts";

/** Fields of a 304 besides Age and Cache-Status (RFC 9110 §15.4.5); the rest the client has. */
const KEPT_IN_304 = new Set(["cache-control", "content-location", "date", "etag", "expires", "vary"]);

/**
 * The response to `visit` made of `stored`: whole, or 304.
 * @param status the Cache-Status member
 * @param now epoch ms
 */
export function deliver(
  visit: Visit,
  stored: StoredResponse,
  { status, now }: { status: string; now: number },
): Response {
  const added = ["Age", String(Math.floor(currentAge(stored, now))), "Cache-Status", status];
  if (clientHolds(visit, stored)) {
    return { status: 304, fields: [...fieldsOf304(stored.fields), ...added], content: undefined };
  }
  const content = visit.request.method === "HEAD" ? undefined : stored.body;
  return { status: stored.status, fields: stored.fields.concat(added), content };
}

/**
 * Whether the client's If-None-Match or If-Modified-Since says that it has this response already (§4.3.2). A response
 * that names no Last-Modified is as old as its Date says.
 */
export function clientHolds({ request }: Visit, stored: StoredHead): boolean {
  if (stored.status !== 200) return false;
  const { fields } = request;
  if (!has(fields, "if-none-match") && !has(fields, "if-modified-since")) return false;
  const date = stored.lastModified ?? field(stored.fields, "date");
  const lastModified = (date === undefined ? undefined : parseHttpDate(date)) ?? stored.responseTime;
  const selected = stored.etag === undefined ? { lastModified } : { lastModified, etag: stored.etag };
  return evaluatePreconditions(request, selected) === "not-modified";
}

/** The lines of `fields` that belong into a 304. */
export function fieldsOf304(fields: Fields): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (KEPT_IN_304.has(name.toLowerCase())) kept.push(name, fields[i + 1] ?? "");
  }
  return kept;
}
