// Targeted fields (RFC 9213 §2.1) are Dictionaries of structured fields (RFC 8941 §4.2.2): against its parsing algorithm
// done character by character. What it refuses counts for nothing as a whole.

import { describe, expect, it } from "vitest";
import { directivesOf, parseTargeted } from "../../src/cache/directives.ts";
import { seconds } from "../../src/http/cache-control.ts";
import fc from "../support/fast-check.ts";

/** What a field value may consist of, and more. */
const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

/** A member's value, as far as directives care: `true`, an Integer, a String; anything else is "other". */
type Value = true | { readonly integer: number } | { readonly string: string } | "other";

/**
 * RFC 8941 §4.2.2 over ASCII; undefined: parsing fails. Byte sequences, dates and display strings (RFC 9651) are not in
 * the texts below.
 */
function dictionary(text: string): Map<string, Value> | undefined {
  let at = 0;
  const fail = () => {
    throw new SyntaxError(text.slice(at));
  };
  const is = (set: RegExp) => at < text.length && set.test(text[at] as string);
  const run = (set: RegExp) => {
    const start = at;
    while (is(set)) at++;
    return text.slice(start, at);
  };
  const key = () => (is(/[a-z*]/) ? run(/[a-z0-9_.*-]/) : fail());
  const number = (): Value => {
    const sign = text[at] === "-" ? -1 : 1;
    if (sign < 0) at++;
    const whole = run(/[0-9]/);
    if (whole === "") fail();
    if (text[at] !== ".") return whole.length > 15 ? (fail() ?? "other") : { integer: sign * Number(whole) };
    at++;
    const fraction = run(/[0-9]/);
    if (whole.length > 12 || fraction.length < 1 || fraction.length > 3) fail();
    return "other";
  };
  const string = (): Value => {
    let content = "";
    for (at++; is(/[ -~]/) && text[at] !== '"'; at++) {
      if (text[at] === "\\") {
        at++;
        if (!is(/["\\]/)) fail();
      }
      content += text[at];
    }
    if (text[at++] !== '"') fail();
    return { string: content };
  };
  const bare = (): Value => {
    if (is(/[-0-9]/)) return number();
    if (is(/"/)) return string();
    if (is(/\?/)) {
      at += 2;
      if (text[at - 1] !== "0" && text[at - 1] !== "1") fail();
      return text[at - 1] === "1" ? true : "other";
    }
    if (!is(/[A-Za-z*]/)) fail();
    run(/[!#$%&'*+\-.^_`|~0-9A-Za-z:/]/);
    return "other";
  };
  const parameters = () => {
    while (text[at] === ";") {
      at++;
      run(/ /);
      key();
      if (text[at] !== "=") continue;
      at++;
      bare();
    }
  };
  const innerList = (): Value => {
    for (at++; ; ) {
      run(/ /);
      if (text[at] === ")") break;
      bare();
      parameters();
      if (!is(/[ )]/)) fail();
    }
    at++;
    return "other";
  };

  const members = new Map<string, Value>();
  try {
    run(/ /);
    while (at < text.length) {
      const name = key() as string;
      let value: Value = true;
      if (text[at] === "=") {
        at++;
        value = is(/\(/) ? innerList() : bare();
      }
      parameters();
      members.set(name, value);
      run(/[ \t]/);
      if (at === text.length) return members;
      if (text[at++] !== ",") fail();
      run(/[ \t]/);
      if (at === text.length) fail();
    }
    return members;
  } catch {
    return undefined;
  }
}

/** What Cache-Control would make of it; "" is what cannot be read. */
function argumentOf(name: string, value: Value): string | true {
  if (value === true) return true;
  if (value === "other") return "";
  if ("integer" in value) return String(value.integer);
  return name === "private" || name === "no-cache" ? value.string : "";
}

const NAMES = ["max-age", "s-maxage", "no-store", "private", "no-cache", "must-revalidate", "x", "a.b*"];
const bare = fc.oneof(
  { weight: 3, arbitrary: fc.nat(99).map(String) },
  fc.constantFrom("?1", "?0", "1.5", "60.0", "-1", "a", "A/b:c", '"60"', '"max-age=1.5"', '"a\\"b"', "(1 2)", "()"),
);
const parameter = fc.constantFrom("", "", "", ";p", "; p=1", ";max-age=2.5", ';p="x"', ";p=?0");
const member = fc
  .tuple(fc.constantFrom(...NAMES), fc.option(bare, { nil: undefined }), parameter)
  .map(([name, value, tail]) => `${name}${value === undefined ? "" : `=${value}`}${tail}`);
const list = fc
  .array(fc.tuple(member, fc.constantFrom(",", ", ", " ,\t")), { maxLength: 4 })
  .map((all) => all.flat().slice(0, -1).join(""));
const spoilt = fc
  .tuple(
    list,
    fc.nat(),
    fc.constantFrom(",", " ", "=", '"', "\\", ";", "A", "\u00e9", "(", ")", ".", "0", "?", "\t", ""),
    fc.nat(2),
  )
  .map(([text, at, put, cut]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + put + text.slice(i + cut);
  });

describe("a targeted field", () => {
  it("is read as RFC 8941 reads a Dictionary, and is nothing at all where that fails", () => {
    fc.assert(
      fc.property(fc.oneof(list, spoilt), (text) => {
        const expected = dictionary(text);
        const found = parseTargeted(text);
        expect(found === undefined).toBe(expected === undefined || expected.size === 0);
        for (const name of NAMES) {
          const value = found === undefined ? undefined : expected?.get(name);
          expect(found?.has(name) ?? false).toBe(value !== undefined);
          if (value !== undefined) expect(found?.get(name)).toBe(argumentOf(name, value));
        }
      }),
      {
        numRuns: 2000,
        examples: [['private="max-age=1.5", max-age=60'], ["max-age=60;x=1.5"], ["max-age=1.0, max-age=60"]],
      },
    );
  });

  it("never throws, and never makes of any text a lifetime that is no whole number of seconds", () => {
    fc.assert(
      fc.property(fc.oneof(spoilt, octets), (text) => {
        const cc = parseTargeted(text);
        const lifetime = cc === undefined ? undefined : seconds(cc, "max-age");
        if (lifetime !== undefined)
          expect(Number.isInteger(lifetime) && lifetime >= 0 && lifetime <= 2 ** 31).toBe(true);
      }),
    );
  });

  it("that is nothing gives way to the next one, which it must not weaken (RFC 9213 §2.2)", () => {
    fc.assert(
      fc.property(spoilt, spoilt, (ours, cdn) => {
        fc.pre(!dictionary(ours)?.size && !dictionary(cdn)?.size);
        const fields = ["CDN-Cache-Control", cdn, "Cache-Control", "no-store"];
        const found = directivesOf({ fields, targeted: ours });
        expect([found.isTargeted, found.cc.has("no-store")]).toEqual([false, true]);
      }),
    );
  });
});
