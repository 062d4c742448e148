// Under which key is the response to a request stored (RFC 9111 §2)? An injective text: every component is preceded
// by its length, an absent one is told from an empty one, and how the key is formed is part of it. Two requests share a
// key only if they are equal in all that was keyed. What selects among the responses of one key is `variantKey` (§4.1).

import { field, lines, withoutBlanks } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";
import type { CachePolicy } from "./policy.ts";
import { normalised } from "./vary.ts";

/**
 * The primary key: scheme, authority, path, what is keyed of query, fields and cookies. HEAD and GET share it. What a
 * trusted proxy says of scheme and host (no other's word is left in the fields by now) counts too: origins redirect by it.
 */
export function primaryKey(request: Request, policy: CachePolicy): string {
  const form = formOf(policy.key);
  const { target } = request;
  const mark = target.indexOf("?");
  const scheme = field(request.fields, "x-forwarded-proto") ?? request.scheme;
  const host = field(request.fields, "x-forwarded-host");
  let key = form.prefix + part(scheme) + part(request.authority) + part(pathOf(target, mark));
  if (host !== undefined && host !== request.authority) key += `@${part(host)}`;
  if (form.query === "all") {
    if (mark !== -1) key += part(sortedQuery(target.slice(mark + 1)));
  } else if (form.query.size > 0) {
    key += part(mark === -1 ? "" : selectedQuery(target.slice(mark + 1), form.query));
  }
  for (const name of form.headers) key += part(normalised(name, request.fields));
  return form.cookies.length === 0 ? key : key + cookiesPart(form.cookies, request.fields);
}

/** The primary key of what a route in shadow mode would have stored: none of a route that answers from the store is ever like it. */
export function shadowKey(request: Request, policy: CachePolicy): string {
  return `~${primaryKey(request, policy)}`;
}

/** Which of a key's variants a request asks for where they differ by `names` (lower-case, sorted): injective text. */
export function variantKey(names: readonly string[], fields: Fields): string {
  let key = "";
  for (const name of names) key += part(name) + part(normalised(name, fields));
  return key;
}

/**
 * The path of a target, without its query, in the one form that all equal paths share: escapes in upper case, escaped
 * unreserved characters unescaped (RFC 3986 §6.2.2.1-2). Slashes and dot segments stay as sent, an escaped dot never makes a dot
 * segment, and text with a malformed escape stays as it is.
 * @param end where the query begins, if that is known; -1: there is none
 */
export function pathOf(target: string, end: number = target.indexOf("?")): string {
  const path = end === -1 ? target : target.slice(0, end);
  if (!path.includes("%")) return path;
  return path
    .split("/")
    .map((segment) => (DOT_SEGMENT.test(segment) ? segment.toUpperCase() : unescapeUnreserved(segment)))
    .join("/");
}

/** `text` with the escapes of unreserved characters undone and the others in upper case. */
export function unescapeUnreserved(text: string): string {
  if (!text.includes("%") || MALFORMED_ESCAPE.test(text)) return text;
  return text.replace(ESCAPE, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return UNRESERVED.test(character) ? character : triplet.toUpperCase();
  });
}

const ESCAPE = /%[\da-f]{2}/gi;
const MALFORMED_ESCAPE = /%(?![\da-f]{2})/i;
const UNRESERVED = /^[\w.~-]$/;
const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;

/** What a route keys by, prepared. */
interface Form {
  /** Tells forms apart, so that routes and sidecars that form keys differently never share one. */
  readonly prefix: string;
  /** Decoded names; empty: none. */
  readonly query: "all" | ReadonlySet<string>;
  /** Lower-case. */
  readonly headers: readonly string[];
  readonly cookies: readonly string[];
}

const forms = new WeakMap<CachePolicy["key"], Form>();

function formOf(key: CachePolicy["key"]): Form {
  let form = forms.get(key);
  if (form === undefined) {
    form = prepared(key);
    forms.set(key, form);
  }
  return form;
}

function prepared(key: CachePolicy["key"]): Form {
  const query = key.query === "all" ? "all" : sortedOnce(key.query === "none" ? [] : key.query);
  const headers = sortedOnce(key.headers.map((name) => name.toLowerCase()));
  const cookies = sortedOnce(key.cookies);
  const isPlain = query === "all" && headers.length === 0 && cookies.length === 0;
  const prefix = part(isPlain ? undefined : JSON.stringify([query, headers, cookies]));
  return { prefix, query: query === "all" ? query : new Set(query), headers, cookies };
}

function sortedOnce(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

/** One component: its length and itself. */
function part(text: string | undefined): string {
  return text === undefined ? "-" : `${text.length}:${text}`;
}

/** More pairs than any honest query has are not sorted: that costs a hit, never a wrong one. */
const MAX_SORTED_PAIRS = 256;

/** Pairs by name, those of one name in the order sent. */
function sortedQuery(query: string): string {
  const text = unescapeUnreserved(query);
  return text.includes("&") ? sorted(text.split("&")).join("&") : text;
}

function selectedQuery(query: string, names: ReadonlySet<string>): string {
  const pairs = unescapeUnreserved(query).split("&");
  return sorted(pairs.filter((pair) => names.has(decoded(nameOf(pair))))).join("&");
}

function sorted(pairs: string[]): string[] {
  if (pairs.length > MAX_SORTED_PAIRS) return pairs;
  return pairs.sort((a, b) => {
    const nameA = nameOf(a);
    const nameB = nameOf(b);
    return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
  });
}

function nameOf(pair: string): string {
  const equals = pair.indexOf("=");
  return equals === -1 ? pair : pair.slice(0, equals);
}

/** A parameter's name as origins read it. */
function decoded(name: string): string {
  if (!name.includes("%") && !name.includes("+")) return name;
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}

/** Every value of each cookie, in the order sent: which of several an origin reads is not ours to guess. */
function cookiesPart(names: readonly string[], fields: Fields): string {
  const pairs = lines(fields, "cookie").flatMap((line) => line.split(";").map(withoutBlanks));
  let key = "";
  for (const name of names) {
    const values = pairs.filter((pair) => nameOf(pair) === name);
    key += `${values.length};`;
    for (const value of values) key += part(value.slice(nameOf(value).length));
  }
  return key;
}
