import { describe, expect, it } from "vitest";
import type { CachePolicy } from "../../src/cache/policy.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { storing } from "../../src/cache/storing.ts";
import { conditionalFields, freshen, ownLines } from "../../src/cache/validation.ts";
import { field, has, lines } from "../../src/http/fields.ts";
import type { Fields } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { createWorld, respond } from "../support/world.ts";
import { aPolicy, aRequest, aStored, dateIn, NOW } from "./example.ts";

const LATER = NOW + 100_000;

function freshened(of: Partial<StoredResponse>, fields: Fields, policy: Partial<CachePolicy> = {}) {
  const times = { requestTime: LATER - 500, responseTime: LATER, policy: aPolicy(policy), random: () => 0 };
  return freshen(aStored(of), { status: 304, fields }, times);
}

describe("conditionalFields (RFC 9111 §4.3.1)", () => {
  const client = [
    "Host",
    "a",
    "If-None-Match",
    '"c"',
    "if-modified-since",
    "x",
    "If-Match",
    "*",
    "If-Unmodified-Since",
  ];
  const request = aRequest("/", [...client, "y", "If-Range", '"c"', "Range", "bytes=0-1", "Accept", "b"]);

  it("sends our validators, both of them, weak ones too, in place of all the client's conditions", () => {
    const stored = aStored({ etag: 'W/"1"', lastModified: dateIn(-60) });
    expect(conditionalFields(request, stored)).toEqual([
      ...["Host", "a", "Accept", "b", "If-None-Match", 'W/"1"', "If-Modified-Since", dateIn(-60)],
    ]);
  });

  it("asks without conditions where there is no validator, or nothing stored", () => {
    expect(conditionalFields(request, aStored())).toEqual(["Host", "a", "Accept", "b"]);
    expect(conditionalFields(request)).toEqual(["Host", "a", "Accept", "b"]);
  });
});

