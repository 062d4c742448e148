import { describe, expect, it, test } from "vitest";
import { isDueAhead } from "../../src/cache/refresh-ahead.ts";
import fc from "../support/fast-check.ts";
import { createWorld, respond } from "../support/world.ts";
import { aStored, NOW } from "./example.ts";

const SECOND = 1000;

describe("refreshAhead (XFetch)", () => {
  const stored = aStored({ lifetime: 60, requestTime: NOW - 2 * SECOND, responseTime: NOW });
  const at = (left: number) => NOW + (60 - left) * SECOND;

  it("draws by how long the fetch took: a draw of 1/e is due that long before the end", () => {
    const draw = { refreshAhead: 1, random: 1 / Math.E };
    expect(isDueAhead(stored, { ...draw, now: at(2) })).toBe(true);
    expect(isDueAhead(stored, { ...draw, now: at(2.1) })).toBe(false);
    expect(isDueAhead(stored, { ...draw, refreshAhead: 3, now: at(6) })).toBe(true);
    expect(isDueAhead(stored, { ...draw, refreshAhead: 3, now: at(6.1) })).toBe(false);
  });

  it("is due at the end whatever is drawn, and likelier the nearer it is", () => {
    const draws = fc.record({
      random: fc.double({ min: 0, max: 1, noNaN: true }),
      left: fc.double({ min: 0, max: 60, noNaN: true }),
    });
    fc.assert(
      fc.property(draws, ({ random, left }) => {
        expect(isDueAhead(stored, { refreshAhead: 1, random, now: at(0) })).toBe(true);
        if (isDueAhead(stored, { refreshAhead: 1, random, now: at(left) })) {
          expect(isDueAhead(stored, { refreshAhead: 1, random, now: at(left / 2) })).toBe(true);
        }
      }),
    );
  });
});

/** Stored at the world's time, by a fetch that took a second; fresh for a minute. */
async function stored(yaml = "routes: [{ path: /*, cache: { refreshAhead: 1 } }]") {
  const world = createWorld(yaml);
  let version = 0;
  world.origin = () => {
    world.now += SECOND;
    version += 1;
    return respond(`v${version}`, { fields: ["Cache-Control", "max-age=60", "ETag", `"${version}"`] });
  };
  await world.request("/a");
  world.random = 1 / Math.E;
  return world;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a hit shortly before the end is answered at once, and fetched anew behind", async () => {
  const world = await stored();
  world.now += 57 * SECOND;
  expect((await world.request("/a")).text).toBe("v1");
  await settled();
  expect(world.seen).toHaveLength(1);
  world.now += 1 * SECOND;
  const hit = await world.request("/a");
  expect(hit).toMatchObject({ text: "v1", cacheStatus: "forebay; hit; ttl=1" });
  await settled();
  expect(world.seen).toHaveLength(2);
  world.now += 30 * SECOND;
  expect(await world.request("/a")).toMatchObject({ text: "v2", cacheStatus: "forebay; hit; ttl=29" });
});

test("a response is not fetched anew again while that is under way", async () => {
  const world = await stored();
  const answer = world.origin;
  const gate = Promise.withResolvers<void>();
  world.origin = async (request) => {
    await gate.promise;
    return answer(request);
  };
  world.now += 58.5 * SECOND;
  for (let i = 0; i < 5; i++) expect((await world.request("/a")).text).toBe("v1");
  expect(world.seen).toHaveLength(2);
  gate.resolve();
  await settled();
  expect((await world.request("/a")).text).toBe("v2");
  expect(world.seen).toHaveLength(2);
});

test("what another sidecar has fetched anew meanwhile is not fetched once more", async () => {
  const world = await stored();
  const { store } = world;
  const other = createWorld("routes: [{ path: /*, cache: { refreshAhead: 1 } }]", () => ({
    ...store,
    // Between this one's look and its lease the other has stored.
    async lead(...asked) {
      await world.request("/a");
      await settled();
      return store.lead(...asked);
    },
  }));
  other.now = world.now += 58.5 * SECOND;
  other.random = world.random;
  expect((await other.request("/a")).text).toBe("v1");
  for (let i = 0; i < 5; i++) await settled();
  expect(world.seen).toHaveLength(2);
  expect(other.seen).toHaveLength(0);
});

test("who asks while a refresh waits for a lease that another sidecar has asks again, not the origin each", async () => {
  const world = await stored();
  const { store } = world;
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let isFirst = true;
  const other = createWorld("routes: [{ path: /*, cache: { refreshAhead: 1 } }]", () => ({
    ...store,
    async lead(...question) {
      const lead = await store.lead(...question);
      if (!isFirst) return lead;
      isFirst = false;
      asked.resolve();
      await gate.promise;
      return { ...lead, lease: undefined, retryMs: 1 };
    },
  }));
  other.origin = world.origin;
  other.now = world.now += 58.5 * SECOND;
  other.random = world.random;
  expect((await other.request("/a")).text).toBe("v1");
  await asked.promise;
  other.now = world.now += 2 * SECOND;
  const waiting = Array.from({ length: 20 }, () => other.request("/a"));
  await settled();
  gate.resolve();
  for (const { text } of await Promise.all(waiting)) expect(text).toBe("v2");
  expect(other.seen).toHaveLength(1);
});

test("an origin that fails behind a hit is nobody's trouble, and without refreshAhead nothing is asked", async () => {
  const world = await stored();
  world.now += 58.5 * SECOND;
  world.origin = () => respond("down", { status: 500 });
  expect((await world.request("/a")).text).toBe("v1");
  await settled();
  expect(world.seen).toHaveLength(2);
  expect((await world.request("/a")).text).toBe("v1");

  const plain = await stored("routes: [{ path: /*, cache: {} }]");
  plain.now += 58.9 * SECOND;
  await plain.request("/a");
  await settled();
  expect(plain.seen).toHaveLength(1);
});
