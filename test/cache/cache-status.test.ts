// Cache-Status in every case, parameter by parameter (RFC 9211 §2), and beside it Age (RFC 9111 §5.1), Date (RFC 9110
// §6.6.1) and Via (§7.6.3), as a client sees them. The text of a member is test/cache/status.test.ts's.

import { type Item, parseList, Token } from "structured-headers";
import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import { lines } from "../../src/http/fields.ts";
import type { Fields, Response, Sink, Source } from "../../src/http/message.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { UpstreamFailure } from "../../src/upstream/failure.ts";
import { createWorld, type Got, respond, type World } from "../support/world.ts";

const ANY = 'routes: [{ path: "/*", cache: {} }]';
const FRESH = ["Cache-Control", "max-age=60"];
const TAGGED = [...FRESH, "ETag", '"1"'];
const FORGIVING = 'routes: [{ path: "/*", cache: { staleIfError: 10m } }]';

/** Every member: its name and parameters, tokens as text. */
function members({ fields }: Pick<Got, "fields">): [string, Record<string, unknown>][] {
  return parseList(lines(fields, "cache-status").join(", ")).map((member) => {
    const [name, parameters] = member as Item;
    const plain = [...parameters].map(([key, value]) => [key, value instanceof Token ? value.toString() : value]);
    return [String(name), Object.fromEntries(plain)];
  });
}

/** The parameters of the only member, ours. */
function ours(answer: Pick<Got, "fields">): Record<string, unknown> {
  const found = members(answer);
  expect(found.map(([name]) => name)).toEqual(["forebay"]);
  return found[0]?.[1] ?? {};
}

/** A world in which /a is stored since `age` seconds. */
async function stored(yaml = ANY, { fields = FRESH, age = 0 }: { fields?: Fields; age?: number } = {}): Promise<World> {
  const world = createWorld(yaml);
  world.origin = () => respond("v1", { fields });
  await world.request("/a");
  world.now += age * 1000;
  return world;
}

/** An origin whose answers wait until the test lets them go. */
function held() {
  const gates: ((response: Response) => void)[] = [];
  return { gates, origin: () => new Promise<Response>((resolve) => gates.push(resolve)) };
}

