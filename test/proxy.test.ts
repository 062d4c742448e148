import { expect, onTestFinished, test, vi } from "vitest";
import { responseCodec } from "../src/cache/codec.ts";
import type { StoredResponse } from "../src/cache/stored-response.ts";
import type { Sink, Source } from "../src/http/message.ts";
import { createMemoryStore } from "../src/store/memory.ts";
import type { Store } from "../src/store/store.ts";
import { UpstreamFailure } from "../src/upstream/failure.ts";
import { createWorld, got, respond } from "./support/world.ts";

const ANY = 'routes: [{ path: "/*", cache: {} }]';
const FRESH = ["Cache-Control", "max-age=60"];
const CHUNKED = [...FRESH, "Transfer-Encoding", "chunked"];

/** Content that the test feeds. */
function scripted(): { source: Source; sink: Promise<Sink>; cancelled: boolean } {
  const { promise, resolve } = Promise.withResolvers<Sink>();
  const script = {
    cancelled: false,
    sink: promise,
    source: {
      start(sink: Sink) {
        resolve(sink);
        return {
          resume() {},
          cancel() {
            script.cancelled = true;
          },
        };
      },
    },
  };
  return script;
}

/** An origin whose answers wait until the test lets them go. */
function held() {
  const gates: ((response: ReturnType<typeof respond>) => void)[] = [];
  const origin = () => new Promise<ReturnType<typeof respond>>((resolve) => gates.push(resolve));
  return { gates, origin };
}

/** The origin has been asked so many times. */
async function askedTimes(gates: readonly unknown[], times: number): Promise<void> {
  while (gates.length < times) await settled();
}

/** Twenty that have asked for one path, of an origin that answers when its gates are opened. */
async function crowd() {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const all = Array.from({ length: 20 }, () => world.request("/a"));
  await settled();
  return { world, gates, all };
}

/** Timers wait for the test to turn them on, until it is over. */
function turnTimers(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** Everything that can go on without the test has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the second GET is a hit, and says how old it is and for how long it is fresh", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: FRESH });
  const first = await world.request("/a");
  world.now += 7_000;
  const second = await world.request("/a");
  expect(first.cacheStatus).toBe("forebay; fwd=uri-miss; fwd-status=200; stored");
  expect(second.cacheStatus).toBe("forebay; hit; ttl=53");
  expect(second.field("age")).toBe("7");
  expect(second.text).toBe("v1");
  expect(world.seen).toHaveLength(1);
});

test("a path that no route matches is 404", async () => {
  const world = createWorld("routes: [{ path: /only, cache: {} }]");
  expect((await world.request("/other")).status).toBe(404);
  expect(world.seen).toHaveLength(0);
});

test("a route without cache passes through, and says so", async () => {
  const world = createWorld("routes: [{ path: /a }]");
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  expect((await world.request("/a")).cacheStatus).toBe("forebay; fwd=bypass; fwd-status=200");
  expect(world.seen).toHaveLength(2);
});

test("a stale response is validated, and a 304 freshens it", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: [...FRESH, "ETag", '"1"'] });
  await world.request("/a");
  world.now += 61_000;
  world.origin = () => respond("", { status: 304, fields: ["ETag", '"1"', ...FRESH] });
  const validated = await world.request("/a");
  expect(validated.text).toBe("v1");
  expect(validated.cacheStatus).toContain("fwd=stale; fwd-status=304");
  expect(world.seen[1]?.fields).toEqual(expect.arrayContaining(["If-None-Match", '"1"']));
  expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=60");
});

test("a client that has the current response gets 304 from the store", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: [...FRESH, "ETag", '"1"'] });
  const miss = await world.request("/a", { fields: ["If-None-Match", '"1"'] });
  const hit = await world.request("/a", { fields: ["If-None-Match", '"1"'] });
  expect([miss.status, hit.status]).toEqual([304, 304]);
  expect((await world.request("/a")).text).toBe("v1");
  expect(world.seen).toHaveLength(1);
});

