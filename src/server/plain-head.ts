// Is what a client has sent the head of a simplest request, and what does it say? A GET in HTTP/1.1 without content, without an
// upgrade, on a connection that is kept, whole and beyond doubt in every octet (RFC 9112 §3, §5). Nothing is mended or
// refused here: what is anything else is node:http's to read.

import { trimmed } from "../http/fields.ts";
import type { Fields } from "../http/message.ts";
import { authorityOf, type Limits } from "./incoming.ts";

export interface PlainHead {
  readonly target: string;
  readonly authority: string;
  readonly fields: Fields;
  /** Where the next head begins. */
  readonly end: number;
}

const METHOD = "GET ";
const VERSION = " HTTP/1.1\r\n";
// Origin-form in visible ASCII, without a fragment.
const TARGET = /^\/[!"$-~]*$/;
// Field lines without folding, bare CR or LF, or control characters, and the empty line.
const SECTION = /(?:[!#$%&'*+.^_`|~\w-]+:[\t -~\x80-\xff]*\r\n)+\r\n/y;

/** Reads heads of one connection. Its requests mostly say the same in all their fields: these are read once. */
export class PlainHeads {
  readonly #limits: Limits;
  #section = "";
  #read: Section | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The head in `text` (an octet each character) at `at`; undefined: not of the simplest, or not yet whole. */
  head(text: string, at: number): PlainHead | undefined {
    if (!text.startsWith(METHOD, at)) return undefined;
    const version = text.indexOf(VERSION, at + METHOD.length);
    const target = text.slice(at + METHOD.length, version);
    if (version < 0 || target.length > this.#limits.maxTargetBytes || !TARGET.test(target)) return undefined;
    const section = version + VERSION.length;
    if (this.#read === undefined || !text.startsWith(this.#section, section)) {
      SECTION.lastIndex = section;
      if (!SECTION.test(text)) return undefined;
      // A copy: a slice would keep all that arrived with it, as long as the connection lives.
      this.#section = Buffer.from(text.slice(section, SECTION.lastIndex), "latin1").toString("latin1");
      this.#read = read(this.#section, this.#limits.maxFieldsBytes);
      if (this.#read === undefined) return undefined;
    }
    const { authority, fields } = this.#read;
    return { target, authority, fields, end: section + this.#section.length };
  }
}

interface Section {
  readonly authority: string;
  readonly fields: Fields;
}

/** `section` has the form of SECTION. undefined: it says something that is not of the simplest. */
function read(section: string, maxBytes: number): Section | undefined {
  const fields: string[] = [];
  let bytes = 0;
  let host: string | undefined;
  for (let at = 0; at < section.length - 2; ) {
    const colon = section.indexOf(":", at);
    const end = section.indexOf("\r\n", colon);
    const name = section.slice(at, colon);
    const value = trimmed(section, colon + 1, end);
    bytes += name.length + value.length + 4;
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== "host") break;
        if (host !== undefined) return undefined;
        host = value;
        break;
      case 10:
        if (name.toLowerCase() === "connection" && value.toLowerCase() !== "keep-alive") return undefined;
        break;
      case 6:
      case 7:
      case 14:
      case 17:
        if (NOT_PLAIN.has(name.toLowerCase())) return undefined;
    }
    fields.push(name, value);
    at = end + 2;
  }
  if (bytes > maxBytes) return undefined;
  const authority = host === undefined ? undefined : authorityOf(host);
  return authority === undefined ? undefined : { authority, fields };
}

const NOT_PLAIN: ReadonlySet<string> = new Set(["expect", "upgrade", "content-length", "transfer-encoding"]);
