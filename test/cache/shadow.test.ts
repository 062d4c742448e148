// Shadow mode: nothing is answered from the cache, and what it would have done is told.

import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import type { Difference } from "../../src/cache/finding.ts";
import { field } from "../../src/http/fields.ts";
import type { Fields, Source } from "../../src/http/message.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createWorld, respond, type World } from "../support/world.ts";

const SHADOW = "routes: [{ path: /*, cache: { mode: shadow, ttl: 1m } }]";
const cookie = (value: string): Fields => ["Cookie", value];

function kinds(world: World): string[] {
  return world.found.map((found) => found.kind);
}

function differences(world: World): Difference[] {
  return world.found.filter((found) => found.kind === "different");
}

describe("what a client of a route in shadow mode gets", () => {
  it("is the origin's answer each time, and Cache-Status says what would have been", async () => {
    const world = createWorld(SHADOW);
    let count = 0;
    world.origin = () => respond(`answer ${++count}`, { fields: ["ETag", `"${count}"`] });
    const first = await world.request("/a");
    expect(first.text).toBe("answer 1");
    expect(first.cacheStatus).toBe('forebay; fwd=bypass; fwd-status=200; detail="shadow: fwd=uri-miss"');
    world.now += 10_000;
    const second = await world.request("/a");
    expect(second.text).toBe("answer 2");
    expect(second.field("age")).toBeUndefined();
    expect(second.cacheStatus).toBe('forebay; fwd=bypass; fwd-status=200; detail="shadow: hit; ttl=50"');
    world.now += 60_000;
    expect((await world.request("/a")).cacheStatus).toContain('detail="shadow: fwd=stale"');
    expect(world.seen).toHaveLength(3);
    expect(kinds(world)).toEqual(["would-miss", "would-hit", "would-miss"]);
  });

  it("was asked for as it asked: with its conditions and range, cookies and all, and nothing of ours", async () => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("whole", { fields: ["ETag", '"1"'] });
    await world.request("/a");
    const fields = ["If-None-Match", '"0"', "Range", "bytes=0-1", "Cookie", "s=1", "Authorization", "Basic eA=="];
    await world.request("/a", { fields });
    const seen = world.seen.at(-1)?.fields ?? [];
    expect(seen.slice(seen.indexOf("If-None-Match")).slice(0, fields.length)).toEqual(fields);
    world.now += 61_000; // where the cache would validate
    await world.request("/a");
    expect(world.seen.at(-1)?.fields.map((name) => name.toLowerCase())).not.toContain("if-none-match");
  });

  it("is not shared: of many who ask at once each asks the origin", async () => {
    const world = createWorld(SHADOW);
    const answers = await Promise.all([1, 2, 3].map(() => world.request("/a")));
    expect(world.seen).toHaveLength(3);
    expect(answers.map(({ cacheStatus }) => cacheStatus).join()).not.toContain("collapsed");
  });

  it("never comes from what a route in shadow mode has noted, nor is an answer noted by one that answers", async () => {
    const world = createWorld(SHADOW);
    await world.request("/a");
    world.reload("routes: [{ path: /*, cache: { ttl: 1m } }]");
    expect((await world.request("/a")).cacheStatus).toBe("forebay; fwd=uri-miss; fwd-status=200; stored");
    expect((await world.request("/a")).text).toBe("hello");
    expect((await world.request("/b")).text).toBe("hello");
    world.reload(SHADOW);
    expect((await world.request("/b")).cacheStatus).toContain("shadow: fwd=uri-miss");
    expect((await world.request("/a")).cacheStatus).toContain("shadow: hit");
  });

  it("is the origin's even where it asked only-if-cached", async () => {
    const world = createWorld(SHADOW);
    const { status } = await world.request("/a", { fields: ["Cache-Control", "only-if-cached"] });
    expect(status).toBe(200);
  });

  it("says why nothing would have been stored", async () => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("mine", { fields: ["Cache-Control", "private"] });
    expect((await world.request("/a")).cacheStatus).toContain('detail="shadow: fwd=uri-miss; detail=private"');
    world.origin = () => respond("x".repeat(2_000_000));
    await world.request("/b");
    const streamed = (): Source => ({
      start(sink) {
        sink.write(new Uint8Array(2_000_000));
        sink.end([]);
        return { resume() {}, cancel() {} };
      },
    });
    world.origin = () => ({ status: 200, fields: ["Transfer-Encoding", "chunked"], content: streamed() });
    await world.request("/c");
    const reasons = world.found.flatMap((found) => (found.kind === "not-stored" ? [found.reason] : []));
    expect(reasons).toEqual(["private", "oversize", "oversize"]);
    expect((await world.request("/c")).cacheStatus).toContain("uri-miss");
  });
});