test("stale-while-revalidate answers at once, and validates behind the client's back", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { staleWhileRevalidate: 30s } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  world.now += 65_000;
  const { gates, origin } = held();
  world.origin = origin;
  const stale = await world.request("/a");
  expect(stale.cacheStatus).toBe("forebay; hit; ttl=-5");
  await settled();
  expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=-5");
  expect(gates).toHaveLength(1);
  gates[0]?.(respond("v2", { fields: FRESH }));
  await settled();
  const fresh = await world.request("/a");
  expect([fresh.text, fresh.cacheStatus]).toEqual(["v2", "forebay; hit; ttl=60"]);
});

test("stale-if-error stands in for an origin that fails or cannot be asked", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { staleIfError: 10m } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  world.now += 65_000;
  world.origin = () => respond("oops", { status: 503 });
  const first = await world.request("/a");
  world.origin = () => Promise.reject(new UpstreamFailure("refused"));
  const second = await world.request("/a");
  expect([first.text, second.text]).toEqual(["v1", "v1"]);
  expect(first.cacheStatus).toBe("forebay; fwd=stale; fwd-status=503; detail=stale-if-error");
  expect(second.cacheStatus).toBe("forebay; hit; ttl=-5; detail=stale-if-error");
});

test("an origin that cannot be asked is a 502 problem", async () => {
  const world = createWorld(ANY);
  world.origin = () => Promise.reject(new UpstreamFailure("refused"));
  const failed = await world.request("/a");
  expect([failed.status, failed.field("content-type")]).toEqual([502, "application/problem+json"]);
});

test("only-if-cached with nothing stored is 504, and the origin is not asked", async () => {
  const world = createWorld(ANY);
  expect((await world.request("/a", { fields: ["Cache-Control", "only-if-cached"] })).status).toBe(504);
  expect(world.seen).toHaveLength(0);
});

test("many requests for one cold key make one fetch", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const all = Array.from({ length: 50 }, () => world.request("/a"));
  await settled();
  gates[0]?.(respond("v1", { fields: FRESH }));
  const answers = await Promise.all(all);
  expect(world.seen).toHaveLength(1);
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(["v1"]));
  expect(answers.filter(({ cacheStatus }) => cacheStatus?.endsWith("; collapsed"))).toHaveLength(49);
});

for (const [what, fields] of [
  ["a condition for the origin", ["If-Match", '"x"']],
  ["credentials", ["Authorization", "x"]],
] as const) {
  test(`a request with ${what} leads nobody, and the next ones collapse all the same`, async () => {
    const world = createWorld(ANY);
    const { gates, origin } = held();
    world.origin = origin;
    const odd = world.request("/a", { fields: [...fields] });
    await settled();
    const all = Array.from({ length: 5 }, () => world.request("/a"));
    await settled();
    expect(world.seen).toHaveLength(2);
    gates[0]?.(respond("for one", { status: fields[0] === "If-Match" ? 412 : 200, fields: FRESH }));
    await odd;
    const late = world.request("/a");
    await settled();
    gates[1]?.(respond("v1", { fields: FRESH }));
    expect(new Set((await Promise.all([...all, late])).map(({ text }) => text))).toEqual(new Set(["v1"]));
    expect(world.seen).toHaveLength(2);
  });
}

test("a follower that asked after the write does not join the flight that began before it", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const before = world.request("/a");
  await settled();
  world.origin = () => respond("ok");
  await world.request("/a", { method: "POST" });
  world.origin = origin;
  const after = world.request("/a");
  await settled();
  expect(gates).toHaveLength(2);
  gates[0]?.(respond("before", { fields: FRESH }));
  gates[1]?.(respond("after", { fields: FRESH }));
  expect([(await before).text, (await after).text]).toEqual(["before", "after"]);
  expect((await world.request("/a")).text).toBe("after");
});

test("a fetch that was under way during a write is never served to anyone who asks after it", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const before = world.request("/a");
  await settled();
  world.origin = () => respond("ok");
  await world.request("/a", { method: "POST" });
  gates[0]?.(respond("before", { fields: FRESH }));
  await before;
  world.origin = () => respond("after", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("after");
});

