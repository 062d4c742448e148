import { describe, expect, it } from "vitest";
import { normalPath, parsePattern, patternShape, patternText } from "../../src/config/pattern.ts";
import fc from "../support/fast-check.ts";

describe("a pattern", () => {
  it.each([
    ["/", "/"],
    ["/a/:id/*", "/a/:id/*"],
    ["/search*", "/search*"],
    ["/a/", "/a/"],
    ["/caf\u00e9/%7euser/%c3%a9", "/caf%C3%A9/~user/%C3%A9"],
    ["/v1:batch", "/v1:batch"],
  ])("%s is %s in normal form", (text, normal) => {
    const segments = parsePattern(text);
    expect(segments && patternText(segments)).toBe(normal);
  });

  it.each([
    "",
    "a",
    "*",
    "/a*b",
    "/*/a",
    "/a//b",
    "/./a",
    "/a/..",
    "/a/%2e%2e",
    "/:",
    "/:1",
    "/:id.json",
    "/:id/:id",
    "/:__proto__",
    "/a b",
    "/a?b",
    "/a#b",
    "/%zz",
    "/a\\b",
    "/\ud800",
    `/${"a".repeat(3000)}`,
  ])("is not %j", (text) => {
    expect(parsePattern(text)).toBeUndefined();
  });

  it("has the same shape as another exactly if they differ in names alone", () => {
    const shape = (text: string) => patternShape(parsePattern(text) ?? []);
    expect(shape("/a/:id")).toBe(shape("/a/:name"));
    expect(shape("/a/:id")).not.toBe(shape("/a/id"));
    expect(shape("/a/*")).not.toBe(shape("/a/:x"));
    expect(shape("/%61")).toBe(shape("/a"));
  });
});

describe("the normal form of a path", () => {
  it.each([
    ["/a/b.css", "/a/b.css"],
    ["/.well-known/x", "/.well-known/x"],
    ["/%61dmin", "/admin"],
    ["/a%2fb", "/a%2Fb"],
    ["//a///b", "/a/b"],
    ["/a/./b/../c", "/a/c"],
    ["/a/%2e%2E/b", "/b"],
    ["/..", "/"],
    ["/../../a", "/a"],
    ["/a/..", "/"],
    ["/a/b/..", "/a/"],
    ["/a/.", "/a/"],
    ["/a//", "/a/"],
    ["/static/..%2fadmin", "/admin"],
    ["/static/..\\admin", "/admin"],
    ["/static%5c..%5cadmin", "/admin"],
    ["/a%2f...", "/a%2F..."],
    ["/%", "/%"],
    ["/%zz/%4", "/%zz/%4"],
    ["/%2561", "/%2561"],
    ["/%2%61", "/%2a"],
  ])("of %s is %s", (path, normal) => {
    expect(normalPath(path)).toBe(normal);
  });

  it("is its own normal form, has no dot segments and begins with a slash", () => {
    const piece = fc.constantFrom("/", ".", "..", "%2e", "%2F", "%5c", "\\", "a", "%61", "%25", "%c3", "*", ":");
    const path = fc.array(piece, { maxLength: 20 }).map((pieces) => `/${pieces.join("")}`);
    fc.assert(
      fc.property(path, (path) => {
        const normal = normalPath(path);
        expect(normalPath(normal)).toBe(normal);
        expect(normal).toMatch(/^\/(?!\/)/);
        expect(normal.split("/")).not.toContain("..");
      }),
      { numRuns: 2000 },
    );
  });
});
