// When may a stale response be used (RFC 9111 §4.2.4, RFC 5861), as a client and the origin see it. The windows one by one
// are test/cache/reuse.test.ts's, who grants them test/cache/storing.test.ts's.

import { describe, expect, it } from "vitest";
import type { Response } from "../../src/http/message.ts";
import { UpstreamFailure } from "../../src/upstream/failure.ts";
import { createWorld, respond, type World } from "../support/world.ts";

const route = (cache: string) => `routes: [{ path: "/*", cache: { ${cache} } }]`;
const PLAIN = route("");
const FORBIDDING = ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"];

/** A world in which /a is stored as "v1" since `age` seconds; the origin has "v2" now. */
async function aged(age: number, { yaml = PLAIN, says = "max-age=60", tagged = true } = {}): Promise<World> {
  const world = createWorld(yaml);
  const fields = ["Cache-Control", says, ...(tagged ? ["ETag", '"1"'] : [])];
  world.origin = () => respond("v1", { fields });
  await world.request("/a");
  world.now += age * 1000;
  world.origin = () => respond("v2", { fields });
  return world;
}

const down = () => Promise.reject(new UpstreamFailure("refused"));
const settled = () => new Promise((resolve) => setImmediate(resolve));
const read = async (world: World) => {
  const { status, text } = await world.request("/a");
  return status === 200 ? text : status;
};

describe("a stale response (§4.2.4)", () => {
  it("is not used where nobody permits it, not even when the origin cannot be reached", async () => {
    const world = await aged(61);
    world.origin = down;
    expect(await read(world)).toBe(502);
    world.origin = () => respond("oops", { status: 503 });
    expect(await read(world)).toBe(503);
  });

  it.each(FORBIDDING)("is not used where the response says %s, whatever the route permits", async (directive) => {
    const yaml = route("staleWhileRevalidate: 10m, staleIfError: 10m");
    const world = await aged(61, { yaml, says: `max-age=60, ${directive}` });
    expect(await read(world)).toBe("v2");
    world.now += 61_000;
    world.origin = down;
    expect(await read(world)).toBe(502);
    world.origin = () => respond("oops", { status: 500 });
    expect(await read(world)).toBe(500);
  });

  it.each(["must-revalidate", "proxy-revalidate", "no-cache"])(
    "is not used where the response says %s, whatever else it says itself",
    async (directive) => {
      const says = `max-age=60, ${directive}, stale-while-revalidate=600, stale-if-error=600`;
      const world = await aged(61, { says });
      world.origin = down;
      expect(await read(world)).toBe(502);
    },
  );

  it("is used beside s-maxage where the same response says for how long: a departure that the code explains", async () => {
    const world = await aged(61, { says: "s-maxage=60, stale-if-error=600" });
    world.origin = down;
    expect(await read(world)).toBe("v1");
  });

  it("is validated first wherever that is possible, and is fresh again after a 304", async () => {
    const world = await aged(61, { says: "max-age=60, must-revalidate" });
    world.origin = () =>
      respond("", { status: 304, fields: ["Cache-Control", "max-age=60, must-revalidate", "ETag", '"1"'] });
    expect(await read(world)).toBe("v1");
    world.origin = down;
    world.now += 59_000;
    expect(await read(world)).toBe("v1");
    world.now += 1_000;
    expect(await read(world)).toBe(502);
  });

  it("may be permitted by the 304 that freshened it, and forbidden by it", async () => {
    const permitted = await aged(61);
    permitted.origin = () =>
      respond("", { status: 304, fields: ["Cache-Control", "max-age=60, stale-if-error=60", "ETag", '"1"'] });
    await permitted.request("/a");
    permitted.now += 61_000;
    permitted.origin = down;
    expect(await read(permitted)).toBe("v1");

    const forbidden = await aged(61, { yaml: route("staleIfError: 10m") });
    forbidden.origin = () =>
      respond("", { status: 304, fields: ["Cache-Control", "max-age=60, must-revalidate", "ETag", '"1"'] });
    await forbidden.request("/a");
    forbidden.now += 61_000;
    forbidden.origin = down;
    expect(await read(forbidden)).toBe(502);
  });
});

