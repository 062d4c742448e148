// What a client may ask of a cache (RFC 9111 §5.2.1, §5.4), as it and the origin see it. The decisions one by one are
// test/cache/reuse.test.ts's.

import { describe, expect, it } from "vitest";
import { field } from "../../src/http/fields.ts";
import type { Fields, Response } from "../../src/http/message.ts";
import { createWorld, respond, type World } from "../support/world.ts";

const ANY = 'routes: [{ path: "/*", cache: {} }]';
const DEAF = 'routes: [{ path: "/*", cache: { clientDirectives: ignore } }]';
const TAGGED = ["Cache-Control", "max-age=60", "ETag", '"1"'];

/** A world in which /a is stored as "v1" since `age` seconds, and the origin has "v2" now. */
async function aged(age: number, { yaml = ANY, fields = TAGGED }: { yaml?: string; fields?: Fields } = {}) {
  const world = createWorld(yaml);
  world.origin = () => respond("v1", { fields });
  await world.request("/a");
  world.now += age * 1000;
  world.origin = () => respond("v2", { fields });
  return world;
}

const says = (value: string): { fields: Fields } => ({ fields: ["Cache-Control", value] });
const textOf = async (world: World, value: string) => (await world.request("/a", says(value))).text;

describe("max-age (§5.2.1.1)", () => {
  it("prefers a response whose age is less than or equal to the specified number of seconds", async () => {
    expect(await textOf(await aged(10), "max-age=10")).toBe("v1");
    expect(await textOf(await aged(11), "max-age=10")).toBe("v2");
  });

  it("counts the age that the response came with", async () => {
    const fields = [...TAGGED, "Age", "5"];
    expect(await textOf(await aged(5, { fields }), "max-age=10")).toBe("v1");
    expect(await textOf(await aged(6, { fields }), "max-age=10")).toBe("v2");
  });

  it("wishes no stale response unless max-stale is also present", async () => {
    const fields = ["Cache-Control", "max-age=60, stale-while-revalidate=60", "ETag", '"1"'];
    expect(await textOf(await aged(65, { fields }), "max-age=100")).toBe("v2");
    expect(await textOf(await aged(65, { fields }), "max-age=100, max-stale=5")).toBe("v1");
    expect(await textOf(await aged(65, { fields }), "max-age=64, max-stale=5")).toBe("v2");
  });

  it("of zero has the stored response validated, and is satisfied when it holds", async () => {
    const world = await aged(10);
    world.origin = () => respond("", { status: 304, fields: TAGGED });
    expect(await textOf(world, "max-age=0")).toBe("v1");
    expect(field(world.seen[1]?.fields ?? [], "if-none-match")).toBe('"1"');
  });

  it("that cannot be read allows no reuse", async () => {
    for (const value of ["max-age", "max-age=", "max-age=1.5", "max-age=99, max-age=soon", 'max-age="']) {
      expect([value, await textOf(await aged(1), value)]).toEqual([value, "v2"]);
    }
  });
});

describe("max-stale (§5.2.1.2)", () => {
  it("accepts a response that has exceeded its freshness lifetime by no more than the specified number of seconds", async () => {
    expect(await textOf(await aged(70), "max-stale=10")).toBe("v1");
    expect(await textOf(await aged(71), "max-stale=10")).toBe("v2");
  });

  it("without a value accepts a stale response of any age", async () => {
    expect(await textOf(await aged(600), "max-stale")).toBe("v1");
  });

  it.each(["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"])(
    "does not overcome the response's %s (§4.2.4)",
    async (directive) => {
      const fields = ["Cache-Control", `max-age=60, ${directive}`, "ETag", '"1"'];
      expect(await textOf(await aged(61, { fields }), "max-stale")).toBe("v2");
    },
  );

  it("does not bring back what a write has overtaken", async () => {
    const world = await aged(61);
    await world.request("/a", { method: "PUT" });
    expect(await textOf(world, "max-stale")).toBe("v2");
  });
});