test("a write invalidates its own path in all its queries and variants, its route's paths and tags", async () => {
  const world = createWorld(`
routes:
  - path: /products/:id
    cache: { tags: ["product:{id}"] }
    invalidate: { paths: ["/search*", "/lists/:id"], tags: ["product:{id}"] }
  - path: /search
    cache: {}
  - path: /lists/:list
    cache: {}
  - path: /offers/:id
    cache: { tags: ["product:{id}"] }
`);
  let version = 1;
  world.origin = ({ target }) => respond(`${target} v${version}`, { fields: [...FRESH, "Vary", "Accept-Language"] });
  const targets = [
    "/products/7",
    "/products/7?page=2",
    "/search?q=a",
    "/lists/7",
    "/offers/7",
    "/products/8",
    "/lists/8",
    "/offers/8",
  ];
  const read = async () => {
    const texts: string[] = [];
    for (const target of targets)
      texts.push((await world.request(target, { fields: ["Accept-Language", "de"] })).text.split(" ")[1] ?? "");
    return texts;
  };
  await read();
  version = 2;
  await world.request("/products/7", { method: "PUT" });
  expect(await read()).toEqual(["v2", "v2", "v2", "v2", "v2", "v1", "v1", "v1"]);
});

test("a write that the origin refuses with 4xx invalidates nothing; one that ends in 5xx or breaks does", async () => {
  const world = createWorld(ANY);
  let version = 0;
  const reading = () => respond(`v${++version}`, { fields: FRESH });
  const read = async () => {
    world.origin = reading;
    return (await world.request("/a")).text;
  };
  const write = async (origin: typeof world.origin) => {
    world.origin = origin;
    await world.request("/a", { method: "DELETE" });
  };
  expect(await read()).toBe("v1");
  await write(() => respond("no", { status: 409 }));
  expect(await read()).toBe("v1");
  await write(() => Promise.reject(new UpstreamFailure("refused")));
  expect(await read()).toBe("v1");
  await write(() => respond("hm", { status: 500 }));
  expect(await read()).toBe("v2");
  await write(() => Promise.reject(new UpstreamFailure("reset")));
  expect(await read()).toBe("v3");
});

test("what came is not storable: followers go for themselves, and the next ones do not queue", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const all = [world.request("/a"), world.request("/a"), world.request("/a")];
  await settled();
  expect(gates).toHaveLength(1);
  gates[0]?.(respond("mine", { fields: ["Cache-Control", "private"] }));
  await settled();
  expect(gates).toHaveLength(3);
  const more = [world.request("/a"), world.request("/a")];
  await settled();
  expect(gates).toHaveLength(5);
  for (const gate of gates) gate(respond("mine", { fields: ["Cache-Control", "private"] }));
  for (const { cacheStatus } of await Promise.all([...all, ...more])) expect(cacheStatus).toMatch(/detail=private$/);
});

test("a flight outlives the client that began it", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const leader = new AbortController();
  void world.request("/a", { signal: leader.signal });
  await settled();
  const follower = world.request("/a");
  await settled();
  leader.abort();
  gates[0]?.(respond("v1", { fields: FRESH }));
  expect((await follower).text).toBe("v1");
  expect(world.seen).toHaveLength(1);
});

test("content that broke off is not stored, and reaches all who read it as broken", async () => {
  const world = createWorld(ANY);
  const content = scripted();
  world.origin = () => ({ status: 200, fields: CHUNKED, content: content.source });
  const leader = world.answer("/a");
  await settled();
  const follower = world.request("/a");
  await settled();
  const reading = got(await leader);
  const sink = await content.sink;
  sink.write(Buffer.from("half"));
  await settled();
  world.origin = () => respond("whole", { fields: FRESH });
  sink.fail(new Error("cut"));
  expect(await reading).toMatchObject({ text: "half", broken: true });
  expect(await follower).toMatchObject({ text: "half", broken: true });
  expect((await world.request("/a")).text).toBe("whole");
});

test("content that ends where the connection does is not stored: a break would look the same", async () => {
  const world = createWorld(ANY);
  const content = scripted();
  world.origin = () => ({ status: 200, fields: FRESH, content: content.source });
  const reading = got(await world.answer("/a"));
  const sink = await content.sink;
  sink.write(Buffer.from("all, or half"));
  sink.end([]);
  expect(await reading).toMatchObject({
    text: "all, or half",
    cacheStatus: "forebay; fwd=uri-miss; fwd-status=200; detail=incomplete",
  });
});

