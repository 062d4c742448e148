// If-None-Match and If-Match (RFC 9110 §13.1.1-2, §8.8.3), against their grammar read letter by letter.

import { describe, expect, it } from "vitest";
import { evaluatePreconditions } from "../../src/http/preconditions.ts";
import fc from "../support/fast-check.ts";

/** What a field value may consist of, and more. */
const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

interface Tag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** `"*" / #entity-tag`; undefined: it is neither. Empty members are let pass (§5.6.1.2). */
function grammar(text: string): "*" | Tag[] | undefined {
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, "");
  if (trimmed === "*") return "*";
  const tags: Tag[] = [];
  let at = 0;
  const blanks = () => {
    while (trimmed[at] === " " || trimmed[at] === "\t") at++;
  };
  for (;;) {
    blanks();
    if (at < trimmed.length && trimmed[at] !== ",") {
      const weak = trimmed.startsWith('W/"', at);
      if (weak) at += 2;
      if (trimmed[at] !== '"') return undefined;
      const end = trimmed.indexOf('"', at + 1);
      if (end === -1) return undefined;
      const opaque = trimmed.slice(at + 1, end);
      if (![...opaque].every(isEtagc)) return undefined;
      tags.push({ weak, opaque });
      at = end + 1;
    }
    blanks();
    if (at === trimmed.length) return tags;
    if (trimmed[at++] !== ",") return undefined;
  }
}

/** etagc = %x21 / %x23-7E / obs-text: no space, and a backslash is a character like any other. */
function isEtagc(character: string): boolean {
  const code = character.charCodeAt(0);
  return code === 0x21 || (code >= 0x23 && code <= 0x7e) || (code >= 0x80 && code <= 0xff);
}

const text = (tag: Tag) => `${tag.weak ? "W/" : ""}"${tag.opaque}"`;
const asked = (name: "If-None-Match" | "If-Match", list: string, etag: string) =>
  evaluatePreconditions({ method: "GET", fields: [name, list] }, { etag });

const tag: fc.Arbitrary<Tag> = fc.record({
  weak: fc.boolean(),
  opaque: fc.string({ unit: fc.constantFrom(..."ab,W/*\\'\u00fc"), maxLength: 3 }),
});
const separator = fc.constantFrom(",", ", ", " ,", "\t,", ",,", ", , ");
const list = fc
  .array(fc.tuple(tag.map(text), separator), { minLength: 1, maxLength: 4 })
  .map((all) => all.flat().slice(0, -1).join(""));
const spoilt = fc
  .tuple(list, fc.nat(), fc.constantFrom('"', "W/", ",", " ", "*", "\u00a0", "\u000b", ""), fc.nat(2))
  .map(([all, at, put, cut]) => {
    const i = at % (all.length + 1);
    return all.slice(0, i) + put + all.slice(i + cut);
  });
const star = fc.constantFrom("*", " *", "*\t", "\u00a0*", "*\u000b", "\ufeff*", "* ,", '"*"', "**");

describe("a list of entity tags", () => {
  it("matches weakly in If-None-Match, and strongly in If-Match, as the grammar reads it (§8.8.3.2)", () => {
    fc.assert(
      fc.property(fc.oneof(list, spoilt), tag, (listed, selected) => {
        const tags = grammar(listed);
        fc.pre(tags !== undefined);
        const isWeakly = tags === "*" || (tags as Tag[]).some(({ opaque }) => opaque === selected.opaque);
        const isStrong = ({ weak, opaque }: Tag) => !weak && !selected.weak && opaque === selected.opaque;
        const isStrongly = tags === "*" || (tags as Tag[]).some(isStrong);
        expect(asked("If-None-Match", listed, text(selected))).toBe(isWeakly ? "not-modified" : "proceed");
        expect(asked("If-Match", listed, text(selected))).toBe(isStrongly ? "proceed" : "failed");
      }),
      { numRuns: 3000 },
    );
  });

  it("that is none of the grammar matches nothing that does not stand in it", () => {
    fc.assert(
      fc.property(fc.oneof(spoilt, star, octets), tag, (listed, selected) => {
        if (grammar(listed) !== undefined) return;
        if (asked("If-None-Match", listed, text(selected)) === "proceed") return;
        expect(listed).toContain(`"${selected.opaque}"`);
      }),
      { numRuns: 3000 },
    );
  });

  it("finds a tag wherever it stands in a list that others wrote", () => {
    fc.assert(
      fc.property(fc.array(tag, { maxLength: 3 }), tag, fc.array(tag, { maxLength: 3 }), (before, one, behind) => {
        const all = [...before, one, ...behind].map(text).join(", ");
        expect(asked("If-None-Match", all, text(one))).toBe("not-modified");
        if (!one.weak) expect(asked("If-Match", all, text(one))).toBe("proceed");
      }),
    );
  });
});
