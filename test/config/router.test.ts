import { describe, expect, it } from "vitest";
import { parsePattern } from "../../src/config/pattern.ts";
import { createRouter } from "../../src/config/router.ts";
import fc from "../support/fast-check.ts";

/** Patterns, each with its host before it where it begins with no slash: "a.example/path". */
function routerOf(...texts: string[]) {
  const routes = texts.map((text) => ({
    id: text,
    path: text.slice(text.indexOf("/")),
    host: text.startsWith("/") ? undefined : text.slice(0, text.indexOf("/")),
  }));
  const match = createRouter(routes);
  return {
    id: (path: string, authority = "h") => match(authority, path)?.route.id,
    params: (path: string) => match("h", path)?.params,
  };
}

describe("the route of a path", () => {
  const { id } = routerOf("/", "/a", "/a/:id", "/a/new", "/a/:id/x", "/a/*", "/search*", "/se*", "/:page", "/b/:x/c/d");

  it.each([
    ["/", "/"],
    ["/a", "/a"],
    ["/a/new", "/a/new"],
    ["/a/5", "/a/:id"],
    ["/a/5/x", "/a/:id/x"],
    ["/a/new/x", "/a/:id/x"],
    ["/a/5/y", "/a/*"],
    ["/a/5/x/y", "/a/*"],
    ["/search", "/search*"],
    ["/searching/it", "/search*"],
    ["/season", "/se*"],
    ["/sun", "/:page"],
    ["/sun/5", undefined],
    ["/b/1/c/d", "/b/:x/c/d"],
    ["/b/1/c/e", undefined],
    ["/A", "/:page"],
  ])("%s is %s: text beats :param beats *, from left to right", (path, route) => {
    expect(id(path)).toBe(route);
  });

  it("is found among many patterns", () => {
    const many = routerOf(...Array.from({ length: 300 }, (_, index) => `/service${index}/:id`), "/*");
    expect(many.id("/service217/x")).toBe("/service217/:id");
    expect(many.id("/service300/x")).toBe("/*");
  });

  it("ignores a trailing slash where no pattern names it", () => {
    const { id } = routerOf("/a", "/b", "/b/", "/c/", "/d/*", "/e/:id");
    expect(["/a/", "/b/", "/b", "/c/", "/c", "/d/", "/d", "/e/1/", "/e/"].map((path) => id(path))).toEqual([
      "/a",
      "/b/",
      "/b",
      "/c/",
      undefined,
      "/d/*",
      undefined,
      "/e/:id",
      undefined,
    ]);
  });

  it("is found however the path is written", () => {
    const { id } = routerOf("/admin/:page", "/static/*");
    const paths = ["/%61dmin/x", "//admin//x", "/static/../admin/x", "/static/%2e%2e/admin/x", "/static/..%2fadmin/x"];
    expect(paths.map((path) => id(path))).toEqual(paths.map(() => "/admin/:page"));
  });
});

describe("the route of an authority", () => {
  const { id } = routerOf("a.example/x", "a.example:81/x", "/x", "/*", "[::1]/x");

  it.each([
    ["a.example", "/x", "a.example/x"],
    ["a.example:8080", "/x", "a.example/x"],
    ["a.example:81", "/x", "a.example:81/x"],
    ["a.example.", "/x", "a.example/x"],
    ["b.example", "/x", "/x"],
    ["a.example", "/y", "/*"],
    ["[::1]:8080", "/x", "[::1]/x"],
    ["[::1]", "/x", "[::1]/x"],
    ["__proto__", "/x", "/x"],
    ["", "/x", "/x"],
    [":", "/x", "/x"],
  ])("%s and path %s is %s", (authority, path, route) => {
    expect(id(path, authority)).toBe(route);
  });
});

describe("parameters", () => {
  const { params } = routerOf("/p/:id", "/u/:user/o/:order", "/u/:name/:rest/x/*", "/w/*");

  it("are what stands in the path, in normal form, not decoded further", () => {
    expect(params("/p/a%2Fb")).toEqual({ id: "a%2Fb" });
    expect(params("/p/%c3%a9")).toEqual({ id: "%C3%A9" });
    expect(params("/p/%37")).toEqual({ id: "7" });
    expect(params("/p/%ff%")).toEqual({ id: "%FF%" });
    expect(params("/p/__proto__")).toEqual({ id: "__proto__" });
  });

  it("are those of the pattern that matched, not of one tried before", () => {
    expect(params("/u/1/o/2")).toEqual({ user: "1", order: "2" });
    expect(params("/u/1/o/x/2")).toEqual({ name: "1", rest: "o" });
    expect(params("/w/1/2")).toEqual({});
  });

  it("may be as long as a path may be", () => {
    expect(params(`/p/${"x".repeat(65_536)}`)?.id).toHaveLength(65_536);
  });
});