describe("the cache as if", () => {
  it("is invalidated by writes, and keeps a digest where it would keep the content", async () => {
    const kept: Uint8Array[] = [];
    const world = createWorld(SHADOW, (now) => {
      const store = createMemoryStore({ maxBytes: 1 << 24, slots: 4096, codec: responseCodec, now });
      const put: typeof store.put = (key, names, stored) => {
        kept.push(stored.value.body);
        return store.put(key, names, stored);
      };
      return { ...store, put };
    });
    world.origin = () => respond("x".repeat(500_000));
    await world.request("/a", { fields: ["Cookie", "session=1"] });
    expect(kept).toHaveLength(1);
    const [body] = kept;
    expect(body?.byteLength).toBeLessThan(200);
    // And no piece of a pool, which it would hold as a whole for as long as it lies in memory.
    expect(body?.buffer.byteLength).toBe(body?.byteLength);
    await world.request("/a", { method: "PUT" });
    expect((await world.request("/a")).cacheStatus).toContain("shadow: fwd=");
    expect((await world.request("/a")).cacheStatus).toContain("shadow: hit");
  });

  it("varies as the origin says", async () => {
    const world = createWorld(SHADOW);
    world.origin = ({ fields }) =>
      respond(`in ${field(fields, "accept-language")}`, { fields: ["Vary", "Accept-Language"] });
    await world.request("/a", { fields: ["Accept-Language", "en"] });
    expect((await world.request("/a", { fields: ["Accept-Language", "de"] })).cacheStatus).toContain("vary-miss");
    expect((await world.request("/a", { fields: ["Accept-Language", "en"] })).cacheStatus).toContain("shadow: hit");
    await world.settle();
    expect(kinds(world)).toEqual(["would-miss", "would-miss", "would-hit", "same"]);
  });

  it("freshens what a client's own condition has validated", async () => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("a", { fields: ["ETag", '"1"'] });
    await world.request("/a");
    world.now += 61_000;
    world.origin = () => respond("", { status: 304, fields: ["ETag", '"1"'] });
    const answer = await world.request("/a", { fields: ["If-None-Match", '"1"'] });
    expect(answer.status).toBe(304);
    world.origin = () => respond("a", { fields: ["ETag", '"1"'] });
    expect((await world.request("/a")).cacheStatus).toContain("shadow: hit");
    await world.settle();
    expect(kinds(world)).toEqual(["would-miss", "would-miss", "would-hit", "same"]);
  });

  it("is freshened by no 304 that forbids to store it, or that may speak of another", async () => {
    const world = createWorld(SHADOW);
    const fields = ["Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT"];
    world.origin = () => respond("a", { fields });
    await world.request("/a");
    world.now += 61_000;
    world.origin = () => respond("", { status: 304, fields: ["Cache-Control", "no-store"] });
    const held = ["If-Modified-Since", "Wed, 01 Jan 2025 00:00:00 GMT"];
    expect((await world.request("/a", { fields: held })).cacheStatus).toContain("fwd=stale; detail=no-store");
    world.origin = () => respond("", { status: 304 });
    await world.request("/a", { fields: ["If-None-Match", '"of another"'] });
    expect((await world.request("/a", { fields: held })).cacheStatus).toContain('detail="shadow: fwd=stale"');
    expect(kinds(world)).not.toContain("would-hit");
    expect(world.found.filter(({ kind }) => kind === "not-stored")).toEqual([
      { kind: "not-stored", reason: "no-store" },
      { kind: "not-stored", reason: "status" },
    ]);
  });

  it("tells a would-be stale answer with a validation behind it from a hit, and is renewed by what came", async () => {
    const world = createWorld("routes: [{ path: /*, cache: { mode: shadow, ttl: 1m, staleWhileRevalidate: 30s } }]");
    await world.request("/a");
    world.now += 61_000;
    expect((await world.request("/a")).cacheStatus).toContain("shadow: hit; ttl=-1");
    expect((await world.request("/a")).cacheStatus).toContain("shadow: hit; ttl=60");
  });

  it("does not compare what a client would have taken stale", async () => {
    const world = createWorld("routes: [{ path: /*, cache: { mode: shadow, ttl: 1m, staleIfError: 1m } }]");
    await world.request("/a");
    world.now += 61_000;
    world.origin = () => respond("new");
    const answer = await world.request("/a", { fields: ["Cache-Control", "max-stale"] });
    expect(answer.cacheStatus).toContain("shadow: hit; ttl=-1");
    await world.settle();
    expect(kinds(world)).toEqual(["would-miss", "would-stale"]);
  });
});

