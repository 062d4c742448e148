import { describe, expect, it } from "vitest";
import { formatHttpDate } from "../../src/http/date.ts";
import type { Flow, Source } from "../../src/http/message.ts";
import {
  type ByteRange,
  contentRange,
  isRangeValid,
  multipart,
  requestedRanges,
  slice,
  type Validators,
} from "../../src/http/range.ts";
import fc from "../support/fast-check.ts";

/** As Content-Range writes them; "whole" where the field is ignored, "none" where no range can be satisfied. */
function asked(range: string, length = 10_000): string {
  const ranges = requestedRanges(range, length);
  if (ranges === undefined) return "whole";
  return ranges.length === 0 ? "none" : ranges.map(({ first, last }) => `${first}-${last}`).join(" ");
}

describe("a Range field (RFC 9110 §14.1.2)", () => {
  it.each([
    ["bytes=0-499", "0-499"],
    ["bytes=500-999", "500-999"],
    ["bytes=9500-", "9500-9999"],
    ["bytes=-500", "9500-9999"],
    ["bytes=0-0,-1", "0-0 9999-9999"],
    ["bytes= 0-999, 4500-5499, -1000", "0-999 4500-5499 9000-9999"],
    ["BYTES=007-8", "7-8"], // range units are case-insensitive
    ["bytes=,, 1-2 ,\t,5-6,", "1-2 5-6"],
  ])("%s asks for %s", (range, expected) => {
    expect(asked(range)).toBe(expected);
  });

  it("is clamped to the representation: a last position, or a suffix, beyond it means all there is", () => {
    expect(asked("bytes=0-99999")).toBe("0-9999");
    expect(asked("bytes=-10001")).toBe("0-9999");
    expect(asked(`bytes=5-${"9".repeat(400)}`)).toBe("5-9999");
    expect(asked(`bytes=-${"9".repeat(400)}`)).toBe("0-9999");
  });

  it("cannot be satisfied where every range begins at the end or later, or is an empty suffix", () => {
    expect(asked("bytes=10000-")).toBe("none");
    expect(asked("bytes=-0")).toBe("none");
    expect(asked(`bytes=10000-10001, -0, ${"9".repeat(400)}-`)).toBe("none");
    expect(asked("bytes=10000-, 0-1")).toBe("0-1");
  });

  it.each([
    ["items=0-1"],
    ["bytes"],
    ["bytes="],
    ["bytes=,"],
    ["bytes 0-1"],
    ["bytes =0-1"],
    ["bytes=-"],
    ["bytes=2-1"], // invalid, not unsatisfiable
    ["bytes=99999-20000"],
    ["bytes=0-1, 2-1"],
    ["bytes=0-1-2"],
    ["bytes=--1"],
    ["bytes=0 - 1"],
    ["bytes=0x0-0x1"],
    ["bytes=1e1-20"],
    ["bytes=0-1;2-3"],
    ['bytes="0-1"'],
    ["bytes=+0-1"],
    ["bytes=١-٢"],
    ["bytes=0-1, items=0-1"], // two lines, joined
    [""],
  ])("%s is ignored", (range) => {
    expect(asked(range)).toBe("whole");
  });

  it("is ignored for an empty representation, of which no part can be described", () => {
    for (const range of ["bytes=0-", "bytes=-1", "bytes=-0"]) expect(asked(range, 0)).toBe("whole");
  });
});

describe("several ranges (§14.2, §15.3.7.2)", () => {
  it("are kept in the order asked for, what overlaps or touches made one", () => {
    expect(asked("bytes=500-600,0-9")).toBe("500-600 0-9");
    expect(asked("bytes=0-4,5-9")).toBe("0-9");
    expect(asked("bytes=0-4,6-9")).toBe("0-4 6-9");
    expect(asked("bytes=5-9,100-,3-6,0-0")).toBe("3-9 100-9999 0-0");
    expect(asked("bytes=50-60,0-9,40-55")).toBe("40-60 0-9");
    expect(asked("bytes=0-,0-,0-")).toBe("0-9999");
  });

  it("are a dozen apart at the most, and ignored beyond that", () => {
    const apart = (count: number) => `bytes=${Array.from({ length: count }, (_, i) => `${i * 3}-${i * 3}`).join()}`;
    expect(asked(apart(12)).split(" ")).toHaveLength(12);
    expect(asked(apart(13))).toBe("whole");
    expect(asked(`${apart(12)},${"0-1,".repeat(100)}`).split(" ")).toHaveLength(12);
    expect(asked(`bytes=${"0-,".repeat(201)}`)).toBe("whole");
  });
});

