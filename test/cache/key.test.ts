import { describe, expect, it } from "vitest";
import { pathOf, primaryKey, unescapeUnreserved, variantKey } from "../../src/cache/key.ts";
import fc from "../support/fast-check.ts";
import { aPolicy, aRequest } from "./example.ts";

const keyed = (key: Partial<ReturnType<typeof aPolicy>["key"]>) =>
  aPolicy({ key: { query: "all", headers: [], cookies: [], ...key } });
const keyOf = (target: string, fields: string[] = [], policy = aPolicy()) =>
  primaryKey(aRequest(target, fields), policy);

describe("primaryKey", () => {
  it("is shared by GET and HEAD", () => {
    const head = primaryKey(aRequest("/a", [], { method: "HEAD" }), aPolicy());
    expect(head).toBe(keyOf("/a"));
  });

  it("holds the authority and the scheme", () => {
    const keys = [
      keyOf("/a"),
      primaryKey(aRequest("/a", [], { authority: "example.org" }), aPolicy()),
      primaryKey(aRequest("/a", [], { authority: "example.com:8080" }), aPolicy()),
      primaryKey(aRequest("/a", [], { scheme: "https" }), aPolicy()),
    ];
    expect(new Set(keys).size).toBe(4);
  });

  it("takes for a cookie's name and for a value what origins take for it, no-break spaces included", () => {
    const policy = keyed({ cookies: ["plan"] });
    const none = keyOf("/a", [], policy);
    for (const cookie of ["\xa0plan=gold", "plan =gold", "plan\xa0=gold"]) {
      expect(keyOf("/a", ["Cookie", cookie], policy)).toBe(none);
    }
    expect(keyOf("/a", ["Cookie", "a=b;\tplan=gold"], policy)).toBe(keyOf("/a", ["Cookie", "plan=gold"], policy));
    expect(variantKey(["x-tenant"], ["X-Tenant", "a\xa0"])).not.toBe(variantKey(["x-tenant"], ["X-Tenant", "a"]));
  });

  it("does not let the authority run into the path, nor the path into the query", () => {
    expect(primaryKey(aRequest("/b", [], { authority: "a" }), aPolicy())).not.toBe(
      primaryKey(aRequest("b", [], { authority: "a/" }), aPolicy()),
    );
    expect(primaryKey(aRequest("/?xxxxxxxx", [], { authority: "a:1" }), aPolicy())).not.toBe(
      primaryKey(aRequest("/8:xxxxxxxx", [], { authority: "a:" }), aPolicy()),
    );
    expect(keyOf("/a?b")).not.toBe(keyOf("/a%3Fb"));
    expect(keyOf("/a?")).not.toBe(keyOf("/a"));
  });

  it("keeps slashes and dot segments as they were sent", () => {
    const paths = ["/a/b", "/a//b", "//a/b", "/a/./b", "/a/../b", "/a/b/", "/a/%2E/b", "/a/%2E%2e/b", "/a/.%2e/b"];
    const distinct = new Set(paths.map((path) => keyOf(path)));
    expect(distinct.size).toBe(paths.length);
    expect(keyOf("/a%2Fb")).not.toBe(keyOf("/a/b"));
  });

  it("ignores the case of escapes and escapes that need not be (RFC 3986 §6.2.2.1-2)", () => {
    expect(keyOf("/caf%c3%a9")).toBe(keyOf("/caf%C3%A9"));
    expect(keyOf("/%7Ea%2db")).toBe(keyOf("/~a-b"));
    expect(keyOf("/v1%2E2")).toBe(keyOf("/v1.2"));
    expect(keyOf("/?%61=%7e")).toBe(keyOf("/?a=~"));
    expect(keyOf("/a%2541")).not.toBe(keyOf("/aA"));
  });

  it("sorts the query by name and keeps repeated names in their order", () => {
    expect(keyOf("/?b=2&a=1")).toBe(keyOf("/?a=1&b=2"));
    expect(keyOf("/?a=2&b=x&a=1")).toBe(keyOf("/?a=2&a=1&b=x"));
    expect(keyOf("/?a=2&a=1")).not.toBe(keyOf("/?a=1&a=2"));
    expect(keyOf("/?a=1&a=1")).not.toBe(keyOf("/?a=1"));
  });

  it("leaves the query out where the route keys by none of it", () => {
    const policy = keyed({ query: "none" });
    expect(keyOf("/a?x=1", [], policy)).toBe(keyOf("/a", [], policy));
  });

  it("keeps the named parameters alone, however their names are escaped", () => {
    const policy = keyed({ query: ["page", "filter[a]"] });
    expect(keyOf("/?utm=1&page=2", [], policy)).toBe(keyOf("/?page=2&utm=9", [], policy));
    expect(keyOf("/?utm=1", [], policy)).toBe(keyOf("/", [], policy));
    expect(keyOf("/?%70age=2", [], policy)).toBe(keyOf("/?page=2", [], policy));
    expect(keyOf("/?filter%5Ba%5D=1", [], policy)).not.toBe(keyOf("/?filter%5Ba%5D=2", [], policy));
    expect(keyOf("/?page", [], policy)).not.toBe(keyOf("/?page=", [], policy));
  });

  it("tells an absent key field from an empty one", () => {
    const policy = keyed({ headers: ["X-Tenant", "accept-language"] });
    const keys = [[], ["x-tenant", ""], ["X-TENANT", "a"], ["accept-language", "a"]].map((fields) =>
      keyOf("/", fields, policy),
    );
    expect(new Set(keys).size).toBe(4);
    expect(keyOf("/", ["accept-language", "DE,  en ; q=0.5"], policy)).toBe(
      keyOf("/", ["Accept-Language", "de, en;q=0.5"], policy),
    );
  });

  it("keys by every value of a named cookie and by no other cookie", () => {
    const policy = keyed({ cookies: ["tier"] });
    const byCookie = (...lines: string[]) =>
      keyOf(
        "/",
        lines.flatMap((line) => ["Cookie", line]),
        policy,
      );
    expect(byCookie("sid=1; tier=gold")).toBe(byCookie("tier=gold; sid=2"));
    const keys = [
      byCookie(),
      byCookie("tier"),
      byCookie("tier="),
      byCookie("tier=gold"),
      byCookie("tier=gold,1"),
      byCookie("tier=gold; tier=iron"),
      byCookie("Tier=gold", "x=1"),
    ];
    // A cookie of another case is another cookie: the last is as good as none.
    expect(new Set(keys).size).toBe(6);
  });

  it("does not take one cookie's value for another's", () => {
    const policy = keyed({ cookies: ["tier", "zone"] });
    expect(keyOf("/", ["Cookie", "tier=1"], policy)).not.toBe(keyOf("/", ["Cookie", "zone=1"], policy));
  });

  it("is never shared by routes that key differently", () => {
    const keys = [aPolicy(), keyed({ query: "none" }), keyed({ query: ["a"] }), keyed({ headers: ["b"] })].map(
      (policy) => keyOf("/", [], policy),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it("takes a query of thousands of parameters without sorting it", () => {
    const pairs = Array.from({ length: 5000 }, (_, i) => `p${5000 - i}`);
    expect(keyOf(`/?${pairs.join("&")}`)).toContain(pairs.join("&"));
  });

  it("is shared only by requests that are equal in all that is keyed", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "b", "A", "%", "4", "1", ":", "-", "0", "=", "/", "+"),
      maxLength: 6,
    });
    const pair = fc.tuple(fc.constantFrom("p", "q", "", "%71", "r"), text);
    const request = fc.record({
      authority: fc.constantFrom("a", "a:1", "1:a", "a-"),
      path: text,
      query: fc.option(fc.array(pair, { maxLength: 3 }), { nil: undefined }),
      header: fc.option(text, { nil: undefined }),
      cookies: fc.array(text, { maxLength: 2 }),
    });
    const policy = keyed({ headers: ["x-a"], cookies: ["c"] });
    const keyFor = (of: Of) => {
      const target = `/${of.path}${of.query === undefined ? "" : `?${of.query.map(([n, v]) => `${n}=${v}`).join("&")}`}`;
      const fields = of.cookies.flatMap((value) => ["cookie", `c=${value}`]);
      if (of.header !== undefined) fields.push("x-a", of.header);
      return primaryKey(aRequest(target, fields, { authority: of.authority }), policy);
    };
    fc.assert(
      fc.property(request, request, (a, b) => {
        expect(keyFor(a) === keyFor(b)).toBe(modelOf(a) === modelOf(b));
      }),
      { numRuns: 3000 },
    );
  });

  it("is shared by a request and its copy with another order of parameters", () => {
    const names = fc.uniqueArray(fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "_") }), { maxLength: 6 });
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.nat()), (sent, random) => {
        const shuffled = sent.map((name) => ({ name, at: random.next().value as number })).sort((a, b) => a.at - b.at);
        expect(keyOf(`/?${shuffled.map(({ name }) => name).join("&")}`)).toBe(keyOf(`/?${sent.join("&")}`));
      }),
    );
  });
});

