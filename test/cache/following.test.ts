import { afterEach, expect, test, vi } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import { createFlight, createFlightTally, type Flight } from "../../src/cache/flights.ts";
import { createFollowing } from "../../src/cache/following.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import type { Fields, Flow, Response, Sink } from "../../src/http/message.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { createWorld, got, respond, type World } from "../support/world.ts";
import { aRequest, aStored, aVisit, NOW } from "./example.ts";

const ANY = 'routes: [{ path: "/*", cache: {} }]';
const FRESH = ["Cache-Control", "max-age=60"];
const CHUNKED = [...FRESH, "Transfer-Encoding", "chunked"];

afterEach(() => void vi.useRealTimers());

/** Everything that can go on without the test has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A response whose content the test sends. */
function streaming(fields: Fields = CHUNKED) {
  const sinks: Sink[] = [];
  const stream = {
    cancelled: false,
    origin: (): Response => ({
      status: 200,
      fields,
      content: {
        start(sink: Sink): Flow {
          sinks.push(sink);
          return {
            resume() {},
            cancel() {
              stream.cancelled = true;
            },
          };
        },
      },
    }),
    write: (piece: string) => sinks[0]?.write(Buffer.from(piece)),
    end: () => sinks[0]?.end([]),
    fail: () => sinks[0]?.fail(new Error("cut")),
  };
  return stream;
}

/** A world in which a client has begun to get a response that is still arriving. */
async function arriving({ yaml = ANY, fields = CHUNKED }: { yaml?: string; fields?: Fields } = {}) {
  const world = createWorld(yaml);
  const stream = streaming(fields);
  world.origin = stream.origin;
  const leader = reading(await world.answer("/a"));
  return { world, stream, leader };
}

/** As `arriving`, in the place of a stored response that had become stale. */
async function replacing() {
  const world = createWorld(ANY);
  world.origin = () => respond("before", { fields: [...FRESH, "ETag", '"0"'] });
  await world.request("/a");
  world.now += 61_000;
  const stream = streaming([...CHUNKED, "ETag", '"1"']);
  world.origin = stream.origin;
  const leader = reading(await world.answer("/a"));
  return { world, stream, leader };
}

/** What a client has got so far. */
function reading({ status, fields, content }: Response) {
  const so = { status, fields, far: "", ended: "", leave: () => {} };
  if (content === undefined || content instanceof Uint8Array) throw new Error("the response did not stream");
  const flow = content.start({
    write(piece) {
      so.far += Buffer.from(piece).toString();
      return true;
    },
    end: () => {
      so.ended = "end";
    },
    fail: () => {
      so.ended = "fail";
    },
  });
  so.leave = () => flow.cancel();
  return so;
}

/** Resolves with what the request got, or with "waits" where it gets nothing without the test. */
async function orWaits(world: World, fields: Fields = []): Promise<Response | "waits"> {
  const answer = world.answer("/a", { fields });
  return Promise.race([answer, settled().then(() => "waits" as const)]);
}

test("a follower reads along while the response arrives, and the origin is asked once", async () => {
  const world = createWorld(ANY);
  const { promise, resolve } = Promise.withResolvers<Response>();
  world.origin = () => promise;
  const [first, second] = [world.answer("/a"), world.answer("/a")];
  await settled();
  const stream = streaming();
  resolve(stream.origin());
  const both = [reading(await first), reading(await second)];
  stream.write("one ");
  expect(both.map(({ far }) => far)).toEqual(["one ", "one "]);
  stream.write("two");
  stream.end();
  for (const each of both) expect(each).toMatchObject({ status: 200, far: "one two", ended: "end" });
  expect(world.seen).toHaveLength(1);
});

test("whoever asks while the response arrives gets it from its first byte, with its age, as a collapsed request", async () => {
  const { world, stream } = await arriving();
  stream.write("one ");
  world.now += 7_000;
  const answer = await world.answer("/a");
  const late = reading(answer);
  expect(late.far).toBe("one ");
  stream.write("two");
  stream.end();
  expect(late).toMatchObject({ far: "one two", ended: "end" });
  const { field, cacheStatus } = await got({ ...answer, content: undefined });
  expect([cacheStatus, field("age")]).toEqual(["forebay; fwd=uri-miss; fwd-status=200; collapsed", "7"]);
  expect(field("content-length")).toBeUndefined();
  expect(answer.about.cache).toBe("collapsed");
  await settled();
  expect((await world.request("/a")).cacheStatus).toBe("forebay; hit; ttl=53");
  expect(world.seen).toHaveLength(1);
});

test("a Content-Length that the origin stated is passed on to those who read along", async () => {
  const { world } = await arriving({ fields: [...FRESH, "Content-Length", "7"] });
  const { field } = await got({ ...(await world.answer("/a")), content: undefined });
  expect(field("content-length")).toBe("7");
});