describe("If-Range (§13.1.5)", () => {
  const MODIFIED = Date.UTC(2026, 0, 1);
  const at = (seconds: number) => formatHttpDate(MODIFIED + seconds * 1000);
  const allows = (ifRange: string, of: Partial<Validators>) =>
    isRangeValid(ifRange, { etag: undefined, lastModified: undefined, date: at(60), ...of });

  it("allows a range where its entity tag matches strongly", () => {
    expect(allows('"a"', { etag: '"a"' })).toBe(true);
    expect(allows('"b"', { etag: '"a"' })).toBe(false);
    expect(allows('"a"', {})).toBe(false);
    for (const [ifRange, etag] of [
      ['W/"a"', 'W/"a"'],
      ['W/"a"', '"a"'],
      ['"a"', 'W/"a"'],
    ] as const) {
      expect(allows(ifRange, { etag })).toBe(false);
    }
  });

  it("is one tag: neither a list nor *", () => {
    expect(allows('"a", "b"', { etag: '"a"' })).toBe(false);
    expect(allows("*", { etag: '"a"' })).toBe(false);
    expect(allows("a", { etag: "a" })).toBe(false);
  });

  it("allows a range where its date is that of Last-Modified: neither earlier nor later", () => {
    expect(allows(at(0), { lastModified: at(0) })).toBe(true);
    expect(allows("Thursday, 01-Jan-26 00:00:00 GMT", { lastModified: at(0) })).toBe(true);
    expect(allows(at(1), { lastModified: at(0) })).toBe(false);
    expect(allows(at(-1), { lastModified: at(0) })).toBe(false);
    expect(allows(at(0), { etag: '"a"' })).toBe(false);
  });

  it("does not trust a date that is a weak validator: the response was made in that very second (§8.8.2.2)", () => {
    expect(allows(at(0), { lastModified: at(0), date: at(1) })).toBe(true);
    expect(allows(at(0), { lastModified: at(0), date: at(0) })).toBe(false);
    expect(allows(at(0), { lastModified: at(0), date: at(-9) })).toBe(false);
    expect(allows(at(0), { lastModified: at(0), date: undefined })).toBe(false);
  });

  it("forbids it where either is no date", () => {
    expect(allows("never", { lastModified: "never" })).toBe(false);
    expect(allows("", { lastModified: at(0) })).toBe(false);
    expect(allows(at(0), { lastModified: at(0), date: "now" })).toBe(false);
  });
});

const bytes = (text: string) => new TextEncoder().encode(text);

/** What the source brings, the sink stopping it after each piece where `slow`. */
function read(source: Source, { slow = false } = {}): { text: string; ends: number } {
  const pieces: Uint8Array[] = [];
  let ends = 0;
  const flow = source.start({
    write(piece) {
      pieces.push(piece);
      return !slow;
    },
    end() {
      ends++;
    },
    fail() {},
  });
  for (let before = -1; slow && before < pieces.length; ) {
    before = pieces.length;
    flow.resume();
  }
  flow.resume(); // comes too late, and brings nothing
  return { text: new TextDecoder().decode(Buffer.concat(pieces)), ends };
}