describe("stale-if-error (RFC 5861 §4)", () => {
  const SAID = "max-age=60, stale-if-error=30";

  it.each([
    ["the response", { says: SAID }],
    ["the route", { yaml: route("staleIfError: 30s") }],
  ])("of %s is an upper limit to the staleness", async (_, of) => {
    for (const [age, expected] of [
      [61, "v1"],
      [89, "v1"],
      [90, 502],
    ] as const) {
      const world = await aged(age, of);
      world.origin = down;
      expect([age, await read(world)]).toEqual([age, expected]);
    }
  });

  it("of the response counts, not the route's, be it shorter, longer or none at all", async () => {
    for (const [seconds, expected] of [
      [0, 502],
      [10, 502],
      [300, "v1"],
    ] as const) {
      const world = await aged(75, { yaml: route("staleIfError: 30s"), says: `max-age=60, stale-if-error=${seconds}` });
      world.origin = down;
      expect([seconds, await read(world)]).toEqual([seconds, expected]);
    }
  });

  it("that cannot be read permits nothing, though the route would", async () => {
    for (const argument of ["", "=", "=soon", "=1.5", '="', "=30, stale-if-error=x"]) {
      const world = await aged(65, { yaml: route("staleIfError: 30s"), says: `max-age=60, stale-if-error${argument}` });
      world.origin = down;
      expect([argument, await read(world)]).toEqual([argument, 502]);
    }
  });

  it.each([500, 502, 503, 504])("takes a %i for an error, and the client does not see it", async (status) => {
    const world = await aged(65, { says: SAID });
    world.origin = () => respond("oops", { status });
    expect(await read(world)).toBe("v1");
  });

  it.each([400, 403, 404, 410, 429])("does not take a %i for one: that is an answer", async (status) => {
    const world = await aged(65, { says: SAID });
    world.origin = () => respond("no", { status });
    expect(await read(world)).toBe(status);
  });

  it.each(["refused", "reset", "headers-timeout"] as const)("takes an origin that %s for one", async (kind) => {
    const world = await aged(65, { says: SAID });
    world.origin = () => Promise.reject(new UpstreamFailure(kind));
    expect(await read(world)).toBe("v1");
  });

  it("needs no validator", async () => {
    const world = await aged(65, { says: SAID, tagged: false });
    world.origin = () => respond("oops", { status: 500 });
    expect(await read(world)).toBe("v1");
    world.origin = () => respond("v2");
    expect(await read(world)).toBe("v2");
  });

  it("is not used as long as the origin answers: each request asks it again", async () => {
    const world = await aged(65, { says: SAID });
    world.origin = down;
    await read(world);
    await read(world);
    expect(world.seen).toHaveLength(3);
    world.origin = () => respond("v2", { fields: ["Cache-Control", SAID] });
    expect(await read(world)).toBe("v2");
  });

  it("does not bring back what a write has overtaken", async () => {
    const world = await aged(1, { says: SAID });
    await world.request("/a", { method: "POST" });
    world.origin = down;
    expect(await read(world)).toBe(502);
  });

  it("is not for a client that insists on the origin", async () => {
    for (const value of ["no-cache", "no-store"]) {
      const world = await aged(65, { says: SAID });
      world.origin = () => respond("oops", { status: 503 });
      expect((await world.request("/a", { fields: ["Cache-Control", value] })).status).toBe(503);
    }
  });

  it("answers HEAD and conditions as a fresh response would", async () => {
    const world = await aged(65, { says: SAID });
    world.origin = down;
    const head = await world.request("/a", { method: "HEAD" });
    expect([head.status, head.field("content-length")]).toEqual([200, "2"]);
    expect((await world.request("/a", { fields: ["If-None-Match", '"1"'] })).status).toBe(304);
  });
});

describe("stale-while-revalidate (RFC 5861 §3)", () => {
  const SAID = "max-age=60, stale-while-revalidate=30";

  it.each([
    ["the response", { says: SAID }],
    ["the route", { yaml: route("staleWhileRevalidate: 30s") }],
  ])("of %s permits the response while it is validated behind it, up to the number of seconds", async (_, of) => {
    for (const [age, expected] of [
      [61, "v1"],
      [89, "v1"],
      [90, "v2"],
    ] as const) {
      const world = await aged(age, of);
      expect([age, await read(world)]).toEqual([age, expected]);
      await settled();
      expect([await read(world), world.seen.length]).toEqual(["v2", 2]);
    }
  });

  it("of the response counts, not the route's; one that cannot be read permits nothing", async () => {
    for (const argument of ["=0", "=3", "=x", ""]) {
      const says = `max-age=60, stale-while-revalidate${argument}`;
      const world = await aged(65, { yaml: route("staleWhileRevalidate: 30s"), says });
      expect([argument, await read(world)]).toEqual([argument, "v2"]);
    }
  });

  it("never holds the client's connection: it is answered while the origin is silent", async () => {
    const world = await aged(65, { says: SAID });
    world.origin = () => new Promise<Response>(() => {});
    for (let i = 0; i < 3; i++) expect(await read(world)).toBe("v1");
    expect(world.seen).toHaveLength(2);
  });

  it("validates on a condition, and a 304 makes it fresh", async () => {
    const world = await aged(65, { says: SAID });
    world.origin = () => respond("", { status: 304, fields: ["Cache-Control", SAID, "ETag", '"1"'] });
    await read(world);
    await settled();
    expect(world.seen[1]?.fields).toEqual(expect.arrayContaining(["If-None-Match", '"1"']));
    expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=60");
  });

  it("tries again with the next request when the validation failed, and keeps what there is", async () => {
    const world = await aged(65, { says: SAID });
    world.origin = down;
    expect(await read(world)).toBe("v1");
    await settled();
    world.origin = () => respond("oops", { status: 500 });
    expect(await read(world)).toBe("v1");
    await settled();
    world.origin = () => respond("v2", { fields: ["Cache-Control", SAID] });
    expect(await read(world)).toBe("v1");
    await settled();
    expect([await read(world), world.seen.length]).toEqual(["v2", 4]);
  });

  it("past its window waits for the origin, and takes the error where stale-if-error does not help", async () => {
    const world = await aged(95, { says: SAID });
    world.origin = () => respond("oops", { status: 500 });
    expect(await read(world)).toBe(500);
    const helped = await aged(95, { says: `${SAID}, stale-if-error=60` });
    helped.origin = () => respond("oops", { status: 500 });
    expect(await read(helped)).toBe("v1");
  });

  it("does not use what a write has overtaken: that is fetched while the client waits", async () => {
    const world = await aged(65, { says: SAID });
    await world.request("/a", { method: "POST" });
    expect(await read(world)).toBe("v2");
  });

  it("serves HEAD too", async () => {
    const world = await aged(65, { says: SAID });
    const head = await world.request("/a", { method: "HEAD" });
    expect([head.status, head.cacheStatus]).toEqual([200, "forebay; hit; ttl=-5"]);
  });
});