interface Of {
  authority: string;
  path: string;
  query: [string, string][] | undefined;
  header: string | undefined;
  cookies: string[];
}

/** What is keyed, as a structure; the texts only in the form that equal ones share. */
function modelOf({ authority, path, query, header, cookies }: Of): string {
  const raw = query?.map(([name, value]) => `${name}=${value}`).join("&");
  const pairs = raw === undefined ? undefined : unescapeUnreserved(raw).split("&");
  const byName = Map.groupBy(pairs ?? [], (pair) => pair.split("=", 1)[0]);
  const sorted = [...byName].sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return JSON.stringify([authority, pathOf(`/${path}`), pairs && sorted, header ?? null, cookies]);
}

describe("pathOf", () => {
  it("is the same for all spellings of a path, and doing it again changes nothing", () => {
    const text = fc.string({ unit: fc.constantFrom("%", "4", "1", "2", "E", "e", "f", "F", "/", ".", "a", "?") });
    fc.assert(fc.property(text, (path) => pathOf(pathOf(path)) === pathOf(path)));
  });

  it("leaves a segment with a malformed escape as it was sent", () => {
    expect(pathOf("/%7e/%zz%7e?q")).toBe("/~/%zz%7e");
    expect(pathOf("/%%341")).toBe("/%%341");
  });
});