describe("multipart/byteranges (§14.6)", () => {
  const body = bytes("0123456789");
  const ranges: readonly ByteRange[] = [
    { first: 7, last: 9 },
    { first: 0, last: 0 },
  ];

  it("has each part with its Content-Range and the representation's Content-Type, and says its length", () => {
    const { content, length } = multipart(body, ranges, { boundary: "b", type: "text/plain" });
    const expected = [
      ...["--b", "Content-Type: text/plain", "Content-Range: bytes 7-9/10", "", "789"],
      ...["--b", "Content-Type: text/plain", "Content-Range: bytes 0-0/10", "", "0"],
      ...["--b--", ""],
    ].join("\r\n");
    expect(read(content).text).toBe(expected);
    expect(length).toBe(expected.length);
  });

  it("names no type where the representation names none", () => {
    const { content, length } = multipart(body, ranges, { boundary: "b", type: undefined });
    const { text } = read(content);
    expect(text).not.toContain("Content-Type");
    expect(length).toBe(text.length);
  });

  it("comes as its reader takes it, and ends once", () => {
    const make = () => multipart(body, ranges, { boundary: "b", type: "text/plain" }).content;
    expect(read(make(), { slow: true })).toEqual(read(make()));
    expect(read(make(), { slow: true }).ends).toBe(1);
  });

  it("stops when its reader leaves", () => {
    const written: number[] = [];
    const sink = {
      write: (piece: Uint8Array) => written.push(piece.length) < 0,
      end: () => written.push(-1),
      fail() {},
    };
    const flow: Flow = multipart(body, ranges, { boundary: "b", type: undefined }).content.start(sink);
    flow.cancel();
    flow.resume();
    expect(written).toHaveLength(1);
  });

  it("copies nothing of the body", () => {
    const pieces: Uint8Array[] = [];
    const write = (piece: Uint8Array) => pieces.push(piece) > 0;
    multipart(body, ranges, { boundary: "b", type: undefined }).content.start({ write, end() {}, fail() {} });
    expect(pieces.filter(({ buffer }) => buffer === body.buffer)).toHaveLength(2);
  });
});

it("Content-Range says what is there of how much, and after 416 only how much", () => {
  expect(contentRange(10, { first: 2, last: 5 })).toBe("bytes 2-5/10");
  expect(contentRange(10)).toBe("bytes */10");
});

describe("whatever is asked", () => {
  const unit = fc.constantFrom("bytes=", "0", "1", "9", "-", ",", " ", "\t", '"', "\\", "=", "é");
  const position = fc.nat({ max: 60 });
  const spec = fc.oneof(
    fc.tuple(position, position).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    position.map((first) => `${first}-`),
    position.map((suffix) => `-${suffix}`),
  );
  const length = fc.nat({ max: 50 });

  it("nothing throws, and what is found lies inside, apart, a dozen at the most", () => {
    const strange = fc.oneof(
      fc.string(),
      fc.string({ unit }),
      fc.string({ unit }).map((text) => `bytes=${text}`),
    );
    const sane = fc.array(spec, { maxLength: 20 }).map((specs) => `bytes=${specs.join()}`);
    fc.assert(
      fc.property(fc.oneof(strange, sane), length, (range, length) => {
        const found = requestedRanges(range, length) ?? [];
        expect(found.length).toBeLessThanOrEqual(12);
        const ascending = found.toSorted((a, b) => a.first - b.first);
        let free = 0;
        for (const { first, last } of ascending) {
          expect(first).toBeGreaterThanOrEqual(free);
          expect(last).toBeGreaterThanOrEqual(first);
          expect(last).toBeLessThan(length);
          free = last + 2;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("what is found are the bytes asked for, no more and no less", () => {
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 50 }), (specs, length) => {
        const found = requestedRanges(`bytes=${specs.join(", ")}`, length) ?? [];
        const has = (offset: number) => found.some(({ first, last }) => first <= offset && offset <= last);
        const wants = (offset: number) =>
          specs.some((one) => {
            const [first = "", last = ""] = one.split("-");
            if (first === "") return offset >= length - Number(last);
            return Number(first) <= offset && (last === "" || offset <= Number(last));
          });
        const offsets = Array.from({ length }, (_, offset) => offset);
        expect(offsets.filter(has)).toEqual(offsets.filter(wants));
      }),
      { numRuns: 1000 },
    );
  });

  it("the parts of a partition, one by one, make the body", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.array(position), (body, cuts) => {
        const starts = [...new Set([0, ...cuts.filter((cut) => cut < body.length)])].sort((a, b) => a - b);
        const parts = starts.map((first, i) => {
          const ranges = requestedRanges(`bytes=${first}-${(starts[i + 1] ?? body.length) - 1}`, body.length);
          return slice(body, ranges?.[0] as ByteRange);
        });
        expect(Buffer.concat(parts).equals(body)).toBe(true);
      }),
    );
  });

  it("a long field takes time in proportion to its length", () => {
    for (const hostile of ["0-,", '"', "1", "-", ", ", "0-0,2-2,", "9-0,"]) asked(`bytes=${hostile.repeat(50_000)}`);
  });
});
