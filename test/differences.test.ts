// What is told of watched routes: tallies, the keys that differed with why, and a line in the log.

import { expect, it } from "vitest";
import { createDifferences } from "../src/differences.ts";
import { field } from "../src/http/fields.ts";
import type { Details } from "../src/log.ts";
import { createWorld, respond, type World } from "./support/world.ts";

const SHADOW = "routes: [{ path: /*, cache: { mode: shadow, ttl: 1m } }]";

function watched(yaml = SHADOW, showQuery = false) {
  const lines: Details[] = [];
  const log = { debug() {}, info() {}, warn: (_: string, details: Details = {}) => void lines.push(details) };
  let status: ReturnType<typeof createDifferences>["status"] | undefined;
  const world = createWorld(yaml, undefined, (now) => {
    const differences = createDifferences({ log, showQuery: () => showQuery, now });
    status = differences.status;
    return differences.told;
  });
  const shown = () => {
    if (status === undefined) throw new Error("the world has nobody to tell");
    return status();
  };
  return { world, lines, status: shown };
}

const as = (session: string) => ({ fields: ["Cookie", `session=${session}`] });

/** Each client has its own page. */
function personal(world: World): void {
  world.origin = ({ fields }) => respond(`for ${field(fields, "cookie")}`);
}

it("two clients that get different answers at the same time are proved once the first one gets its own again", async () => {
  const { world, lines, status } = watched();
  personal(world);
  await world.request("/cart?id=7", as("a"));
  world.now += 2000;
  await world.request("/cart?id=7", as("b"));
  await world.settle();
  expect(status().differences).toMatchObject([{ verdict: "unclear", key: "shop.test/cart?...", count: 1 }]);
  world.now += 1000;
  await world.request("/cart?id=7", as("a"));
  await world.settle();
  expect(status()).toEqual({
    since: "2026-01-01T00:00:00.000Z",
    routes: {
      "/*": {
        ...{ wouldHit: 2, wouldStale: 0, wouldMiss: 1, same: 1, different: 1 },
        ...{ notStored: {}, unjudged: {} },
      },
    },
    differences: [
      {
        ...{ route: "/*", key: "shop.test/cart?...", by: "shadow", verdict: "clients", count: 1 },
        ...{ aspects: ["content"], requestFields: ["cookie:session"], status: { stored: 200, origin: 200 } },
        ...{ afterMs: 2000, since: "2026-01-01T00:00:02.000Z", last: "2026-01-01T00:00:02.000Z" },
      },
    ],
  });
  expect(lines).toMatchObject([
    { id: "id", route: "/*", key: "shop.test/cart?...", verdict: "unclear", requestFields: ["cookie:session"] },
    { id: "id", route: "/*", key: "shop.test/cart?...", verdict: "clients", requestFields: ["cookie:session"] },
  ]);
});

it("an answer that changes at the origin while it is fresh is the origin's doing, once the first client gets the new one", async () => {
  const { world, status } = watched();
  world.origin = () => respond("old");
  await world.request("/a", as("a"));
  world.origin = () => respond("new");
  await world.request("/a", as("b"));
  await world.settle();
  expect(status().differences).toMatchObject([{ verdict: "unclear" }]);
  await world.request("/a", as("a"));
  await world.settle();
  expect(status().differences).toMatchObject([{ verdict: "origin", count: 2 }]);
  await world.request("/a", as("c"));
  await world.settle();
  expect(status().differences).toMatchObject([{ verdict: "origin", count: 3 }]);
});

it("the stored answer proves nothing where it was asked for before the other one came", async () => {
  const { world, status } = watched();
  world.origin = () => respond("old");
  await world.request("/a", as("a"));
  const slow = Promise.withResolvers<ReturnType<typeof respond>>();
  world.origin = () => slow.promise;
  const pending = world.request("/a", as("a"));
  world.now += 1000;
  world.origin = () => respond("new");
  await world.request("/a", as("b"));
  await world.settle();
  slow.resolve(respond("old"));
  await pending;
  expect(status()).toMatchObject({ routes: { "/*": { same: 1 } }, differences: [{ verdict: "unclear" }] });
});

it("verified hits are told with them", async () => {
  const { world, status } = watched("routes: [{ path: /*, cache: { ttl: 1m, verify: 100% } }]");
  world.origin = ({ fields }) => respond(fields.includes("Cookie") ? "yours" : "anybody's");
  await world.request("/a");
  await world.request("/a", as("a"));
  await world.settle();
  expect(status()).toMatchObject({
    routes: { "/*": { wouldHit: 0, same: 0, different: 1 } },
    differences: [{ by: "verify", verdict: "clients", requestFields: ["cookie"] }],
  });
});

it("the last hundred keys are kept, the query is shown where the log may show it, and nothing of a client unescaped", async () => {
  const { world, status, lines } = watched(SHADOW, true);
  personal(world);
  for (let i = 0; i < 102; i++) {
    await world.request(`/${i}?q=\u009b31m`, as("a"));
    await world.request(`/${i}?q=\u009b31m`, as("b"));
    await world.settle();
  }
  const { differences } = status();
  expect(differences).toHaveLength(100);
  expect(differences[0]?.key).toBe("shop.test/101?q=?31m");
  expect(differences.at(-1)?.key).toBe("shop.test/2?q=?31m");
  expect(lines).toHaveLength(10);
}, 20_000);
