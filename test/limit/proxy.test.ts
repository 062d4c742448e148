// Limits seen from outside, through the whole proxy.

import { describe, expect, test } from "vitest";
import { createWorld, respond } from "../support/world.ts";

const FRESH = ["Cache-Control", "max-age=60"];

describe("a route with several limits", () => {
  const yaml = `
rateLimit: { limit: 100, window: 10s }
routes:
  - path: /*
    cache: {}
    rateLimit: [{ limit: 2, window: 1s, algorithm: token-bucket }, { limit: 3, window: 1h, algorithm: sliding-log }]
`;

  test("admits what all of them admit; who is refused is charged nothing", async () => {
    const world = createWorld(yaml);
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await world.request("/a")).status);
    world.now += 1000;
    const { field } = await world.request("/a");
    expect(statuses).toEqual([200, 200, 429, 429, 429]);
    expect(field("ratelimit")).toBe('"global";r=97;t=9, "/*";r=1;t=1, "/*#2";r=0;t=3600');
    expect((await world.request("/a")).field("retry-after")).toBe("3599");
  });

  test("tells of all of them, on hits too", async () => {
    const world = createWorld(yaml);
    world.origin = () => respond("v1", { fields: FRESH });
    await world.request("/a");
    const hit = await world.request("/a");
    expect(hit.cacheStatus).toContain("hit");
    expect(hit.field("ratelimit-policy")).toBe('"global";q=100;w=10, "/*";q=2;w=1, "/*#2";q=3;w=3600');
  });
});

test("a limit by header counts each value, and the address where there is none", async () => {
  const world = createWorld('routes: [{ path: "/*", rateLimit: { limit: 1, window: 1m, by: header:X-Api-Key } }]');
  const status = async (...fields: string[]) => (await world.request("/a", { fields })).status;
  expect([await status("x-api-key", "a"), await status("X-API-KEY", "a"), await status("x-api-key", "b")]).toEqual([
    200, 429, 200,
  ]);
  expect([await status(), await status("x-api-key", "")]).toEqual([200, 429]);
});

test.each([
  ["enforce: false", ["allowed", "would-refuse", "would-refuse"]],
  ["enforce: true", ["allowed", "refused", "refused-from-memory"]],
  ["except: [192.0.2.0/24]", ["excepted", "excepted", "excepted"]],
])("the access line says what became of a limit with %s", async (key, outcomes) => {
  const world = createWorld(`routes: [{ path: "/*", rateLimit: { limit: 1, window: 1m, ${key} } }]`);
  const said = [];
  for (let i = 0; i < 3; i++) said.push((await world.answer("/a")).about.limit);
  expect(said).toEqual(outcomes);
});