test("a response overtaken within the second of its Last-Modified is fetched anew, not validated by it", async () => {
  const world = createWorld(ANY);
  const date = "Thu, 01 Jan 2026 00:00:00 GMT";
  world.origin = () => respond("v1", { fields: [...FRESH, "Last-Modified", date, "Date", date] });
  await world.request("/a");
  world.origin = () => respond("ok");
  await world.request("/a", { method: "POST" });
  world.origin = ({ fields }) =>
    fields.includes("If-Modified-Since") ? respond("", { status: 304 }) : respond("v2", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("v2");
});

test("an oversize body whose length nobody stated is not stored either where it came at once", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { maxBody: 4b } }]');
  world.origin = () => ({ status: 200, fields: CHUNKED, content: new TextEncoder().encode("12345") });
  const first = await world.request("/a");
  expect(first).toMatchObject({ text: "12345", cacheStatus: "forebay; fwd=uri-miss; fwd-status=200; detail=oversize" });
  await world.request("/a");
  expect(world.seen).toHaveLength(2);
});

test("an oversize body streams to its client and is not stored", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { maxBody: 10b } }]');
  const content = scripted();
  world.origin = () => ({ status: 200, fields: CHUNKED, content: content.source });
  const reading = got(await world.answer("/a"));
  const sink = await content.sink;
  sink.write(Buffer.from("0123456789"));
  sink.write(Buffer.from("abc"));
  sink.end([]);
  expect((await reading).text).toBe("0123456789abc");
  world.origin = () => respond("again", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("again");
});

test("variants are kept apart by what Vary names, and a cold key's followers of another variant fetch their own", async () => {
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const ask = (language: string) => world.request("/a", { fields: ["Accept-Language", language] });
  const all = [ask("de"), ask("en"), ask("de")];
  await settled();
  expect(gates).toHaveLength(1);
  const vary = [...FRESH, "Vary", "Accept-Language"];
  gates[0]?.(respond("Guten Tag", { fields: vary }));
  await settled();
  gates[1]?.(respond("Hello", { fields: vary }));
  expect((await Promise.all(all)).map(({ text }) => text)).toEqual(["Guten Tag", "Hello", "Guten Tag"]);
});

test("a limit of two admits two, and the third is 429 with Retry-After and a problem", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: {}, rateLimit: { limit: 2, window: 10s } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  const first = await world.request("/a");
  await world.request("/a");
  const third = await world.request("/a");
  expect([first.status, first.field("x-ratelimit-remaining"), third.status]).toEqual([200, "1", 429]);
  expect(Number(third.field("retry-after"))).toBeGreaterThan(0);
  expect(third.field("content-type")).toBe("application/problem+json");
  const other = await world.request("/a", { peer: "192.0.2.2" });
  expect(other.status).toBe(200);
});

test("a refused write is not forwarded and invalidates nothing", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: {}, rateLimit: { limit: 2, window: 10s } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  await world.request("/a");
  expect((await world.request("/a", { method: "POST" })).status).toBe(429);
  expect((await world.request("/a", { peer: "192.0.2.2" })).cacheStatus).toContain("hit");
  expect(world.seen).toHaveLength(1);
});

test("authorities never share a stored response", async () => {
  const world = createWorld(ANY);
  world.origin = ({ authority }) => respond(authority, { fields: FRESH });
  expect((await world.request("/a", { authority: "one.test" })).text).toBe("one.test");
  expect((await world.request("/a", { authority: "two.test" })).text).toBe("two.test");
});

test("HEAD is answered from a stored GET, without content", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  const head = await world.request("/a", { method: "HEAD" });
  expect([head.status, head.text, head.field("content-length")]).toEqual([200, "", "2"]);
  expect(world.seen).toHaveLength(1);
});

test("a field that an untrusted client sends as a proxy would, or names in Connection, does not reach key or origin", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { key: { headers: [x-forwarded-host] } } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a", { fields: ["X-Forwarded-Host", "evil.test"] });
  expect((await world.request("/a")).cacheStatus).toContain("hit");
  expect(world.seen[0]?.fields).not.toContain("evil.test");
});

test("a request with If-Match is for the origin, and what comes of it is not stored", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: [...FRESH, "ETag", '"1"'] });
  await world.request("/a");
  world.origin = () => respond("no", { status: 412, fields: FRESH });
  expect((await world.request("/a", { fields: ["If-Match", '"0"'] })).status).toBe(412);
  expect(world.seen[1]?.fields).toEqual(expect.arrayContaining(["If-Match", '"0"']));
  expect((await world.request("/a")).text).toBe("v1");
});