describe("variantKey", () => {
  it("is empty where nothing varies", () => {
    expect(variantKey([], ["accept", "a"])).toBe("");
  });

  it("tells absent from empty, values from names, and one list of names from another", () => {
    const keys = [
      variantKey(["a"], []),
      variantKey(["a"], ["a", ""]),
      variantKey(["a"], ["a", "b"]),
      variantKey(["a", "b"], ["a", "b"]),
      variantKey(["a", "b"], ["b", "b"]),
      variantKey(["b"], ["b", "b"]),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("is the same whether a field came in one line or in several (§4.1)", () => {
    expect(variantKey(["x"], ["X", " a ", "x", "b"])).toBe(variantKey(["x"], ["X", "a , b"]));
  });

  it("is never shared by requests with different values", () => {
    const value = fc.option(fc.string({ unit: fc.constantFrom("1", ":", "-", "a"), maxLength: 5 }), { nil: undefined });
    const fieldsOf = (x: string | undefined, y: string | undefined) => [
      ...(x === undefined ? [] : ["x", x]),
      ...(y === undefined ? [] : ["y", y]),
    ];
    fc.assert(
      fc.property(value, value, value, value, (a, b, c, d) => {
        const same = variantKey(["x", "y"], fieldsOf(a, b)) === variantKey(["x", "y"], fieldsOf(c, d));
        expect(same).toBe(a === c && b === d);
      }),
    );
  });
});