/** Everything that can go on without the test has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const cc = (value: string): { fields: Fields } => ({ fields: ["Cache-Control", value] });

describe("hit (RFC 9211 §2.1)", () => {
  it("is true of what was obtained from the cache without going forward, with the remaining freshness as ttl", async () => {
    const world = await stored(ANY, { age: 7 });
    expect(ours(await world.request("/a"))).toEqual({ hit: true, ttl: 53 });
    expect(ours(await world.request("/a", { method: "HEAD" }))).toEqual({ hit: true, ttl: 53 });
  });

  it("is true of a 304 and a 206 that the cache made of it", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 7 });
    const notModified = await world.request("/a", { fields: ["If-None-Match", '"1"'] });
    expect([notModified.status, ours(notModified)]).toEqual([304, { hit: true, ttl: 53 }]);
    const part = await world.request("/a", { fields: ["Range", "bytes=0-0"] });
    expect([part.status, ours(part)]).toEqual([206, { hit: true, ttl: 53 }]);
    expect(world.seen).toHaveLength(1);
  });

  it("is true of a stale response that was used without going forward; its ttl is negative (§2.4)", async () => {
    const byRoute = await stored('routes: [{ path: "/*", cache: { staleWhileRevalidate: 30s } }]', { age: 65 });
    expect(ours(await byRoute.request("/a"))).toEqual({ hit: true, ttl: -5 });
    const byClient = await stored(ANY, { fields: TAGGED, age: 65 });
    expect(ours(await byClient.request("/a", cc("max-stale=9")))).toEqual({ hit: true, ttl: -5 });
  });

  it("and fwd are exclusive, whatever is asked", async () => {
    const world = await stored(FORGIVING, { fields: TAGGED });
    const asked: Fields[] = [[], ["Cache-Control", "no-cache"], ["Range", "bytes=0-0"], ["If-None-Match", '"1"']];
    for (const seconds of [0, 61, 10_000]) {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
        for (const fields of asked) {
          world.now += seconds * 1000;
          const { hit, fwd } = ours(await world.request("/a", { method, fields }));
          expect([hit === true, typeof fwd === "string"].filter(Boolean)).toHaveLength(1);
        }
      }
    }
  });
});

describe("ttl (§2.4)", () => {
  it("counts freshness that the cache assigned: the route's and the heuristic's", async () => {
    const assigned = await stored('routes: [{ path: "/*", cache: { ttl: 30s } }]', { fields: [], age: 10 });
    expect(ours(await assigned.request("/a")).ttl).toBe(20);
    const fields = ["Last-Modified", "Wed, 31 Dec 2025 23:43:20 GMT"];
    const heuristic = await stored('routes: [{ path: "/*", cache: { heuristic: true } }]', { fields, age: 10 });
    expect(ours(await heuristic.request("/a")).ttl).toBe(90);
  });

  it("is the remaining lifetime when the response is sent: the age it came with is gone from it", async () => {
    const world = await stored(ANY, { fields: [...FRESH, "Age", "20"], age: 10 });
    expect(ours(await world.request("/a")).ttl).toBe(30);
  });

  it("is a whole number, never more than is left", async () => {
    const world = await stored(ANY, { age: 0.4 });
    expect(ours(await world.request("/a")).ttl).toBe(59);
    const stale = await stored('routes: [{ path: "/*", cache: { staleWhileRevalidate: 30s } }]', { age: 60.4 });
    expect(ours(await stale.request("/a")).ttl).toBe(-1);
  });
});

describe("fwd (§2.2)", () => {
  it("is uri-miss where nothing that matches the URI is stored, whatever the request says besides", async () => {
    const asked: Fields[] = [[], ["Cache-Control", "no-cache"], ["Cache-Control", "no-store"], ["Range", "bytes=0-0"]];
    for (const fields of asked) {
      const world = createWorld(ANY);
      expect(ours(await world.request("/a", { fields })).fwd).toBe("uri-miss");
      expect(ours(await world.request("/b", { method: "HEAD", fields })).fwd).toBe("uri-miss");
    }
  });

  it("is uri-miss after what was stored is gone", async () => {
    const world = await stored(ANY, { age: 100_000 });
    expect(ours(await world.request("/a")).fwd).toBe("uri-miss");
  });

  it("is vary-miss where the URI has responses, and none that this request selects", async () => {
    const world = await stored(ANY, { fields: [...FRESH, "Vary", "Accept-Language"] });
    const german = { fields: ["Accept-Language", "de"] };
    expect(ours(await world.request("/a", german))).toEqual({ fwd: "vary-miss", "fwd-status": 200, stored: true });
    expect(ours(await world.request("/a", german))).toEqual({ hit: true, ttl: 60 });
  });

  it("is stale where a response was selected and was stale, or had to be validated always", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = () => respond("v2", { fields: FRESH });
    expect(ours(await world.request("/a"))).toEqual({ fwd: "stale", "fwd-status": 200, stored: true });
    const always = await stored(ANY, { fields: ["Cache-Control", "no-cache", "ETag", '"1"'] });
    expect(ours(await always.request("/a")).fwd).toBe("stale");
  });

  it("is stale for a response that a write has overtaken", async () => {
    const world = await stored(ANY, { fields: TAGGED });
    await world.request("/a", { method: "PUT" });
    expect(ours(await world.request("/a")).fwd).toBe("stale");
  });

  it("is request where a fresh response was selected and the request did not allow its use", async () => {
    for (const value of ["no-cache", "no-store", "max-age=3", "min-fresh=59"]) {
      const world = await stored(ANY, { age: 7 });
      expect([value, ours(await world.request("/a", cc(value))).fwd]).toEqual([value, "request"]);
    }
    const world = await stored(ANY, { age: 7 });
    expect(ours(await world.request("/a", { fields: ["Pragma", "no-cache"] })).fwd).toBe("request");
  });

  it("is stale, not request, where the response was stale anyway", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    expect(ours(await world.request("/a", cc("no-cache"))).fwd).toBe("stale");
  });

  it("is method where the method's semantics require it", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]) {
      const world = await stored();
      expect([method, ours(await world.request("/a", { method }))]).toEqual([
        method,
        { fwd: "method", "fwd-status": 200 },
      ]);
    }
  });

  it("is bypass where the cache is configured not to handle the request, before any other reason", async () => {
    const world = createWorld("routes: [{ path: /a }]");
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
      expect([method, ours(await world.request("/a", { method })).fwd]).toEqual([method, "bypass"]);
    }
  });

  it("is bypass for conditions that are not a cache's to evaluate (RFC 9111 §4.3.2)", async () => {
    const world = await stored(ANY, { fields: TAGGED });
    const asked = { fields: ["If-Match", '"1"'] };
    expect(ours(await world.request("/a", asked))).toMatchObject({ fwd: "bypass", "fwd-status": 200 });
  });

  it("is never partial: no part is ever stored that could have been selected", async () => {
    const world = createWorld(ANY);
    const range = { fields: ["Range", "bytes=0-0"] };
    const part: Fields = [...FRESH, "Content-Range", "bytes 0-0/2"];
    world.origin = () => respond("v", { status: 206, fields: part });
    for (const answer of [await world.request("/a", range), await world.request("/a", range)]) {
      expect(ours(answer)).toMatchObject({ fwd: "uri-miss", "fwd-status": 206 });
    }
  });
});

describe("fwd-status (§2.3)", () => {
  it("is what the next hop answered, also where the client gets something else", async () => {
    const validated = await stored(ANY, { fields: TAGGED, age: 61 });
    validated.origin = () => respond("", { status: 304, fields: TAGGED });
    const first = await validated.request("/a");
    expect([first.status, ours(first)]).toEqual([200, { fwd: "stale", "fwd-status": 304, stored: true }]);

    const filled = createWorld(ANY);
    filled.origin = () => respond("v1", { fields: TAGGED });
    const second = await filled.request("/a", { fields: ["If-None-Match", '"1"'] });
    expect([second.status, ours(second)]).toEqual([304, { fwd: "uri-miss", "fwd-status": 200, stored: true }]);

    const forgiven = await stored(FORGIVING, { age: 65 });
    forgiven.origin = () => respond("oops", { status: 503 });
    const third = await forgiven.request("/a");
    expect([third.status, ours(third)["fwd-status"]]).toEqual([200, 503]);
  });

  it("is the second answer's where the first 304 spoke of another response", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = ({ fields }) =>
      fields.includes("If-None-Match")
        ? respond("", { status: 304, fields: ["ETag", '"other"'] })
        : respond("v2", { fields: FRESH });
    expect(ours(await world.request("/a"))).toEqual({ fwd: "stale", "fwd-status": 200, stored: true });
  });

  it("is there wherever its default, the status sent, would be another", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    const { gates, origin } = held();
    world.origin = origin;
    const leader = world.request("/a");
    const follower = world.request("/a", { fields: ["If-None-Match", '"1"'] });
    await settled();
    gates[0]?.(respond("", { status: 304, fields: TAGGED }));
    expect((await leader).status).toBe(200);
    expect(statusSaid(await follower)).toBe(304);

    const cold = createWorld(ANY);
    const { gates: coldGates, origin: coldOrigin } = held();
    cold.origin = coldOrigin;
    const first = cold.request("/a");
    const second = cold.request("/a", { fields: ["If-None-Match", '"1"'] });
    await settled();
    coldGates[0]?.(respond("v1", { fields: TAGGED }));
    expect((await first).status).toBe(200);
    expect([(await second).status, statusSaid(await second)]).toEqual([304, 200]);
  });

  /** As its reader takes it. */
  function statusSaid(answer: Got): unknown {
    return ours(answer)["fwd-status"] ?? answer.status;
  }
});

