// Range (RFC 9110 §14): what is no ranges-specifier of bytes is ignored as a whole, and any answer in parts can be put
// together again. (What sane ranges cover stands in test/http/range.test.ts.)

import { describe, expect, it } from "vitest";
import type { Source } from "../../src/http/message.ts";
import { contentRange, isRangeValid, multipart, requestedRanges, slice } from "../../src/http/range.ts";
import fc from "../support/fast-check.ts";

/** What a field value may consist of, and more. */
const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

/**
 * bytes-range-set of §14.1.1-2: offsets asked for, per range-spec; undefined: none of the grammar. Empty list members are
 * let pass (§5.6.1.2).
 */
function grammar(text: string, length: number): number[][] | undefined {
  const [unit, ...rest] = text.split("=");
  if (unit?.toLowerCase() !== "bytes" || rest.length !== 1) return undefined;
  const specs = (rest[0] as string)
    .split(",")
    .map((each) => each.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((each) => each !== "");
  if (specs.length === 0) return undefined;
  const asked: number[][] = [];
  for (const spec of specs) {
    const dash = spec.indexOf("-");
    const [from, to] = [spec.slice(0, dash), spec.slice(dash + 1)];
    const isNumber = (digits: string) => digits !== "" && [...digits].every((digit) => "0123456789".includes(digit));
    if (dash === -1 || (from === "" && !isNumber(to)) || (from !== "" && !isNumber(from))) return undefined;
    if (to !== "" && !isNumber(to)) return undefined;
    if (from !== "" && to !== "" && BigInt(to) < BigInt(from)) return undefined;
    const first = from === "" ? length - Number(to) : Number(from);
    const last = from === "" || to === "" ? length - 1 : Number(to);
    asked.push(Array.from({ length }, (_, offset) => offset).filter((offset) => first <= offset && offset <= last));
  }
  return asked;
}

const number = fc.oneof(fc.nat(30).map(String), fc.constantFrom("", "00", "007", "9".repeat(20), "9".repeat(19)));
const spec = fc.tuple(number, number).map((pair) => pair.join("-"));
const set = fc
  .tuple(
    fc.constantFrom("bytes=", "bytes=", "Bytes=", "BYTES="),
    fc.array(fc.tuple(spec, fc.constantFrom(",", ", ", " ,\t", ",,")), { minLength: 1, maxLength: 5 }),
  )
  .map(([unit, all]) => unit + all.flat().slice(0, -1).join(""));
const spoilt = fc
  .tuple(set, fc.nat(), fc.constantFrom("-", " ", "=", ",", "x", '"', "+", "1", ".", "\u0661", "\u00a0", ""), fc.nat(2))
  .map(([text, at, put, cut]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + put + text.slice(i + cut);
  });
const length = fc.integer({ min: 1, max: 30 });
const body = fc.uint8Array({ minLength: 1, maxLength: 60 });

describe("Range", () => {
  it("asks for exactly the bytes that the grammar says, and for none where it is none of the grammar", () => {
    fc.assert(
      fc.property(fc.oneof(set, spoilt, octets), length, (text, size) => {
        const asked = grammar(text, size);
        const found = requestedRanges(text, size);
        expect(found === undefined).toBe(asked === undefined);
        const covered = (found ?? []).flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        );
        expect(covered.toSorted((a, b) => a - b)).toEqual([...new Set(asked?.flat())].sort((a, b) => a - b));
        // In the order asked for, as far as each still begins one (§15.3.7.2).
        const firsts = (asked ?? []).filter((offsets) => offsets.length > 0);
        expect(found?.[0]?.first ?? 0).toBeLessThanOrEqual(firsts[0]?.[0] ?? 0);
      }),
      { numRuns: 2000, examples: [["bytes=9999999999999999999-9999999999999999199", 1]] },
    );
  });
});

describe("an answer in parts", () => {
  const boundary = "a-boundary-of-no-body";

  /** The content of a multipart (RFC 2046 §5.1.1), part by part, as one of its readers would take it apart. */
  function parts(bytes: Buffer): { head: string[]; content: Buffer }[] {
    const text = bytes.toString("latin1");
    const end = text.indexOf(`\r\n--${boundary}--`);
    expect(text.startsWith(`--${boundary}\r\n`) && end >= 0).toBe(true);
    return `\r\n${text.slice(0, end)}`
      .split(`\r\n--${boundary}\r\n`)
      .slice(1)
      .map((part) => {
        const blank = part.indexOf("\r\n\r\n");
        return { head: part.slice(0, blank).split("\r\n"), content: Buffer.from(part.slice(blank + 4), "latin1") };
      });
  }

  /** Read by a client that takes one piece at a time. */
  function drained(source: Source): Buffer {
    const pieces: Uint8Array[] = [];
    let isOver = false;
    const flow = source.start({
      write: (piece) => pieces.push(piece) < 0,
      end: () => {
        isOver = true;
      },
      fail: (error) => {
        throw error;
      },
    });
    for (let i = 0; i < 1000 && !isOver; i++) flow.resume();
    expect(isOver).toBe(true);
    return Buffer.concat(pieces);
  }

  it("says of each part where it belongs, is as long as it says, and holds the very bytes", () => {
    fc.assert(
      fc.property(
        body,
        set,
        fc.option(fc.constant("text/plain; charset=utf-8"), { nil: undefined }),
        (bytes, text, type) => {
          const ranges = requestedRanges(text, bytes.length);
          fc.pre(ranges !== undefined && ranges.length > 0);
          const { content, length } = multipart(bytes, ranges ?? [], { boundary, type });
          const sent = drained(content);
          expect(sent.length).toBe(length);
          const found = parts(sent);
          expect(found.map(({ head }) => head.filter((line) => line.startsWith("Content-Range: ")))).toEqual(
            ranges?.map((range) => [`Content-Range: ${contentRange(bytes.length, range)}`]),
          );
          for (const { head } of found) expect(head.includes(`Content-Type: ${type}`)).toBe(type !== undefined);
          for (const [i, range] of (ranges ?? []).entries()) {
            expect(found[i]?.content.equals(Buffer.from(bytes.slice(range.first, range.last + 1)))).toBe(true);
            expect(Buffer.from(slice(bytes, range)).equals(found[i]?.content ?? Buffer.of())).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("If-Range", () => {
  it("never lets a part count on anything but the very same strong validator (§13.1.5)", () => {
    const tag = fc.constantFrom('"a"', 'W/"a"', '"b"', "a", '"a', "*", '"a", "b"', "");
    const date = fc.constantFrom(
      "Thu, 01 Jan 2026 00:00:00 GMT",
      "Thu, 01 Jan 2026 00:00:01 GMT",
      "Thu Jan  1 00:00:00 2026",
      "yesterday",
    );
    const perhaps = (each: fc.Arbitrary<string>) => fc.option(each, { nil: undefined });
    fc.assert(
      fc.property(fc.oneof(tag, date, octets), perhaps(tag), perhaps(date), perhaps(date), (ifRange, ...validators) => {
        const [etag, lastModified, made] = validators;
        if (!isRangeValid(ifRange, { etag, lastModified, date: made })) return;
        const isTag = /^"[^"]*"$/.test(ifRange) && ifRange === etag;
        const isLater = made !== undefined && Date.parse(made) >= Date.parse(lastModified ?? "") + 1000;
        const isDate =
          lastModified !== undefined &&
          Date.parse(`${ifRange} GMT`.replace(/ GMT GMT$/, " GMT")) ===
            Date.parse(`${lastModified} GMT`.replace(/ GMT GMT$/, " GMT"));
        expect(isTag || (isDate && isLater)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