describe("whatever a client types", () => {
  it.each(["/", "/a", "/..", "%2e", "/%2e%2e", "a", "%", "%2f..", "/a/b/c/d"])(
    "a path of 64 KB, all of it %s, is read a few times and no more",
    (piece) => {
      const { id } = routerOf("/a/:b/c", "/a/*", "/:a/:b/:c/d");
      const path = `/a/${piece.repeat(65_536 / piece.length)}`;
      const { characters, expressions } = workOf(() => id(path));
      expect(characters / path.length).toBeLessThan(10);
      // Without repetition none of them can go back over what it has read.
      for (const source of expressions) expect(source).not.toMatch(/[*+]|\{\d*,/);
    },
  );

  it("no match is found for what is no path", () => {
    const { id } = routerOf("/*");
    expect([id("*"), id(""), id("a"), id("?")]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("finds the route that a search through all patterns finds", () => {
    const piece = fc.constantFrom("a", "b", "ab", ":x", ":y", "");
    const patterns = fc
      .uniqueArray(
        fc
          .tuple(fc.array(piece, { maxLength: 4 }), fc.constantFrom("", "/*", "/a*", "/"))
          .map(([pieces, end]) => `/${pieces.filter((text) => text !== "").join("/")}${end}`.replace("//", "/"))
          .filter((pattern) => parsePattern(pattern) !== undefined),
        { maxLength: 8, selector: (pattern) => pattern.replace(/:\w/g, ":") },
      )
      .filter((patterns) => patterns.length > 0);
    const path = fc
      .array(fc.constantFrom("a", "b", "ab", "abc", "c"), { maxLength: 5 })
      .map((all) => `/${all.join("/")}`);
    fc.assert(
      fc.property(patterns, path, (patterns, path) => {
        expect(routerOf(...patterns).id(path)).toBe(searched(patterns, path));
      }),
      { numRuns: 3000 },
    );
  });
});

/** The most specific of the patterns that match, found the slow way: text sorts before :param before *. */
function searched(patterns: readonly string[], path: string): string | undefined {
  const rank = (pattern: string) =>
    pattern
      .replace(/:\w+/g, "\u{fffe}")
      .replace(/\*$/, "\u{ffff}")
      .replace(/$/, pattern.endsWith("*") ? "" : "\u0000");
  return patterns
    .filter((pattern) => {
      const source = pattern.replace(/:\w+/g, "[^/]+").replace(/\*$/, ".*");
      return new RegExp(`^${source}$`).test(path);
    })
    .sort((one, other) => (rank(one) < rank(other) ? -1 : 1))[0];
}

/** How many characters the methods of strings take, with what each was asked and answered. */
const TAKEN: Readonly<Record<string, (text: string, answer: unknown, asked: readonly unknown[]) => number>> = {
  indexOf: (text, at, [, from = 0]) => (Number(at) < 0 ? text.length : Number(at) + 1) - Number(from),
  startsWith: (_, __, [prefix]) => `${prefix}`.length,
  slice: (_, part) => `${part}`.length,
  includes: (text) => text.length,
  replace: (text) => text.length,
  split: (text) => text.length,
  toUpperCase: (text) => text.length,
};

/** The characters that strings and regular expressions take while `act` runs, and the sources of these expressions. */
function workOf(act: () => void): { characters: number; expressions: ReadonlySet<string> } {
  const expressions = new Set<string>();
  let characters = 0;
  const original = Object.getOwnPropertyDescriptors(String.prototype) as Record<string, PropertyDescriptor>;
  const { exec } = RegExp.prototype;
  for (const [name, taken] of Object.entries(TAKEN)) {
    const method = original[name]?.value;
    const counted = function (this: string, ...asked: unknown[]) {
      const answer = method.apply(this, asked);
      characters += taken(this, answer, asked);
      return answer;
    };
    Object.defineProperty(String.prototype, name, { ...original[name], value: counted });
  }
  // What test() and replace() go by.
  RegExp.prototype.exec = function (text) {
    const from = this.global ? this.lastIndex : 0;
    const match = exec.call(this, text);
    characters += (match === null ? text.length : match.index + match[0].length) - from;
    expressions.add(this.source);
    return match;
  };
  try {
    act();
  } finally {
    RegExp.prototype.exec = exec;
    for (const name of Object.keys(TAKEN)) Object.defineProperty(String.prototype, name, original[name] ?? {});
  }
  return { characters, expressions };
}