describe("freshen: what a 304 changes (§3.2)", () => {
  const old = ["Content-Type", "text/plain", "X-A", "1", "X-A", "2", "Vary", "Accept", "Date", dateIn(0)];

  it("replaces all lines of each field it has, and leaves the others", () => {
    const stored = freshened({ fields: old }, ["x-a", "3", "Date", dateIn(100), "X-New", "n"]);
    expect(stored?.fields).toEqual([
      ...["Content-Type", "text/plain", "Vary", "Accept", "x-a", "3", "Date", dateIn(100), "X-New", "n"],
    ]);
    expect(stored?.body).toEqual(aStored().body);
    expect(stored?.status).toBe(200);
  });

  it("does not lose Vary", () => {
    expect(freshened({ fields: old }, [])?.names).toEqual(["accept"]);
    expect(freshened({ fields: old }, ["Vary", "Accept, Cookie"])?.names).toEqual(["accept", "cookie"]);
  });

  it("leaves alone what describes the stored bytes", () => {
    const fields = ["Content-Length", "2", "Content-Encoding", "gzip", "Date", dateIn(0)];
    const update = ["Content-Length", "0", "Content-Encoding", "br", "Content-Range", "bytes 0-1/2"];
    const stored = freshened({ fields }, [...update, "Transfer-Encoding", "chunked", "Date", dateIn(9)]);
    expect(stored?.fields).toEqual(["Content-Length", "2", "Content-Encoding", "gzip", "Date", dateIn(9)]);
  });

  it("updates all else that describes the representation (§3.2): the RFC excepts the length alone", () => {
    const fields = [
      "Content-Type",
      "text/plain",
      "Content-Language",
      "de",
      "Content-Location",
      "/a",
      "Date",
      dateIn(0),
    ];
    const update = ["Content-Type", "text/html", "Content-Language", "en", "Content-Location", "/b", "Date", dateIn(9)];
    expect(freshened({ fields }, update)?.fields).toEqual(update);
  });

  it("leaves alone digests of content that the 304 does not have", () => {
    const fields = ["Content-MD5", "a==", "Content-Digest", "sha-256=:a:", "Repr-Digest", "sha-256=:a:"];
    const update = ["Content-MD5", "b==", "Content-Digest", "sha-256=:b:", "Repr-Digest", "sha-256=:b:"];
    const stored = freshened({ fields }, [...update, "Date", dateIn(9)])?.fields ?? [];
    const digests = ["content-md5", "content-digest", "repr-digest"].map((name) => field(stored, name));
    expect(digests).toEqual(["a==", "sha-256=:a:", "sha-256=:b:"]);
  });

  it("computes freshness anew from the fields as they are then", () => {
    const fields = ["Cache-Control", "max-age=5", "Date", dateIn(0)];
    const from = (update: Fields, policy?: Partial<CachePolicy>) => freshened({ fields }, update, policy);
    expect(from([])).toMatchObject({ lifetime: 5, initialAge: 0.5, responseTime: LATER, requestTime: LATER - 500 });
    expect(from(["Cache-Control", "max-age=50"])).toMatchObject({ lifetime: 50 });
    expect(from(["Cache-Control", "max-age=50, must-revalidate"], { staleIfError: 9 })).toMatchObject({
      mustRevalidate: true,
      staleIfError: 0,
    });
    expect(from(["Cache-Control", "no-cache"])).toMatchObject({ alwaysValidate: true, lifetime: 0 });
    expect(from([], { ttl: 60, override: true })).toMatchObject({ lifetime: 60.5 });
  });

  it("counts the age from the 304, by its Date and Age, or its arrival", () => {
    const fields = ["Cache-Control", "max-age=500", "Date", dateIn(-9000)];
    expect(freshened({ fields }, [])?.initialAge).toBe(0.5);
    expect(field(freshened({ fields }, [])?.fields ?? [], "date")).toBe(dateIn(100));
    expect(freshened({ fields }, ["Date", dateIn(70)])?.initialAge).toBe(30);
    const aged = freshened({ fields }, ["Age", "40"]);
    expect(aged?.initialAge).toBe(40.5);
    expect(has(aged?.fields ?? [], "age")).toBe(false);
  });

  it("takes over new validators", () => {
    const of = { etag: '"a"', lastModified: dateIn(-9), fields: ["ETag", '"a"', "Last-Modified", dateIn(-9)] };
    expect(freshened(of, ["ETag", '"a"', "Last-Modified", dateIn(-5)])).toMatchObject({
      etag: '"a"',
      lastModified: dateIn(-5),
    });
  });

  it("makes a response that storing refuses where the 304 forbids it", () => {
    for (const update of [
      ["Cache-Control", "no-store"],
      ["Cache-Control", "private"],
      ["Set-Cookie", "a=1"],
      ["Vary", "*"],
    ]) {
      const stored = freshened({ fields: old }, update, { ttl: 60 });
      expect(stored).toBeDefined();
      const ask = { request: aRequest(), response: stored ?? aStored(), policy: aPolicy({ ttl: 60 }) };
      expect(storing({ ...ask, requestTime: LATER, responseTime: LATER, random: () => 0 }).kind).toBe("not-storable");
    }
  });

  it("brings in no field that the response keeps from being stored (§5.2.2.4, §5.2.2.7)", () => {
    const fields = ["Cache-Control", 'max-age=5, private="x-user", no-cache="X-Price"', "Date", dateIn(0)];
    const update = ["X-User", "ann", "x-price", "9", "X-Other", "1"];
    const stored = freshened({ fields }, update);
    expect(stored?.fields.filter((_, i) => i % 2 === 0)).toEqual(["Cache-Control", "X-Other", "Date"]);
    expect(stored).toMatchObject({ alwaysValidate: false, lifetime: 5 });
    expect(stored && ownLines(update, stored, aPolicy())).toEqual(["X-User", "ann", "x-price", "9"]);
  });

  it("takes out what the 304 is the first to keep from being stored", () => {
    const fields = ["Cache-Control", "max-age=5", "X-User", "ann", "Date", dateIn(0)];
    const stored = freshened({ fields }, ["Cache-Control", 'max-age=5, private="x-user"']);
    expect(has(stored?.fields ?? [], "x-user")).toBe(false);
  });

  it("goes by the targeted field stored, until the 304 has one of its own (RFC 9213)", () => {
    const of = { fields: ["Cache-Control", "no-store", "Date", dateIn(0)], targeted: "max-age=50" };
    expect(freshened(of, [])).toMatchObject({ lifetime: 50, targeted: "max-age=50" });
    const times = { requestTime: LATER, responseTime: LATER, policy: aPolicy(), random: () => 0 };
    const update = { status: 304, fields: [], targeted: "no-cache" };
    expect(freshen(aStored(of), update, times)).toMatchObject({ alwaysValidate: true, targeted: "no-cache" });
    expect(freshened({ fields: of.fields }, ["CDN-Cache-Control", "max-age=9"])).toMatchObject({ lifetime: 9 });
  });
});