describe("a difference", () => {
  it("between two clients names what their requests said differently, never what it was", async () => {
    const world = createWorld(SHADOW);
    world.origin = ({ fields }) => respond(`for ${field(fields, "cookie")}`);
    await world.request("/cart", { fields: [...cookie("session=secret1; theme=dark"), "Accept", "text/html"] });
    await world.request("/cart", { fields: [...cookie("session=secret2; theme=dark"), "Accept", "text/html"] });
    await world.settle();
    expect(differences(world)).toMatchObject([
      { by: "shadow", aspects: ["content"], apart: ["cookie:session"], status: { stored: 200, origin: 200 } },
    ]);
    expect(JSON.stringify(world.found)).not.toContain("secret");
  });

  it("does not take a cookie without a name, which is a value, for one", async () => {
    const world = createWorld(SHADOW);
    let count = 0;
    world.origin = () => respond(`${++count}`);
    await world.request("/a", { fields: cookie("secret1") });
    await world.request("/a", { fields: cookie("secret2") });
    await world.settle();
    expect(differences(world)[0]?.apart).toEqual(["cookie"]);
  });

  it("that no field of the requests accounts for has no names", async () => {
    const world = createWorld(SHADOW);
    let count = 0;
    world.origin = () => respond(`${++count}`);
    await world.request("/a");
    await world.request("/a", { fields: ["X-Request-Id", "other", "Cache-Control", "max-age=100"] });
    await world.settle();
    expect(differences(world)).toMatchObject([{ aspects: ["content"], apart: [] }]);
  });

  it.each<[string, Fields, Fields, number, readonly string[]]>([
    ["another type", ["Content-Type", "text/html"], ["Content-Type", "text/plain"], 200, ["content-type"]],
    ["a cookie", [], ["Set-Cookie", "s=1"], 200, ["set-cookie"]],
    ["another status", [], [], 404, ["status"]],
    ["another place", ["Location", "/a"], ["Location", "/b"], 200, ["location"]],
    ["what is private", [], ["Cache-Control", "private"], 200, ["private"]],
    ["another date and id", ["X-Id", "1", "Age", "1"], ["X-Id", "2", "Date", "now"], 200, []],
  ])("is %s", async (_, before, after, status, aspects) => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("same", { fields: before });
    await world.request("/a");
    world.origin = () => respond("same", { fields: after, status });
    await world.request("/a");
    await world.settle();
    expect(differences(world).map((one) => one.aspects)).toEqual(aspects.length === 0 ? [] : [aspects]);
  });

  it("is none where the route strips the cookie that differs", async () => {
    const world = createWorld("routes: [{ path: /*, cache: { mode: shadow, ttl: 1m, setCookie: strip } }]");
    let count = 0;
    world.origin = () => respond("same", { fields: ["Set-Cookie", `s=${++count}`] });
    await world.request("/a");
    await world.request("/a");
    await world.settle();
    expect(kinds(world)).toEqual(["would-miss", "would-hit", "same"]);
  });

  it("is none that a write explains, be it one that ends after the answer", async () => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("old");
    await world.request("/a");
    world.origin = () => respond("new");
    await world.request("/a"); // the origin shows the write already
    await world.request("/a", { method: "PUT" });
    await world.settle();
    expect(differences(world)).toEqual([]);
    expect(world.found.at(-1)).toEqual({ kind: "unjudged", why: "overtaken" });
  });

  it("is none where the origin fails, or answers for a part or a condition", async () => {
    const world = createWorld(SHADOW);
    await world.request("/a");
    world.origin = () => respond("down", { status: 503 });
    await world.request("/a");
    world.origin = () => respond("he", { status: 206, fields: ["Content-Range", "bytes 0-1/5"] });
    await world.request("/a", { fields: ["Range", "bytes=0-1"] });
    world.origin = () => respond("", { status: 304 });
    await world.request("/a", { fields: ["If-None-Match", '"of another"'] });
    await world.settle();
    const why = world.found.flatMap((found) => (found.kind === "unjudged" ? [found.why] : []));
    expect(why).toEqual(["failed", "partial", "partial"]);
  });

  it("is not denied by a HEAD that has no ETag: of the content it says nothing", async () => {
    const world = createWorld(SHADOW);
    await world.request("/a");
    world.origin = () => ({ status: 200, fields: [], content: undefined });
    await world.request("/a", { method: "HEAD" });
    world.origin = () => respond("a", { fields: ["ETag", '"1"'] });
    await world.request("/b");
    world.origin = () => ({ status: 200, fields: ["ETag", '"1"'], content: undefined });
    await world.request("/b", { method: "HEAD" });
    await world.settle();
    expect(kinds(world).filter((kind) => !kind.startsWith("would"))).toEqual(["unjudged", "same"]);
  });

  it("is told by a 304 with another ETag, and by a HEAD with other fields", async () => {
    const world = createWorld(SHADOW);
    world.origin = () => respond("a", { fields: ["ETag", '"1"'] });
    await world.request("/a");
    world.origin = () => respond("", { status: 304, fields: ["ETag", '"2"'] });
    await world.request("/a", { fields: ["If-None-Match", '"2"'] });
    world.origin = () => ({ status: 200, fields: ["ETag", '"3"'], content: undefined });
    await world.request("/a", { method: "HEAD" });
    await world.settle();
    expect(differences(world).map(({ aspects }) => aspects)).toEqual([["etag"], ["etag"]]);
  });
});