describe("stored (§2.5)", () => {
  it("is true of what the cache stored, and the next request shows it", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: FRESH });
    expect(ours(await world.request("/a")).stored).toBe(true);
    expect(ours(await world.request("/a")).hit).toBe(true);
  });

  it("is not said of what it did not store: detail says why", async () => {
    const refused: [string, Response][] = [
      ["no-store", respond("v1", { fields: ["Cache-Control", "no-store"] })],
      ["private", respond("v1", { fields: ["Cache-Control", "private"] })],
      ["no-freshness", respond("v1")],
      ["set-cookie", respond("v1", { fields: [...FRESH, "Set-Cookie", "a=1"] })],
      ["vary-star", respond("v1", { fields: [...FRESH, "Vary", "*"] })],
      ["no-freshness", respond("no", { status: 503 })],
      ["incomplete", { status: 200, fields: FRESH, content: new TextEncoder().encode("v1") }],
      ["oversize", respond("x".repeat(2000), { fields: FRESH })],
    ];
    for (const [detail, response] of refused) {
      const world = createWorld('routes: [{ path: "/*", cache: { maxBody: 1kb } }]');
      world.origin = () => response;
      expect(ours(await world.request("/a"))).toEqual({ fwd: "uri-miss", "fwd-status": response.status, detail });
      expect(ours(await world.request("/a")).hit).toBeUndefined();
    }
  });

  it("is not said of a validation whose 304 forbids to store", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = () => respond("", { status: 304, fields: ["Cache-Control", "no-store", "ETag", '"1"'] });
    expect(ours(await world.request("/a"))).toEqual({ fwd: "stale", "fwd-status": 304 });
  });

  it("is not said of a HEAD, nor of a request that forbids it (RFC 9111 §5.2.1.5)", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: FRESH });
    expect(ours(await world.request("/a", { method: "HEAD" })).stored).toBeUndefined();
    expect(ours(await world.request("/b", cc("no-store")))).toEqual({
      ...{ fwd: "uri-miss", "fwd-status": 200 },
      detail: "request",
    });
  });

  it("is not said before it is known: of content without a length, that may yet turn out too long", async () => {
    const world = createWorld('routes: [{ path: "/*", cache: { maxBody: 1kb } }]');
    world.origin = () => ({
      status: 200,
      fields: [...FRESH, "Transfer-Encoding", "chunked"],
      content: pieces("x".repeat(600), "x".repeat(600)),
    });
    const answer = await world.request("/a");
    expect(answer.text).toHaveLength(1200);
    expect(ours(answer).stored).toBeUndefined();
    expect(ours(await world.request("/a")).hit).toBeUndefined();
  });
});

