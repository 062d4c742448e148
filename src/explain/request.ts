// Which request is asked about? Made of text by the rules by which the listener makes one of what a client sends
// (server/incoming.ts), so that what it would refuse is refused here in its words.

import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { has, members } from "../http/fields.ts";
import type { Request } from "../http/message.ts";
import { admit, DEFAULT_LIMITS, Incoming } from "../server/incoming.ts";
import { methodRefusal } from "../server/methods.ts";
import { isForTunnel, protocolOf } from "../server/upgrade.ts";

/** As typed. */
export interface AskedText {
  readonly method: string;
  /** http://host/path?query, or /path?query with a Host among the headers. */
  readonly url: string;
  /** "Name: value". */
  readonly headers: readonly string[];
  /** The address that the connection comes from; "unix" for a unix socket. */
  readonly from: string;
}

export type Read<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "mistake"; readonly text: string };

const MAX_LINES = 200;

export function requestFrom({ method, url, headers, from }: AskedText): Read<Request> {
  if (!/^[!#$%&'*+\-.^_`|~\w]{1,64}$/.test(method)) return mistake("the method is no word; write it as GET");
  const refusal = methodRefusal(method);
  if (refusal !== undefined) return mistake(refusal);
  if (/^https:/i.test(url)) {
    return mistake(
      "https: Forebay is asked by http; where a proxy in front ends TLS, write http:// and what that adds, as in -H 'X-Forwarded-Proto: https'",
    );
  }
  if (!/^(?:http:\/\/|\/)/i.test(url) && !(url === "*" && method === "OPTIONS")) {
    return mistake("the URL must begin with http:// or, beside a Host header, with /");
  }
  if (from !== "unix" && isIP(from) === 0)
    return mistake("what asks is told by its address, as in 203.0.113.9, or by unix");
  // Of a target no listener ever sees these.
  if (/[^\x21-\x7e]/.test(url)) return mistake("the URL holds a blank or a character that must be escaped, as %20");
  const fields = fieldsFrom(headers);
  if (fields.kind === "mistake") return fields;
  const { host, target } = asSent(url);
  const rawHeaders = host === undefined || has(fields.value, "host") ? fields.value : ["Host", host, ...fields.value];
  const life = { destroyed: false, writableFinished: false, on: () => undefined };
  const head = { method, url: target, rawHeaders, httpVersionMinor: 1 };
  const socket = { remoteAddress: from === "unix" ? "" : from };
  const request = admit(Object.assign(Readable.from([]), { ...head, complete: true, socket }), life, DEFAULT_LIMITS);
  if (!(request instanceof Incoming)) return mistake(detailOf(request.content as Uint8Array));
  if (request.hasContent) request.content = Readable.from([]);
  const upgrade = upgradeOf(head);
  if (upgrade !== "") request.upgrade = upgrade;
  return { kind: "read", value: request };
}

/** What a client makes of a URL: a Host field, unless it is told another one, and a target without fragment. */
function asSent(url: string): { host: string | undefined; target: string } {
  const [plain = ""] = url.split("#", 1);
  const [, host, rest = ""] = /^http:\/\/([^/?]*)(.*)$/i.exec(plain) ?? [];
  if (host === undefined) return { host, target: plain };
  return { host, target: rest.startsWith("/") ? rest : `/${rest}` };
}

/** Field lines, flat, from "Name: value" each. */
export function fieldsFrom(lines: readonly string[]): Read<string[]> {
  if (lines.length > MAX_LINES) return mistake(`more than ${MAX_LINES} header lines`);
  const fields: string[] = [];
  for (const line of lines) {
    const [, name, value = ""] = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
    if (name === undefined || hasControls(value)) {
      return mistake(`the header ${JSON.stringify(line.slice(0, 80))} is not written as "Name: value"`);
    }
    // A field value holds one character for each byte.
    fields.push(name, Buffer.from(value, "utf8").toString("latin1"));
  }
  return { kind: "read", value: fields };
}

/** Those that no field value may have (RFC 9110 §5.5). */
function hasControls(value: string): boolean {
  return [...value].some((character) => (character < " " && character !== "\t") || character === "\x7f");
}

function upgradeOf(head: { method: string; url: string; rawHeaders: string[]; httpVersionMinor: number }): string {
  const headers: Record<string, string> = {};
  for (let i = 0; i < head.rawHeaders.length; i += 2) {
    const name = head.rawHeaders[i]?.toLowerCase() ?? "";
    headers[name] = name in headers ? `${headers[name]}, ${head.rawHeaders[i + 1]}` : (head.rawHeaders[i + 1] ?? "");
  }
  const isAsked = members((headers.connection ?? "").toLowerCase()).includes("upgrade");
  const message = { ...head, headers };
  return isAsked && isForTunnel(message) ? protocolOf(message) : "";
}

function detailOf(problem: Uint8Array): string {
  return JSON.parse(new TextDecoder().decode(problem)).detail;
}

function mistake(text: string): { kind: "mistake"; text: string } {
  return { kind: "mistake", text };
}
