import { describe, expect, it } from "vitest";
import { directivesOf, isForWhole, parseTargeted, withheldNames } from "../../src/cache/directives.ts";
import { parseCacheControl, seconds } from "../../src/http/cache-control.ts";
import { has } from "../../src/http/fields.ts";
import type { Fields } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { createWorld, respond } from "../support/world.ts";

const cdn = (value: string): Fields => ["CDN-Cache-Control", value];
const cc = (value: string): Fields => ["Cache-Control", value];

/** max-age as it holds, and whether a targeted field says so. */
function found(fields: Fields, targeted?: string) {
  const { cc, isTargeted } = directivesOf({ fields, targeted });
  return [seconds(cc, "max-age"), isTargeted];
}

describe("the directives of a response are those of the first valid and non-empty field (RFC 9213 §2.2)", () => {
  it("of Forebay-Cache-Control, CDN-Cache-Control and Cache-Control, in this order", () => {
    expect(found([...cdn("max-age=2"), ...cc("max-age=3")], "max-age=1")).toEqual([1, true]);
    expect(found([...cc("max-age=3"), ...cdn("max-age=2")])).toEqual([2, true]);
    expect(found(cc("max-age=3"))).toEqual([3, false]);
  });

  it("all of them: none of a lower field counts beside it", () => {
    const { cc: directives } = directivesOf({ fields: [...cc("no-store, private, max-age=3"), ...cdn("none")] });
    expect([directives.has("no-store"), directives.has("private"), directives.has("max-age")]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it("and a field that is empty or no Dictionary is as if it were not there", () => {
    for (const value of [
      "",
      "  ",
      "max-age=1, &&&&&",
      "MaX-aGe=1",
      "max-age =1",
      "max-age= 1",
      "max-age=1,",
      "a;b=c;,",
    ]) {
      expect(found([...cdn("max-age=2"), ...cc("max-age=3")], value)).toEqual([2, true]);
      expect(found([...cdn(value), ...cc("max-age=3")])).toEqual([3, false]);
    }
  });

  it("whose lines are one Dictionary, in which the last of two with the same name counts (RFC 9651 §3.2)", () => {
    expect(found([...cdn("max-age=1, public"), ...cdn("max-age=2")])).toEqual([2, true]);
    expect(found([...cdn("max-age=1"), ...cdn("?!"), ...cc("max-age=3")])).toEqual([3, false]);
  });

  it("and no other: Surrogate-Control and other caches' fields are not for us", () => {
    const others = ["Surrogate-Control", "max-age=1", "Cloudflare-CDN-Cache-Control", "max-age=2"];
    expect(found([...others, ...cc("max-age=3")])).toEqual([3, false]);
  });
});

describe("a targeted field (RFC 9213 §2.1)", () => {
  it("has integers, lists of field names, and directives without argument; parameters are ignored", () => {
    const directives = parseTargeted('max-age=60;x=1, no-store;y, private="a, B", s-maxage=99999999999');
    expect(directives?.get("no-store")).toBe(true);
    expect(directives?.get("private")).toBe("a, B");
    expect(directives && seconds(directives, "max-age")).toBe(60);
    expect(directives && seconds(directives, "s-maxage")).toBe(2 ** 31);
  });

  it.each([
    ['max-age="60"'],
    ["max-age=60.0"],
    ["max-age=60.5"],
    ["max-age=-60"],
    ["max-age"],
    ["max-age=?0"],
    ["max-age=(60)"],
    ["max-age=sixty"],
    ["max-age=:NjA=:"],
  ])("with %s has a max-age that is garbage: no coercion, and not fresh", (value) => {
    const directives = parseTargeted(value);
    expect(directives?.has("max-age")).toBe(true);
    expect(directives && seconds(directives, "max-age")).toBeUndefined();
  });

  it("bars storing with every no-store and private that is not of their type", () => {
    for (const value of ["no-store=?0", "no-store=1", 'private=?0, no-store="x"', "private=set-cookie, no-store=x"]) {
      const directives = parseTargeted(value);
      expect(directives?.has("no-store")).toBe(true);
      if (directives?.has("private")) expect(isForWhole(directives, "private")).toBe(true);
    }
  });

  it("never throws, and is never a number that Cache-Control would not have", () => {
    const unit = fc.constantFrom(
      "max-age",
      "=",
      "1",
      ".0",
      '"',
      ",",
      ";",
      " ",
      "-",
      "no-store",
      "?0",
      "(",
      ")",
      ":",
      "@",
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit }), fc.string({ unit: "binary" })), (value) => {
        const age = seconds(parseTargeted(value) ?? parseCacheControl(undefined), "max-age");
        expect(age === undefined || (Number.isInteger(age) && age >= 0 && age <= 2 ** 31)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("field names in private and no-cache", () => {
  it("are withheld from the store, whichever names them", () => {
    expect(withheldNames(parseCacheControl('private="a, b", no-cache="Set-Cookie"'))).toEqual(["a", "b", "set-cookie"]);
    expect(withheldNames(parseCacheControl("private, no-cache"))).toEqual([]);
  });

  it("leave the rest of the response free", () => {
    expect(isForWhole(parseCacheControl('private="a"'), "private")).toBe(false);
    expect(isForWhole(parseCacheControl("private"), "private")).toBe(true);
    expect(isForWhole(parseCacheControl('private="content-encoding"'), "private")).toBe(true);
    expect(isForWhole(parseCacheControl("max-age=1"), "no-cache")).toBe(false);
  });
});

describe("through the proxy", () => {
  const world = (fields: Fields, cache = "{}") => {
    const made = createWorld(`routes: [{ path: /*, cache: ${cache} }]`);
    made.origin = ({ fields: asked }) =>
      respond("hello", { status: has(asked, "if-none-match") ? 304 : 200, fields: [...fields] });
    return made;
  };

  it("a targeted max-age makes fresh what Cache-Control and Expires forbid, and both are passed on", async () => {
    const w = world([...cc("no-store"), "Expires", "0", ...cdn("max-age=60")]);
    await w.request("/");
    const hit = await w.request("/");
    expect(hit.cacheStatus).toBe("forebay; hit; ttl=60");
    expect([hit.field("cache-control"), hit.field("expires"), hit.field("cdn-cache-control")]).toEqual([
      "no-store",
      "0",
      "max-age=60",
    ]);
  });

  it("a targeted no-store, private or no-cache holds though Cache-Control says fresh", async () => {
    for (const value of ["no-store", "private", "no-cache"]) {
      const w = world([...cc("max-age=60"), "Forebay-Cache-Control", value]);
      await w.request("/");
      await w.request("/");
      expect(w.seen).toHaveLength(2);
    }
  });

  it("Forebay-Cache-Control ends here: on a fill, on a hit, after a 304, on a write and on a route without cache", async () => {
    const fields = [...cc("max-age=9"), "Forebay-Cache-Control", "max-age=60", "ETag", '"a"'];
    const w = world(fields);
    const answers = [await w.request("/"), await w.request("/")];
    w.now += 61_000;
    answers.push(await w.request("/"), await w.request("/"), await w.request("/", { method: "POST" }));
    answers.push(await world(fields, "false").request("/"));
    expect(answers.map(({ cacheStatus }) => cacheStatus)).toEqual([
      "forebay; fwd=uri-miss; fwd-status=200; stored",
      "forebay; hit; ttl=60",
      "forebay; fwd=stale; fwd-status=304; stored",
      "forebay; hit; ttl=60",
      "forebay; fwd=method; fwd-status=200",
      "forebay; fwd=bypass; fwd-status=200",
    ]);
    for (const answer of answers) expect(answer.field("forebay-cache-control")).toBeUndefined();
  });

  it("a 304 that does not repeat Forebay-Cache-Control is still read by the one stored", async () => {
    const w = createWorld("routes: [{ path: /*, cache: {} }]");
    w.origin = () =>
      respond("hello", { fields: [...cc("max-age=9"), "Forebay-Cache-Control", "no-cache", "ETag", '"a"'] });
    await w.request("/");
    w.origin = () => respond("", { status: 304, fields: cc("max-age=9") });
    for (let i = 0; i < 2; i++) {
      expect((await w.request("/")).cacheStatus).toBe("forebay; fwd=stale; fwd-status=304; stored");
    }
  });

  it("a field that is for one client reaches the client that brought it, on a 200 and on a 304, and nobody else", async () => {
    const w = createWorld("routes: [{ path: /*, cache: {} }]");
    let visits = 0;
    w.origin = ({ fields }) => {
      const status = has(fields, "if-none-match") ? 304 : 200;
      const own = ["Set-Cookie", `sid=${++visits}`, "ETag", '"a"'];
      return respond("hello", { status, fields: [...own, ...cc('max-age=60, no-cache="set-cookie"')] });
    };
    expect((await w.request("/")).field("set-cookie")).toBe("sid=1");
    expect((await w.request("/")).field("set-cookie")).toBeUndefined();
    w.now += 61_000;
    const freshened = await w.request("/");
    expect(freshened.cacheStatus).toBe("forebay; fwd=stale; fwd-status=304; stored");
    expect(freshened.field("set-cookie")).toBe("sid=2");
    const hit = await w.request("/");
    expect(hit.cacheStatus).toBe("forebay; hit; ttl=60");
    expect(hit.field("set-cookie")).toBeUndefined();
  });

  it("a cookie reaches the client that brought it also where that client is told 304", async () => {
    const asked = { fields: ["If-None-Match", '"a"'] };
    for (const value of ['max-age=60, private="set-cookie"', "max-age=60"]) {
      const w = createWorld("routes: [{ path: /*, cache: {} }]");
      w.origin = () => respond("hello", { fields: ["ETag", '"a"', ...cc(value)] });
      await w.request("/");
      w.now += 61_000;
      const own = ["ETag", '"a"', "Set-Cookie", "sid=1", ...cc(value)];
      w.origin = () => respond("", { status: 304, fields: own });
      const freshened = await w.request("/", asked);
      expect([freshened.status, freshened.field("set-cookie")]).toEqual([304, "sid=1"]);
    }
    const w = world(["ETag", '"a"', "Set-Cookie", "sid=1", ...cc('max-age=60, private="set-cookie"')]);
    w.origin = () =>
      respond("hello", { fields: ["ETag", '"a"', "Set-Cookie", "sid=1", ...cc('private="set-cookie", max-age=9')] });
    const filled = await w.request("/", asked);
    expect([filled.status, filled.field("set-cookie")]).toEqual([304, "sid=1"]);
    const hit = await w.request("/", asked);
    expect([hit.status, hit.field("set-cookie")]).toEqual([304, undefined]);
  });

  it("a route that strips Set-Cookie stores the rest, and one that says nothing stores none of it", async () => {
    const fields = ["Set-Cookie", "sid=1", ...cc("max-age=60")];
    const strips = world(fields, "{ setCookie: strip }");
    expect((await strips.request("/")).field("set-cookie")).toBe("sid=1");
    const hit = await strips.request("/");
    expect([hit.cacheStatus, hit.field("set-cookie")]).toEqual(["forebay; hit; ttl=60", undefined]);
    const refuses = world(fields);
    expect((await refuses.request("/")).cacheStatus).toContain("detail=set-cookie");
    const stores = world(fields, "{ setCookie: store }");
    await stores.request("/");
    expect((await stores.request("/")).field("set-cookie")).toBe("sid=1");
  });

  it("a 204 has no framing and is whole nevertheless (RFC 9112 §6.3)", async () => {
    const w = createWorld("routes: [{ path: /*, cache: {} }]");
    w.origin = () => ({ status: 204, fields: cc("max-age=60"), content: undefined });
    await w.request("/");
    const hit = await w.request("/");
    expect([hit.status, hit.cacheStatus, hit.field("content-length")]).toEqual([
      204,
      "forebay; hit; ttl=60",
      undefined,
    ]);
  });

  it("jitter shortens what the route states, and ttl and Age tell of what is left", async () => {
    const w = createWorld("routes: [{ path: /*, cache: { ttl: 100s, jitter: 20% } }]");
    w.random = 0.5;
    await w.request("/a");
    expect((await w.request("/a")).cacheStatus).toBe("forebay; hit; ttl=90");
    w.random = 0;
    await w.request("/b");
    w.now += 90_000;
    expect((await w.request("/a")).cacheStatus).toContain("fwd-status=200");
    const b = await w.request("/b");
    expect([b.cacheStatus, b.field("age")]).toEqual(["forebay; hit; ttl=10", "90"]);
  });
});
