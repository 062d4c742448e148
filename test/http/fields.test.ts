import { describe, expect, it } from "vitest";
import { closingQuote, field, has, isNamed, lines, members, without } from "../../src/http/fields.ts";
import fc from "../support/fast-check.ts";

const FIELDS = [
  "Host",
  "a.test",
  "ACCEPT",
  "text/html",
  "Set-Cookie",
  "a=1",
  "accept",
  "*/*",
  "set-cookie",
  "b=2",
  "X-Empty",
  "",
];

describe("looking fields up", () => {
  it("joins the lines of a field in wire order, whatever their case", () => {
    expect(field(FIELDS, "accept")).toBe("text/html, */*");
    expect(field(FIELDS, "host")).toBe("a.test");
  });

  it("tells an empty field from an absent one", () => {
    expect(field(FIELDS, "x-empty")).toBe("");
    expect(field(FIELDS, "x-absent")).toBeUndefined();
    expect(has(FIELDS, "x-empty")).toBe(true);
    expect(has(FIELDS, "x-absent")).toBe(false);
  });

  it("keeps the lines of Set-Cookie apart", () => {
    expect(lines(FIELDS, "set-cookie")).toEqual(["a=1", "b=2"]);
    expect(lines(FIELDS, "x-absent")).toEqual([]);
  });

  it("never looks at values: a value that is a field's name is not that field", () => {
    expect(has(["X-Trick", "host"], "host")).toBe(false);
    expect(field(["X-Trick", "host", "x", "y"], "host")).toBeUndefined();
  });

  it("leaves out every line of the names given, and nothing else", () => {
    expect(without(FIELDS, new Set(["accept", "set-cookie"]))).toEqual(["Host", "a.test", "X-Empty", ""]);
  });

  it("ignores a name without a value at the end of a broken list", () => {
    expect(has(["Host", "a.test", "Accept"], "accept")).toBe(false);
    expect(without(["Host", "a.test", "Accept"], new Set())).toEqual(["Host", "a.test"]);
  });

  it("folds the case of ASCII letters only", () => {
    expect(isNamed("HOST", "host")).toBe(true);
    expect(isNamed("@", "`")).toBe(false); // 32 apart as well
    expect(isNamed("[", "{")).toBe(false);
    expect(isNamed("\u212aeep-alive", "keep-alive")).toBe(false); // the Kelvin sign, a "k" to toLowerCase
  });

  it("agrees with toLowerCase on every token", () => {
    const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/);
    fc.assert(
      fc.property(token, token, (a, b) => isNamed(a, b.toLowerCase()) === (a.toLowerCase() === b.toLowerCase())),
    );
    fc.assert(fc.property(token, (name) => isNamed(name.toUpperCase(), name.toLowerCase())));
  });
});

describe("taking lists apart", () => {
  it("drops empty members and the space around the others (RFC 9110 §5.6.1)", () => {
    expect(members("foo ,bar,")).toEqual(["foo", "bar"]);
    expect(members("foo , ,bar,charlie")).toEqual(["foo", "bar", "charlie"]);
    for (const empty of ["", ",", ",   ,", " \t"]) expect(members(empty)).toEqual([]);
  });

  it("does not separate at a comma in a quoted string, escaped quotes included", () => {
    expect(members('no-cache="a, b", max-age=1')).toEqual(['no-cache="a, b"', "max-age=1"]);
    expect(members('x="say \\"a, b\\"", y')).toEqual(['x="say \\"a, b\\""', "y"]);
    expect(members('x="\\\\", y')).toEqual(['x="\\\\"', "y"]);
  });

  it("does not let a quote that is never closed hide the members behind it", () => {
    expect(members('foo="bar, no-store, private')).toEqual(['foo="bar', "no-store", "private"]);
    expect(members('a="x, y", b="z, no-store')).toEqual(['a="x, y"', 'b="z', "no-store"]);
    expect(members('a="x\\", no-store')).toEqual(['a="x\\"', "no-store"]);
  });

  it("takes parameters apart at semicolons alike", () => {
    expect(members('for="[::1];x";proto=http; by=a,b', ";")).toEqual(['for="[::1];x"', "proto=http", "by=a,b"]);
  });

  it("trims only what HTTP calls whitespace", () => {
    expect(members("a\u00a0,\tb ")).toEqual(["a\u00a0", "b"]);
  });

  it("takes time in proportion to a value's length, whatever the quotes", () => {
    for (const hostile of ['"\\', '"', '","', ',\\"', ","]) {
      expect(members(`"${hostile.repeat(100_000)}`).length).toBeLessThanOrEqual(100_001);
    }
  });

  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/);
  const quoted = fc.string().map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`);
  const member = fc.oneof(
    token,
    quoted,
    fc.tuple(token, quoted).map(([name, value]) => `${name}=${value}`),
  );

  it("gets back the members a list was made of", () => {
    fc.assert(
      fc.property(fc.array(member), (list) => {
        expect(members(list.join(", "))).toEqual(list);
        expect(members(` ,${list.join(",,\t")},`)).toEqual(list);
      }),
    );
  });

  it("never throws, and never loses or invents a character but separators and space", () => {
    const stripped = (text: string) => text.replace(/[, \t]/g, "");
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', "\\", ",", "a", " ", "\u00fc") }), (value) => {
        expect(stripped(members(value).join(""))).toBe(stripped(value));
      }),
    );
  });

  it("finds where a quoted string closes", () => {
    expect(closingQuote('"a\\"b" c', 0)).toBe(5);
    expect(closingQuote('"a\\"', 0)).toBe(-1);
  });
});
