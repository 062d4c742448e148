import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import { groupTags, invalidatedGroupTags } from "../../src/cache/groups.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { createFailOpenStore } from "../../src/store/fail-open.ts";
import { createRedisStore, type RedisStore } from "../../src/store/redis.ts";
import type { Store } from "../../src/store/store.ts";
import { createTieredStore } from "../../src/store/tiered.ts";
import fc from "../support/fast-check.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { createWorld, respond, type World } from "../support/world.ts";
import { aRequest } from "./example.ts";

const FRESH = ["Cache-Control", "max-age=60"];
const YAML = 'routes: [{ path: "/*", cache: {} }]';

const belonging = (...lines: string[]) =>
  groupTags(
    aRequest(),
    lines.flatMap((line) => ["Cache-Groups", line]),
  );
const invalidating = (...lines: string[]) =>
  invalidatedGroupTags(
    aRequest(),
    lines.flatMap((line) => ["Cache-Group-Invalidation", line]),
  );

describe("Cache-Groups and Cache-Group-Invalidation (RFC 9875 §2, §3)", () => {
  it("are lists of strings, each of which names a group; the order does not matter, nor does how often", () => {
    expect(belonging('"a", "b"')).toHaveLength(2);
    expect(belonging('"b"', '"a" ,"b"')).toEqual(expect.arrayContaining([...(belonging('"a", "b"') ?? [])]));
    expect(belonging('"b"', '"a" ,"b"')).toHaveLength(2);
    expect(invalidating('"a"')).toEqual(belonging('"a"'));
  });

  it("are compared character by character, case-sensitively", () => {
    expect(belonging('"A"')).not.toEqual(belonging('"a"'));
    expect(belonging('"a "')).not.toEqual(belonging('"a"'));
    expect(belonging('"a\\"b"')).toEqual(invalidating('"a\\"b"'));
  });

  it("have their parameters ignored", () => {
    expect(belonging('"a";x=1;y, "b";z=?0')).toEqual(belonging('"a", "b"'));
    expect(invalidating('"a";x=1')).toEqual(invalidating('"a"'));
  });

  it("are ignored as a whole where they are no list of strings", () => {
    for (const line of ["", "a", "1", '"a", b', '"a" "b"', '"a', '("a" "b")', '"a",', "?1", ":YQ==:", '"é"', "a=1"]) {
      expect(belonging(line)).toEqual([]);
      expect(invalidating(line)).toEqual([]);
    }
    expect(belonging('"a"', "nonsense")).toEqual([]);
  });

  it("never throw, whatever they say", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        expect(invalidating(line).every((tag) => tag.startsWith("group:"))).toBe(true);
        belonging(line);
      }),
    );
  });

  it("name groups of the one origin: the authorities never share one, however a group is called", () => {
    const of = (authority: string, group: string) =>
      groupTags(aRequest("/", [], { authority }), ["Cache-Groups", JSON.stringify(group)])?.[0];
    expect(of("a", "b")).toBe(of("a.", "b"));
    const all = ["a", "a:8080", "b"].flatMap((authority) => ["x", "a x", ":8080 x", " x"].map((g) => of(authority, g)));
    expect(new Set(all).size).toBe(all.length);
  });

  it("support at least 32 groups of at least 32 characters; a response in more than are remembered has no tags", () => {
    const many = (count: number, length: number) =>
      Array.from({ length: count }, (_, i) => `"${String(i).padStart(length, "g")}"`).join(", ");
    expect(belonging(many(32, 32))).toHaveLength(32);
    expect(belonging(many(128, 256))).toHaveLength(128);
    expect(belonging(many(129, 3))).toBeUndefined();
    expect(belonging(many(1, 257))).toBeUndefined();
    expect(invalidating(many(500, 3))).toHaveLength(500);
    expect(invalidating(many(1, 257), '"a"')).toHaveLength(1);
  });
});

/** An origin whose readings belong to the groups their path names, and whose writes say what they invalidate. */
function scripted(world: World, version: { of: number }): void {
  world.origin = ({ method, target, fields }) => {
    if (method === "POST") {
      version.of += 1;
      const status = Number(target.slice(1)) || 200;
      return respond("done", { status, fields: ["Cache-Group-Invalidation", '"blue", "round"'] });
    }
    if (fields.includes("If-None-Match")) return respond("", { status: 304, fields: ["Cache-Groups", '"blue"'] });
    const groups = target.match(/[a-z]+/g)?.map((group) => `"${group}"`) ?? [];
    return respond(`v${version.of}`, { fields: [...FRESH, "Cache-Groups", groups.join(", ")] });
  };
}

