// Cache-Control, against the grammar of RFC 9111 §5.2 read letter by letter; and whatever is no grammar at all, which
// must never hide or weaken a directive beside it.

import { describe, expect, it } from "vitest";
import { fieldNames, parseCacheControl, seconds } from "../../src/http/cache-control.ts";
import fc from "../support/fast-check.ts";

/** What a field value may consist of, and more. */
const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

type Said = [name: string, argument: string | true];

const TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * The directives in the order sent; undefined: the text is none of the grammar.
 *
 *   Cache-Control = #cache-directive            cache-directive = token [ "=" ( token / quoted-string ) ]
 *   quoted-string = DQUOTE *( qdtext / "\" any ) DQUOTE          empty list members are let pass (RFC 9110 §5.6.1.2)
 */
function grammar(text: string): Said[] | undefined {
  const said: Said[] = [];
  let at = 0;
  const blanks = () => {
    while (text[at] === " " || text[at] === "\t") at++;
  };
  const token = () => {
    const start = at;
    while (at < text.length && TCHARS.includes(text[at] as string)) at++;
    return text.slice(start, at);
  };
  const quoted = () => {
    let content = "";
    for (at++; at < text.length && text[at] !== '"'; at++) {
      if (text[at] === "\\") at++;
      content += text[at] ?? "";
    }
    return text[at++] === '"' ? content : undefined;
  };
  for (;;) {
    blanks();
    const name = token();
    if (name !== "") {
      let argument: string | true | undefined = true;
      if (text[at] === "=") {
        at++;
        argument = text[at] === '"' ? quoted() : token() || undefined;
      }
      if (argument === undefined) return undefined;
      said.push([name.toLowerCase(), argument]);
    }
    blanks();
    if (at === text.length) return said;
    if (text[at++] !== ",") return undefined;
  }
}

const DELTAS = ["max-age", "s-maxage", "min-fresh", "stale-if-error", "stale-while-revalidate"];
const name = fc.constantFrom(...DELTAS, "no-store", "private", "no-cache", "public", "Max-Age", "NO-STORE", "x");
const token = fc.string({ unit: fc.constantFrom(..."059abZ-'*"), minLength: 1, maxLength: 4 });
const quoted = fc.string({ unit: fc.constantFrom(..."09a ,;=\t\u00e9", '"', "\\"), maxLength: 6 });
const argument = fc.oneof(
  fc.nat(99).map(String),
  token,
  quoted.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`),
);
const directive = fc.oneof(
  name,
  fc.tuple(name, argument).map(([each, value]) => `${each}=${value}`),
);
const separator = fc.constantFrom(",", ", ", " ,", "\t, ", ",,", ", ,");
const list = fc.array(fc.tuple(directive, separator), { maxLength: 5 }).map((all) => all.flat().slice(0, -1).join(""));

/** Nearly Cache-Control: a list with something put where it does not belong. */
const broken = fc
  .tuple(list, fc.nat(), fc.constantFrom('"', "\\", "=", " ", ";", "/", "\u0000", "\u00ff", '"a,b'))
  .map(([text, at, put]) => text.slice(0, at % (text.length + 1)) + put + text.slice(at % (text.length + 1)));
const anything = fc.oneof(list, broken, octets);

describe("Cache-Control", () => {
  it("is read as the grammar reads it, whoever wrote the list", () => {
    fc.assert(
      fc.property(fc.oneof(list, broken), (text) => {
        const said = grammar(text);
        fc.pre(said !== undefined);
        const cc = parseCacheControl(text);
        const byName = Map.groupBy(said as Said[], ([each]) => each);
        for (const [each, all] of byName) {
          expect(cc.has(each)).toBe(true);
          if (all.length === 1) expect(cc.get(each)).toBe(all[0]?.[1]);
        }
        for (const each of [...DELTAS, "no-store", "private", "a", "9"]) expect(cc.has(each)).toBe(byName.has(each));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads a number said several times as the one that reuses least; one that is none makes it garbage (§4.2.1)", () => {
    const number = (value: string | true) => (value !== true && /^[0-9]+$/.test(value) ? Number(value) : undefined);
    fc.assert(
      fc.property(list, fc.constantFrom(...DELTAS), (text, each) => {
        const said = grammar(text)?.filter(([found]) => found === each) ?? [];
        const numbers = said.map(([, value]) => number(value));
        const least = each === "min-fresh" ? Math.max : Math.min;
        const expected = said.length === 0 || numbers.includes(undefined) ? undefined : least(...(numbers as number[]));
        expect(seconds(parseCacheControl(text), each)).toBe(expected);
      }),
      { numRuns: 2000, examples: [["min-fresh=0, min-fresh=x", "min-fresh"]] },
    );
  });

  it("names the fields of private and no-cache only where every one of them is a field name (§5.2.2.4, §5.2.2.7)", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom("private", "no-cache"), (text, each) => {
        const named = fieldNames(parseCacheControl(text), each as "private");
        if (named === undefined) return;
        expect(named.length).toBeGreaterThan(0);
        for (const one of named) {
          expect([...one].every((character) => TCHARS.includes(character))).toBe(true);
          expect(text.toLowerCase()).toContain(one);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("is never talked out of a directive by what stands before or behind it", () => {
    const strict = fc.constantFrom("no-store", "private", "no-cache", "must-revalidate", "s-maxage");
    fc.assert(
      fc.property(anything, strict, (text, each) => {
        expect(parseCacheControl(`${text},${each}`).has(each)).toBe(true);
        expect(parseCacheControl(`${each},${text}`).has(each)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("is never given a longer life by what stands before or behind it", () => {
    fc.assert(
      fc.property(anything, fc.nat(99), fc.boolean(), (text, most, isFirst) => {
        const cc = parseCacheControl(isFirst ? `max-age=${most},${text}` : `${text},max-age=${most}`);
        expect(cc.has("max-age")).toBe(true);
        expect(seconds(cc, "max-age") ?? 0).toBeLessThanOrEqual(most);
      }),
      { numRuns: 2000 },
    );
  });

  it("is whole seconds from 0 to 2^31 or unreadable, and the same the second time", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom(...DELTAS), (text, each) => {
        const found = seconds(parseCacheControl(text), each);
        if (found !== undefined) expect(Number.isInteger(found) && found >= 0 && found <= 2 ** 31).toBe(true);
        expect(seconds(parseCacheControl(text), each)).toBe(found);
      }),
      { numRuns: 2000 },
    );
  });
});