describe("collapsed (§2.6)", () => {
  it("is true of the followers alone, who say why they went forward and what the origin answered", async () => {
    const world = createWorld(ANY);
    const { gates, origin } = held();
    world.origin = origin;
    const all = [world.request("/a"), world.request("/a"), world.request("/a")];
    await settled();
    gates[0]?.(respond("v1", { fields: FRESH }));
    const [leader, ...followers] = await Promise.all(all);
    expect(ours(leader as Got)).toEqual({ fwd: "uri-miss", "fwd-status": 200, stored: true });
    for (const follower of followers) {
      expect(ours(follower)).toMatchObject({ fwd: "uri-miss", collapsed: true });
      expect(ours(follower).hit).toBeUndefined();
    }
  });

  it("is true of the followers of a validation: stale was the reason", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    const { gates, origin } = held();
    world.origin = origin;
    const all = [world.request("/a"), world.request("/a")];
    await settled();
    gates[0]?.(respond("", { status: 304, fields: TAGGED }));
    const [leader, follower] = await Promise.all(all);
    expect(ours(leader as Got).collapsed).toBeUndefined();
    expect(ours(follower as Got)).toEqual({ fwd: "stale", "fwd-status": 304, collapsed: true });
  });

  it("is true of followers who got something stale because the one validation failed", async () => {
    const world = await stored(FORGIVING, { fields: TAGGED, age: 65 });
    const { gates, origin } = held();
    world.origin = origin;
    const all = [world.request("/a"), world.request("/a")];
    await settled();
    gates[0]?.(respond("oops", { status: 503 }));
    const [leader, follower] = await Promise.all(all);
    const said = { fwd: "stale", "fwd-status": 503, detail: "stale-if-error" };
    expect(ours(leader as Got)).toEqual(said);
    expect(ours(follower as Got)).toEqual({ ...said, collapsed: true });
    expect(gates).toHaveLength(1);
  });

  it("is not said of one whose flight brought nothing for it: it asked by itself", async () => {
    const world = createWorld(ANY);
    const { gates, origin } = held();
    world.origin = origin;
    const all = [world.request("/a"), world.request("/a")];
    await settled();
    const mine = () => respond("mine", { fields: ["Cache-Control", "private"] });
    gates[0]?.(mine());
    while (gates.length < 2) await settled();
    gates[1]?.(mine());
    for (const answer of await Promise.all(all)) {
      expect(ours(answer)).toEqual({ fwd: "uri-miss", "fwd-status": 200, detail: "private" });
    }
  });
});

