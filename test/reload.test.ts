// What holds across a change of configuration: stored responses, writes, fetches and limits that began before it.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { responseCodec } from "../src/cache/codec.ts";
import type { StoredResponse } from "../src/cache/stored-response.ts";
import { loadConfig } from "../src/config/load.ts";
import { readConfig } from "../src/config/reading.ts";
import { replacing } from "../src/config/replacing.ts";
import { shownConfig } from "../src/config/shown.ts";
import { field } from "../src/http/fields.ts";
import { createLimiter, createLimiterMemory } from "../src/limit/limiter.ts";
import { createLog } from "../src/log.ts";
import { createReloads } from "../src/reload.ts";
import { createMemoryStore } from "../src/store/memory.ts";
import { andThen, type Write } from "../src/store/store.ts";
import { createTieredStore } from "../src/store/tiered.ts";
import { createWorld, respond } from "./support/world.ts";

const run = promisify(execFile);
const SEARCH = "routes:\n  - { path: /search, cache: { ttl: 1h } }\n";
const PLAIN = `${SEARCH}  - { path: /products }\n`;
const WITH_PATTERN = `${SEARCH}  - { path: /products, invalidate: { paths: ["/search*"] } }\n`;
const RENAMED = `${SEARCH}  - { path: /products, invalidate: { paths: ["/sea*"] } }\n`;

