import { describe, expect, it } from "vitest";
import { createTagger, isUnsafe, pathTag, routeTag, type TaggedRoute } from "../../src/cache/invalidation.ts";
import type { Request } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { aRequest } from "./example.ts";

const aRoute = (more: Partial<TaggedRoute>): TaggedRoute => ({
  id: "all",
  path: "/*",
  tags: [],
  invalidate: undefined,
  ...more,
});

/** A writing route beside one for everything else. */
const written = (path: string, ...paths: string[]) =>
  createTagger([aRoute({}), aRoute({ id: "w", path, invalidate: { paths, tags: [] } })]);

/** Whether a write to `from` makes what is stored for `to` unusable. */
function reaches(
  tagger: ReturnType<typeof createTagger>,
  from: string,
  to: string,
  more: Partial<Request> = {},
): boolean {
  const carried = new Set(tagger.carried("all", aRequest(to, [], more), {}));
  return tagger.invalidated("w", aRequest(from, [], { method: "PUT" }), {}).some((tag) => carried.has(tag));
}

describe("isUnsafe (RFC 9111 §4.4, RFC 9110 §9.2.1)", () => {
  it("is true of every method that is not known to be safe", () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "QUERY", "PURGE", "get", "LOCK"]) {
      expect(isUnsafe(method)).toBe(true);
    }
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) expect(isUnsafe(method)).toBe(false);
  });
});

describe("a write", () => {
  it("reaches its own path in all queries, however it is spelt", () => {
    const tagger = written("/p/:id");
    expect(reaches(tagger, "/p/1?dry=1", "/p/1?a=2")).toBe(true);
    expect(reaches(tagger, "/p/%7ea%2f", "/p/~a%2F")).toBe(true);
    expect(reaches(tagger, "/p/1", "/p/2")).toBe(false);
    expect(reaches(tagger, "/p/1", "/p")).toBe(false);
  });

  it("reaches every spelling of its path that some origin takes for the same", () => {
    const spellings = [
      "/P/Ab",
      "/p/aB/",
      "/p//AB",
      "//p/ab",
      "/x/../p/ab",
      "/p/./ab",
      "/x/%2e%2E/p/ab",
      "/p/.%2e/p/ab/.",
    ];
    const tagger = written("/P/:Id", "/Of/:Id/", "/all/:Id/*");
    for (const spelling of spellings) {
      expect(reaches(tagger, spelling, "/p/ab")).toBe(true);
      expect(reaches(tagger, "/p/ab", spelling)).toBe(true);
      for (const to of ["/of/ab", "/OF/AB/", "/all//ab/c"]) expect(reaches(tagger, spelling, to)).toBe(true);
    }
    expect(reaches(tagger, "/p/ab", "/p/a/b")).toBe(false);
    expect(reaches(tagger, "/p/a%2fb", "/p/a/b")).toBe(true);
    expect(reaches(tagger, "/p/a%40b,c", "/p/a@b%2Cc")).toBe(true);
    expect(reaches(tagger, "/p/a%40b", "/of/a@b")).toBe(true);
    expect(reaches(written("/"), "/", "/..")).toBe(true);
  });

  it("on a route that nobody knows still reaches its own path", () => {
    const tagger = written("/p/:id");
    expect(tagger.invalidated("gone", aRequest("/x?y"), {})).toEqual([pathTag("example.com", "/x")]);
    expect(tagger.carried("gone", aRequest("/x?y"), {})).toEqual([pathTag("example.com", "/x")]);
  });

  it("reaches the literal paths and those filled with its own values", () => {
    const tagger = written("/users/:id/posts/:post", "/feed?x=1", "/users/:id/posts", "/users/:id");
    expect(reaches(tagger, "/users/7/posts/1", "/feed?page=2")).toBe(true);
    expect(reaches(tagger, "/users/7/posts/1", "/users/7/posts")).toBe(true);
    expect(reaches(tagger, "/users/7/posts/1", "/users/7")).toBe(true);
    expect(reaches(tagger, "/users/7/posts/1", "/users/8/posts")).toBe(false);
    expect(reaches(tagger, "/users/7/posts/1", "/users/7/likes")).toBe(false);
  });

  it("fills in values in the one form of all paths, taken from the path and not from what a router made of it", () => {
    const tagger = written("/u/:id/x", "/u/:id", "/list/:id/*");
    expect(reaches(tagger, "/u/a%20%7e/x", "/u/a%20~")).toBe(true);
    expect(reaches(tagger, "/u/a%2fb/x", "/u/a%2Fb")).toBe(true);
    expect(reaches(tagger, "/u/a%2fb/x", "/list/a%2Fb/1")).toBe(true);
  });

  it("reaches all that a trailing * covers, slashes and an empty rest included", () => {
    const tagger = written("/w", "/search*", "/lists/*");
    for (const to of ["/search", "/search?q=1", "/searching", "/search/a/b", "/lists/", "/lists/1", "/lists"]) {
      expect(reaches(tagger, "/w", to)).toBe(true);
    }
    for (const to of ["/sear", "/list", "/lists1", "/a/search"]) expect(reaches(tagger, "/w", to)).toBe(false);
  });

  it("reaches everything by /*", () => {
    const tagger = written("/w", "/*");
    for (const to of ["/", "/a", "/a/b/c?d"]) expect(reaches(tagger, "/w", to)).toBe(true);
  });

  it("takes a parameter that is not its own for one segment of any text", () => {
    const tagger = written("/users/:id", "/posts/:post/by/:id", "/tags/:tag");
    expect(reaches(tagger, "/users/7", "/posts/1/by/7")).toBe(true);
    expect(reaches(tagger, "/users/7", "/posts/1/by/8")).toBe(false);
    expect(reaches(tagger, "/users/7", "/tags/a")).toBe(true);
    expect(reaches(tagger, "/users/7", "/tags/a/b")).toBe(false);
    expect(reaches(tagger, "/users/7", "/tags")).toBe(false);
  });

  it("reaches by a pattern that another route fills in otherwise", () => {
    const pattern = { paths: ["/list/:id/*"], tags: [] };
    const other = aRoute({ id: "other", path: "/items/:id", invalidate: pattern });
    const open = aRoute({ id: "w", path: "/w", invalidate: pattern });
    for (const routes of [
      [aRoute({}), other, open],
      [aRoute({}), open, other],
    ]) {
      expect(reaches(createTagger(routes), "/w", "/list/1/a")).toBe(true);
    }
  });

  it("keeps to its authority", () => {
    const tagger = written("/w", "/a", "/b*");
    for (const to of ["/w", "/a", "/b1"]) {
      expect(reaches(tagger, "/w", to)).toBe(true);
      expect(reaches(tagger, "/w", to, { authority: "example.org" })).toBe(false);
    }
  });

  it("reaches paths that the operator wrote without escapes", () => {
    expect(reaches(written("/w", "/café", "/søk*"), "/w", "/caf%C3%A9")).toBe(true);
    expect(reaches(written("/w", "/café", "/søk*"), "/w", "/s%c3%b8k/1")).toBe(true);
  });
});