describe("a stored response in a group", () => {
  let world: World;
  let version: { of: number };
  beforeEach(() => {
    world = createWorld(YAML);
    version = { of: 1 };
    scripted(world, version);
  });
  const read = async (target: string, authority = "shop.test") => (await world.request(target, { authority })).text;

  it("is invalidated by the response to an unsafe request elsewhere on its origin that names the group", async () => {
    const targets = ["/blue", "/red-round", "/red", "/blue?2"];
    for (const target of targets) await read(target);
    await world.request("/orders", { method: "POST" });
    expect(await Promise.all(targets.map((target) => read(target)))).toEqual(["v2", "v2", "v1", "v2"]);
    expect((await world.request("/blue")).cacheStatus).toContain("hit");
  });

  it("of the same name on another authority is left alone", async () => {
    await read("/blue", "other.test");
    await world.request("/orders", { method: "POST" });
    expect(await read("/blue", "other.test")).toBe("v1");
  });

  it("is left alone by a response to a safe method, on which the field must be ignored", async () => {
    await read("/blue");
    world.origin = () => respond("ok", { fields: ["Cache-Group-Invalidation", '"blue"'] });
    for (const method of ["GET", "HEAD", "OPTIONS"]) await world.request("/elsewhere", { method });
    expect((await world.request("/blue")).cacheStatus).toContain("hit");
  });

  it("is left alone by a response that says that the write did not happen, and by no other", async () => {
    await read("/blue");
    await world.request("/404", { method: "POST" });
    expect(await read("/blue")).toBe("v1");
    await world.request("/500", { method: "POST" });
    expect(await read("/blue")).not.toBe("v1");
  });

  it("does not draw others of its groups along: group invalidation does not cascade (§2.2.1)", async () => {
    await read("/blue-red");
    await read("/red");
    await world.request("/orders", { method: "POST" });
    expect([await read("/blue-red"), await read("/red")]).toEqual(["v2", "v1"]);
  });

  it("may have come into it with the 304 that freshened it", async () => {
    world.origin = () => respond("v1", { fields: [...FRESH, "ETag", '"1"'] });
    await read("/plain");
    world.now += 61_000;
    scripted(world, version);
    expect((await world.request("/plain")).cacheStatus).toContain("fwd-status=304; stored");
    expect((await world.request("/plain")).cacheStatus).toContain("hit");
    await world.request("/orders", { method: "POST" });
    expect((await world.request("/plain")).cacheStatus).toContain("fwd=stale");
  });

  it("was fetched while its group was invalidated: it is served to nobody who asks after that", async () => {
    const gates: ((response: ReturnType<typeof respond>) => void)[] = [];
    world.origin = () => new Promise((resolve) => gates.push(resolve));
    const before = [world.request("/a"), world.request("/a")];
    while (gates.length < 1) await new Promise((resolve) => setImmediate(resolve));
    scripted(world, version);
    await world.request("/orders", { method: "POST" });
    world.origin = () => respond("new", { fields: FRESH });
    const after = world.request("/a");
    gates[0]?.(respond("old", { fields: [...FRESH, "Cache-Groups", '"blue"'] }));
    // The flight's tags of the request say nothing against joining it; those of its response do.
    expect([(await before[0])?.text, (await after).text]).toEqual(["old", "new"]);
    expect((await world.request("/a")).text).toBe("new");
  });

  it("is not stored in more groups than are remembered, and says so", async () => {
    const many = Array.from({ length: 129 }, (_, i) => `"g${i}"`).join(", ");
    world.origin = () => respond("x", { fields: [...FRESH, "Cache-Groups", many] });
    expect((await world.request("/many")).cacheStatus).toBe(
      "forebay; fwd=uri-miss; fwd-status=200; detail=too-many-groups",
    );
    expect((await world.request("/many")).cacheStatus).toContain("fwd=uri-miss");
  });
});

describe("two sidecars that share a Redis", () => {
  let redis: TestRedis;
  const stores: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));
  afterAll(() => redis.stop());

  async function sidecar(version: { of: number }): Promise<World> {
    let below: RedisStore<StoredResponse> | undefined;
    const makeStore = (now: () => number): Store<StoredResponse> => {
      const limits = { connections: 1, deadline: 5000, writeDeadline: 5000, settle: 0 };
      const codec = responseCodec;
      below = createRedisStore({ url: redis.url, prefix: "forebay", slots: 4096, codec, now, ...limits });
      const log = { debug() {}, info() {}, warn() {} };
      const open = createFailOpenStore(below, { breaker: { failures: 5, openMs: 1000 }, log });
      const store = createTieredStore(open, { maxBytes: 1 << 20, trustMs: 0, slots: 4096, codec, now });
      stores.push(store);
      return store;
    };
    const world = createWorld(YAML, makeStore);
    await below?.connected();
    scripted(world, version);
    return world;
  }

  /** What is put is in Redis a moment after its client has it. */
  async function untilHit(world: World, target: string): Promise<string> {
    for (;;) {
      const { cacheStatus, text } = await world.request(target);
      if (cacheStatus?.includes("hit")) return text;
    }
  }

  it("invalidate a group for one another before the client of the write hears of it", async () => {
    const version = { of: 1 };
    const [one, two] = [await sidecar(version), await sidecar(version)];
    for (const world of [one, two]) for (const target of ["/blue", "/red"]) await untilHit(world, target);
    await two.request("/orders", { method: "POST" });
    expect((await one.request("/blue")).text).toBe("v2");
    expect((await one.request("/red")).text).toBe("v1");
    expect(await untilHit(two, "/blue")).toBe("v2");
  });
});
