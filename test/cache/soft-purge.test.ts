// What a soft purge does, as a client and the origin see it: freshness has ended at the purge, and the rules for stale
// responses hold from then on (RFC 9111 §4.2.4, RFC 5861). What it covers is the purge's affair (purge.test.ts).

import { describe, expect, it, vi } from "vitest";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { secondsSincePurge } from "../../src/cache/visit.ts";
import { field } from "../../src/http/fields.ts";
import { UpstreamFailure } from "../../src/upstream/failure.ts";
import { createWorld, respond, type World } from "../support/world.ts";

const YAML = 'routes: [{ path: "/*", cache: { tags: [everything] } }]';
const WHILE = "max-age=600, stale-while-revalidate=30";
const ON_ERROR = "max-age=600, stale-if-error=30";
const TAG = ["tag:everything"];

/** A world in which /a is stored as "v1" since ten seconds; the origin has "v2" now. */
async function stored(says: string, fields: string[] = []): Promise<World> {
  const world = createWorld(YAML);
  const all = ["Cache-Control", says, ...fields];
  world.origin = () => respond("v1", { fields: all });
  await world.request("/a");
  world.now += 10_000;
  world.origin = () => respond("v2", { fields: all });
  return world;
}

const soften = (world: World, tags: readonly string[] | undefined = TAG) => world.store.purge(tags, { soft: true });
const write = (world: World) => world.request("/a", { method: "POST" });
const read = async (world: World) => {
  const { status, text } = await world.request("/a");
  return status === 200 ? text : status;
};
const settled = () => new Promise((resolve) => setImmediate(resolve));
const down = () => Promise.reject(new UpstreamFailure("refused"));

describe("what was purged softly", () => {
  it.each([[TAG], [undefined]])(
    "is used at once, and validated behind, as long as it may be stale: %j",
    async (tags) => {
      const world = await stored(WHILE);
      await soften(world, tags);
      world.now += 4000;
      const { text, cacheStatus } = await world.request("/a");
      expect([text, cacheStatus]).toEqual(["v1", "forebay; hit; ttl=-4"]);
      await settled();
      expect(await read(world)).toBe("v2");
      expect(world.seen).toHaveLength(2);
    },
  );

  it("is validated behind once, however many ask", async () => {
    const world = await stored(WHILE);
    await soften(world);
    const texts = await Promise.all(Array.from({ length: 20 }, () => read(world)));
    expect(new Set(texts)).toEqual(new Set(["v1"]));
    await settled();
    expect(world.seen).toHaveLength(2);
  });

  it("is validated before it is used when that time, which counts from the purge, is over", async () => {
    const world = await stored(WHILE);
    await soften(world);
    world.now += 30_000;
    expect(await read(world)).toBe("v2");
  });

  it("is not used longer than without the purge", async () => {
    const world = await stored(WHILE);
    world.now += 610_000;
    await soften(world);
    world.now += 11_000;
    expect(await read(world)).toBe("v2");
  });

  it.each(["max-age=600", "max-age=600, must-revalidate, stale-while-revalidate=60"])(
    "is validated before it is used where nothing permits it stale: %s",
    async (says) => {
      const world = await stored(says, ["ETag", '"1"']);
      await soften(world);
      world.origin = () => respond("", { status: 304, fields: ["Cache-Control", says, "ETag", '"1"'] });
      const { text, cacheStatus } = await world.request("/a");
      expect([text, cacheStatus]).toEqual(["v1", "forebay; fwd=stale; fwd-status=304; stored"]);
      expect(field(world.seen.at(-1)?.fields ?? [], "if-none-match")).toBe('"1"');
      expect((await world.request("/a")).cacheStatus).toContain("hit; ttl=");
    },
  );

  it("is not taken for unchanged on the word of a time that cannot tell", async () => {
    const modified = new Date(Date.UTC(2026, 0, 1)).toUTCString();
    const world = await stored("max-age=600", ["Last-Modified", modified, "Date", modified]);
    await soften(world);
    await read(world);
    expect(field(world.seen.at(-1)?.fields ?? [], "if-modified-since")).toBeUndefined();
  });

  it("stands in for an origin that fails as long as it may be stale", async () => {
    const world = await stored(ON_ERROR);
    await soften(world);
    world.origin = down;
    world.now += 29_000;
    const { text, cacheStatus } = await world.request("/a");
    expect([text, cacheStatus]).toEqual(["v1", "forebay; hit; ttl=-29; detail=stale-if-error"]);
    world.now += 1000;
    expect(await read(world)).toBe(502);
  });

  it("leaves alone what carries none of its tags, and what is fetched after it", async () => {
    const world = await stored(WHILE);
    await soften(world, ["tag:other"]);
    expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=590");
    await soften(world);
    world.now += 31_000;
    await read(world);
    expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=600");
  });
});