describe("a stale response in place of an error (RFC 5861 §4)", () => {
  it("went forward where the origin answered: fwd, and the status of the error", async () => {
    const world = await stored(FORGIVING, { age: 65 });
    world.origin = () => respond("oops", { status: 502 });
    expect(ours(await world.request("/a"))).toEqual({ fwd: "stale", "fwd-status": 502, detail: "stale-if-error" });
  });

  it("is a hit where the origin is not available: without fwd-status, fwd would claim that it answered 200", async () => {
    const world = await stored(FORGIVING, { age: 65 });
    world.origin = () => Promise.reject(new UpstreamFailure("refused"));
    expect(ours(await world.request("/a"))).toEqual({ hit: true, ttl: -5, detail: "stale-if-error" });
  });
});

describe("key (§2.7)", () => {
  it("is never told: nobody can ask for it", async () => {
    const world = await stored(ANY, { fields: TAGGED });
    for (const fields of [[], ["Pragma", "x-get-cache-key"], ["Cache-Control", "no-cache"], ["Range", "bytes=0-0"]]) {
      for (const method of ["GET", "HEAD", "POST"]) {
        expect(ours(await world.request("/a", { method, fields }))).not.toHaveProperty("key");
      }
    }
  });
});

describe("responses that the proxy generates (§2)", () => {
  it("get no member where they are not based upon a stored response", async () => {
    const world = createWorld(`
routes:
  - { path: /only, cache: {} }
  - { path: /limited, cache: {}, rateLimit: { limit: 1, window: 10s } }
`);
    world.origin = () => Promise.reject(new UpstreamFailure("refused"));
    await world.request("/limited");
    const generated = [
      await world.request("/other"),
      await world.request("/only"),
      await world.request("/limited"),
      await world.request("/only", cc("only-if-cached")),
    ];
    expect(generated.map(({ status }) => status)).toEqual([404, 502, 429, 504]);
    expect(generated.map(({ cacheStatus }) => cacheStatus)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe("the members of caches before us", () => {
  const BEFORE = [
    ["Cache-Status", 'OriginCache; hit; ttl=1100, "CDN, here"; fwd=uri-miss'],
    ["Cache-Status", 'third; fwd=stale; key="a;b"'],
  ].flat();
  const NAMES = ["OriginCache", "CDN, here", "third", "forebay"];

  it("are kept, and ours is the last: the closest to the client", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: [...TAGGED, ...BEFORE] });
    const answers = [
      await world.request("/a"),
      await world.request("/a"),
      await world.request("/a", { method: "HEAD" }),
      await world.request("/a", { fields: ["If-None-Match", '"1"'] }),
      await world.request("/a", { fields: ["Range", "bytes=0-0"] }),
      await world.request("/a", { method: "POST" }),
      await world.request("/a", { fields: ["If-None-Match", '"1"', "Cache-Control", "no-cache"] }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 304, 206, 200, 304]);
    for (const answer of answers) {
      expect(members(answer).map(([name]) => name)).toEqual(NAMES);
      expect(members(answer)[0]).toEqual(["OriginCache", { hit: true, ttl: 1100 }]);
    }
  });

  it("are those of the 304 after a validation", async () => {
    const world = await stored(ANY, { fields: [...TAGGED, ...BEFORE], age: 61 });
    world.origin = () => respond("", { status: 304, fields: [...TAGGED, "Cache-Status", "OriginCache; fwd=request"] });
    const validated = members(await world.request("/a"));
    expect(validated.map(([name]) => name)).toEqual(["OriginCache", "forebay"]);
    expect(validated[0]?.[1]).toEqual({ fwd: "request" });
  });

  it("are kept when malformed, in their own line, and ours is a line by itself", async () => {
    for (const malformed of ["", "HIT from cache.example", 'x; key="a', "1.2.3, ;;", "a;b=?2"]) {
      const world = await stored(ANY, { fields: [...FRESH, "Cache-Status", malformed] });
      expect(lines((await world.request("/a")).fields, "cache-status")).toEqual([malformed, "forebay; hit; ttl=60"]);
    }
  });

  it("may be of our own name, where there is a sidecar behind this one", async () => {
    const world = await stored(ANY, { fields: [...FRESH, "Cache-Status", "forebay; hit; ttl=60"], age: 7 });
    expect(members(await world.request("/a"))).toEqual([
      ["forebay", { hit: true, ttl: 60 }],
      ["forebay", { hit: true, ttl: 53 }],
    ]);
  });
});

describe("Age (RFC 9111 §5.1, §4)", () => {
  it("is generated when a stored response is used without validation: on hits, 304, 206, HEAD and stale use", async () => {
    const world = await stored(FORGIVING, { fields: [...TAGGED, "Age", "3"], age: 7 });
    const asked = [
      await world.request("/a"),
      await world.request("/a", { method: "HEAD" }),
      await world.request("/a", { fields: ["If-None-Match", '"1"'] }),
      await world.request("/a", { fields: ["Range", "bytes=0-0"] }),
    ];
    for (const { fields } of asked) expect(lines(fields, "age")).toEqual(["10"]);
    world.now += 60_000;
    world.origin = () => respond("oops", { status: 503 });
    expect(lines((await world.request("/a")).fields, "age")).toEqual(["70"]);
  });

  it("counts the age it came with, the time it took to come, and the time here; whole seconds (§4.2.3)", async () => {
    const world = createWorld(ANY);
    world.origin = () => {
      world.now += 2_500;
      return respond("v1", { fields: [...FRESH, "Age", "4"] });
    };
    await world.request("/a");
    world.now += 3_400;
    expect((await world.request("/a")).field("age")).toBe("9");
  });

  it("is not added to what the origin generated for this request, and is passed on as it came", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: FRESH });
    expect((await world.request("/a")).field("age")).toBeUndefined();
    expect((await world.request("/a", { method: "POST" })).field("age")).toBeUndefined();
    world.origin = () => respond("v1", { fields: [...TAGGED, "Age", "12"] });
    expect((await world.request("/b")).field("age")).toBe("12");
    expect((await world.request("/c", { fields: ["If-None-Match", '"1"'] })).field("age")).toBe("12");
  });

  it("is not there after a validation: it would say that the origin did not validate it for this request", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = () => respond("", { status: 304, fields: TAGGED });
    const validated = await world.request("/a");
    expect([validated.text, validated.field("age")]).toEqual(["v1", undefined]);
    world.now += 5_000;
    expect((await world.request("/a")).field("age")).toBe("5");
  });

  it("is there after a validation that a cache before us answered from what it had", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = () => respond("", { status: 304, fields: [...TAGGED, "Age", "8"] });
    expect((await world.request("/a")).field("age")).toBe("8");
  });

  it("is there for followers: the response was not generated for their request", async () => {
    const world = createWorld(ANY);
    const { gates, origin } = held();
    world.origin = origin;
    const all = [world.request("/a"), world.request("/a")];
    await settled();
    gates[0]?.(respond("v1", { fields: FRESH }));
    expect((await Promise.all(all)).map((answer) => answer.field("age"))).toEqual([undefined, "0"]);
  });
});

