import { describe, expect, it } from "vitest";
import { fieldNames, parseCacheControl, seconds } from "../../src/http/cache-control.ts";
import fc from "../support/fast-check.ts";

const maxAge = (value: string) => seconds(parseCacheControl(value), "max-age");
const directive = (value: string, name: string) => parseCacheControl(value).get(name);

describe("reading Cache-Control", () => {
  it("gives directives by lower-case name, with or without argument", () => {
    const cc = parseCacheControl("Public, MAX-AGE=60, stale-while-revalidate=30");
    expect(cc.get("public")).toBe(true);
    expect(cc.get("max-age")).toBe("60");
    expect(seconds(cc, "stale-while-revalidate")).toBe(30);
    expect(cc.has("no-store")).toBe(false);
  });

  it("reads nothing from an absent or empty field", () => {
    expect(parseCacheControl(undefined).has("no-store")).toBe(false);
    expect(parseCacheControl(undefined)).toBe(parseCacheControl(""));
    expect(parseCacheControl(" , ,, ").get("")).toBeUndefined();
  });

  it("keeps directives it does not know, and their arguments", () => {
    expect(directive('community="UCI, \\"x\\"", immutable', "community")).toBe('UCI, "x"');
    expect(directive("max-age=1, s-maxage=2,immutable", "immutable")).toBe(true);
  });

  it("does not find directives in quoted strings", () => {
    expect(maxAge('extension="max-age=3600", max-age=1')).toBe(1);
    expect(maxAge('max-age=1, extension="max-age=3600, no-store"')).toBe(1);
    expect(parseCacheControl('ext="a, no-store"').has("no-store")).toBe(false);
  });

  it("finds the directives behind a quote that is never closed", () => {
    expect(parseCacheControl('ext="a, no-store').has("no-store")).toBe(true);
    expect(parseCacheControl('private="set-cookie, no-store').has("private")).toBe(true);
  });

  it("separates at semicolons too, as sloppy origins do", () => {
    const cc = parseCacheControl("max-age=0; private; no-store");
    expect([cc.has("private"), cc.has("no-store"), seconds(cc, "max-age")]).toEqual([true, true, 0]);
    expect(directive('ext="a;no-store"', "no-store")).toBeUndefined();
  });

  it("takes what begins with a directive's name for that directive", () => {
    expect(parseCacheControl("no-store foo").has("no-store")).toBe(true);
    expect(parseCacheControl("no-store=1").has("no-store")).toBe(true);
    expect(parseCacheControl("private/x").has("private")).toBe(true);
    expect(parseCacheControl("no-storey").has("no-store")).toBe(false);
    expect(directive("max-stale 10", "max-stale")).not.toBe(true); // which would be any staleness
  });

  it("gives the same reading for the same text again", () => {
    expect(parseCacheControl("max-age=60, public")).toBe(parseCacheControl("max-age=60, public"));
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("max-age", "private", "no-cache"), (value, name) => {
        const cc = parseCacheControl(value);
        seconds(cc, name);
        fieldNames(cc, "private");
      }),
    );
    const unit = fc.constantFrom("max-age", "=", '"', "\\", ",", ";", " ", "0", "no-store", "private");
    fc.assert(
      fc.property(fc.string({ unit }), (value) => {
        const age = maxAge(value);
        expect(age === undefined || (Number.isInteger(age) && age >= 0 && age <= 2 ** 31)).toBe(true);
      }),
    );
  });
});

describe("seconds", () => {
  it.each([
    ["max-age=0", 0],
    ["max-age=003600", 3600],
    ['max-age="3600"', 3600],
    ["max-age=2147483648", 2 ** 31],
    ["max-age=2147483649", 2 ** 31],
    [`max-age=${"9".repeat(400)}`, 2 ** 31],
  ])("reads %s", (value, expected) => {
    expect(maxAge(value)).toBe(expected);
  });

  it.each([
    ["max-age"],
    ["max-age="],
    ['max-age=""'],
    ["max-age=-1"],
    ["max-age=+1"],
    ["max-age=1.5"],
    ["max-age=3600.0"],
    ["max-age=1e3"],
    ["max-age=0x10"],
    ["max-age=3600a"],
    ["max-age=a3600"],
    ["max-age='3600'"],
    ['max-age="3600'],
    ['max-age="3600"x'],
    ["max-age=36 00"],
    ["max-age =3600"],
    ["max-age= 3600"],
    ["max-age 3600"],
    ["max-age:3600"],
    ["max-age=\u0663"],
  ])("has %s there, but as garbage", (value) => {
    expect(maxAge(value)).toBeUndefined();
    expect(parseCacheControl(value).has("max-age")).toBe(true);
  });
});

