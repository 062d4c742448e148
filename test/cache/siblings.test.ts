// RFC 9111 §4.1, §4.3.1, §4.3.4: no stored response matches, so the origin is told which there are, and may name one.

import { describe, expect, it, test } from "vitest";
import { labelOf, offers } from "../../src/cache/siblings.ts";
import { field } from "../../src/http/fields.ts";
import type { Fields } from "../../src/http/message.ts";
import type { ForwardRequest } from "../../src/upstream/upstream.ts";
import { createWorld, type Got, respond, type World } from "../support/world.ts";

const ANY = 'routes: [{ path: "/*", cache: {} }]';
const FRESH = ["Cache-Control", "max-age=60"];

describe("labelOf", () => {
  const label = (etag: string, coding?: string, status = 200) =>
    labelOf({ status, etag, names: [], fields: coding === undefined ? [] : ["Content-Encoding", coding] });

  it("is the strong entity tag with the content coding", () => {
    expect(label('"a"')).toBe('identity "a"');
    expect(label('"a,b"', "x-GZIP")).toBe('gzip "a,b"');
    expect(label('""', "br")).toBe('br ""');
  });

  it("is none where the tag is weak, malformed or long: no strong comparison selects by it (RFC 9110 §8.8.3.2)", () => {
    for (const tag of ['W/"a"', "a", '"a', '"a" ', '"a b"', '"ä"', `"${"x".repeat(127)}"`])
      expect(label(tag)).toBe(undefined);
    expect(labelOf({ status: 200, etag: undefined, names: [], fields: [] })).toBeUndefined();
  });

  it("is none for what is no 200, or in codings that no request is known to accept", () => {
    expect(label('"a"', undefined, 404)).toBeUndefined();
    for (const coding of ["gzip, br", "exi", ""]) expect(label('"a"', coding)).toBeUndefined();
  });
});

test("what varies by who asks has no label, nor has what sets a cookie: its other fields would go to the next client", () => {
  const of = (names: string[], fields: Fields = []) => labelOf({ status: 200, etag: '"a"', names, fields });
  expect(of(["accept", "accept-language"])).toBe('identity "a"');
  for (const name of ["cookie", "authorization", "x-user"]) expect(of(["accept-encoding", name])).toBeUndefined();
  expect(of([], ["Set-Cookie", "a=b"])).toBeUndefined();
});

describe("offers", () => {
  const offered = (fields: Fields, ...labels: string[]) =>
    offers(
      { fields },
      labels.map((label, i) => ({ id: `${i}`, label })),
    ).map(({ id }) => id);

  it("has each tag once, the latest first, and eight at the most", () => {
    expect(offered([], 'identity "a"', 'identity "b"', 'identity "a"')).toEqual(["0", "1"]);
    expect(offered([], ...Array.from({ length: 20 }, (_, i) => `identity "${i}"`))).toHaveLength(8);
  });

  it("has none in a coding that the request does not accept", () => {
    const labels = ['gzip "a"', 'br "b"', 'identity "c"'];
    expect(offered([], ...labels)).toEqual(["2"]);
    expect(offered(["Accept-Encoding", "gzip, br;q=0"], ...labels)).toEqual(["0", "2"]);
    expect(offered(["Accept-Encoding", "br, identity;q=0"], ...labels)).toEqual(["1"]);
  });

  it("passes over what is no label", () => {
    expect(offered([], "", "garbage", 'identity "a" ', '"a"', 'W/"a"', 'identity "a\r\nX: y"')).toEqual([]);
  });
});

const languages = (language: string) => ["Accept-Language", language];
const inConditions = (request: ForwardRequest | undefined) => field(request?.fields ?? [], "if-none-match");

function ask(world: World, language: string, more: Fields = []): Promise<Got> {
  return world.request("/a", { fields: [...languages(language), ...more] });
}

/** A world in which /a is stored in German ("de", strong tag "g") and English ("en", "e"); French is asked for next. */
async function stored(parts: { fields?: Fields; tag?: (tag: string) => string } = {}): Promise<World> {
  const { fields = FRESH, tag = (tag) => `"${tag}"` } = parts;
  const world = createWorld(ANY);
  world.origin = ({ fields: asked }) => {
    const language = field(asked, "accept-language") ?? "";
    const etag = tag(language.slice(0, 1));
    return respond(`text ${language}`, { fields: [...fields, "Vary", "Accept-Language", "ETag", etag, "X", "old"] });
  };
  await ask(world, "german");
  await ask(world, "english");
  world.seen.length = 0;
  return world;
}

function notModified(fields: Fields) {
  return () => respond("", { status: 304, fields });
}

test("the request is forwarded with preconditions that describe what is stored (§4.1)", async () => {
  const world = await stored();
  const got = await ask(world, "french");
  expect(inConditions(world.seen[0])).toBe('"e", "g"');
  expect(got).toMatchObject({ status: 200, text: "text french" });
  expect(got.cacheStatus).toBe("forebay; fwd=vary-miss; fwd-status=200; stored");
});

