import { describe, expect, it } from "vitest";
import { type HeadAsk, heedHead } from "../../src/cache/head.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { field, has } from "../../src/http/fields.ts";
import type { Fields } from "../../src/http/message.ts";
import { createWorld, respond } from "../support/world.ts";
import { aPolicy, aRequest, aStored, dateIn, NOW } from "./example.ts";

const LATER = NOW + 100_000;
const FRESH = ["Cache-Control", "max-age=60"];

function heeded(of: Partial<StoredResponse>, fields: Fields, more: Partial<HeadAsk> & { status?: number } = {}) {
  const times = { requestTime: LATER - 500, responseTime: LATER, policy: aPolicy(), random: () => 0.5 };
  const { status = 200, ...rest } = more;
  const request = aRequest("/", [], { method: "HEAD" });
  return heedHead({ request, response: { status, fields }, stored: aStored(of), usable: true, ...rest }, times);
}

describe("a 200 to a HEAD and the stored GET response it could have been answered with (RFC 9111 §4.3.5)", () => {
  const of = { etag: '"a"', lastModified: dateIn(-60), fields: ["ETag", '"a"', "X-A", "1", "X-B", "1"] };
  const same = [...FRESH, "ETag", '"a"', "Last-Modified", dateIn(-60), "Content-Length", "2"];

  it("updates it where all validators received and the Content-Length match", () => {
    for (const fields of [same, same.slice(0, 4), same.slice(0, 6), [...FRESH, ...same.slice(4)]])
      expect(heeded(of, fields).kind).toBe("update");
  });

  it("updates its fields as a 304 does, and leaves the others and the content", () => {
    const { stored } = heeded(of, [...same, "X-A", "2", "Content-Encoding", "gzip"]) as { stored: StoredResponse };
    expect([field(stored.fields, "x-a"), field(stored.fields, "x-b")]).toEqual(["2", "1"]);
    expect(has(stored.fields, "content-encoding")).toBe(false);
    expect(stored).toMatchObject({ lifetime: 60, responseTime: LATER, requestTime: LATER - 500, status: 200 });
    expect(stored.body).toEqual(aStored().body);
  });

  it("has it considered stale where one of them does not match", () => {
    expect(heeded(of, [...FRESH, "ETag", '"b"']).kind).toBe("stale");
    expect(heeded(of, [...same.slice(0, 4), "Last-Modified", dateIn(-59)]).kind).toBe("stale");
    expect(heeded(of, [...FRESH, ...same.slice(4, 6), "Content-Length", "3"]).kind).toBe("stale");
    expect(heeded({}, ["ETag", '"a"']).kind).toBe("stale");
    expect(heeded({ etag: '"a"' }, [...FRESH, "ETag", '"a"', "Last-Modified", dateIn(0)]).kind).toBe("stale");
    expect(heeded({ ...of, status: 404 }, same).kind).toBe("stale");
  });

  it("tells nothing by a length alone: of the same strong validator, or that is no number", () => {
    for (const length of ["0", "3"])
      expect(heeded(of, [...same.slice(0, 6), "Content-Length", length]).kind).toBe("nothing");
    for (const length of ["two", "2, 2", "-1"]) expect(heeded(of, ["Content-Length", length]).kind).toBe("nothing");
  });

  it("has it considered stale where the update must not be stored", () => {
    expect(heeded(of, [...same.slice(2), "Cache-Control", "no-store"]).kind).toBe("stale");
    expect(heeded(of, [...same, "Vary", "*"]).kind).toBe("stale");
  });

  it("tells nothing where it brings no validator: that the content is the current one is not to be seen", () => {
    expect(heeded({}, [...FRESH, "Content-Length", "2"]).kind).toBe("nothing");
    expect(heeded(of, FRESH).kind).toBe("nothing");
  });

  it("tells nothing with another status, or in answer to a request of which nothing must be stored", () => {
    for (const status of [206, 304, 404, 410, 500]) expect(heeded(of, same, { status }).kind).toBe("nothing");
    for (const asked of [
      ["Cache-Control", "no-store"],
      ["Authorization", "a"],
    ]) {
      const request = aRequest("/", asked, { method: "HEAD" });
      expect(heeded(of, same, { request }).kind).toBe("nothing");
    }
  });

  it("freshens an invalidated one only by a validator that tells it from the one after the write", () => {
    const usable = false;
    const byTime = [...FRESH, "Last-Modified", dateIn(-1), "Content-Length", "2"];
    const changed = { lastModified: dateIn(-1), fields: ["Date", dateIn(-1)] };
    expect(heeded(of, same, { usable }).kind).toBe("update");
    expect(heeded({ lastModified: dateIn(-60) }, [...FRESH, "Last-Modified", dateIn(-60)], { usable }).kind).toBe(
      "update",
    );
    expect(heeded(changed, byTime, { usable }).kind).toBe("nothing");
    expect(heeded(changed, byTime).kind).toBe("update");
  });
});

