import { describe, expect, it } from "vitest";
import { groupTags } from "../../src/cache/groups.ts";
import { pathTag } from "../../src/cache/invalidation.ts";
import { purgeOf, purgeOfTarget } from "../../src/cache/purge.ts";
import { loadConfig } from "../../src/config/load.ts";
import { normalPath } from "../../src/config/pattern.ts";
import { createRouter } from "../../src/config/router.ts";
import fc from "../support/fast-check.ts";
import { createWorld, respond } from "../support/world.ts";

const YAML = `
routes:
  - { path: /, cache: { ttl: 60s } }
  - { path: /products, cache: { ttl: 60s } }
  - { path: "/products/:id", cache: { ttl: 60s, tags: ["product:{id}"] } }
  - { path: "/products/:id/reviews", cache: { ttl: 60s } }
  - { path: "/a%20b/*", cache: { ttl: 60s } }
  - { path: "/Case/:id", cache: { ttl: 60s } }
  - { path: /search*, cache: { ttl: 60s } }
  - { path: /search, host: other.test, cache: { ttl: 60s } }`;

const { routes } = loadConfig({ file: "t", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${YAML}` });

function tagsOf(what: unknown): readonly string[] | undefined {
  const purge = purgeOf(what, routes);
  if (purge.kind === "mistake") throw new Error(purge.text);
  return purge.tags;
}

describe("a purge", () => {
  it("of a URL or a path is of all that is stored for the path, as a write there is", () => {
    const tag = [pathTag("shop.test", "/products/1")];
    for (const what of [
      { url: "http://shop.test/products/1" },
      { url: "https://SHOP.test:443/products/1?page=2#x" },
      { url: "HTTP://shop.test:80/a/../products/1" },
      { path: "/products/1", host: "shop.test" },
      { path: "/products/1?page=2", host: "Shop.test:80" },
    ]) {
      expect(tagsOf(what)).toEqual(tag);
    }
    expect(tagsOf({ path: "/products/1", host: "shop.test:8080" })).not.toEqual(tag);
  });

  it("of a tag, a route or all is of what carries it, on every host", () => {
    expect(tagsOf({ tag: "product:1" })).toEqual(["tag:product:1"]);
    expect(tagsOf({ route: "/products/:id", soft: false })).toEqual(["route:/products/:id"]);
    expect(tagsOf({ route: "other.test/search" })).toEqual(["route:other.test/search"]);
    expect(tagsOf({ all: true })).toBeUndefined();
  });

  it("of a group is of its responses on one host", () => {
    const tags = groupTags({ authority: "shop.test" }, ["Cache-Groups", '"my group"']);
    expect(tagsOf({ group: "my group", host: "SHOP.test:80" })).toEqual(tags);
    expect(tagsOf({ group: "my group", host: "other.test" })).not.toEqual(tags);
  });

  it("is soft only where that is said", () => {
    for (const what of [{ tag: "a" }, { all: true }, { url: "http://shop.test/" }]) {
      expect(purgeOf(what, routes)).toMatchObject({ soft: false });
      expect(purgeOf({ ...what, soft: true }, routes)).toMatchObject({ soft: true });
    }
  });

  it("of a glob is of the routes whose paths it may match", () => {
    expect(tagsOf({ glob: "/products/*" })).toEqual([
      "route:/products",
      "route:/products/:id",
      "route:/products/:id/reviews",
    ]);
    expect(tagsOf({ glob: "/products/?" })).toEqual(["route:/products", "route:/products/:id"]);
    expect(tagsOf({ glob: "/p*/1/rev*" })).toEqual(["route:/products/:id/reviews"]);
    expect(tagsOf({ glob: "/?roducts" })).toEqual(["route:/", "route:/products"]);
    expect(tagsOf({ glob: "/products" })).toEqual(["route:/products"]);
    expect(tagsOf({ glob: "//products" })).toEqual(["route:/products"]);
    expect(tagsOf({ glob: "/search*" })).toEqual(["route:/search*", "route:other.test/search"]);
    expect(tagsOf({ glob: "/search?q=1&page=*" })).toEqual(["route:/search*", "route:other.test/search"]);
    expect(tagsOf({ glob: "/product?" })).toEqual(["route:/products"]);
    expect(tagsOf({ glob: "/case/1*" })).toEqual(["route:/Case/:id"]);
    expect(tagsOf({ glob: "/A b*" })).toEqual(["route:/a%20b/*"]);
    expect(tagsOf({ glob: "*" })).toHaveLength(routes.length);
  });

  it.each([
    undefined,
    null,
    [],
    "all",
    {},
    { all: false },
    { tag: "a", route: "/products" },
    { tag: "" },
    { tag: 1 },
    { tag: "x".repeat(257) },
    { url: "/products" },
    { url: "ftp://shop.test/" },
    { url: "http://" },
    { path: "/products" },
    { path: "products", host: "shop.test" },
    { path: "/products/*", host: "shop.test" },
    { url: "http://shop.test/products/*" },
    { path: "/products", host: "shop.test/x" },
    { path: "/products", host: "a@shop.test" },
    { path: "/products", host: 1 },
    { tag: "a", host: "shop.test" },
    { tag: "a", soft: "yes" },
    { group: "a" },
    { group: "x".repeat(257), host: "shop.test" },
    { group: "a", host: "shop.test/x" },
    { route: "/nothing" },
    { glob: "products" },
    { glob: "/nothing/here*" },
    { tag: "a", extra: 1 },
    JSON.parse('{"__proto__": "a"}'),
    { constructor: "a" },
  ])("is none of %j", (what) => {
    expect(purgeOf(what, routes).kind).toBe("mistake");
  });

  it("with PURGE is of one path, and an asterisk in it is no wildcard that would purge nothing", () => {
    expect(purgeOfTarget("shop.test", "/a?b=*")).toEqual({
      kind: "tags",
      tags: [pathTag("shop.test", "/a")],
      soft: false,
    });
    expect(purgeOfTarget("shop.test", "/a/*").kind).toBe("mistake");
    const plain = pathTag("shop.test", "/a/*");
    expect(purgeOfTarget("shop.test", "/a/%2A")).toEqual({ kind: "tags", tags: [plain], soft: false });
    expect(tagsOf({ url: "http://shop.test/a/%2a" })).toEqual([plain]);
  });

  it("of a glob that is all wildcards takes no time that matters, however many routes there are", () => {
    const many = Array.from({ length: 2000 }, (_, i) => ({ id: `r${i}`, path: `/things/a${i}/:id/`, host: undefined }));
    const began = performance.now();
    expect(purgeOf({ glob: `${"*".repeat(255)}!` }, many).kind).toBe("tags");
    expect(purgeOf({ glob: "*a".repeat(128) }, many).kind).toBe("tags");
    expect(performance.now() - began).toBeLessThan(5000);
    expect(purgeOf({ glob: `/${"*".repeat(256)}` }, many).kind).toBe("mistake");
  });

  it("never throws, whatever is typed", () => {
    fc.assert(fc.property(fc.jsonValue(), (what) => void purgeOf(what, routes)));
    const keys = fc.constantFrom("url", "path", "group", "tag", "route", "glob", "host");
    fc.assert(fc.property(fc.dictionary(keys, fc.string({ unit: "binary" })), (what) => void purgeOf(what, routes)));
  });

  it("of a glob names the route of every path that the glob matches", () => {
    const match = createRouter(routes);
    const part = fc.constantFrom(
      "products",
      "Products",
      "search",
      "se",
      "a b",
      "a%20b",
      "case",
      "Case",
      "1",
      "reviews",
      "x",
      "",
    );
    const path = fc.array(part, { maxLength: 4 }).map((parts) => normalPath(`/${parts.join("/")}`));
    fc.assert(
      fc.property(path, fc.nat(20), fc.constantFrom("*", "?*"), (path, cut, wild) => {
        const route = match("shop.test", path)?.route.id;
        const glob = wild === "*" ? `${path.slice(0, cut)}*` : `${path.slice(0, Math.min(cut, path.length - 1))}?*`;
        if (route !== undefined) expect(tagsOf({ glob })).toContain(`route:${route}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("what was purged", () => {
  async function world(what: unknown) {
    const world = createWorld(YAML);
    let version = 1;
    world.origin = () => respond(`v${version}`, { fields: ["Surrogate-Key", "own"] });
    const targets = ["/products", "/products/1", "/products/1?page=2", "/products/2", "/search?q=a"];
    for (const target of targets) await world.request(target);
    version = 2;
    await world.store.purge(tagsOf(what));
    const texts = await Promise.all(targets.map(async (target) => (await world.request(target)).text));
    return targets.filter((_, i) => texts[i] === "v2");
  }

  it("is fetched again, and nothing else", async () => {
    expect(await world({ url: "http://shop.test/products/1" })).toEqual(["/products/1", "/products/1?page=2"]);
    expect(await world({ tag: "product:2" })).toEqual(["/products/2"]);
    expect(await world({ route: "/search*" })).toEqual(["/search?q=a"]);
    expect(await world({ glob: "/products/1*" })).toEqual(["/products/1", "/products/1?page=2", "/products/2"]);
    expect(await world({ tag: "own" })).toHaveLength(5);
    expect(await world({ all: true })).toHaveLength(5);
    expect(await world({ tag: "nothing" })).toEqual([]);
  });

  it("is not stored by a fetch that was under way", async () => {
    const world = createWorld(YAML);
    const gate = Promise.withResolvers<void>();
    world.origin = async () => {
      await gate.promise;
      return respond("old");
    };
    const before = world.request("/products/1");
    await Promise.resolve();
    await world.store.purge(tagsOf({ glob: "/prod*" }));
    gate.resolve();
    expect((await before).text).toBe("old");
    world.origin = () => respond("new");
    expect((await world.request("/products/1")).text).toBe("new");
  });
});