const common = { maxBytes: 1 << 24, slots: 4096, codec: responseCodec };
const STORES = {
  memory: undefined,
  "memory on trust above another": (now: () => number) =>
    createTieredStore(createMemoryStore({ ...common, now }), { ...common, now, trustMs: 1000 }),
};

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: what was stored before a pattern was added is invalidated by it`, async () => {
    const world = createWorld(PLAIN, makeStore);
    await world.request("/search?q=1");
    expect((await world.request("/search?q=1")).cacheStatus).toContain("hit");
    world.reload(WITH_PATTERN);
    expect((await world.request("/search?q=1")).cacheStatus).toContain("hit");
    await world.request("/products", { method: "POST" });
    expect((await world.request("/search?q=1")).cacheStatus).toContain("fwd=");
  });

  test(`${name}: so is what nobody has asked for between the change and the write`, async () => {
    const world = createWorld(PLAIN, makeStore);
    await world.request("/search?q=1");
    world.reload(WITH_PATTERN);
    await world.request("/products", { method: "POST" });
    expect((await world.request("/search?q=1")).cacheStatus).toContain("fwd=");
  });

  test(`${name}: so is what was fetched before the change and stored after it`, async () => {
    const world = createWorld(PLAIN, makeStore);
    const fetched = Promise.withResolvers<void>();
    world.origin = async () => {
      await fetched.promise;
      return respond("old");
    };
    const asked = world.request("/search?q=1");
    await vi.waitFor(() => expect(world.seen).toHaveLength(1), { timeout: 20_000 });
    world.reload(WITH_PATTERN);
    fetched.resolve();
    await asked;
    world.origin = () => respond("new");
    await world.request("/products", { method: "POST" });
    expect((await world.request("/search?q=1")).text).toBe("new");
  });

  test(`${name}: a write that ends after the change invalidates by the new configuration as well`, async () => {
    const world = createWorld(WITH_PATTERN, makeStore);
    const written = Promise.withResolvers<void>();
    world.origin = async ({ method }) => {
      if (method === "POST") await written.promise;
      return respond("old");
    };
    const writing = world.request("/products", { method: "POST" });
    await vi.waitFor(() => expect(world.seen).toHaveLength(1), { timeout: 20_000 });
    world.reload(RENAMED);
    await world.request("/search?q=1");
    expect((await world.request("/search?q=1")).cacheStatus).toContain("hit");
    written.resolve();
    await writing;
    expect((await world.request("/search?q=1")).cacheStatus).toContain("fwd=");
  });
}

test("a change that comes while a write's invalidation is on its way counts for that write", async () => {
  const taken = Promise.withResolvers<void>();
  const acknowledged = Promise.withResolvers<void>();
  const world = createWorld(PLAIN, (now) => {
    const store = createMemoryStore<StoredResponse>({ ...common, now });
    const slow = (write: Write): Write => ({
      ...write,
      async commit(end) {
        await write.commit(end);
        taken.resolve();
        await acknowledged.promise;
      },
    });
    return { ...store, begin: (tags, asker) => andThen(store.begin(tags, asker), slow) };
  });
  await world.request("/search?q=1");
  const writing = world.request("/products", { method: "POST" });
  await taken.promise;
  world.reload(WITH_PATTERN);
  acknowledged.resolve();
  await writing;
  expect((await world.request("/search?q=1")).cacheStatus).toContain("fwd=");
});

test("what a HEAD has marked as stale since a pattern was added is invalidated by it: a time that the write may have shared tells nothing", async () => {
  const world = createWorld(PLAIN);
  const time = new Date(world.now).toUTCString();
  let text = "old";
  world.origin = () => respond(text, { fields: ["Last-Modified", time, "Date", time] });
  await world.request("/search?q=1");
  world.reload(WITH_PATTERN);
  text = "of another length";
  await world.request("/search?q=1", { method: "HEAD", fields: ["Cache-Control", "no-cache"] });
  await world.request("/products", { method: "POST" });
  await world.request("/search?q=1");
  expect(world.seen).toHaveLength(4);
  expect(field(world.seen[3]?.fields ?? [], "if-modified-since")).toBeUndefined();
});

test("a plain change leaves hits what they are", async () => {
  const world = createWorld(PLAIN);
  await world.request("/search?q=1");
  world.reload(WITH_PATTERN);
  world.reload(PLAIN);
  expect((await world.request("/search?q=1")).cacheStatus).toContain("hit");
  expect(world.seen).toHaveLength(1);
});

async function twoAround(before: string, after: string): Promise<number> {
  const world = createWorld(before);
  const fetched = Promise.withResolvers<void>();
  world.origin = async () => {
    await fetched.promise;
    return respond("it");
  };
  const first = world.request("/search?q=1");
  await vi.waitFor(() => expect(world.seen).toHaveLength(1), { timeout: 20_000 });
  world.reload(after);
  const second = world.request("/search?q=1");
  await new Promise((resolve) => setImmediate(resolve));
  fetched.resolve();
  expect([(await first).text, (await second).text]).toEqual(["it", "it"]);
  return world.seen.length;
}

test("who asks after the change shares the fetch under way where the route is the same", async () => {
  expect(await twoAround(PLAIN, WITH_PATTERN)).toBe(1);
});

test("who asks after the change makes a fetch of their own where the route says something else", async () => {
  expect(await twoAround(PLAIN, PLAIN.replace("1h", "2h"))).toBe(2);
});

test("who asks after a write does not share a fetch that began before the change that made it one of the write's", async () => {
  const world = createWorld(PLAIN);
  const fetched = Promise.withResolvers<void>();
  world.origin = async ({ method }) => {
    if (method === "GET" && world.seen.length === 1) {
      await fetched.promise;
      return respond("old");
    }
    return respond("new");
  };
  const first = world.request("/search?q=1");
  await vi.waitFor(() => expect(world.seen).toHaveLength(1), { timeout: 20_000 });
  world.reload(WITH_PATTERN);
  await world.request("/products", { method: "POST" });
  const second = world.request("/search?q=1");
  await new Promise((resolve) => setImmediate(resolve));
  fetched.resolve();
  expect([(await first).text, (await second).text]).toEqual(["old", "new"]);
  expect((await world.request("/search?q=1")).text).toBe("new");
});

const load = (yaml: string) =>
  loadConfig({ file: "test.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${yaml}` });

test("what is read in a thread is what is read at start", async () => {
  const file = new URL("../proxy.config.yaml", import.meta.url).pathname;
  const order = { file, env: { ADMIN_TOKEN: "a-token-of-some-length" }, flags: { listen: ":9090" } };
  expect(await readConfig(order)).toEqual(loadConfig(order));
  expect(Object.isFrozen((await readConfig(order)).routes[0]?.cache)).toBe(true);
  await expect(readConfig({ ...order, flags: { listen: "nowhere" } })).rejects.toThrow(/^--listen: /);
});

test("the thread that reads is without what is loaded before the program: no SDK starts there once more", async () => {
  const preload = "data:text/javascript,import{isMainThread}from'node:worker_threads';console.log(isMainThread)";
  const reading = new URL("../src/config/reading.ts", import.meta.url).href;
  const program = `import { readConfig } from "${reading}";
    const { listen } = await readConfig({ env: {}, flags: { origin: "http://127.0.0.1:9", listen: ":9090" } });
    console.log(listen.port);`;
  for (const [args, options] of [
    [["--import", preload], ""],
    [[], `--import="${preload}"`],
  ] as const) {
    const env = { ...process.env, NODE_OPTIONS: options };
    const { stdout } = await run(process.execPath, [...args, "--input-type=module", "--eval", program], { env });
    expect(stdout).toBe("true\n9090\n");
  }
});