describe("Date (RFC 9110 §6.6.1)", () => {
  const START = "Thu, 01 Jan 2026 00:00:00 GMT";

  it("of an origin without a clock is when the response was received, on every later use", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 7 });
    const asked = [
      await world.request("/a"),
      await world.request("/a", { method: "HEAD" }),
      await world.request("/a", { fields: ["If-None-Match", '"1"'] }),
      await world.request("/a", { fields: ["Range", "bytes=0-0"] }),
    ];
    for (const { fields } of asked) expect(lines(fields, "date")).toEqual([START]);
  });

  it("of an origin with a clock is the origin's, even if it is wrong", async () => {
    const fields = [...FRESH, "Date", "Wed, 31 Dec 2025 23:59:50 GMT"];
    const world = await stored(ANY, { fields, age: 7 });
    const hit = await world.request("/a");
    expect(lines(hit.fields, "date")).toEqual(["Wed, 31 Dec 2025 23:59:50 GMT"]);
    expect(hit.field("age")).toBe("17");
  });

  it("is the 304's after a validation, or when that was received", async () => {
    const world = await stored(ANY, { fields: TAGGED, age: 61 });
    world.origin = () => respond("", { status: 304, fields: TAGGED });
    await world.request("/a");
    expect(lines((await world.request("/a")).fields, "date")).toEqual(["Thu, 01 Jan 2026 00:01:01 GMT"]);
  });
});

