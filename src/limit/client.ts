// Who is asking? The address that a request counts for: the connection's other end, or, as far as the proxies in
// between are trusted, whom they name in X-Forwarded-For or Forwarded (RFC 7239), read from the right: what stands
// left of the first address that is not trusted was typed by whoever has that address. Not for access control.

import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { field, has, members } from "../http/fields.ts";
import type { Request } from "../http/message.ts";

export interface Clients {
  /** Whom the limits count: an IPv4 address, an IPv6 network of 64 bits, or "unix" for the other end of a unix socket.
   * One spelling for each, without "|". */
  bucket(request: Request): string;
  /** How `bucket` is found: every hop that is named, the nearest first. For people; bounded. */
  trace(request: Request): readonly TracedHop[];
  /** Whether what this peer (Request.peer) says of others is believed. */
  trusts(peer: string): boolean;
  /** Whether a request's client is one of those named (as `trusted` is); throws for what names none. */
  among(named: readonly string[]): (request: Request) => boolean;
}

/** One end of a connection on the way here, and what is made of it. */
export interface TracedHop {
  readonly from: "connection" | "x-forwarded-for" | "forwarded";
  /** As it was written. */
  readonly text: string;
  /** "client": it counts. "proxy": trusted, so what it says of others is believed. "unreadable": who named it counts.
   * "not-believed": named by one that is not trusted. "too-far": beyond the hops that are looked at. "shadowed": in Forwarded, beside X-Forwarded-For. */
  readonly verdict: "client" | "proxy" | "unreadable" | "not-believed" | "too-far" | "shadowed";
}

interface Hop {
  readonly bucket: string;
  readonly trusted: boolean;
  /** undefined: a unix socket, or unreadable. */
  readonly address: Address | undefined;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What cannot be read, known by identity; nobody's proxy. */
const MALFORMED: Hop = { bucket: "unknown", trusted: false, address: undefined };
const MAX_KNOWN = 10_000;
const MAX_HOPS = 64;
const MAX_HOP_CHARS = 80;
const MAX_TRACED = 100;

/**
 * `trusted`: addresses, CIDRs, "loopback" (unix sockets too) and "private" (RFC 1918, RFC 4193). Throws for anything
 * else.
 */
export function createClients(trusted: readonly string[]): Clients {
  const networks = trusted.flatMap(networksNamed);
  const unix: Hop = { bucket: "unix", trusted: trusted.includes("loopback"), address: undefined };
  const known = new LRUCache<string, Hop>({ maxSize: MAX_KNOWN, sizeCalculation: () => 1 }); // grows, unlike `max`

  // Of one request the same address is asked about again and again.
  let lastText = "";
  let lastHop = MALFORMED;

  // Parsing costs microseconds, and the same few addresses come again and again.
  function hop(text: string): Hop {
    if (text === lastText) return lastHop;
    if (text.length > MAX_HOP_CHARS) return MALFORMED;
    let found = known.get(text);
    if (found === undefined) {
      found = hopNamed(text, networks);
      known.set(text, found);
    }
    lastText = text;
    lastHop = found;
    return found;
  }

  function peerOf(peer: string): Hop {
    return peer === "" ? unix : hop(peer);
  }

  function clientOf(request: Request): Hop {
    const peer = peerOf(request.peer);
    return peer.trusted ? lastNotTrusted(request, peer, hop) : peer;
  }

  return {
    bucket: (request) => clientOf(request).bucket,
    trace: (request) => traced(request, peerOf(request.peer), hop),
    trusts: (peer) => peerOf(peer).trusted,
    among(named) {
      const places = named.flatMap(networksNamed);
      const isUnixNamed = named.includes("loopback");
      return (request) => {
        const client = clientOf(request);
        return client === unix ? isUnixNamed : client.address !== undefined && isIn(client.address, places);
      };
    },
  };
}

/** Whether nobody but this machine is meant by a host, as a URL or an address to listen on has it: an address of loopback, in
 * brackets or not, or a name that stands for one (RFC 6761 §6.3). "" is none. */
export function isLoopback(host: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(host) || hopNamed(host, networksNamed("loopback")).trusted;
}

type Network = [Address, number];

const NAMED_NETWORKS: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

function networksNamed(text: string): Network[] {
  return (NAMED_NETWORKS[text] ?? [text]).map((cidr) => {
    const network = networkNamed(cidr);
    if (network === undefined) {
      throw new Error(`read a network: got "${text}", want an address, a CIDR, loopback or private`);
    }
    return network;
  });
}

function networkNamed(cidr: string): Network | undefined {
  const [text = "", length, ...rest] = cidr.split("/");
  if (isIP(text) === 0 || rest.length > 0) return undefined;
  const address = parsed(text);
  const width = address.kind() === "ipv4" ? 32 : 128;
  const bits = length === undefined ? width : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= width)) return undefined;
  return bits >= 96 && isMapped(address) ? [unmapped(address), bits - 96] : [address, bits];
}

