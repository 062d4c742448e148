// What is said of what is stored, by the proxy's own store.

import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { explanationText } from "../../src/cli/explain-text.ts";
import { loadConfig } from "../../src/config/load.ts";
import { explain } from "../../src/explain/answer.ts";
import type { Explanation } from "../../src/explain/explanation.ts";
import { createAnnouncingStore } from "../../src/store/announcing.ts";
import { createFailOpenStore } from "../../src/store/fail-open.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { createTieredStore } from "../../src/store/tiered.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";
import { createWorld, respond } from "../support/world.ts";

const YAML = `
rateLimit: { limit: 3, window: 1m }
routes:
  - path: /articles/:id
    cache: { ttl: 60s, staleWhileRevalidate: 30s, tags: ["article:{id}"] }
    invalidate: { tags: ["article:{id}"] }
  - path: /*`;

const config = loadConfig({ file: "t.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${YAML}` });

function createKnown(makeStore?: (now: () => number) => Store<StoredResponse>) {
  const world = createWorld(YAML, makeStore);
  const ask = async (url = "/articles/7", headers: readonly string[] = [], method = "GET"): Promise<Explanation> => {
    const asked = { method, url, headers: ["Host: shop.test", ...headers], from: "192.0.2.1", response: undefined };
    const said = await explain(asked, { config, now: () => world.now, store: world.store });
    if (said.kind === "mistake") throw new Error(said.text);
    return said.value;
  };
  return { world, ask };
}

describe("PURGE", () => {
  const wayOf = async (yaml: string, headers: readonly string[], from: string) => {
    const config = loadConfig({
      file: "t.yaml",
      env: {},
      readFile: () => `origin: http://127.0.0.1:9\n${yaml}${YAML}`,
    });
    const asked = { method: "PURGE", url: "/articles/7", headers: ["Host: shop.test", ...headers], from };
    const said = await explain({ ...asked, response: undefined }, { config, now: () => 0 });
    return said.kind === "read" ? [said.value.way, said.value.limits.length] : said.text;
  };

  it("is answered by Forebay where the configuration has purge, and counted by no limit", async () => {
    const purge = "purge: { allow: [loopback] }";
    expect(await wayOf(purge, [], "127.0.0.1")).toEqual(["purge", 0]);
    expect(await wayOf(purge, [], "192.0.2.1")).toEqual(["purge-refused", 0]);
    expect(await wayOf(purge, ["Via: 1.1 a"], "127.0.0.1")).toEqual(["purge-refused", 0]);
    expect(await wayOf("", [], "127.0.0.1")).toEqual(["write", 1]);
  });
});

describe("what is stored", () => {
  it("is nothing, which is asked without a fetch, without a charge, and without being stored", async () => {
    const { world, ask } = createKnown();
    for (let i = 0; i < 10; i++) {
      expect((await ask()).stored).toMatchObject({
        answered: true,
        decision: "forward",
        reason: "uri-miss",
        response: null,
      });
    }
    expect(world.seen).toEqual([]);
    expect((await world.request("/articles/7")).field("ratelimit")).toMatch(/r=2/);
  });

  it("is told with its age, lifetime, stamp and hits, which asking does not count", async () => {
    const { world, ask } = createKnown();
    world.origin = () => respond("hello", { fields: ["ETag", '"1"', "Vary", "Accept", "Cache-Control", "max-age=50"] });
    await world.request("/articles/7", { fields: ["Accept", "a"] });
    await world.request("/articles/7", { fields: ["Accept", "a"] });
    world.now += 10_000;
    for (let i = 0; i < 3; i++) await ask(undefined, ["Accept: a"]);
    const { stored, freshness, key } = await ask(undefined, ["Accept: a"]);
    expect(stored).toMatchObject({ decision: "fresh", reason: null, leaseMs: null, passUntil: null });
    expect(stored?.response).toMatchObject({
      ...{ status: 200, bytes: 5, age: 10, lifetime: 50, ttl: 40, etag: '"1"', state: "usable", because: [] },
      ...{ tier: "memory", hits: 1, fetchedAt: world.now - 10_000 },
    });
    expect(freshness?.rules.find(({ verdict }) => verdict === "decides")).toMatchObject({
      by: "cache-control",
      lifetime: 50,
    });
    expect(key?.variant).toEqual([{ name: "accept", value: "a" }]);
    expect((await ask(undefined, ["Accept: b"])).stored).toMatchObject({ reason: "vary-miss", response: null });
  });

  it("is this process' own in memory, or of nobody that is known", async () => {
    const events = { id: "here", tell: () => 0, count() {} };
    const { world } = createKnown((now) =>
      createAnnouncingStore(createMemoryStore({ maxBytes: 1 << 20, slots: 4096, codec: responseCodec, now }), events),
    );
    await world.request("/articles/7");
    const asked = { method: "GET", url: "http://shop.test/articles/7", headers: [], from: "192.0.2.1" };
    const storedBy = async (sidecar: string) => {
      const known = { config, now: () => world.now, store: world.store, sidecar };
      const said = await explain({ ...asked, response: undefined }, known);
      return said.kind === "read" ? said.value.stored?.response?.storedBy : said.text;
    };
    expect(await storedBy("here")).toEqual({ sidecar: "here", isThis: true });
    expect(await storedBy("elsewhere")).toEqual({ sidecar: "here", isThis: false });
    const silent = createKnown();
    await silent.world.request("/articles/7");
    const said = await silent.ask();
    expect(said.stored?.response?.storedBy).toBeNull();
    expect(explanationText(said, (_, text) => text)).toMatch(/ by +not known$/m);
  });

  it("is invalidated by a tag, which is named", async () => {
    const { world, ask } = createKnown();
    await world.request("/articles/7");
    await world.store.purge(["tag:article:7"]);
    const { stored } = await ask();
    expect(stored?.response).toMatchObject({ state: "invalidated" });
    expect(stored?.response?.because).toEqual([{ tag: "tag:article:7", clock: stored?.clock }]);
    await world.store.purge(undefined);
    expect((await ask()).stored?.response?.because.map(({ tag }) => tag)).toEqual(["floor"]);
  });

  it("is purged softly by a tag, and stale since then", async () => {
    const { world, ask } = createKnown();
    await world.request("/articles/7");
    world.now += 5000;
    await world.store.purge(["route:/articles/:id"], { soft: true });
    world.now += 2000;
    const { stored } = await ask();
    expect(stored?.response).toMatchObject({ state: "soft-purged", ttl: -2 });
    expect(stored?.response?.because).toEqual([{ tag: "route:/articles/:id", clock: expect.any(Number) }]);
    expect(stored).toMatchObject({ decision: "stale-while-revalidate" });
  });

  it("is invalidated by what only the configuration in use has it carry", async () => {
    const { world } = createKnown();
    await world.request("/articles/7");
    const text = YAML.replace("article:{id}", "late:{id}");
    world.reload(text);
    await world.store.purge(["tag:late:7"]);
    const today = loadConfig({ file: "t.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${text}` });
    const asked = { method: "GET", url: "http://shop.test/articles/7", headers: [], from: "192.0.2.1" };
    const said = await explain(
      { ...asked, response: undefined },
      { config: today, era: 2, now: () => world.now, store: world.store },
    );
    expect(said).toMatchObject({ value: { stored: { response: { state: "invalidated" } } } });
    expect(said).toMatchObject({ value: { stored: { response: { because: [{ tag: "tag:late:7" }] } } } });
  });

  it("is that of a GET where a write is asked about", async () => {
    const { world, ask } = createKnown();
    await world.request("/articles/7");
    const { way, stored, invalidates } = await ask(undefined, [], "DELETE");
    expect([way, stored?.decision, stored?.response?.status]).toEqual(["write", "fresh", 200]);
    expect(invalidates.tags).toContain("tag:article:7");
  });

  it("is not asked about on a route that stores nothing", async () => {
    expect((await createKnown().ask("/other")).stored).toBeUndefined();
  });
});

describe("with a shared store", () => {
  function sharing(fails = false) {
    return (now: () => number): Store<StoredResponse> => {
      const common = { maxBytes: 1 << 20, slots: 4096, codec: responseCodec, now };
      const { held: _, ...memory } = createMemoryStore<StoredResponse>(common);
      const look: typeof memory.look = (question) => {
        if (fails) throw new StoreUnavailable("away");
        return memory.look(question);
      };
      const shared: Store<StoredResponse> = { ...memory, look, leased: async () => 1234 };
      const log = { debug() {}, info() {}, warn() {} };
      const open = createFailOpenStore(shared, { breaker: { failures: 5, openMs: 1 }, log });
      return createTieredStore(open, { ...common, trustMs: 0 });
    };
  }

  it("the memory above it is told from what lies below, and a lease is seen", async () => {
    const { world, ask } = createKnown(sharing());
    const [one, other] = [world, createWorld(YAML, () => world.store)];
    await one.request("/articles/7");
    await other.request("/articles/7");
    expect((await ask()).stored).toMatchObject({ leaseMs: 1234, response: { tier: "memory", hits: 1 } });
    const below = createKnown((now) =>
      createTieredStore(world.store, { maxBytes: 1, trustMs: 0, codec: responseCodec, slots: 4096, now }),
    );
    expect((await below.ask()).stored?.response).toMatchObject({ tier: "redis", hits: null });
  });

  it("that does not answer nothing is known, and nothing fails", async () => {
    const { ask } = createKnown(sharing(true));
    expect((await ask()).stored).toMatchObject({ answered: false, clock: null, response: null });
  });
});

describe("what is noted in shadow mode", () => {
  const SHADOW = "routes: [{ path: /*, cache: { mode: shadow, ttl: 1m } }]";
  const shadowed = loadConfig({ file: "t.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${SHADOW}` });

  it("is told as what answers nobody", async () => {
    const world = createWorld(SHADOW);
    await world.request("/a?b=1");
    const asked = {
      method: "GET",
      url: "/a?b=1",
      headers: ["Host: shop.test"],
      from: "192.0.2.1",
      response: undefined,
    };
    const said = await explain(asked, { config: shadowed, now: () => world.now, store: world.store });
    if (said.kind === "mistake") throw new Error(said.text);
    const { way, key, stored } = said.value;
    expect(way).toBe("shadow");
    expect(key?.parts).toMatchObject({ authority: "shop.test", path: "/a", query: ["b=1"] });
    expect(stored).toMatchObject({
      isShadowed: true,
      decision: "fresh",
      response: { status: 200, bytes: null, state: "usable" },
    });
    const text = explanationText(said.value, (_, text) => text);
    expect(text).toContain("compared with what the cache would have given: shadow mode");
    expect(text).toMatch(/now +without shadow mode: a request now is answered with it/);
    expect(text).toContain("200, a digest of it");
  });
});
