import { describe, expect, it } from "vitest";
import { nearMisses, whyNot } from "../../src/config/near-misses.ts";
import { createRouter } from "../../src/config/router.ts";
import fc from "../support/fast-check.ts";

const route = (path: string, host?: string) => ({ id: `${host ?? ""}${path}`, path, host });

function why(path: string, asked: string, { host, authority = "a.test" }: { host?: string; authority?: string } = {}) {
  return whyNot({ path, host }, { authority, path: asked, winner: undefined });
}

describe("why a route does not match", () => {
  it.each([
    ["/articles/new", "/articles/7", { kind: "segment", segment: 2, wants: "new", got: "7" }],
    ["/articles/:id/x", "/articles/7", { kind: "path-ends", segment: 3, wants: "x" }],
    ["/articles/:id", "/articles/", { kind: "path-ends", segment: 2, wants: ":id" }],
    ["/articles/", "/articles", { kind: "path-ends", segment: 2, wants: "" }],
    ["/articles", "/articles/7/8", { kind: "path-goes-on", segment: 2, got: "7" }],
    ["/articles/a*", "/articles/b", { kind: "segment", segment: 2, wants: "a*", got: "b" }],
    ["/articles/new", "/x/../articles/%6Eew", { kind: "less-specific", segment: 3, own: "", than: "" }],
  ])("%s, asked for %s", (pattern, path, expected) => {
    const winner = route("/articles/new");
    expect(whyNot({ path: pattern, host: undefined }, { authority: "a.test", path, winner })).toEqual(expected);
  });

  it("is its host, with and without port", () => {
    expect(why("/a", "/a", { host: "b.test" })).toEqual({ kind: "host", wants: "b.test" });
    expect(why("/a", "/a", { host: "a.test", authority: "a.test.:81" }).kind).toBe("less-specific");
    expect(why("/a", "/a", { host: "a.test:82", authority: "a.test:81" })).toEqual({
      kind: "host",
      wants: "a.test:82",
    });
  });

  it("is, where it matches as well, what the winner has in the first place where they differ", () => {
    const asked = { authority: "a.test", path: "/articles/new", winner: route("/articles/new") };
    const own = (path: string) => whyNot(route(path), asked);
    expect(own("/articles/:id")).toEqual({ kind: "less-specific", segment: 2, own: ":id", than: "new" });
    expect(own("/*")).toEqual({ kind: "less-specific", segment: 1, own: "*", than: "articles" });
    expect(whyNot(route("/articles/new"), { ...asked, winner: route("/*", "a.test") })).toEqual({
      kind: "less-specific-host",
      than: "a.test",
    });
  });

  it("is found exactly where the router, with that route alone, finds no match", () => {
    const part = fc.constantFrom("a", "b", ":p", ":q", "%2e", "ab");
    const pattern = fc
      .tuple(fc.uniqueArray(part, { maxLength: 4 }), fc.constantFrom("", "/", "/*", "/a*"))
      .map(([parts, end]) => `/${parts.join("/")}${parts.length === 0 ? end.slice(1) : end}`)
      .filter((text) => !text.includes("%2e"));
    const path = fc.array(fc.constantFrom("a", "b", "ab", "", ".", "..", "%61", "c"), { maxLength: 5 });
    const host = fc.constantFrom(undefined, "a.test", "a.test:81");
    const authority = fc.constantFrom("a.test", "a.test:81", "a.test.", "b.test");
    fc.assert(
      fc.property(pattern, path, host, authority, (pattern, parts, host, authority) => {
        const path = `/${parts.join("/")}`;
        const matches = createRouter([{ path: pattern, host }])(authority, path) !== undefined;
        const { kind } = whyNot({ path: pattern, host }, { authority, path, winner: undefined });
        expect(kind === "less-specific" || kind === "less-specific-host").toBe(matches);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("near misses", () => {
  it("are those that fail late in the path, then those that match too; what is far off is counted", () => {
    const routes = [
      route("/*"),
      route("/a/:id"),
      route("/a/:id/x"),
      route("/b"),
      route("/a/new"),
      route("/a/7", "b.test"),
    ];
    const winner = routes[1];
    const { routes: found, others } = nearMisses(routes, { authority: "a.test", path: "/a/7", winner });
    expect(found.map(({ id }) => id)).toEqual(["b.test/a/7", "/a/:id/x", "/a/new", "/*"]);
    expect(others).toBe(1);
  });

  it("are eight at the most", () => {
    const routes = Array.from({ length: 50 }, (_, i) => route(`/a/${i}`));
    const { routes: found, others } = nearMisses(routes, { authority: "a.test", path: "/a/x", winner: undefined });
    expect([found.length, others]).toEqual([8, 42]);
  });
});