describe("Via (RFC 9110 §7.6.3)", () => {
  it("names us towards the origin, behind those who forwarded it to us", async () => {
    const world = createWorld(ANY);
    await world.request("/a", { fields: ["Via", "1.0 fred, 1.1 p.example"] });
    await world.request("/a", { method: "POST" });
    const sent = world.seen.map(({ fields }) => lines(fields, "via"));
    expect(sent).toEqual([["1.0 fred, 1.1 p.example, 1.1 forebay"], ["1.1 forebay"]]);
  });

  it("of the origin's side is kept towards the client, on a hit as on the miss; a gateway need not add itself", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("v1", { fields: [...FRESH, "Via", "1.1 inner"] });
    for (const answer of [
      await world.request("/a"),
      await world.request("/a"),
      await world.request("/a", { method: "POST" }),
    ]) {
      expect(lines(answer.fields, "via")).toEqual(["1.1 inner"]);
    }
  });
});

describe("without the store", () => {
  it("what is delivered is said not to be stored, and why", async () => {
    const world = createWorld(ANY, (now) => {
      const memory = createMemoryStore({ maxBytes: 1024, slots: 1024, codec: responseCodec, now });
      const fence = { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY };
      const miss = { fence, record: undefined, stored: undefined, usable: false, verdicts: undefined };
      return { ...memory, look: async () => miss, lead: async () => ({ lease: undefined, retryMs: 0, reading: miss }) };
    });
    world.origin = () => respond("v1", { fields: FRESH });
    expect(ours(await world.request("/a"))).toEqual({ fwd: "uri-miss", "fwd-status": 200, detail: "store-away" });
  });
});

/** Content that is there at once, in pieces, of no length told. */
function pieces(...texts: string[]): Source {
  return {
    start(sink: Sink) {
      queueMicrotask(() => {
        for (const text of texts) sink.write(new TextEncoder().encode(text));
        sink.end([]);
      });
      return { resume() {}, cancel() {} };
    },
  };
}