test("what a trusted proxy says of the scheme tells responses apart; from others it is not believed", async () => {
  const world = createWorld('trustedProxies: [loopback]\nroutes: [{ path: "/*", cache: {} }]');
  world.origin = ({ fields }) => respond(fields[fields.indexOf("X-Forwarded-Proto") + 1] ?? "", { fields: FRESH });
  const ask = async (proto: string, peer: string) =>
    (await world.request("/a", { fields: ["X-Forwarded-Proto", proto], peer })).text;
  expect(await ask("http", "127.0.0.1")).toBe("http");
  expect(await ask("https", "127.0.0.1")).toBe("https");
  expect(await ask("https", "192.0.2.9")).toBe("http");
  expect(world.seen).toHaveLength(2);
});

test("a response that must be validated for each request makes nobody wait in a row", async () => {
  const world = createWorld(ANY);
  const fields = ["Cache-Control", "no-cache", "ETag", '"1"'];
  world.origin = () => respond("v1", { fields });
  await world.request("/a");
  const { gates, origin } = held();
  world.origin = origin;
  const all = [world.request("/a"), world.request("/a"), world.request("/a")];
  await settled();
  expect(gates).toHaveLength(3);
  for (const gate of gates) gate(respond("", { status: 304, fields }));
  for (const { text } of await Promise.all(all)) expect(text).toBe("v1");
});

test("after a server error one of those who waited asks once more, for all: it may have been about the leader", async () => {
  const { gates, all } = await crowd();
  gates[0]?.(respond("oops", { status: 500 }));
  await askedTimes(gates, 2);
  gates[1]?.(respond("v1", { fields: FRESH }));
  expect((await Promise.all(all)).map(({ text }) => text).sort()).toEqual(["oops", ...Array(19).fill("v1")]);
  expect(gates).toHaveLength(2);
});

test("after two server errors nobody asks for those who waited; who comes then does", async () => {
  const { world, gates, all } = await crowd();
  gates[0]?.(respond("oops", { status: 500 }));
  await askedTimes(gates, 2);
  const late = world.request("/a");
  gates[1]?.(respond("again", { status: 502 }));
  const answers = await Promise.all([...all, late]);
  expect(answers.map(({ status }) => status).sort()).toEqual([500, 502, ...Array(19).fill(503)]);
  const refused = answers.filter(({ status }) => status === 503);
  for (const { text, field } of refused) {
    expect(text).toContain("two requests like this one");
    expect(field("retry-after")).toBe("1");
    expect(field("cache-status")).toMatch(
      /^forebay; fwd=uri-miss; fwd-status=50[02]; collapsed; detail=origin-failing$/,
    );
  }
  expect(gates).toHaveLength(2);
  world.origin = () => respond("v1", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("v1");
});

test("those whose wait is over share one more fetch, to its end", async () => {
  turnTimers();
  const { world, gates, all } = await crowd();
  expect(gates).toHaveLength(1);
  world.now += 5000;
  await vi.advanceTimersByTimeAsync(5000);
  await vi.advanceTimersByTimeAsync(5);
  await settled();
  expect(gates).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(gates).toHaveLength(2);
  gates[1]?.(respond("v2", { fields: FRESH }));
  gates[0]?.(respond("v1", { fields: FRESH }));
  expect((await Promise.all(all)).map(({ text }) => text).sort()).toEqual(["v1", ...Array(19).fill("v2")]);
});

test("those whose wait is over have what others stored meanwhile", async () => {
  turnTimers();
  const world = createWorld(ANY);
  const { gates, origin } = held();
  world.origin = origin;
  const pass = async (ms: number) => {
    world.now += ms;
    await vi.advanceTimersByTimeAsync(ms);
    await settled();
  };
  const [leader, early] = [world.request("/a"), world.request("/a")];
  await settled();
  await pass(1000);
  const later = world.request("/a");
  await settled();
  await pass(4000);
  await pass(5);
  gates[1]?.(respond("v2", { fields: FRESH }));
  expect((await early).text).toBe("v2");
  await pass(1000);
  expect((await later).text).toBe("v2");
  expect(gates).toHaveLength(2);
  gates[0]?.(respond("v1", { fields: FRESH }));
  expect((await leader).text).toBe("v1");
});

test("followers of a failed validation share the stale response, and the origin is not asked again", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { staleIfError: 10m } }]');
  world.origin = () => respond("v1", { fields: [...FRESH, "ETag", '"1"'] });
  await world.request("/a");
  world.now += 65_000;
  const { gates, origin } = held();
  world.origin = origin;
  const all = [world.request("/a"), world.request("/a"), world.request("/a")];
  await settled();
  gates[0]?.(respond("oops", { status: 503 }));
  for (const { text } of await Promise.all(all)) expect(text).toBe("v1");
  expect(gates).toHaveLength(1);
});

