// Which fields of a message go on to the other side, and what does a gateway add (RFC 9110 §7.6, RFC 7239)? Fields of the
// connection end here, and so does whatever its Connection field names, except the fields below that no client may make
// us lose: stripped behind a cache's or a backend's back they are a known way to poison the one or to fool the other.
//
// In responses a gateway may leave Via out (§7.6.3), and we do: Cache-Status already says who was there.

import { closingQuote, field, isNamed, members } from "./fields.ts";
import type { Fields, Request } from "./message.ts";

/** How Via and loops know us. */
const PSEUDONYM = "forebay";

/** More sidecars than this in one chain are taken for a loop. */
const HOPS = 8;

/** Of one connection only (§7.6.1), sent by intermediaries of all ages; and h2c's, which is never tunnelled. */
const HOP_BY_HOP_NAMES = [
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"],
  ...["proxy-authenticate", "proxy-authorization", "proxy-authentication-info", "http2-settings"],
];
const HOP_BY_HOP = byLength(HOP_BY_HOP_NAMES);

/**
 * What does not reach the origin as the client sent it: hop-by-hop, written anew below, answered by the listener
 * (Expect), or never a field of HTTP but a way to set HTTP_PROXY in a CGI script (Proxy).
 */
const NOT_PASSED_ON = byLength([
  ...HOP_BY_HOP_NAMES,
  ...["host", "content-length", "via", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"],
  ...["x-request-id", "expect", "proxy"],
]);

/** What a Connection field cannot take away, in either direction: framing, credentials, what caches and origins decide by. */
const END_TO_END = byLength([
  ...["host", "content-length", "content-type", "content-encoding", "content-language", "content-location"],
  ...["content-range", "authorization", "www-authenticate", "cookie", "set-cookie", "origin", "referer", "user-agent"],
  ...[
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
  ],
  ...["if-modified-since", "if-unmodified-since", "max-forwards", "pragma"],
  ...["cache-control", "cdn-cache-control", "forebay-cache-control"],
  ...[
    "age",
    "date",
    "expires",
    "etag",
    "last-modified",
    "vary",
    "location",
    "allow",
    "retry-after",
    "surrogate-control",
  ],
  ...["surrogate-key", "cache-tag", "cache-groups", "cache-group-invalidation", "cache-status"],
  ...["via", "forwarded", "x-real-ip", "x-request-id"],
  ...["traceparent", "tracestate"],
]);

export interface TowardsOrigin {
  /** From `requestIdOf`. */
  readonly requestId: string;
  /** The connection's other end is a trusted proxy: what it says of the client is believed and added to. */
  readonly trusted: boolean;
  /** True: the request's upgrade is asked for again. Not where the origin's client does so itself. */
  readonly upgrade?: boolean;
}

/** The fields of `request` as the origin is to see them, exactly one Host (the authority) among them. */
export function towardsOrigin(request: Request, options: TowardsOrigin): string[] {
  const { fields } = request;
  const nominated = nominatedIn(fields);
  const sent: string[] = ["Host", request.authority];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (includes(NOT_PASSED_ON, name) || isForged(name, options.trusted)) continue;
    if (nominated?.has(name.toLowerCase())) continue;
    sent.push(name, fields[i + 1] as string);
  }
  addFraming(sent, fields);
  addTrace(sent, request, options);
  if (options.upgrade === true) addUpgrade(sent, request.upgrade);
  return sent;
}

/**
 * The fields of a response as the client is to see them; also those that may be stored (RFC 9111 §3.1). `upgrade` is the
 * protocol switched to, only with status 101.
 */
export function towardsClient(fields: Fields, upgrade?: string): string[] {
  const nominated = nominatedIn(fields);
  const isChunked = field(fields, "transfer-encoding") !== undefined;
  const sent: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (includes(HOP_BY_HOP, name) || nominated?.has(name.toLowerCase())) continue;
    if (isChunked && isNamed(name, "content-length")) continue;
    sent.push(name, fields[i + 1] as string);
  }
  addUpgrade(sent, upgrade);
  return sent;
}

/**
 * The fields of a request as everything behind the listener is to see them: without those that the client named in
 * Connection and those in which an untrusted peer (`trusted` false) speaks as a proxy. A cache key made of fields that
 * the origin never sees would be a client's to poison. The same list where nothing is to be removed.
 */
export function believed(fields: Fields, trusted: boolean): Fields {
  const nominated = nominatedIn(fields);
  let kept: string[] | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (isForged(name, trusted) || nominated?.has(name.toLowerCase())) kept ??= fields.slice(0, i);
    else kept?.push(name, fields[i + 1] as string);
  }
  return kept ?? fields;
}

/** The client's X-Request-Id where it is one line of 1 to 128 visible ASCII characters without quotes and backslashes, otherwise what `make` returns. */
export function requestIdOf(request: { readonly fields: Fields }, make: () => string): string {
  return sentId(request) ?? make();
}

/** The first half of `requestIdOf`; undefined: the client sent no such id. */
export function sentId(request: { readonly fields: Fields }): string | undefined {
  const sent = field(request.fields, "x-request-id");
  return sent !== undefined && SANE_ID.test(sent) ? sent : undefined;
}

/** Whether the request came through so many sidecars (Via, §7.6.3) that it must be going round in circles: 508. */
export function isLoop(request: { readonly fields: Fields }): boolean {
  const via = field(request.fields, "via");
  if (via === undefined || via.length < HOPS * PSEUDONYM.length) return false;
  return members(via).filter((member) => OUR_HOP.test(member)).length > HOPS;
}