describe("tags of the configuration", () => {
  const tagger = createTagger([
    aRoute({ id: "read", path: "/products/:id", tags: ["product:{id}", "products"] }),
    aRoute({ id: "write", path: "/api/:id/:x", invalidate: { paths: [], tags: ["product:{id}", "{x}{none}"] } }),
  ]);

  it("are filled with the raw values of the path's parameters", () => {
    const carried = tagger.carried("read", aRequest("/products/a%2fb"), { id: "a%2fb" });
    expect(carried).toEqual([
      pathTag("example.com", "/products/a%2Fb"),
      routeTag("read"),
      "tag:product:a%2Fb",
      "tag:products",
    ]);
  });

  it("are invalidated by the routes that name them, whatever the authority", () => {
    const request = aRequest("/api/7/y", [], { method: "POST", authority: "other" });
    expect(tagger.invalidated("write", request, { id: "7", x: "y" })).toEqual([
      pathTag("other", "/api/7/y"),
      "tag:product:7",
      "tag:y",
    ]);
  });

  it("name each tag once", () => {
    const twice = createTagger([
      aRoute({ id: "w", path: "/a", invalidate: { paths: ["/a", "/a"], tags: ["t", "t"] } }),
    ]);
    expect(twice.invalidated("w", aRequest("/a"), {})).toEqual([pathTag("example.com", "/a"), "tag:t"]);
  });
});

describe("a write and a stored path, over random patterns", () => {
  const segment = fc.constantFrom("a", "b", "c");
  const path = fc.array(segment, { minLength: 1, maxLength: 4 });
  const pattern = fc.tuple(
    fc.array(fc.constantFrom("a", "b", ":x", ":y", ":other"), { minLength: 1, maxLength: 3 }),
    fc.constantFrom("", "*", "/*"),
  );

  it("meet exactly where the pattern, filled with the write's values, matches the path", () => {
    fc.assert(
      fc.property(fc.tuple(segment, segment), pattern, path, ([x, y], [parts, end], to) => {
        // A star after a parameter is none of the patterns' forms.
        fc.pre(end !== "*" || !parts.at(-1)?.startsWith(":"));
        const tagger = written("/w/:x/:y", `/${parts.join("/")}${end}`);
        const source = parts.map((part) =>
          part === ":x" ? x : part === ":y" ? y : part === ":other" ? "[^/]*" : part,
        );
        const expected = new RegExp(`^/${source.join("/")}${end.replace("/*", "(/.*)?").replace(/^\*/, ".*")}$`).test(
          `/${to.join("/")}`,
        );
        expect(reaches(tagger, `/w/${x}/${y}`, `/${to.join("/")}`)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});