test("what is stale at once but may be used meanwhile is shared, not fetched in a row", async () => {
  const { gates, all } = await crowd();
  gates[0]?.(respond("v1", { fields: ["Cache-Control", "max-age=0, stale-while-revalidate=60"] }));
  for (const { text } of await Promise.all(all)) expect(text).toBe("v1");
  expect(gates).toHaveLength(1);
});

test("a response is validated behind its readers' backs once, until all of the new one is there", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { staleWhileRevalidate: 60s } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  world.now += 65_000;
  const content = scripted();
  world.origin = () => ({ status: 200, fields: CHUNKED, content: content.source });
  await world.request("/a");
  const sink = await content.sink;
  for (let i = 0; i < 5; i++) expect((await world.request("/a")).text).toBe("v1");
  await settled();
  expect(world.seen).toHaveLength(2);
  sink.write(Buffer.from("v2"));
  sink.end([]);
  await settled();
  expect((await world.request("/a")).text).toBe("v2");
});

test("a write whose client leaves goes on to its end, and invalidates then", async () => {
  const world = createWorld(ANY);
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  const client = new AbortController();
  const { gates, origin } = held();
  world.origin = origin;
  const write = world.request("/a", { method: "PUT", signal: client.signal });
  await settled();
  client.abort();
  expect(world.seen.at(-1)?.signal).toBeUndefined();
  gates[0]?.(respond("done"));
  await write;
  world.origin = () => respond("v2", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("v2");
});

test("a write that got no answer invalidates at once, and again when it must have ended", async () => {
  turnTimers();
  const world = createWorld(ANY);
  world.origin = () => Promise.reject(new UpstreamFailure("headers-timeout"));
  await world.request("/a", { method: "PUT" });
  world.origin = () => respond("before it was applied", { fields: FRESH });
  await world.request("/a");
  world.origin = () => respond("after", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("before it was applied");
  await vi.advanceTimersByTimeAsync(10_000);
  expect((await world.request("/a")).text).toBe("after");
});

test("a fill finishes when its client leaves, on a route that does not collapse too", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { collapse: false } }]');
  const content = scripted();
  world.origin = () => ({ status: 200, fields: CHUNKED, content: content.source });
  const client = new AbortController();
  const answer = await world.answer("/a", { signal: client.signal });
  expect(answer.status).toBe(200);
  client.abort();
  expect(world.seen[0]?.signal?.aborted).toBe(false);
});

test("a forward request is aborted when its client leaves before there is anything to store", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { collapse: false } }]');
  const { origin } = held();
  world.origin = origin;
  const client = new AbortController();
  void world.request("/a", { signal: client.signal });
  await settled();
  client.abort();
  expect(world.seen[0]?.signal?.aborted).toBe(true);
});

test("the origin's own limit fields give way to this proxy's", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: {}, rateLimit: { limit: 50, window: 1m } }]');
  world.origin = () => respond("v1", { fields: [...FRESH, "X-RateLimit-Limit", "7", "RateLimit", '"o";r=1'] });
  for (const answer of [await world.request("/a"), await world.request("/a")]) {
    expect(answer.field("x-ratelimit-limit")).toBe("50");
    expect(answer.field("ratelimit")).not.toContain('"o"');
  }
});

test("an event stream is passed on, and nobody waits for its end", async () => {
  const world = createWorld(ANY);
  const content = scripted();
  world.origin = () => ({
    status: 200,
    fields: [...FRESH, "Content-Type", "text/event-stream"],
    content: content.source,
  });
  const leader = world.answer("/a");
  const follower = world.answer("/a");
  expect([(await leader).status, (await follower).status]).toEqual([200, 200]);
  expect(world.seen).toHaveLength(2);
});

