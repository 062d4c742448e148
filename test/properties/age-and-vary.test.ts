// Age (RFC 9111 §5.1) and Vary (§4.1, RFC 9110 §12.5.5) from any octets that a field value may have.

import { describe, expect, it } from "vitest";
import { initialAge } from "../../src/cache/freshness.ts";
import { varyNames } from "../../src/cache/vary.ts";
import fc from "../support/fast-check.ts";

const NOW = Date.UTC(2026, 0, 15, 12);
const octet = fc.nat(255).map((code) => String.fromCharCode(code));
const wild = fc.string({ unit: octet, maxLength: 12 });

function isDigits(text: string): boolean {
  return text !== "" && [...text].every((character) => "0123456789".includes(character));
}

/** SP and HTAB are all that is optional around a member (RFC 9110 §5.6.3). */
function withoutBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

describe("Age", () => {
  const ageOf = (...lines: string[]) =>
    initialAge({ fields: lines.flatMap((value) => ["Age", value]), requestTime: NOW, responseTime: NOW });
  const near = fc
    .tuple(fc.nat(99_999), fc.constantFrom("", " ", "\t", "\u00a0", "\u000b", "-", "+", ".5", "s", '"', "\u0661"), wild)
    .map(([n, put, tail]) => [`${n}`, `${put}${n}`, `${n}${put}`, `${n},${tail}`, `${n}${put},${n + 1}`, tail])
    .chain((all) => fc.constantFrom(...all));

  it("is the first member (empty ones are none) where that is a number of seconds, and is not there otherwise", () => {
    fc.assert(
      fc.property(fc.oneof(near, wild), (value) => {
        const [first = ""] = value
          .split(",")
          .map(withoutBlanks)
          .filter((member) => member !== "");
        expect(ageOf(value)).toBe(isDigits(first) ? Math.min(Number(first), 2 ** 31) : 0);
      }),
      { numRuns: 3000 },
    );
  });

  it("is that of the first line where there are several", () => {
    fc.assert(
      fc.property(fc.nat(99_999), near, (seconds, later) => {
        expect(ageOf(String(seconds), later)).toBe(seconds);
      }),
    );
  });
});

describe("Vary", () => {
  const namesOf = (...lines: string[]) => varyNames(lines.flatMap((value) => ["Vary", value]));
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const name = fc.constantFrom(
    "Accept",
    "accept-ENCODING",
    "Cookie",
    "x",
    "X-A",
    "*",
    "a*",
    '"a"',
    '"',
    "a b",
    "a;q=1",
  );
  const separator = fc.constantFrom(",", ", ", "\t,", ",,", " , ,");
  const list = fc.array(fc.tuple(name, separator), { maxLength: 5 }).map((all) => all.flat().join(""));

  it("is a set of names without case, or * where there is any * or anything that is no name", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(list, wild), { minLength: 1, maxLength: 3 }), (lines) => {
        const named = lines.flatMap((line) => line.split(",").map(withoutBlanks)).filter((each) => each !== "");
        const isKnown = named.every((each) => TOKEN.test(each) && each !== "*");
        const expected = [...new Set(named.map((each) => each.toLowerCase()))].sort();
        expect(namesOf(...lines)).toEqual(isKnown ? expected : "*");
      }),
      { numRuns: 3000 },
    );
  });

  it("is not talked out of a * by what stands around it", () => {
    fc.assert(
      fc.property(fc.oneof(list, wild), fc.oneof(list, wild), (before, behind) => {
        expect(namesOf(before, "*", behind)).toBe("*");
        expect(namesOf(`${before},*,${behind}`)).toBe("*");
      }),
    );
  });
});