test("whoever asks after a write does not read along with a fetch that began before it", async () => {
  const { world, stream } = await arriving();
  world.origin = () => respond("ok");
  await world.request("/a", { method: "POST" });
  world.origin = () => respond("after", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("after");
  stream.write("before");
  stream.end();
  expect((await world.request("/a")).text).toBe("after");
});

test("a client that leaves takes nothing from the others", async () => {
  const { world, stream, leader } = await arriving();
  const follower = reading(await world.answer("/a"));
  stream.write("one ");
  leader.leave();
  stream.write("two");
  stream.end();
  expect(follower).toMatchObject({ far: "one two", ended: "end" });
});

test("If-None-Match is answered with 304 as soon as the head is there", async () => {
  const { world } = await arriving({ fields: [...CHUNKED, "ETag", '"1"'] });
  const held = await orWaits(world, ["If-None-Match", '"1"']);
  expect(held).toMatchObject({ status: 304, content: undefined });
});

test("a request for a range that follows a validation waits for the whole, and gets its part", async () => {
  const { world, stream } = await replacing();
  const part = world.request("/a", { fields: ["Range", "bytes=1-2"] });
  await settled();
  stream.write("0123");
  stream.end();
  expect(await part).toMatchObject({ status: 206, text: "12" });
  expect(world.seen).toHaveLength(2);
});

test("a request of another variant, or whose directives the response does not meet, does not read along", async () => {
  const { world } = await arriving({ fields: [...CHUNKED, "Age", "10", "Vary", "Accept-Language"] });
  expect(await orWaits(world)).toMatchObject({ status: 200 });
  expect(await orWaits(world, ["Accept-Language", "de"])).toBe("waits");
  expect(await orWaits(world, ["Cache-Control", "max-age=5"])).toBe("waits");
  expect(await orWaits(world, ["Cache-Control", "max-age=20"])).toMatchObject({ status: 200 });
});

test("a response that is stale before it has arrived is not joined any more", async () => {
  const { world } = await arriving();
  world.now += 61_000;
  expect(await orWaits(world)).toBe("waits");
});

test("an oversize response goes on to those who read it, and whoever asks then asks for himself", async () => {
  const { world, stream, leader } = await arriving({ yaml: 'routes: [{ path: "/*", cache: { maxBody: 4b } }]' });
  const follower = reading(await world.answer("/a"));
  stream.write("0123");
  stream.write("456");
  await settled();
  world.origin = () => respond("own", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("own");
  stream.write("789");
  stream.end();
  for (const each of [leader, follower]) expect(each).toMatchObject({ far: "0123456789", ended: "end" });
});

test("an oversize response that nobody reads any more is not fetched to its end", async () => {
  const { world, stream, leader } = await arriving({ yaml: 'routes: [{ path: "/*", cache: { maxBody: 4b } }]' });
  const follower = reading(await world.answer("/a"));
  stream.write("01234");
  leader.leave();
  await settled();
  expect(stream.cancelled).toBe(false);
  follower.leave();
  await settled();
  expect(stream.cancelled).toBe(true);
});

test("what breaks off breaks off for all who read along; those who have nothing yet ask again", async () => {
  const { world, stream, leader } = await replacing();
  const follower = reading(await world.answer("/a"));
  const waiting = world.request("/a", { fields: ["Range", "bytes=0-1"] });
  await settled();
  stream.write("half");
  world.origin = () => respond("whole", { fields: FRESH });
  stream.fail();
  for (const each of [leader, follower]) expect(each).toMatchObject({ far: "half", ended: "fail" });
  expect((await waiting).text).toBe("whole");
  expect(world.broken).toEqual(["/a: cut"]);
  expect(world.seen).toHaveLength(3);
});

test("a response that is not storable is nobody's to read along", async () => {
  const { world } = await arriving({ fields: ["Cache-Control", "private", "Transfer-Encoding", "chunked"] });
  world.origin = () => respond("own", { fields: FRESH });
  expect((await world.request("/a")).text).toBe("own");
});

test("without the store's clock those who gathered read along too", async () => {
  const world = createWorld(ANY, away);
  const first = Promise.withResolvers<Response>();
  world.origin = () => first.promise;
  const before = world.request("/a");
  await settled();
  const together = [world.answer("/a"), world.answer("/a")];
  await settled();
  const stream = streaming();
  world.origin = stream.origin;
  first.resolve(respond("before", { fields: FRESH }));
  await before;
  const both = (await Promise.all(together)).map(reading);
  stream.write("together");
  expect(both.map(({ far }) => far)).toEqual(["together", "together"]);
  expect(world.seen).toHaveLength(2);
});

test("a validation behind that trickles for ever is given up and told, and a later request tries again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const world = createWorld('routes: [{ path: "/*", cache: { staleWhileRevalidate: 10m } }]');
  world.origin = () => respond("v1", { fields: FRESH });
  await world.request("/a");
  world.now += 65_000;
  const stream = streaming();
  world.origin = stream.origin;
  await world.request("/a");
  await settled();
  for (let i = 0; i < 6; i++) {
    stream.write(".");
    expect((await world.request("/a")).text).toBe("v1");
    await vi.advanceTimersByTimeAsync(10_000);
  }
  await settled();
  expect([world.seen.length, stream.cancelled]).toEqual([2, true]);
  expect(world.broken).toEqual(["/a: nobody read it, and it did not end"]);
  world.origin = () => respond("v2", { fields: FRESH });
  await world.request("/a");
  await settled();
  expect((await world.request("/a")).text).toBe("v2");
});

test("where the response names tags of its own, a write to them since keeps a follower from reading along", async () => {
  const now = () => NOW;
  const store = createMemoryStore<StoredResponse>({ maxBytes: 1024, slots: 1024, codec: responseCodec, now });
  const { fence } = await store.look({ key: undefined, tags: [], limits: [] });
  const { clock } = fence;
  const { body, ...head } = aStored();
  const flight = createFlight(fence);
  flight.arrive({
    kind: "arriving",
    status: 200,
    head,
    fill: { reader: () => ({ start: () => ({ resume() {}, cancel() {} }) }) },
    stamp: clock,
    tags: ["path", "its own"],
    names: [],
    variant: "",
  });
  const { follow } = createFollowing({ store, tally: createFlightTally(), now });
  const visit = aVisit({ request: aRequest("/a"), key: { primary: "/a", variant: () => "" }, tags: ["path"] });
  const followed = () => follow(visit, flight, { reason: "uri-miss", waitMs: 0 });
  expect(await followed()).toMatchObject({ kind: "shared", response: { status: 200 } });
  await (await store.begin(["its own"])).commit();
  expect(await followed()).toBeUndefined();
});

/** A store that cannot be asked, as fail-open.ts shows it. */
function away(now: () => number): Store<StoredResponse> {
  const memory = createMemoryStore({ maxBytes: 1024, slots: 1024, codec: responseCodec, now });
  const fence = { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY };
  const miss = { fence, record: undefined, stored: undefined, usable: false, verdicts: undefined };
  return { ...memory, look: async () => miss, lead: async () => ({ lease: undefined, retryMs: 0, reading: miss }) };
}

test("more than may follow one fetch are refused, not sent on to the origin; or get what is stale where they may", async () => {
  const world = createWorld('routes: [{ path: "/*", cache: { staleIfError: 1m, collapse: { followers: 2 } } }]');
  const gate = Promise.withResolvers<Response>();
  world.origin = () => gate.promise;
  const served = [1, 2, 3].map(() => world.request("/a"));
  await settled();
  const crowded = await world.request("/a");
  expect(crowded).toMatchObject({ status: 503, text: expect.stringContaining("Too many requests wait") });
  expect(crowded.field("retry-after")).toBe("1");
  expect(await Promise.race([world.request("/b"), settled()])).toBeUndefined();
  gate.resolve(respond("hello", { fields: [...FRESH, "ETag", '"1"'] }));
  for (const got of await Promise.all(served)) expect(got.text).toBe("hello");

  world.now += 61_000;
  const validation = Promise.withResolvers<Response>();
  world.origin = () => validation.promise;
  const waiting = [1, 2, 3].map(() => world.request("/a"));
  await settled();
  const stale = await world.request("/a");
  expect(stale).toMatchObject({ status: 200, text: "hello" });
  expect(stale.cacheStatus).toContain("stale-if-error");
  validation.resolve({ status: 304, fields: FRESH, content: undefined });
  for (const got of await Promise.all(waiting)) expect(got.text).toBe("hello");
  expect(world.seen).toHaveLength(3);
});

test("more than may follow all fetches of a process together are refused, until one of them is over", async () => {
  const now = () => NOW;
  const store = createMemoryStore<StoredResponse>({ maxBytes: 1024, slots: 1024, codec: responseCodec, now });
  const { fence } = await store.look({ key: undefined, tags: [], limits: [] });
  const { follow } = createFollowing({ store, tally: createFlightTally(), now, maxFollowers: 2 });
  const [one, other] = [createFlight(fence), createFlight(fence)];
  const following = (flight: Flight) => follow(aVisit(), flight, { reason: "uri-miss", waitMs: 60_000 });
  const [ofOne, ofOther] = [following(one), following(other)];
  expect(await following(other)).toEqual({ kind: "crowded" });
  one.end({ kind: "not-storable" });
  expect(await ofOne).toEqual({ kind: "not-storable" });
  const next = following(other);
  other.end({ kind: "not-storable" });
  expect(await Promise.all([ofOther, next])).toEqual([{ kind: "not-storable" }, { kind: "not-storable" }]);
});