describe("a request for what was purged softly", () => {
  const ask = async (world: World, says: string) => {
    const { status, text } = await world.request("/a", { fields: ["Cache-Control", says] });
    return status === 200 ? text : status;
  };

  it.each([
    ["only-if-cached", "max-age=600", 504],
    ["only-if-cached, max-stale", "max-age=600", "v1"],
    ["max-stale=5", "max-age=600", "v1"],
    ["max-stale=3", "max-age=600", "v2"],
    ["max-stale", "max-age=600, must-revalidate", "v2"],
    ["max-stale", "s-maxage=600", "v2"],
    ["max-age=60", WHILE, "v2"],
    ["no-cache", WHILE, "v2"],
  ])("that says %s of what says %s", async (says, stored_, answer) => {
    const world = await stored(stored_);
    await soften(world);
    world.now += 4000;
    expect(await ask(world, says)).toBe(answer);
  });

  it("by HEAD makes it fresh where the origin's validator is its own, and only then", async () => {
    for (const [etag, text] of [
      ['"1"', "v1"],
      ['"2"', "v2"],
    ] as const) {
      const world = await stored("max-age=600", ["ETag", '"1"']);
      await soften(world);
      world.origin = () =>
        respond("", { fields: ["Cache-Control", "max-age=600", "ETag", etag, "Content-Length", "2"] });
      await world.request("/a", { method: "HEAD" });
      world.origin = () => respond("v2", { fields: ["Cache-Control", "max-age=600", "ETag", '"2"'] });
      expect(await read(world)).toBe(text);
    }
  });
});

describe("the time since a soft purge", () => {
  it("counts from no earlier than the request that was overtaken and is not negative, however the store's clock goes", () => {
    const since = (softAtMs: number) => {
      const stored = {
        value: { requestTime: 5000 } as StoredResponse,
        stamp: 0,
        tags: [],
        freshUntil: 0,
        keepUntil: 0,
      };
      const fence = { shared: true, clock: 0, latest: 0 };
      const reading = { fence, record: undefined, stored, usable: true, softAt: softAtMs * 1000, verdicts: [] };
      return secondsSincePurge(reading, 9000);
    };
    expect([8000, 5000, 1000, 9500].map(since)).toEqual([1, 4, 4, 0]);
  });
});

describe("a soft purge and a write", () => {
  it.each([
    ["before it", [soften, write]],
    ["after it", [write, soften]],
    ["around it", [soften, write, soften]],
  ])("%s: nothing from before the write is used", async (_, steps) => {
    const world = await stored("max-age=600, stale-while-revalidate=600, stale-if-error=600");
    for (const step of steps) await step(world);
    expect(await read(world)).toBe("v2");
    world.origin = () => respond("nobody knows", { status: 500 });
    await write(world);
    await soften(world);
    world.origin = down;
    expect(await read(world)).toBe(502);
  });
});

describe("a fetch under way at a soft purge", () => {
  async function racing(says: string, tags = TAG) {
    const world = createWorld(YAML);
    const fields = ["Cache-Control", says, "Surrogate-Key", "own"];
    const gates: ((text: string) => void)[] = [];
    world.origin = () => new Promise((resolve) => void gates.push((text) => resolve(respond(text, { fields }))));
    const before = read(world);
    await settled();
    await soften(world, tags);
    const after = read(world);
    await settled();
    return { world, gates, before, after };
  }

  it("is not what somebody gets who asks after it where nothing permits that", async () => {
    const { gates, before, after } = await racing("max-age=600");
    gates[0]?.("old");
    expect(await before).toBe("old");
    await settled();
    gates[1]?.("new");
    expect(await after).toBe("new");
  });

  it("is not what somebody gets whose response turns out to name what was purged", async () => {
    const { gates, before, after } = await racing("max-age=600", ["tag:own"]);
    expect(gates).toHaveLength(1);
    gates[0]?.("old");
    expect(await before).toBe("old");
    await vi.waitUntil(() => gates.length === 2, { timeout: 20_000 });
    gates[1]?.("new");
    expect(await after).toBe("new");
  });

  it("brings what is stale from the start", async () => {
    const { world, gates, before, after } = await racing(WHILE);
    gates[0]?.("old");
    gates[1]?.("new");
    expect([await before, await after]).toEqual(["old", "new"]);
    await settled();
    expect(await read(world)).toBe("new");
  });
});
