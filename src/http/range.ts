// Which parts of a representation does a request ask for, and how are several of them sent (RFC 9110 §14)? Pure, and
// about bytes alone. That the request is a GET, its answer a 200 and no other precondition in the way (§13.2.2, §14.2)
// is for the caller to know.

import { parseHttpDate } from "./date.ts";
import { members } from "./fields.ts";
import type { Source } from "./message.ts";
import { isStrongMatch } from "./preconditions.ts";

/** Offsets of its first and last byte: 0 <= first <= last < the representation's length. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** More in one answer are an attack rather than a need (§17.15): the heads of the parts would outweigh them. */
const MAX_RANGES = 12;
/** More are not looked at. */
const MAX_ASKED = 200;

/**
 * What `range`, the value of a Range field, asks of a representation of `length` bytes: in the order asked for, what
 * overlaps or touches made one at its first place. Empty: none can be satisfied, 416. undefined: the field is ignored
 * (§14.2), since it is malformed, in another unit, or asks for too many.
 *
 * It is ignored for an empty representation too: the whole answers it better than a 416, and no part can be described.
 */
export function requestedRanges(range: string, length: number): readonly ByteRange[] | undefined {
  if (length === 0 || !UNIT.test(range)) return undefined;
  const specs = members(range.slice("bytes=".length));
  if (specs.length === 0 || specs.length > MAX_ASKED) return undefined;
  const found: ByteRange[] = [];
  for (const spec of specs) {
    const resolved = resolve(spec, length);
    if (resolved === "malformed") return undefined;
    if (resolved !== "unsatisfiable") found.push(resolved);
  }
  const ranges = coalesced(found);
  return ranges.length > MAX_RANGES ? undefined : ranges;
}

/** What If-Range is compared with; as sent. */
export interface Validators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** The Date of the response that they came in. */
  readonly date: string | undefined;
}

/**
 * Whether If-Range lets Range count (§13.1.5): its entity tag matches strongly; or its date is that of Last-Modified, to the
 * second, and a strong validator: the response was made a second later or more, so that no other had this date (§8.8.2.2).
 */
export function isRangeValid(ifRange: string, { etag, lastModified, date }: Validators): boolean {
  if (etag !== undefined && isStrongMatch(ifRange, etag)) return true;
  const modified = lastModified === undefined ? undefined : parseHttpDate(lastModified);
  const made = date === undefined ? undefined : parseHttpDate(date);
  if (modified === undefined || made === undefined || made < modified + 1000) return false;
  return parseHttpDate(ifRange) === modified;
}

/** A value of Content-Range (§14.4); without a range that of a 416. */
export function contentRange(length: number, range?: ByteRange): string {
  return range === undefined ? `bytes */${length}` : `bytes ${range.first}-${range.last}/${length}`;
}

/** The part of `body`, not copied. */
export function slice(body: Uint8Array, { first, last }: ByteRange): Uint8Array {
  return body.subarray(first, last + 1);
}

/**
 * The content of a multipart/byteranges response (§14.6), and its length in bytes. The parts of `body` are not copied.
 * @param boundary occurs nowhere in `body`
 * @param type the representation's Content-Type, repeated in each part (§15.3.7.2)
 */
export function multipart(
  body: Uint8Array,
  ranges: readonly ByteRange[],
  { boundary, type }: { boundary: string; type: string | undefined },
): { readonly content: Source; readonly length: number } {
  const typeLine = type === undefined ? "" : `Content-Type: ${type}\r\n`;
  const pieces: Uint8Array[] = [];
  for (const range of ranges) {
    const delimiter = `${pieces.length === 0 ? "" : "\r\n"}--${boundary}\r\n`;
    const head = `${delimiter}${typeLine}Content-Range: ${contentRange(body.length, range)}\r\n\r\n`;
    pieces.push(Buffer.from(head, "latin1"), slice(body, range));
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, "latin1"));
  return { content: inPieces(pieces), length: pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

/** Range units are case-insensitive (§14.1). */
const UNIT = /^bytes=/i;
const SPEC = /^(?:(\d+)-(\d*)|-(\d+))$/;

/** One range-spec (§14.1.2). */
function resolve(spec: string, length: number): ByteRange | "unsatisfiable" | "malformed" {
  const parts = SPEC.exec(spec);
  if (parts === null) return "malformed";
  const [, from, to, suffix] = parts;
  if (suffix !== undefined) {
    const wanted = Number(suffix);
    return wanted === 0 ? "unsatisfiable" : { first: Math.max(0, length - wanted), last: length - 1 };
  }
  const first = Number(from);
  const last = to === "" ? length : Number(to);
  // Numbers of many digits may differ and still be read as the same.
  if (to !== "" && (last < first || (last === first && BigInt(to as string) < BigInt(from as string))))
    return "malformed";
  return first < length ? { first, last: Math.min(last, length - 1) } : "unsatisfiable";
}

/** Clients want the parts in their own order (§15.3.7.2): a range that takes others in stands where the first of them did. */
function coalesced(ranges: readonly ByteRange[]): readonly ByteRange[] {
  if (ranges.length < 2) return ranges;
  const ascending = ranges.map((range, place) => ({ ...range, place })).sort((a, b) => a.first - b.first);
  const apart: { first: number; last: number; place: number }[] = [];
  for (const range of ascending) {
    const before = apart.at(-1);
    if (before === undefined || range.first > before.last + 1) apart.push(range);
    else {
      before.last = Math.max(before.last, range.last);
      before.place = Math.min(before.place, range.place);
    }
  }
  return apart.sort((a, b) => a.place - b.place).map(({ first, last }) => ({ first, last }));
}

/** Content whose pieces are all there. */
function inPieces(pieces: readonly Uint8Array[]): Source {
  return {
    start(sink) {
      let next = 0;
      let over = false;
      const resume = () => {
        while (!over && next < pieces.length) if (!sink.write(pieces[next++] as Uint8Array)) return;
        if (over) return;
        over = true;
        sink.end([]);
      };
      const cancel = () => {
        over = true;
      };
      resume();
      return { resume, cancel };
    },
  };
}
