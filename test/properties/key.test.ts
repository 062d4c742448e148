// The key is injective in what is keyed (RFC 9111 §2): requests share one if and only if they are alike in all of it,
// whatever the route keys by. Against a model that says as a structure what the key says as a text.

import { describe, expect, it } from "vitest";
import { primaryKey, variantKey } from "../../src/cache/key.ts";
import type { CachePolicy } from "../../src/cache/policy.ts";
import type { Fields } from "../../src/http/message.ts";
import { aPolicy, aRequest } from "../cache/example.ts";
import fc from "../support/fast-check.ts";

type KeyConfig = CachePolicy["key"];

interface Of {
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly fields: Fields;
}

const keyOf = ({ scheme, authority, path, query, fields }: Of, key: KeyConfig) =>
  primaryKey(
    aRequest(query === undefined ? path : `${path}?${query}`, fields, { scheme, authority }),
    aPolicy({ key }),
  );

const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

/** RFC 3986 §6.2.2.1-2, character by character; a text with a malformed escape is left alone. */
function alike(text: string): string {
  let made = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "%") {
      made += text[i];
      continue;
    }
    const hex = text.slice(i + 1, i + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return text;
    const character = String.fromCharCode(Number(`0x${hex}`));
    made += UNRESERVED.includes(character) ? character : `%${hex.toUpperCase()}`;
    i += 2;
  }
  return made;
}

/** Escaped dots never become dot segments. */
const segment = (text: string) => ([".", ".."].includes(alike(text)) ? text.toUpperCase() : alike(text));

function readName(name: string): string {
  try {
    return decodeURIComponent(name.split("+").join(" "));
  } catch {
    return name;
  }
}

function valuesOf(fields: Fields, name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name.toLowerCase());
}

const trimmed = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, "");

/** One field's meaning: its lines joined; null where it is absent. */
function meaningOf(fields: Fields, name: string): string | null {
  const values = valuesOf(fields, name);
  return values.length === 0 ? null : trimmed(values.join(", "));
}

/** What is keyed, as JSON. */
function model({ scheme, authority, path, query, fields }: Of, key: KeyConfig): string {
  const nameOf = (pair: string) => pair.split("=")[0] as string;
  const byName = (pairs: string[]) =>
    Object.entries(Object.groupBy(pairs, (pair) => `=${nameOf(pair)}`)).sort(([a], [b]) => (a < b ? -1 : 1));
  const pairs = query === undefined ? [] : alike(query).split("&");
  const { query: by } = key;
  const named = by === "all" || by === "none" ? [] : pairs.filter((pair) => by.includes(readName(nameOf(pair))));
  const cookies = valuesOf(fields, "cookie").flatMap((line) => line.split(";").map(trimmed));
  const unique = (names: readonly string[]) => [...new Set(names)].sort();
  return JSON.stringify([
    scheme,
    authority,
    path.split("/").map(segment),
    by === "all" ? (query === undefined ? null : byName(pairs)) : byName(named),
    unique(key.headers.map((name) => name.toLowerCase())).map((name) => meaningOf(fields, name)),
    unique(key.cookies).map((name) => cookies.filter((pair) => nameOf(pair) === name)),
  ]);
}

/** Two configurations that key by the same. */
function same(a: KeyConfig, b: KeyConfig): boolean {
  const form = ({ query, headers, cookies }: KeyConfig) => [
    query === "all" ? query : [...new Set(query === "none" ? [] : query)].sort(),
    [...new Set(headers.map((name) => name.toLowerCase()))].sort(),
    [...new Set(cookies)].sort(),
  ];
  return JSON.stringify(form(a)) === JSON.stringify(form(b));
}

const config: fc.Arbitrary<KeyConfig> = fc.record({
  query: fc.oneof(fc.constantFrom<"all" | "none">("all", "none"), fc.subarray(["p", "q", "a b", "%", "p[0]", "p"])),
  headers: fc.subarray(["x-a", "X-B", "x-c", "X-A"]),
  cookies: fc.subarray(["c", "d", "c"]),
});

// Few characters, and those that the key's own text is made of, so that collisions would be found.
const text = fc.string({ unit: fc.constantFrom(..."ab01:-@;=+"), maxLength: 4 });
const escaped = fc.constantFrom(
  "%41",
  "%61",
  "%7e",
  "~",
  "%2f",
  "%2F",
  "%2e",
  ".",
  "%",
  "%zz",
  "%25",
  "%26",
  "/",
  "%c3",
);
const piece = fc.oneof(text, escaped);
const path = fc.array(piece, { maxLength: 4 }).map((pieces) => `/${pieces.join("")}`);
const parameter = fc
  .tuple(
    fc.constantFrom("p", "q", "%70", "a+b", "a%20b", "", "p%5B0%5D", "p[0]", "z", "%"),
    fc.oneof(piece, fc.constant(undefined)),
  )
  .map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
const query = fc.option(
  fc.array(parameter, { maxLength: 4 }).map((all) => all.join("&")),
  { nil: undefined },
);
const line = fc.oneof(
  fc.tuple(
    fc.constantFrom("x-a", "X-A", "x-b", "X-C", "x-d"),
    fc.oneof(text, fc.constantFrom(" a", "a\t", "a, b", "")),
  ),
  fc.tuple(
    fc.constantFrom("Cookie", "cookie"),
    fc
      .array(
        fc.tuple(fc.constantFrom("c", "d", "e", "C", ""), text).map((pair) => pair.join("=")),
        { maxLength: 3 },
      )
      .map((pairs) => pairs.join("; ")),
  ),
);
const request: fc.Arbitrary<Of> = fc.record({
  scheme: fc.constantFrom("http", "https"),
  authority: fc.constantFrom("a", "a:1", "a:10", "1:a", "a-", "a@a"),
  path,
  query,
  fields: fc.array(line, { maxLength: 4 }).map((lines) => lines.flat()),
});

