// The head of a response as octets (RFC 9112), for connections that are not node:http's: which fields may be sent, how the
// content's end is told, and the Date that a response without one is given (RFC 9110 §6.6.1).

import { formatHttpDate } from "../http/date.ts";
import type { Fields, Response } from "../http/message.ts";

export interface WireAsk {
  /** Of the request. */
  readonly method: string;
  /** The reason phrase of the status, always the same of one status. */
  readonly reason: string;
  /** What the connection says of itself, as field lines with their ends. */
  readonly connection: string;
}

/** Up to the empty line, with it. Throws a TypeError where the status or a field cannot be sent. */
export function headOf(response: Response, ask: WireAsk): string {
  if (!(response.status >= 100 && response.status <= 999)) throw new TypeError(`unfit status ${response.status}`);
  const { keep, line } = framing(response, ask);
  const { text, isDated } = fieldLines(response.fields, keep);
  const date = isDated ? "" : `Date: ${formatHttpDate(Date.now())}\r\n`;
  return `HTTP/1.1 ${response.status} ${ask.reason}\r\n${text}${date}${line}${ask.connection}\r\n`;
}

/** Which of the fields that state framing may stay. */
interface Kept {
  readonly length: boolean;
  readonly trailer: boolean;
}

const NEITHER: Kept = { length: false, trailer: false };
const LENGTH: Kept = { length: true, trailer: false };
const TRAILER: Kept = { length: false, trailer: true };

/** How the content's end is told (§6.3): by one of our own lines, or by what the fields state. */
function framing({ status, fields, content }: Response, { method }: WireAsk): { keep: Kept; line: string } {
  if (status === 204) return { keep: NEITHER, line: "" };
  const isBytes = content === undefined || content instanceof Uint8Array;
  if (method === "HEAD" || status === 304) {
    const isToSay = content instanceof Uint8Array && statedLength(fields) === undefined;
    return { keep: LENGTH, line: isToSay ? `Content-Length: ${content.length}\r\n` : "" };
  }
  if (isBytes) return { keep: NEITHER, line: `Content-Length: ${content?.length ?? 0}\r\n` };
  return statedLength(fields) === undefined
    ? { keep: TRAILER, line: "Transfer-Encoding: chunked\r\n" }
    : { keep: LENGTH, line: "" };
}

/** What the fields say of the content's length, in bytes; undefined: nothing that could be kept. */
export function statedLength(fields: Fields): number | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === 14 && name.toLowerCase() === "content-length") return lengthOf(fields[i + 1] as string);
  }
  return undefined;
}

function lengthOf(value: string): number | undefined {
  const length = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** The fields as they are sent, and whether Date is among them. What the connection says is its own affair. */
function fieldLines(fields: Fields, keep: Kept): { text: string; isDated: boolean } {
  let text = "";
  let isDated = false;
  let { length } = keep;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    switch (name.length) {
      case 4:
        isDated ||= name.toLowerCase() === "date";
        break;
      case 7:
        if (!keep.trailer && name.toLowerCase() === "trailer") continue;
        break;
      case 10:
        if (isConnection(name)) continue;
        break;
      case 14:
        if (name.toLowerCase() !== "content-length") break;
        if (!length) continue;
        length = false; // once: a second one could say something else
        break;
      case 17:
        if (name.toLowerCase() === "transfer-encoding") continue;
    }
    text += line(name, fields[i + 1] as string);
  }
  return { text, isDated };
}

function isConnection(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === "connection" || lower === "keep-alive";
}

/** All of `fields` as lines, but those that cannot be sent: for where it is too late to say so. */
export function fitLines(fields: Fields): string {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (isFit(name, value)) text += `${name}: ${value}\r\n`;
  }
  return text;
}

// RFC 9110 §5.1, §5.5
const NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const VALUE = /^[\t -~\x80-\xff]*$/;

/** Names that were seen to be fit: nearly all that will ever be sent. */
const known = new Set<string>();
const MEMORY = 1000;

function line(name: string, value: string): string {
  if (!isFit(name, value)) throw new TypeError(`unfit field ${JSON.stringify(name)}`);
  return `${name}: ${value}\r\n`;
}

function isFit(name: string, value: string): boolean {
  if (!known.has(name)) {
    if (!NAME.test(name)) return false;
    if (known.size < MEMORY) known.add(name);
  }
  return VALUE.test(value);
}