test("of a new configuration what cannot change is kept and named, and routes that stay are the old ones", () => {
  const current = load(`store: { memory: { max: 1mb } }\nlog: { level: info }\n${PLAIN}`);
  const next = load(
    `listen: :9090\nstore: { memory: { max: 2mb } }\nlog: { level: debug }\n${WITH_PATTERN}  - { path: /new }\n`,
  );
  const { config, kept, changed } = replacing(current, next);
  expect(kept).toEqual(["listen", "store.memory.max"]);
  expect(changed).toEqual({ keys: ["log.level"], added: ["/new"], removed: [], altered: ["/products"] });
  expect(config.listen).toBe(current.listen);
  expect(config.routes[0]).toBe(current.routes[0]);
  expect(replacing(current, load(`listen: :9090\nstore: { memory: { max: 1mb } }\n${PLAIN}`)).config).toBe(current);
  const elsewhere = replacing(current, { ...next, origin: { ...next.origin, url: ["http://127.0.0.1:10"] } });
  expect(elsewhere.config.routes[0]).not.toBe(current.routes[0]);
});

test("a configuration is shown without its secrets", () => {
  const shown = shownConfig({ adminToken: "t", store: { redis: { url: "rediss://u:p@h:1/0", password: "p" } } });
  expect(shown).toEqual({ adminToken: "***", store: { redis: { url: "rediss://***@h:1/0", password: "***" } } });
});

test("what is held of a quota goes on under the next limiter, and a known refusal too", async () => {
  const { rateLimit } = load("rateLimit: { limit: 10, window: 1m, reserve: 5 }\n");
  const memory = createLimiterMemory();
  const clients = { bucket: () => "c", among: () => () => false };
  const local = { charge: () => [] };
  const limiter = () => createLimiter({ global: rateLimit ?? [], clients, local, now: () => 1000, memory });
  const request = {} as Parameters<ReturnType<typeof limiter>["ask"]>[0];
  const asked = limiter().ask(request, { id: "/" });
  expect(asked.questions).toHaveLength(1);
  limiter().judge(asked, [{ allowed: true, remaining: 9, resetMs: 60_000, taken: 4 }]);
  const next = limiter();
  const known = Array.from({ length: 5 }, () => next.ask(request, { id: "/" }).questions.length);
  expect(known).toEqual([0, 0, 0, 0, 1]);
});

function reloading(read: () => Promise<ReturnType<typeof load>>) {
  let current = load(PLAIN);
  const reloads = createReloads({
    source: { name: "test.yaml", read },
    current: () => current,
    replace: async (config) => {
      current = config;
    },
    log: createLog({ level: "silent" }),
    now: () => 0,
  });
  return { reloads, current: () => current };
}

test("what is asked for while a configuration is read is done once more afterwards, and once only", async () => {
  let reads = 0;
  const gate = Promise.withResolvers<void>();
  const { reloads, current } = reloading(async () => {
    reads += 1;
    await gate.promise;
    return load(reads === 1 ? WITH_PATTERN : RENAMED);
  });
  const all = Promise.all([1, 2, 3].map(() => reloads.reload("test")));
  gate.resolve();
  await all;
  expect(reads).toBe(2);
  expect(current().routes[1]?.invalidate?.paths).toEqual(["/sea*"]);
  expect(reloads.status()).toMatchObject({ generation: 3, lastFailure: null });
});

afterEach(() => vi.restoreAllMocks());

test("a configuration that cannot be put in use leaves the old one, and mistakes are shown in bounds", async () => {
  const { reloads, current } = reloading(() => Promise.reject(new Error(`a\u0007${"x".repeat(9999)}\nb\nc`)));
  const before = current();
  await reloads.reload("test");
  expect(current()).toBe(before);
  const { state, detail } = reloads.health();
  expect(state).toBe("degraded");
  expect(detail).toMatch(/^not replaced: see the log; and 2 more; in use: generation 1, since /);
  expect(detail.length).toBeLessThan(500);
});