// Printable, and without what JSON escapes: access lines carry it as it is.
const SANE_ID = /^[!#-[\]-~]{1,128}$/;
const OUR_HOP = new RegExp(`^\\S+[ \\t]+${PSEUDONYM}(?![^ \\t(])`, "i");
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const QUOTED_PAIR = /["\\]/g;
const LENGTH = /^\d{1,15}$/;

/** Lower-case names by their length, so that most questions are answered by the length alone. */
type Names = readonly (readonly string[] | undefined)[];

function byLength(names: readonly string[]): Names {
  const buckets: string[][] = [];
  for (const name of names) {
    const bucket = buckets[name.length];
    if (bucket === undefined) buckets[name.length] = [name];
    else bucket.push(name);
  }
  return Array.from(buckets);
}

function includes(names: Names, sent: string): boolean {
  const bucket = names[sent.length];
  if (bucket === undefined) return false;
  for (const name of bucket) if (isNamed(sent, name)) return true;
  return false;
}

/** The lower-case names that Connection takes away; undefined, nearly always, for none. */
function nominatedIn(fields: Fields): ReadonlySet<string> | undefined {
  const connection = field(fields, "connection");
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined;
  const names = members(connection.toLowerCase()).filter((name) => !isEndToEnd(name) && !includes(HOP_BY_HOP, name));
  return names.length > 0 ? new Set(names) : undefined;
}

function isEndToEnd(name: string): boolean {
  return includes(END_TO_END, name) || isForwardedFamily(name);
}

/**
 * Whether a request's field is one in which only a trusted proxy may speak, or one of those a CGI-like backend would take
 * for one of ours or for the message's framing, because it reads "_" and "-" alike.
 */
function isForged(name: string, trusted: boolean): boolean {
  if (!trusted && (isForwardedFamily(name) || includes(ONLY_OF_PROXIES, name))) return true;
  if (!name.includes("_")) return false;
  const read = name.replaceAll("_", "-");
  return includes(NOT_PASSED_ON, read) || isForwardedFamily(read) || isNamed(read, "x-real-ip");
}

/** Besides X-Forwarded-*. By the last three a proxy tells some origins which host and path to answer for: never keyed. */
const ONLY_OF_PROXIES = byLength(["forwarded", "x-real-ip", "x-host", "x-original-url", "x-rewrite-url"]);

const FAMILY = "x-forwarded-";

function isForwardedFamily(name: string): boolean {
  if (name.length <= FAMILY.length || name.charCodeAt(1) !== 0x2d) return false;
  return isNamed(name.slice(0, FAMILY.length), FAMILY);
}

/** Content-Length only where it is one valid length and the only framing (RFC 9112 §6.3); without it content is chunked. */
function addFraming(sent: string[], fields: Fields): void {
  const length = field(fields, "content-length");
  const coding = field(fields, "transfer-encoding");
  if (length !== undefined && coding === undefined) {
    const lengths = members(length);
    const first = lengths[0];
    if (first !== undefined && LENGTH.test(first) && lengths.every((each) => each === first)) {
      sent.push("Content-Length", first);
    }
  }
  const te = field(fields, "te");
  if (te !== undefined && members(te.toLowerCase()).includes("trailers")) sent.push("TE", "trailers");
}

function addTrace(sent: string[], request: Request, { requestId, trusted }: TowardsOrigin): void {
  const { authority, scheme } = request;
  // What an untrusted peer says of the client is as if it were not there.
  const told = trusted ? request.fields : [];
  const peer = plainAddress(request.peer);
  const forwardedFor = appended(field(told, "x-forwarded-for"), peer);
  if (forwardedFor !== "") sent.push("X-Forwarded-For", forwardedFor);
  sent.push("X-Forwarded-Proto", field(told, "x-forwarded-proto") || scheme);
  sent.push("X-Forwarded-Host", field(told, "x-forwarded-host") || authority);
  sent.push("Forwarded", appended(closed(field(told, "forwarded")), forwardedElement(peer, authority, scheme)));
  sent.push("Via", appended(field(request.fields, "via"), `${request.version ?? "1.1"} ${PSEUDONYM}`));
  sent.push("X-Request-Id", requestId);
}

function addUpgrade(sent: string[], protocol: string | undefined): void {
  if (protocol !== undefined && protocol !== "h2c") sent.push("Connection", "upgrade", "Upgrade", protocol);
}

function appended(list: string | undefined, member: string): string {
  if (list === undefined || list === "") return member;
  return member === "" ? list : `${list}, ${member}`;
}

/** undefined also for a list in which a quote stays open: it would swallow the member added to it. */
function closed(list: string | undefined): string | undefined {
  if (list === undefined) return undefined;
  for (let open = list.indexOf('"'); open !== -1; open = list.indexOf('"', open + 1)) {
    open = closingQuote(list, open);
    if (open === -1) return undefined;
  }
  return list;
}

/** IPv4 where it came mapped into IPv6, and without the zone, which means nothing elsewhere. */
function plainAddress(peer: string): string {
  if (peer.startsWith("::ffff:") && peer.includes(".")) return peer.slice("::ffff:".length);
  const zone = peer.indexOf("%");
  return zone === -1 ? peer : peer.slice(0, zone);
}

/** RFC 7239 §4. IPv6 goes in brackets and quotes (§6), a host with a port in quotes; no address is "unknown" (§6.2). */
function forwardedElement(peer: string, authority: string, scheme: string): string {
  const node = peer === "" ? "unknown" : peer.includes(":") ? `"[${peer}]"` : peer;
  const host = TOKEN.test(authority) ? authority : quoted(authority);
  return `for=${node};host=${host};proto=${scheme}`;
}

function quoted(text: string): string {
  return `"${text.includes('"') || text.includes("\\") ? text.replace(QUOTED_PAIR, "\\$&") : text}"`;
}