describe("freshen: whether the 304 speaks of the stored response (§4.3.4)", () => {
  const fields = ["Cache-Control", "max-age=5"];
  const selects = (of: Partial<StoredResponse>, update: Fields) => freshened({ fields, ...of }, update) !== undefined;

  it("is none but a 304", () => {
    const times = { requestTime: LATER, responseTime: LATER, policy: aPolicy(), random: () => 0 };
    expect(freshen(aStored(), { status: 200, fields: [] }, times)).toBeUndefined();
  });

  it("with a strong validator selects by that strong validator", () => {
    expect(selects({ etag: '"a"' }, ["ETag", '"a"'])).toBe(true);
    expect(selects({ etag: '"a"' }, ["ETag", '"b"'])).toBe(false);
    expect(selects({ etag: '"a"', lastModified: dateIn(0) }, ["ETag", '"b"', "Last-Modified", dateIn(0)])).toBe(false);
    expect(selects({ lastModified: dateIn(0) }, ["ETag", '"b"', "Last-Modified", dateIn(0)])).toBe(false);
  });

  it("with weak validators selects what they match", () => {
    expect(selects({ etag: '"a"' }, ["ETag", 'W/"a"'])).toBe(true);
    expect(selects({ etag: 'W/"a"' }, ["ETag", 'W/"b"'])).toBe(false);
    expect(selects({ lastModified: dateIn(0) }, ["Last-Modified", dateIn(0)])).toBe(true);
    expect(selects({ lastModified: dateIn(0) }, ["Last-Modified", dateIn(1)])).toBe(false);
    expect(selects({ etag: '"a"' }, ["Last-Modified", dateIn(1)])).toBe(true);
  });

  it("without validators selects the one whose validator was sent", () => {
    expect(selects({ etag: '"a"', lastModified: dateIn(0) }, [])).toBe(true);
  });

  it("does not make a weak tag strong: origins that compress on the way weaken it in the 200 alone", () => {
    const stored = freshened({ etag: 'W/"a"', fields: ["ETag", 'W/"a"'] }, ["ETag", '"a"']);
    expect(stored?.etag).toBe('W/"a"');
  });

  it("never throws, whatever the 304 says", () => {
    const name = fc.constantFrom("ETag", "Last-Modified", "Date", "Age", "Cache-Control", "Vary", "X");
    const list = fc.array(fc.tuple(name, fc.string({ unit: "binary" })));
    fc.assert(
      fc.property(list, list, (before, update) => {
        const stored = freshened({ fields: before.flat(), etag: '"a"' }, update.flat());
        if (stored !== undefined) expect(lines(stored.fields, "age")).toEqual(lines(before.flat(), "age").slice(0, 0));
      }),
    );
  });
});

describe("a validation that is answered with 5xx (§4.3.3)", () => {
  const held = (says: string) => ["ETag", '"1"', "Cache-Control", says];
  const conditions = (seen: readonly { fields: Fields }[]) => seen.map(({ fields }) => field(fields, "if-none-match"));

  /** A world in which /a is stored and has been stale for a minute. */
  async function stale(says: string) {
    const world = createWorld('routes: [{ path: "/*", cache: {} }]');
    world.origin = () => respond("v1", { fields: held(says) });
    await world.request("/a");
    world.now += 120_000;
    world.seen.length = 0;
    return world;
  }

  it("forwards it, where no stale use is allowed, and loses nothing: the next validation is of the same response", async () => {
    const world = await stale("max-age=60");
    world.origin = () => respond("oops", { status: 503 });
    expect(await world.request("/a")).toMatchObject({ status: 503, text: "oops" });
    world.origin = () => respond("", { status: 304, fields: held("max-age=60") });
    expect(await world.request("/a")).toMatchObject({ status: 200, text: "v1" });
    expect((await world.request("/a")).cacheStatus).toContain("hit");
    expect(conditions(world.seen)).toEqual(['"1"', '"1"']);
  });

  it("acts as if the origin had not answered, where it is: stale, and validated again by the next", async () => {
    const world = await stale("max-age=60, stale-if-error=600");
    world.origin = () => respond("oops", { status: 503 });
    for (let i = 0; i < 2; i++) {
      const got = await world.request("/a");
      expect(got).toMatchObject({ status: 200, text: "v1" });
      expect(got.cacheStatus).toBe("forebay; fwd=stale; fwd-status=503; detail=stale-if-error");
    }
    world.origin = () => respond("", { status: 304, fields: held("max-age=60") });
    expect((await world.request("/a")).cacheStatus).toBe("forebay; fwd=stale; fwd-status=304; stored");
    expect(conditions(world.seen)).toEqual(['"1"', '"1"', '"1"']);
  });

  it("forwards it where a write has overtaken what is stored, whatever may be used stale", async () => {
    const world = await stale("max-age=60, stale-if-error=600");
    await world.request("/a", { method: "POST" });
    world.origin = () => respond("oops", { status: 503 });
    expect(await world.request("/a")).toMatchObject({ status: 503, text: "oops" });
    world.origin = () => respond("", { status: 304, fields: held("max-age=60") });
    expect((await world.request("/a")).text).toBe("v1");
  });
});