test("the stored response with the strong validator of the 304 is selected, and is this request's variant from then on", async () => {
  const world = await stored();
  world.origin = notModified(["ETag", '"g"', "Cache-Control", "max-age=100", "X", "new"]);
  const got = await ask(world, "swiss");
  expect(got).toMatchObject({ status: 200, text: "text german" });
  expect(got.field("x")).toBe("new");
  expect(got.cacheStatus).toBe("forebay; fwd=vary-miss; fwd-status=304; stored");
  const hit = await ask(world, "swiss");
  expect(hit).toMatchObject({ status: 200, text: "text german" });
  expect(hit.cacheStatus).toBe("forebay; hit; ttl=100");
  expect((await ask(world, "english")).text).toBe("text english");
  expect(world.seen).toHaveLength(1);
});

test("a client that holds what the 304 names gets 304 itself", async () => {
  const world = await stored();
  world.origin = notModified(["ETag", '"g"', ...FRESH]);
  expect((await ask(world, "swiss", ["If-None-Match", '"g"'])).status).toBe(304);
  expect(inConditions(world.seen[0])).toBe('"e", "g"');
});

for (const [what, etag] of [
  ["names none of them", ["ETag", '"other"']],
  ["compares weakly only", ["ETag", 'W/"g"']],
  ["has no validator", []],
] as const) {
  test(`a 304 that ${what} updates nothing: the origin is asked again, without a condition`, async () => {
    const world = await stored();
    world.origin = (request) =>
      inConditions(request) === undefined
        ? respond("whole", { fields: [...FRESH, "Vary", "Accept-Language"] })
        : respond("", { status: 304, fields: [...etag, "X", "new"] });
    expect(await ask(world, "french")).toMatchObject({ status: 200, text: "whole" });
    expect(world.seen.map(inConditions)).toEqual(['"e", "g"', undefined]);
    const english = await ask(world, "english");
    expect([english.text, english.field("x")]).toEqual(["text english", "old"]);
  });
}

test("weak validators are not offered: variants may share one", async () => {
  const world = await stored({ tag: (tag) => `W/"${tag}"` });
  await ask(world, "french");
  expect(inConditions(world.seen[0])).toBeUndefined();
});

test("a stale variant may be named, and so may one that a write has overtaken: their bytes are the current ones", async () => {
  const world = await stored();
  world.now += 120_000;
  await world.request("/a", { method: "POST" });
  world.origin = notModified(["ETag", '"e"', ...FRESH]);
  expect((await ask(world, "scots")).text).toBe("text english");
  expect((await ask(world, "scots")).cacheStatus).toContain("hit");
});

test("what was named while a write overtook the question is delivered, and used for nobody after it", async () => {
  const world = await stored();
  world.origin = async ({ method }) => {
    if (method === "POST") return respond("done");
    await world.request("/a", { method: "POST" });
    return respond("", { status: 304, fields: ["ETag", '"g"', ...FRESH] });
  };
  expect((await ask(world, "swiss")).text).toBe("text german");
  world.origin = () => respond("after", { fields: FRESH });
  expect((await ask(world, "swiss")).text).toBe("after");
});

test("a variant that was replaced meanwhile by one that compares weakly only is not taken for what the 304 names", async () => {
  const world = await stored();
  const vary = [...FRESH, "Vary", "Accept-Language"];
  world.origin = async (request) => {
    if (field(request.fields, "cache-control")) return respond("replaced", { fields: [...vary, "ETag", 'W/"g"'] });
    if (inConditions(request) === undefined) return respond("whole", { fields: vary });
    await ask(world, "german", ["Cache-Control", "no-cache"]);
    return respond("", { status: 304, fields: ["ETag", '"g"'] });
  };
  expect((await ask(world, "swiss")).text).toBe("whole");
});

test("what the 304 forbids to store is delivered all the same", async () => {
  const world = await stored();
  world.origin = notModified(["ETag", '"g"', "Cache-Control", "no-store"]);
  const got = await ask(world, "swiss");
  expect(got).toMatchObject({ status: 200, text: "text german" });
  expect(got.cacheStatus).toBe("forebay; fwd=vary-miss; fwd-status=304");
  await ask(world, "swiss");
  expect(world.seen).toHaveLength(2);
});

test("nobody is asked for variants where there are none to ask for: a first request, a hit, a HEAD, a part", async () => {
  const world = await stored();
  let questions = 0;
  const { siblings } = world.store;
  world.store.siblings = (key) => {
    questions++;
    return siblings(key);
  };
  await world.request("/b");
  await ask(world, "german");
  await world.request("/a", { method: "HEAD", fields: languages("french") });
  await ask(world, "french", ["Range", "bytes=0-1"]);
  expect(questions).toBe(0);
  await ask(world, "spanish");
  expect(questions).toBe(1);
});

test("a compressed variant is not offered for a client that cannot read it, though the origin gave all one tag", async () => {
  const world = createWorld(ANY);
  const fields = [...FRESH, "Vary", "Accept-Encoding", "ETag", '"1"'];
  world.origin = () => respond("GZIPPED", { fields: [...fields, "Content-Encoding", "gzip"] });
  await world.request("/a", { fields: ["Accept-Encoding", "gzip"] });
  world.origin = (request) => (inConditions(request) ? notModified(fields)() : respond("plain", { fields }));
  expect((await world.request("/a")).text).toBe("plain");
  expect((await world.request("/a", { fields: ["Accept-Encoding", "br"] })).text).toBe("plain");
});