describe("a directive stated twice", () => {
  it.each([
    ["max-age=1800, max-age=1", "max-age", 1],
    ["max-age=1, max-age=1800", "max-age", 1],
    ["max-age=60, max-age=garbage", "max-age", undefined],
    ["max-age=garbage, max-age=60", "max-age", undefined],
    ["max-age=60, max-age", "max-age", undefined],
    ["s-maxage=9, s-maxage=8, s-maxage=10", "s-maxage", 8],
    ["stale-if-error=5, stale-if-error=50", "stale-if-error", 5],
    ["max-stale, max-stale=10", "max-stale", 10],
    ["max-stale=10, max-stale", "max-stale", 10],
    ["min-fresh=10, min-fresh=60", "min-fresh", 60],
    ["min-fresh=60, min-fresh=10", "min-fresh", 60],
    ["min-fresh=60, min-fresh=x", "min-fresh", undefined],
    ["min-fresh=x, min-fresh=60", "min-fresh", undefined],
    ["max-stale=60, max-stale=x", "max-stale", undefined],
  ])("%s counts for less reuse", (value, name, expected) => {
    expect(seconds(parseCacheControl(value), name)).toBe(expected);
  });

  it("holds for the whole response if it does so once", () => {
    expect(fieldNames(parseCacheControl('private="a", private'), "private")).toBeUndefined();
    expect(directive('private, private="a"', "private")).toBe(true);
    expect(fieldNames(parseCacheControl('private="", private="a"'), "private")).toBeUndefined();
  });

  it("names the fields of both", () => {
    expect(fieldNames(parseCacheControl('no-cache="a", no-cache="B, c"'), "no-cache")).toEqual(["a", "b", "c"]);
  });
});

describe("any number of max-age", () => {
  it("counts as the least of them, and as garbage where one is", () => {
    const number = fc.nat().map((n) => ({ text: `${n}`, means: n }));
    const other = fc.constantFrom("", "1.5", "-1", "3600s", "'3600'", "1e3").map((text) => ({ text, means: -1 }));
    const quoted = fc.nat().map((n) => ({ text: `"00${n}"`, means: n }));
    const separator = fc.constantFrom(",", ", ", " ,,", ";", ", public, ");
    fc.assert(
      fc.property(fc.array(fc.oneof(number, quoted, other), { minLength: 1 }), separator, (each, between) => {
        const least = Math.min(...each.map(({ means }) => means));
        const value = each.map(({ text }) => `Max-Age=${text}`).join(between);
        expect(maxAge(`${value}, `)).toBe(least < 0 ? undefined : Math.min(least, 2 ** 31));
      }),
    );
  });
});

describe("field names", () => {
  it("come lower-case, quoted or not", () => {
    expect(fieldNames(parseCacheControl('private="Set-Cookie, X-A", max-age=1'), "private")).toEqual([
      "set-cookie",
      "x-a",
    ]);
    expect(fieldNames(parseCacheControl("no-cache=Set-Cookie"), "no-cache")).toEqual(["set-cookie"]);
  });

  it.each([
    ["private"],
    ["private="],
    ['private=""'],
    ['private=" , "'],
    ['private="a b"'],
    ['private="a'],
    ['private ="a"'],
    ['private= "a"'],
    ['private="a" "b"'],
    ["max-age=1"],
  ])("are none in %s: the directive is for the whole response", (value) => {
    expect(fieldNames(parseCacheControl(value), "private")).toBeUndefined();
  });
});