describe("HEAD on a cached route", () => {
  const TAGGED = [...FRESH, "ETag", '"1"'];
  /** An origin that ignores conditions. */
  function created(head: Fields, yaml = 'routes: [{ path: "/*", cache: {} }]') {
    const world = createWorld(yaml);
    world.origin = ({ method }) =>
      method === "HEAD"
        ? { status: 200, fields: head, content: undefined }
        : respond("v1", { fields: [...TAGGED, "X-A", "1"] });
    return world;
  }
  const methods = (world: ReturnType<typeof created>) => world.seen.map(({ method }) => method);

  it("is not stored, and its response answers no GET", async () => {
    const world = created([...FRESH, "Content-Length", "2"]);
    expect((await world.request("/a", { method: "HEAD" })).cacheStatus).toContain("fwd=uri-miss");
    expect((await world.request("/a", { method: "HEAD" })).cacheStatus).toContain("fwd=uri-miss");
    expect((await world.request("/a")).text).toBe("v1");
    expect(methods(world)).toEqual(["HEAD", "HEAD", "GET"]);
  });

  it("of a stale stored response asks with its validators, and a 200 with the same ones makes it fresh again", async () => {
    const world = created([...TAGGED, "X-A", "2", "Content-Length", "2"]);
    await world.request("/a");
    world.now += 61_000;
    const head = await world.request("/a", { method: "HEAD" });
    expect(head.cacheStatus).toContain("fwd=stale; fwd-status=200");
    expect(field(world.seen[1]?.fields ?? [], "if-none-match")).toBe('"1"');
    const read = await world.request("/a");
    expect(read.cacheStatus).toBe("forebay; hit; ttl=60");
    expect([read.text, read.field("x-a")]).toEqual(["v1", "2"]);
    expect(methods(world)).toEqual(["GET", "HEAD"]);
  });

  it("of a stale stored response that is answered with 304 makes it fresh again", async () => {
    const world = created([]);
    await world.request("/a");
    world.now += 61_000;
    world.origin = () => respond("", { status: 304, fields: [...TAGGED, "X-A", "2"] });
    const head = await world.request("/a", { method: "HEAD" });
    expect([head.status, head.cacheStatus]).toEqual([200, "forebay; fwd=stale; fwd-status=304; stored"]);
    const read = await world.request("/a");
    expect([read.cacheStatus, read.text, read.field("x-a")]).toEqual(["forebay; hit; ttl=60", "v1", "2"]);
  });

  it("that brings another validator makes a response stale that was fresh, so that the next GET asks the origin", async () => {
    const world = created([...FRESH, "ETag", '"2"']);
    await world.request("/a");
    expect((await world.request("/a", { method: "HEAD" })).cacheStatus).toContain("hit");
    await world.request("/a", { method: "HEAD", fields: ["Cache-Control", "no-cache"] });
    expect((await world.request("/a")).cacheStatus).toContain("fwd=stale");
    expect(methods(world)).toEqual(["GET", "HEAD", "GET"]);
    expect((await world.request("/a")).cacheStatus).toContain("hit");
  });

  it("that a client may not force to the origin changes nothing", async () => {
    const world = created([...FRESH, "ETag", '"2"'], 'routes: [{ path: "/*", cache: { clientDirectives: ignore } }]');
    await world.request("/a");
    const asked = { method: "HEAD", fields: ["Cache-Control", "no-cache"] };
    expect((await world.request("/a", asked)).cacheStatus).toContain("hit");
    expect((await world.request("/a")).cacheStatus).toContain("hit");
  });

  it("that was under way during a write makes nothing usable for whoever asks after it", async () => {
    const world = created([]);
    await world.request("/a");
    world.now += 61_000;
    const gate = Promise.withResolvers<ReturnType<typeof respond>>();
    world.origin = () => gate.promise;
    const head = world.request("/a", { method: "HEAD" });
    while (world.seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
    world.origin = () => respond("ok");
    await world.request("/a", { method: "POST" });
    gate.resolve({ status: 200, fields: [...TAGGED, "Content-Length", "2"], content: undefined });
    await head;
    world.origin = () => respond("v2", { fields: [...FRESH, "ETag", '"2"'] });
    expect((await world.request("/a")).text).toBe("v2");
  });
});