const SWAPPED: Readonly<Record<string, string>> = { "x-a": "x-b", "x-b": "x-a", "c=": "d=", "d=": "c=" };

/** A request and another that differs from it in one thing, or in how the same thing is written, or in all. */
const pair: fc.Arbitrary<[Of, Of]> = fc.oneof(
  fc.tuple(request, request),
  fc
    .tuple(request, request, fc.constantFrom("scheme", "authority", "path", "query", "fields"))
    .map(([one, other, part]): [Of, Of] => [one, { ...one, [part]: other[part as keyof Of] }]),
  fc
    .tuple(request, fc.nat(), fc.constantFrom("%", "a", "1", ":", "=", "&", "/", "-"))
    .map(([one, at, put]): [Of, Of] => {
      const i = 1 + (at % one.path.length);
      return [one, { ...one, path: one.path.slice(0, i) + put + one.path.slice(i) }];
    }),
  // One field's or one cookie's value under another's name.
  request.map((one): [Of, Of] => [
    one,
    { ...one, fields: one.fields.map((each) => each.replace(/x-[ab]|[cd]=/gi, (name) => SWAPPED[name] ?? name)) },
  ]),
  request.map((one): [Of, Of] => [
    one,
    {
      ...one,
      path: one.path.replace(/%[0-9a-f]{2}/gi, (triplet) => triplet.toLowerCase()).replaceAll("~", "%7E"),
      query: one.query?.split("&").reverse().join("&"),
      fields: one.fields.map((each, i) => (i % 2 === 0 ? each.toUpperCase() : each)),
    },
  ]),
);

describe("the primary key", () => {
  it("is shared if and only if all that is keyed is alike, by whatever a route keys", () => {
    fc.assert(
      fc.property(pair, config, ([a, b], key) => {
        expect(keyOf(a, key) === keyOf(b, key)).toBe(model(a, key) === model(b, key));
      }),
      { numRuns: 3000 },
    );
  });

  it("is never shared by configurations that key by different things, whatever is asked", () => {
    fc.assert(
      fc.property(pair, config, config, ([a, b], one, other) => {
        if (same(one, other)) return;
        expect(keyOf(a, one)).not.toBe(keyOf(b, other));
      }),
      { numRuns: 1000 },
    );
  });

  it("is shared by configurations that say the same in another order or case", () => {
    fc.assert(
      fc.property(request, config, (of, key) => {
        const reversed = (names: readonly string[]) => [...names, ...names].reverse();
        const other: KeyConfig = {
          query: typeof key.query === "string" ? key.query : reversed(key.query),
          headers: reversed(key.headers).map((name) => name.toUpperCase()),
          cookies: reversed(key.cookies),
        };
        expect(keyOf(of, other)).toBe(keyOf(of, key));
      }),
    );
  });

  it("holds what a trusted proxy says of scheme and host: an origin's redirects go by it", () => {
    const said = fc.option(fc.constantFrom("a", "a:1", "http", "https", "1:a", ""), { nil: undefined });
    const fieldsOf = (proto: string | undefined, host: string | undefined) => [
      ...(proto === undefined ? [] : ["X-Forwarded-Proto", proto]),
      ...(host === undefined ? [] : ["X-Forwarded-Host", host]),
    ];
    fc.assert(
      fc.property(request, said, said, said, said, config, (of, proto, host, otherProto, otherHost, key) => {
        const one = { ...of, fields: [...of.fields, ...fieldsOf(proto, host)] };
        const other = { ...of, fields: [...of.fields, ...fieldsOf(otherProto, otherHost)] };
        const isSame =
          (proto ?? of.scheme) === (otherProto ?? of.scheme) && (host ?? of.authority) === (otherHost ?? of.authority);
        expect(keyOf(one, key) === keyOf(other, key)).toBe(isSame);
      }),
    );
  });
});

describe("the variant key", () => {
  const names = fc.subarray(["x-a", "x-b", "x-c", "1", "-"]).map((all) => [...all].sort());
  const value = fc.option(fc.string({ unit: fc.constantFrom(..."01:-xa"), maxLength: 6 }), { nil: undefined });
  const asked = fc
    .record({ "x-a": value, "x-b": value, "x-c": value, "1": value, "-": value })
    .map((all) => Object.entries(all).flatMap(([name, each]) => (each === undefined ? [] : [name, each])));

  it("is injective over lists of names and the values that a request has for them (§4.1)", () => {
    const said = (of: readonly string[], fields: Fields) =>
      JSON.stringify(of.map((each) => [each, meaningOf(fields, each)]));
    const two = fc.oneof(
      fc.tuple(names, asked, names, asked),
      fc.tuple(names, asked, asked).map(([of, one, other]) => [of, one, of, other] as const),
    );
    fc.assert(
      fc.property(two, ([names, fields, otherNames, otherFields]) => {
        const isShared = variantKey(names, fields) === variantKey(otherNames, otherFields);
        expect(isShared).toBe(said(names, fields) === said(otherNames, otherFields));
      }),
      { numRuns: 3000 },
    );
  });
});
