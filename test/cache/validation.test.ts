import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CachePolicy } from "../../src/cache/policy.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { storing } from "../../src/cache/storing.ts";
import { conditionalFields, freshen } from "../../src/cache/validation.ts";
import { field, has, lines } from "../../src/http/fields.ts";
import type { Fields } from "../../src/http/message.ts";
import { aPolicy, aRequest, aStored, dateIn, NOW } from "./example.ts";

const LATER = NOW + 100_000;

function freshened(of: Partial<StoredResponse>, fields: Fields, policy: Partial<CachePolicy> = {}) {
  const times = { requestTime: LATER - 500, responseTime: LATER, policy: aPolicy(policy) };
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
      expect(storing({ ...ask, requestTime: LATER, responseTime: LATER }).kind).toBe("not-storable");
    }
  });
});

describe("freshen: whether the 304 speaks of the stored response (§4.3.4)", () => {
  const fields = ["Cache-Control", "max-age=5"];
  const selects = (of: Partial<StoredResponse>, update: Fields) => freshened({ fields, ...of }, update) !== undefined;

  it("is none but a 304", () => {
    const times = { requestTime: LATER, responseTime: LATER, policy: aPolicy() };
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
