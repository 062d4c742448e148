import { beforeEach, describe, expect, it } from "vitest";
import { responseTags, withOwnTags } from "../../src/cache/own-tags.ts";
import type { Fields } from "../../src/http/message.ts";
import { createWorld, respond, type World } from "../support/world.ts";
import { aRequest, aStored } from "./example.ts";

const FRESH = ["Cache-Control", "max-age=60"];

function tagsOf(fields: Fields): readonly string[] | undefined {
  const { ownTags = [] } = withOwnTags({ status: 200, fields, content: undefined }, { exposeTags: false });
  return responseTags(aRequest(), aStored({ fields, ownTags }));
}

describe("Surrogate-Key and Cache-Tag", () => {
  it("name tags, one separated by blanks and the other by commas, each once", () => {
    expect(tagsOf(["Surrogate-Key", " a  b:1\ta "])).toEqual(["tag:a", "tag:b:1"]);
    expect(tagsOf(["Cache-Tag", "a, b:1 ,, c d"])).toEqual(["tag:a", "tag:b:1", "tag:c d"]);
    expect(tagsOf(["surrogate-key", "a", "CACHE-TAG", "b", "Surrogate-Key", "c", "Cache-Tag", "a"])).toHaveLength(3);
    expect(tagsOf(["Surrogate-Key", "", "Cache-Tag", " , "])).toEqual([]);
  });

  it("stand beside the groups", () => {
    expect(tagsOf(["Surrogate-Key", "a", "Cache-Groups", '"a"'])).toEqual(["group:example.com a", "tag:a"]);
  });

  it("are text where they were sent in UTF-8, as they are written in a configuration, and bytes where not", () => {
    const sent = Buffer.from("café", "utf8").toString("latin1");
    expect(tagsOf(["Surrogate-Key", sent])).toEqual(["tag:café"]);
    expect(tagsOf(["Surrogate-Key", "caf\xe9"])).toEqual(["tag:caf\xe9"]);
  });

  it("are bounded in number and length", () => {
    const many = (count: number, length = 1) =>
      Array.from({ length: count }, (_, i) => String(i).padStart(length, "t")).join(" ");
    expect(tagsOf(["Surrogate-Key", many(256, 256)])).toHaveLength(256);
    expect(tagsOf(["Surrogate-Key", many(257)])).toBeUndefined();
    expect(tagsOf(["Surrogate-Key", many(1, 257)])).toBeUndefined();
  });
});

describe("a stored response with tags that its origin named", () => {
  const YAML = `
routes:
  - { path: "/open/*", cache: { exposeTags: true } }
  - { path: "/raw/*", cache: false }
  - { path: "/items/:id", cache: {}, invalidate: { tags: ["item:{id}"] } }
  - { path: "/*", cache: {} }`;
  let world: World;
  let version: number;
  beforeEach(() => {
    world = createWorld(YAML);
    version = 1;
    world.origin = ({ method, target, fields }) => {
      if (method !== "GET" && method !== "HEAD") {
        version += 1;
        return respond("done");
      }
      const own = target.includes("untagged") ? [] : ["Surrogate-Key", "item:1 all", "Cache-Tag", "page"];
      if (fields.includes("If-None-Match")) return respond("", { status: 304, fields: ["ETag", '"e"', ...FRESH] });
      return respond(`v${version}`, { fields: [...FRESH, "ETag", '"e"', ...own] });
    };
  });
  const read = async (target: string) => (await world.request(target)).text;

  it("is invalidated by a write elsewhere whose route names one of them", async () => {
    for (const target of ["/list", "/untagged"]) await read(target);
    await world.request("/items/2", { method: "PUT" });
    expect(await Promise.all(["/list", "/untagged"].map(read))).toEqual(["v1", "v1"]);
    await world.request("/items/1", { method: "PUT" });
    expect((await world.request("/list")).cacheStatus).not.toContain("hit");
    expect((await world.request("/untagged")).cacheStatus).toContain("hit");
  });

  it("keeps them through a validation whose 304 does not repeat them", async () => {
    await read("/list");
    world.now += 61_000;
    expect((await world.request("/list")).cacheStatus).toContain("fwd-status=304; stored");
    expect((await world.request("/list")).cacheStatus).toContain("hit");
    await world.request("/items/1", { method: "PUT" });
    expect((await world.request("/list")).cacheStatus).not.toContain("hit");
  });

  it("takes those of a 304 that names others", async () => {
    await read("/list");
    world.now += 61_000;
    const { origin } = world;
    world.origin = (request) =>
      request.fields.includes("If-None-Match")
        ? respond("", { status: 304, fields: ["ETag", '"e"', ...FRESH, "Surrogate-Key", "item:7"] })
        : origin(request);
    expect((await world.request("/list")).field("surrogate-key")).toBeUndefined();
    await world.request("/items/1", { method: "PUT" });
    expect((await world.request("/list")).cacheStatus).toContain("hit");
    await world.request("/items/7", { method: "PUT" });
    expect((await world.request("/list")).cacheStatus).not.toContain("hit");
  });

  it("does not show them to clients, be it fetched, found, asked for by HEAD or written", async () => {
    for (const method of ["GET", "GET", "HEAD", "POST"]) {
      const { fields } = await world.request("/list", { method });
      expect(fields.join().toLowerCase()).not.toMatch(/surrogate-key|cache-tag/);
    }
  });

  it("shows them where the route passes them on, and a route without cache is left as it is", async () => {
    for (const target of ["/open/a", "/open/a", "/raw/a"]) {
      const got = await world.request(target);
      expect([got.field("surrogate-key"), got.field("cache-tag")]).toEqual(["item:1 all", "page"]);
    }
    await world.request("/items/1", { method: "PUT" });
    expect((await world.request("/open/a")).cacheStatus).not.toContain("hit");
  });

  it("is not stored with more than are remembered, and says so", async () => {
    const many = Array.from({ length: 257 }, (_, i) => `t${i}`).join(" ");
    world.origin = () => respond("x", { fields: [...FRESH, "Surrogate-Key", many] });
    expect((await world.request("/many")).cacheStatus).toContain("detail=too-many-tags");
    expect((await world.request("/many")).cacheStatus).toContain("fwd=uri-miss");
  });

  it("is not updated by a HEAD that names more than are remembered", async () => {
    await read("/list");
    const many = Array.from({ length: 257 }, (_, i) => `t${i}`).join(" ");
    world.origin = () => ({
      status: 200,
      fields: ["ETag", '"e"', "Cache-Control", "max-age=600", "Content-Length", "2", "Surrogate-Key", many],
      content: undefined,
    });
    world.now += 2000;
    await world.request("/list", { method: "HEAD", fields: ["Cache-Control", "no-cache"] });
    await world.request("/items/1", { method: "PUT" });
    expect((await world.request("/list")).cacheStatus).not.toContain("hit");
  });
});