describe("min-fresh (§5.2.1.3)", () => {
  it("prefers a response whose freshness lifetime is no less than its age plus the specified time", async () => {
    expect(await textOf(await aged(40), "min-fresh=20")).toBe("v1");
    expect(await textOf(await aged(41), "min-fresh=20")).toBe("v2");
  });

  it("that cannot be read, or is said twice, counts for the longest", async () => {
    expect(await textOf(await aged(1), "min-fresh=x")).toBe("v2");
    expect(await textOf(await aged(41), "min-fresh=1, min-fresh=20")).toBe("v2");
    expect(await textOf(await aged(1), "min-fresh=0, min-fresh=x")).toBe("v2");
  });
});

describe("no-cache (§5.2.1.4), and Pragma where there is no Cache-Control (§5.4)", () => {
  it.each([
    [["Cache-Control", "no-cache"]],
    [["Cache-Control", "max-stale, no-cache"]],
    [["Pragma", "no-cache"]],
    [["Pragma", "x, No-Cache"]],
  ])("%j prefers stored responses not to be used without successful validation", async (fields) => {
    const world = await aged(1);
    world.origin = () => respond("", { status: 304, fields: TAGGED });
    expect((await world.request("/a", { fields })).text).toBe("v1");
    expect(world.seen).toHaveLength(2);
    expect(field(world.seen[1]?.fields ?? [], "if-none-match")).toBe('"1"');
  });

  it("has what comes stored, for the others too", async () => {
    const world = await aged(1);
    expect(await textOf(world, "no-cache")).toBe("v2");
    const next = await world.request("/a");
    expect([next.text, next.cacheStatus]).toEqual(["v2", "forebay; hit; ttl=60"]);
  });

  it("is not satisfied with a fetch that began before it was asked", async () => {
    const world = createWorld(ANY);
    const gates: ((response: Response) => void)[] = [];
    world.origin = () => new Promise((resolve) => gates.push(resolve));
    const before = world.request("/a");
    while (gates.length < 1) await settled();
    const insisting = world.request("/a", says("no-cache"));
    await settled();
    gates[0]?.(respond("v1", { fields: TAGGED }));
    while (gates.length < 2) await settled();
    gates[1]?.(respond("v2", { fields: TAGGED }));
    expect([(await before).text, (await insisting).text]).toEqual(["v1", "v2"]);
  });

  it("of Pragma counts for nothing beside a Cache-Control, whatever that says", async () => {
    const world = await aged(1);
    expect((await world.request("/a", { fields: ["Pragma", "no-cache", "Cache-Control", "max-age=60"] })).text).toBe(
      "v1",
    );
    expect((await world.request("/a", { fields: ["Pragma", "no-cache", "Cache-Control", ""] })).text).toBe("v1");
    expect((await world.request("/a", { fields: ["Pragma", "something"] })).text).toBe("v1");
  });
});

describe("no-store (§5.2.1.5)", () => {
  it("has no part of the response stored", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: TAGGED });
    await textOf(world, "no-store");
    expect((await world.request("/a")).cacheStatus).toBe("forebay; fwd=uri-miss; fwd-status=200; stored");
  });

  it("does not touch the response that is already stored", async () => {
    const world = await aged(1);
    expect(await textOf(world, "no-store")).toBe("v2");
    expect((await world.request("/a")).text).toBe("v1");
  });

  it("does not touch it by a validation either: a 304 for it freshens nothing", async () => {
    const world = await aged(61);
    world.origin = ({ fields }) =>
      field(fields, "if-none-match") === undefined
        ? respond("v2", { fields: TAGGED })
        : respond("", { status: 304, fields: TAGGED });
    await textOf(world, "no-store");
    world.origin = () => respond("v3", { fields: TAGGED });
    expect((await world.request("/a")).text).toBe("v3");
  });

  it("shares a fetch with nobody", async () => {
    const world = createWorld(ANY);
    const gates: ((response: Response) => void)[] = [];
    world.origin = () => new Promise((resolve) => gates.push(resolve));
    const all = [world.request("/a", says("no-store")), world.request("/a"), world.request("/a", says("no-store"))];
    while (gates.length < 3) await settled();
    for (const gate of gates) gate(respond("v1", { fields: TAGGED }));
    for (const { cacheStatus } of await Promise.all(all)) expect(cacheStatus).not.toContain("collapsed");
  });
});

