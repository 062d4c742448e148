// What a client asked for, as plain data: the target and the authority of RFC 9112 §3.2–3.3, checked, and the framing
// checks of §6.3 that keep two readers of one connection from disagreeing. Not a policy: what is well-formed passes.

import { isIP } from "node:net";
import type { Readable } from "node:stream";
import { Abort, type Signal } from "../http/abort.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";

/** The parts of node:http's request that matter here. */
export interface Message extends Readable {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly rawHeaders: string[];
  readonly httpVersionMinor: number;
  readonly complete: boolean;
  readonly socket: {
    readonly remoteAddress?: string | undefined;
    readonly localAddress?: string | undefined;
    readonly localPort?: number | undefined;
  };
}

/** What tells that the client has left: the response under construction, or the bare socket of an upgrade. */
interface Life {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  on(event: "close", listener: () => void): unknown;
}

export interface Limits {
  readonly maxTargetBytes: number;
  readonly maxFieldsBytes: number;
}

export const DEFAULT_LIMITS: Limits = { maxTargetBytes: 16_384, maxFieldsBytes: 32_768 };

/** The request, or the response that refuses it: 400, 414, 421 or 431. */
export function admit(message: Message, life: Life, limits: Limits): Incoming | Response {
  const lines = survey(message.rawHeaders);
  if (lines.bytes > limits.maxFieldsBytes) return problem(431, "The header fields are too large.");
  const url = message.url ?? "";
  if (url.length > limits.maxTargetBytes) return problem(414, "The target is too long.");
  if (lines.hosts > 1) return problem(400, "There is more than one Host field.");
  if (lines.coding !== undefined && !isChunkedAlone(lines, message.httpVersionMinor)) {
    return problem(400, "Where the content ends is ambiguous.");
  }
  const absolute = url.charCodeAt(0) === SLASH ? undefined : parseAbsolute(url);
  const target = absolute === undefined ? url : originForm(absolute.rest, message.method);
  if (!isTarget(target, message.method)) return problem(400, "The request target is malformed.");
  if (absolute?.scheme === "https") return problem(421, "This connection is not a secure one.");

  const host = absolute?.host ?? lines.host ?? (message.httpVersionMinor === 0 ? ownHost(message) : undefined);
  if (host === undefined) return problem(400, "The Host field is missing.");
  const authority = authorityOf(host);
  if (authority === undefined) return problem(400, "The host is malformed.");
  if (absolute === undefined && lines.hosts === 1) return new Incoming(message, life, { authority, target, lines });
  // §3.2.2: the host of an absolute target replaces the Host field, so that both say the same to whoever reads on.
  const fields = withHost(message.rawHeaders, host);
  return new Incoming(message, life, { authority, target, lines, fields });
}

export class Incoming implements Request {
  readonly method: string;
  readonly scheme = "http";
  readonly version: "1.0" | undefined;
  readonly authority: string;
  readonly target: string;
  readonly fields: Fields;
  readonly peer: string;
  /** Set by the listener, which knows how it is to be read. */
  content: Readable | undefined = undefined;
  upgrade: string | undefined = undefined;
  /** The head announces content. */
  readonly hasContent: boolean;
  /** What the handler answered. */
  answer: Response | undefined = undefined;
  readonly #life: Life;
  #leaving: Abort | undefined;

  constructor(
    message: Message,
    life: Life,
    head: { authority: string; target: string; lines: Survey; fields?: Fields },
  ) {
    this.method = message.method ?? "GET";
    this.version = message.httpVersionMinor === 0 ? "1.0" : undefined;
    this.authority = head.authority;
    this.target = head.target;
    this.fields = head.fields ?? message.rawHeaders;
    this.hasContent = head.lines.coding !== undefined || head.lines.length;
    this.peer = message.socket.remoteAddress ?? "";
    this.#life = life;
  }

  get signal(): Signal {
    this.#leaving ??= this.#watch(new Abort());
    return this.#leaving;
  }

  /** Keeps in mind what is returned. */
  answered(response: Response): Response {
    this.answer = response;
    return response;
  }

  #watch(leaving: Abort): Abort {
    const life = this.#life;
    const left = () => {
      if (!life.writableFinished) leaving.abort();
    };
    if (life.destroyed) left();
    else life.on("close", left);
    return leaving;
  }
}

interface Survey {
  bytes: number;
  hosts: number;
  host: string | undefined;
  /** Content-Length says more than nothing. */
  length: boolean;
  /** Transfer-Encoding. */
  coding: string | undefined;
}

/** One pass over the field lines. */
function survey(fields: Fields): Survey {
  const seen: Survey = { bytes: 0, hosts: 0, host: undefined, length: false, coding: undefined };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    seen.bytes += name.length + value.length + 4;
    if (name.length === 4 && name.toLowerCase() === "host") {
      seen.hosts += 1;
      seen.host = value;
    } else if (name.length === 14 && name.toLowerCase() === "content-length") {
      seen.length = value !== "0";
    } else if (name.length === 17 && name.toLowerCase() === "transfer-encoding") {
      seen.coding = seen.coding === undefined ? value : `${seen.coding}, ${value}`;
    }
  }
  return seen;
}

/** RFC 9112 §6.1, §6.3: any other coding, or a length beside it, and two readers might not agree. node:http refuses most of
 * these too, but some only after it has handed on the request. */
function isChunkedAlone(lines: Survey, httpVersionMinor: number): boolean {
  return lines.coding?.trim().toLowerCase() === "chunked" && !lines.length && httpVersionMinor > 0;
}

const SLASH = 0x2f;
const ABSOLUTE = /^(https?):\/\/([^/?#@]+)([^#]*)$/i;

/** §3.2.2; user information is not allowed (RFC 9110 §4.2.4). */
function parseAbsolute(url: string): { scheme: string; host: string; rest: string } | undefined {
  const match = ABSOLUTE.exec(url);
  if (match === null) return undefined;
  const [, scheme = "", host = "", rest = ""] = match;
  return { scheme: scheme.toLowerCase(), host, rest };
}

/** What follows the authority, as it is sent on (§3.2.1, §3.2.4). */
function originForm(rest: string, method: string | undefined): string {
  if (rest === "" && method === "OPTIONS") return "*";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function isTarget(target: string, method: string | undefined): boolean {
  if (target.charCodeAt(0) === SLASH) return !target.includes("#");
  return target === "*" && method === "OPTIONS";
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([0-9]{0,5}))?$/;
const MEMORY = 256;
const known = new Map<string, string>();

/** Lower-case, without the default port; undefined where it is no host. Remembers: most requests name the same few. */
export function authorityOf(host: string): string | undefined {
  const before = known.get(host);
  if (before !== undefined) return before;
  const match = HOST.exec(host.toLowerCase());
  if (match === null) return undefined;
  const [, name = "", port = ""] = match;
  if (name.startsWith("[") && isIP(name.slice(1, -1)) !== 6) return undefined;
  const authority = port === "" || Number(port) === 80 ? name : `${name}:${Number(port)}`;
  if (known.size >= MEMORY) known.clear();
  known.set(host, authority);
  return authority;
}

/** An HTTP/1.0 client need not say which host it means: it means the address it has reached. */
function ownHost({ socket: { localAddress, localPort } }: Message): string {
  if (localAddress === undefined || localPort === undefined) return "localhost";
  return localAddress.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}

function withHost(fields: Fields, host: string): Fields {
  const changed = ["Host", host];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.toLowerCase() !== "host") changed.push(name, fields[i + 1] as string);
  }
  return changed;
}