/** The rightmost hop that is not trusted; the last good one where they all are, or where one cannot be read. `passed` is
 * given those that were believed in. */
function lastNotTrusted(request: Request, peer: Hop, hop: (text: string) => Hop, passed?: Hop[]): Hop {
  const named = hopsNamed(request);
  let client = peer;
  for (let i = named.length - 1; client.trusted && i >= 0 && i >= named.length - MAX_HOPS; i--) {
    const next = hop(named[i] ?? "");
    if (next === MALFORMED) return client;
    passed?.push(next);
    client = next;
  }
  return client;
}

/** The same walk, with what is made of each hop. */
function traced(request: Request, peer: Hop, hop: (text: string) => Hop): readonly TracedHop[] {
  const passed: Hop[] = [];
  const client = lastNotTrusted(request, peer, hop, passed);
  const isFor = has(request.fields, "x-forwarded-for");
  const from = isFor ? "x-forwarded-for" : "forwarded";
  const named = hopsNamed(request).reverse();
  const beyond = client.trusted
    ? hop(named[passed.length] ?? "") === MALFORMED
      ? "unreadable"
      : "too-far"
    : undefined;
  const verdictOf = (at: number): TracedHop["verdict"] => {
    if (at <= passed.length) return at < passed.length ? "proxy" : "client";
    return (at === passed.length + 1 ? beyond : undefined) ?? "not-believed";
  };
  const shadowed = isFor ? members(field(request.fields, "forwarded") ?? "") : [];
  const hops: TracedHop[] = [
    { from: "connection", text: request.peer === "" ? "unix" : request.peer, verdict: verdictOf(0) },
    ...named.map((text, i) => ({ from, text, verdict: verdictOf(i + 1) }) as const),
    ...shadowed.map((text) => ({ from: "forwarded", text, verdict: "shadowed" }) as const),
  ];
  return hops.slice(0, MAX_TRACED);
}

/** What the proxies in between named, nearest last; "" for what cannot be read. */
function hopsNamed({ fields }: Request): string[] {
  const forwardedFor = field(fields, "x-forwarded-for");
  if (forwardedFor !== undefined) return members(forwardedFor);
  const forwarded = field(fields, "forwarded");
  return forwarded === undefined ? [] : members(forwarded).map(forParameter);
}

const FORWARDED_PAIR = /[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+))[ \t]*(?:;|$)/y;

/** RFC 7239 §4: the one `for` of an element; "" where there is none, or several, or where the element is no list of
 * pairs. A quoted `host` may hold what looks like another `for`. */
function forParameter(element: string): string {
  let found: string | undefined;
  FORWARDED_PAIR.lastIndex = 0;
  for (let end = 0; end < element.length; end = FORWARDED_PAIR.lastIndex) {
    const pair = FORWARDED_PAIR.exec(element);
    if (pair === null) return "";
    if (pair[1]?.toLowerCase() !== "for") continue;
    if (found !== undefined) return "";
    found = pair[2]?.replace(/\\(.)/g, "$1") ?? pair[3];
  }
  return found ?? "";
}

function hopNamed(text: string, networks: readonly Network[]): Hop {
  const address = withoutZone(withoutPort(text));
  if (isIP(address) === 0) return MALFORMED;
  const read = unmapped(parsed(address));
  return {
    bucket: read.kind() === "ipv4" ? read.toString() : network64(read as ipaddr.IPv6),
    trusted: isIn(read, networks),
    address: read,
  };
}

function isIn(address: Address, networks: readonly Network[]): boolean {
  return networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}

/** Of "1.2.3.4:567", "[::1]:80", "[::1]" and bare addresses. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return bracketed[1] ?? "";
  return /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
}

/** Which interface of the sidecar's host a link-local address was reached through (RFC 4007 §11) tells no clients apart. */
function withoutZone(address: string): string {
  const zone = address.indexOf("%");
  return zone === -1 ? address : address.slice(0, zone);
}

/** `address` is one by isIP: ipaddr.js alone takes "127.1", too, and takes ::1.2.3.4 for ::ffff:1.2.3.4. */
function parsed(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const tail = /:(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (tail === null) return ipaddr.parse(address);
  const [a = 0, b = 0, c = 0, d = 0] = tail.slice(1).map(Number);
  return ipaddr.parse(`${address.slice(0, tail.index)}:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`);
}

function unmapped(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  return isMapped(address) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address;
}

/** RFC 4291 §2.5.5.2: whether it lies in ::ffff:0:0/96, by its bits. */
function isMapped(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.kind() === "ipv4") return false;
  const { parts } = address as ipaddr.IPv6;
  return parts[5] === 0xffff && parts.slice(0, 5).every((part) => part === 0);
}

/** One client is given 64 bits to choose from at the least. */
function network64({ parts }: ipaddr.IPv6): string {
  return `${new ipaddr.IPv6([...parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`;
}