describe("only-if-cached (§5.2.1.7)", () => {
  it("is answered with a stored response consistent with the request's other constraints", async () => {
    const world = await aged(10);
    expect(await textOf(world, "only-if-cached")).toBe("v1");
    expect(await textOf(world, "only-if-cached, max-age=10, min-fresh=50")).toBe("v1");
    expect((await world.request("/a", { method: "HEAD", ...says("only-if-cached") })).status).toBe(200);
    world.now += 60_000;
    expect(await textOf(world, "only-if-cached, max-stale=10")).toBe("v1");
    expect(world.seen).toHaveLength(1);
  });

  it("or with 504, and the origin is not asked", async () => {
    for (const [age, value] of [
      [61, "only-if-cached"],
      [11, "only-if-cached, max-age=10"],
      [1, "only-if-cached, no-cache"],
      [50, "only-if-cached, min-fresh=20"],
      [71, "only-if-cached, max-stale=10"],
      [1, "only-if-cached, max-age=x"],
    ] as const) {
      const world = await aged(age);
      expect([value, (await world.request("/a", says(value))).status]).toEqual([value, 504]);
      expect((await world.request("/a", { method: "HEAD", ...says(value) })).status).toBe(504);
      expect(world.seen).toHaveLength(1);
    }
  });

  it("or with 504 where only another variant is stored", async () => {
    const world = await aged(1, { fields: [...TAGGED, "Vary", "Accept-Language"] });
    const asked = await world.request("/a", { fields: ["Accept-Language", "de", "Cache-Control", "only-if-cached"] });
    expect([asked.status, world.seen.length]).toEqual([504, 1]);
  });
});

describe("the directives, as they are written", () => {
  it("count on every line, in every case, and the stricter of two that contradict each other", async () => {
    const lines = ["cache-control", "x=1", "CACHE-CONTROL", "NO-CACHE"];
    expect((await (await aged(1)).request("/a", { fields: lines })).text).toBe("v2");
    expect(await textOf(await aged(11), "max-age=100, max-age=10")).toBe("v2");
    expect(await textOf(await aged(1), 'x="no-cache", max-age=10')).toBe("v1");
  });

  it("reach the origin as the client sent them", async () => {
    const world = createWorld(ANY);
    const fields = ["Cache-Control", "no-cache, x-y=1", "Pragma", "no-cache"];
    await world.request("/a", { fields });
    await world.request("/a", { method: "POST", fields });
    for (const seen of world.seen) {
      expect([field(seen.fields, "cache-control"), field(seen.fields, "pragma")]).toEqual([
        "no-cache, x-y=1",
        "no-cache",
      ]);
    }
  });

  it("hold for HEAD as they do for GET", async () => {
    const world = await aged(11);
    await world.request("/a", { method: "HEAD", ...says("max-age=20") });
    expect(world.seen).toHaveLength(1);
    await world.request("/a", { method: "HEAD", ...says("max-age=10") });
    expect(world.seen).toHaveLength(2);
  });
});

describe("clientDirectives: ignore", () => {
  it("switches all of them off", async () => {
    const values = ["no-cache", "no-store", "max-age=0", "min-fresh=99", "only-if-cached, no-cache", "max-age=x"];
    for (const value of values)
      expect([value, await textOf(await aged(1, { yaml: DEAF }), value)]).toEqual([value, "v1"]);
    const world = await aged(1, { yaml: DEAF });
    expect((await world.request("/a", { fields: ["Pragma", "no-cache"] })).text).toBe("v1");
  });

  it("also those that would allow more: a stale response is not used for max-stale", async () => {
    expect(await textOf(await aged(61, { yaml: DEAF }), "max-stale")).toBe("v2");
  });

  it("so that only-if-cached asks the origin, and no-store is stored", async () => {
    const world = createWorld(DEAF);
    world.origin = () => respond("v1", { fields: TAGGED });
    expect((await world.request("/a", says("only-if-cached"))).status).toBe(200);
    await world.request("/b", says("no-store"));
    expect((await world.request("/b")).cacheStatus).toBe("forebay; hit; ttl=60");
  });
});

const settled = () => new Promise((resolve) => setImmediate(resolve));
