// Verified hits: the origin is asked again behind the client's back, and what differs is told.

import { expect, it } from "vitest";
import type { Difference } from "../../src/cache/finding.ts";
import { field } from "../../src/http/fields.ts";
import type { Source } from "../../src/http/message.ts";
import { createWorld, respond, type World } from "../support/world.ts";

const VERIFIED = "routes: [{ path: /*, cache: { ttl: 1m, verify: 50% } }]";

function verified(): World {
  const world = createWorld(VERIFIED);
  world.random = 0.4;
  return world;
}

function differences(world: World): Difference[] {
  return world.found.filter((found) => found.kind === "different");
}

it("a hit of the sample is asked for again once it is answered, as its client asked, without conditions", async () => {
  const world = verified();
  await world.request("/a");
  const fields = ["Cookie", "s=1", "If-None-Match", '"x"', "Range", "bytes=0-1"];
  const hit = await world.request("/a", { fields });
  expect(hit.cacheStatus).toContain("forebay; hit");
  expect(world.seen).toHaveLength(1);
  await world.settle();
  expect(world.seen).toHaveLength(2);
  expect(world.seen[1]).toMatchObject({ method: "GET", target: "/a" });
  expect(field(world.seen[1]?.fields ?? [], "cookie")).toBe("s=1");
  expect(world.seen[1]?.fields.map((name) => name.toLowerCase())).not.toContain("if-none-match");
  expect(world.seen[1]?.fields.map((name) => name.toLowerCase())).not.toContain("range");
  expect(world.found).toEqual([{ kind: "same", storedAt: world.now, askedAt: world.now }]);
});

it("only the sample is, and no HEAD", async () => {
  const world = verified();
  world.random = 0.5;
  await world.request("/a");
  await world.request("/a");
  world.random = 0;
  await world.request("/a", { method: "HEAD" });
  await world.settle();
  expect(world.seen).toHaveLength(1);
});

it("what a client takes stale is not", async () => {
  const world = createWorld("routes: [{ path: /*, cache: { ttl: 1m, staleIfError: 1m, verify: 100% } }]");
  await world.request("/a");
  world.now += 61_000;
  const stale = await world.request("/a", { fields: ["Cache-Control", "max-stale"] });
  expect(stale.cacheStatus).toBe("forebay; hit; ttl=-1");
  await world.settle();
  expect(world.seen).toHaveLength(1);
});

it("a difference is told, and changes nothing that is stored", async () => {
  const world = verified();
  world.origin = () => respond("old");
  await world.request("/a");
  world.origin = () => respond("new", { status: 404 });
  expect((await world.request("/a")).text).toBe("old");
  await world.settle();
  expect(differences(world)).toMatchObject([
    {
      by: "verify",
      aspects: ["status", "content"],
      status: { stored: 200, origin: 404 },
      apart: undefined,
      isProven: false,
    },
  ]);
  expect((await world.request("/a")).text).toBe("old");
});

it("a difference is proved to be the clients' where the origin gives the stored answer to nobody in particular", async () => {
  const world = verified();
  world.origin = ({ fields }) => respond(fields.includes("Cookie") ? "yours" : "anybody's");
  await world.request("/a");
  await world.request("/a", { fields: ["Cookie", "s=1"] });
  await world.settle();
  expect(world.seen).toHaveLength(3);
  expect(differences(world)).toMatchObject([{ isProven: true, apart: ["cookie"] }]);
});

it("a difference that a write or a purge explains is none", async () => {
  const world = verified();
  world.origin = () => respond("old");
  await world.request("/a");
  world.origin = () => respond("new");
  await world.request("/a");
  await world.request("/a", { method: "PUT" });
  await world.settle();
  expect(world.found).toEqual([{ kind: "unjudged", why: "overtaken" }]);
  await world.request("/a");
  world.origin = () => respond("newer");
  await world.request("/a");
  await world.store.purge(undefined);
  await world.settle();
  expect(world.found.slice(1)).toEqual([{ kind: "unjudged", why: "overtaken" }]);
});

it("a few are under way at once, and an origin that fails proves nothing", async () => {
  const world = verified();
  await world.request("/a");
  world.origin = () => {
    throw new Error("down");
  };
  await Promise.all(Array.from({ length: 6 }, () => world.request("/a")));
  await world.settle();
  expect(world.seen).toHaveLength(5);
  expect(world.found.map((found) => found.kind === "unjudged" && found.why)).toEqual([
    ...["busy", "busy"],
    ...["failed", "failed", "failed", "failed"],
  ]);
  world.origin = () => respond("hello");
  await world.request("/a");
  await world.settle();
  expect(world.found.at(-1)).toMatchObject({ kind: "same" });
});

it("of an answer that is longer than what is stored no more is read: it is another", async () => {
  const world = verified();
  await world.request("/a");
  let isCancelled = false;
  const endless: Source = {
    start(sink) {
      setImmediate(() => sink.write(new TextEncoder().encode("hello, and on and on")));
      return {
        resume() {},
        cancel() {
          isCancelled = true;
        },
      };
    },
  };
  world.origin = () => ({ status: 200, fields: ["Transfer-Encoding", "chunked"], content: endless });
  await world.request("/a");
  await world.settle();
  await world.settle();
  expect(isCancelled).toBe(true);
  expect(differences(world).map(({ aspects }) => aspects)).toEqual([["content"]]);
});