test("without the store's clock a response is delivered and not stored", async () => {
  const world = createWorld(ANY, (now) => away(now));
  world.origin = () => respond("v1", { fields: FRESH });
  expect((await world.request("/a")).cacheStatus).toBe("forebay; fwd=uri-miss; fwd-status=200; detail=store-away");
  expect((await world.request("/a")).cacheStatus).toContain("detail=store-away");
});

test("without the store's clock no fetch is joined that has begun, but those who ask meanwhile share the next one", async () => {
  const world = createWorld(ANY, (now) => away(now));
  const { gates, origin } = held();
  world.origin = origin;
  const first = world.request("/a");
  await settled();
  const meanwhile = Array.from({ length: 50 }, () => world.request("/a"));
  await settled();
  gates[0]?.(respond("before", { fields: FRESH }));
  expect((await first).text).toBe("before");
  await settled();
  expect(gates).toHaveLength(2);
  gates[1]?.(respond("after", { fields: FRESH }));
  const answers = await Promise.all(meanwhile);
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(["after"]));
  expect(answers.filter(({ cacheStatus }) => cacheStatus?.endsWith("; collapsed"))).toHaveLength(49);
  expect(answers.filter(({ cacheStatus }) => cacheStatus?.includes("; stored"))).toHaveLength(0);
});

test("a crowd whose leader loses the store does not go to the origin one by one", async () => {
  const world = createWorld(ANY, (now) => {
    const { lead } = away(now);
    const memory = createMemoryStore({ maxBytes: 1 << 20, slots: 1024, codec: responseCodec, now });
    return { ...memory, lead };
  });
  const { gates, origin } = held();
  world.origin = origin;
  const crowd = Array.from({ length: 50 }, () => world.request("/a"));
  await askedTimes(gates, 2);
  for (const gate of gates) gate(respond("v1", { fields: FRESH }));
  for (const { text } of await Promise.all(crowd)) expect(text).toBe("v1");
  // One that had begun before the others could gather, and theirs.
  expect(world.seen).toHaveLength(2);
});

test("without the store's clock those who gather do not wait for a slow fetch to end", async () => {
  const world = createWorld(ANY, (now) => away(now));
  const { gates, origin } = held();
  const second = Promise.withResolvers<void>();
  world.origin = () => {
    if (world.seen.length === 2) second.resolve();
    return origin();
  };
  void world.request("/a");
  await settled();
  const meanwhile = world.request("/a");
  await second.promise;
  gates[1]?.(respond("v1", { fields: FRESH }));
  expect((await meanwhile).text).toBe("v1");
});

test("without the store's clock what may not be shared is fetched by each, and soon without gathering", async () => {
  const world = createWorld(ANY, (now) => away(now));
  const { gates, origin } = held();
  world.origin = origin;
  const mine = () => respond("mine", { fields: ["Cache-Control", "private"] });
  const all = [world.request("/a")];
  await settled();
  all.push(world.request("/a"), world.request("/a"));
  await askedTimes(gates, 2);
  gates[1]?.(mine());
  await askedTimes(gates, 3);
  all.push(world.request("/a"), world.request("/a"));
  await settled();
  expect(gates).toHaveLength(5);
  for (const gate of gates) gate(mine());
  for (const { text } of await Promise.all(all)) expect(text).toBe("mine");
});

test("onStoreFailure: refuse answers a write with 503 before anything is forwarded", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: {}, onStoreFailure: refuse }]', (now) => away(now));
  expect((await world.request("/a", { method: "POST" })).status).toBe(503);
  expect(world.seen).toHaveLength(0);
});

/** A store that cannot be asked, as fail-open.ts shows it. */
function away(now: () => number): Store<StoredResponse> {
  const memory = createMemoryStore({ maxBytes: 1024, slots: 1024, codec: responseCodec, now });
  const fence = { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY };
  const miss = { fence, record: undefined, stored: undefined, usable: false, verdicts: undefined };
  const write = { noted: false, commit: async () => {}, discard() {} };
  return {
    ...memory,
    look: async () => miss,
    lead: async () => ({ lease: undefined, retryMs: 0, reading: miss }),
    begin: async () => write,
  };
}
