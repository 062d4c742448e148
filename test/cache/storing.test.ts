import { describe, expect, it } from "vitest";
import type { CachePolicy } from "../../src/cache/policy.ts";
import { complete, storing } from "../../src/cache/storing.ts";
import { field, has, lines } from "../../src/http/fields.ts";
import type { Fields, Request } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { aPolicy, aRequest, dateIn, NOW } from "./example.ts";

interface Case {
  status?: number;
  fields?: Fields;
  targeted?: string;
  request?: Partial<Request>;
  policy?: Partial<CachePolicy>;
}

function verdict({ status = 200, fields = [], targeted, request = {}, policy = {} }: Case) {
  const times = { requestTime: NOW - 100, responseTime: NOW, random: () => 0 };
  const response = { status, fields, targeted };
  return storing({ request: aRequest("/", [], request), response, policy: aPolicy({ ttl: 60, ...policy }), ...times });
}

/** The reason against, or "storable". */
function outcome(of: Case): string {
  const found = verdict(of);
  return found.kind === "storable" ? found.kind : found.reason;
}

function stored(of: Case) {
  const found = verdict(of);
  if (found.kind !== "storable") throw new Error(`not storable: ${found.reason}`);
  return found.stored;
}

const cc = (value: string): Fields => ["Cache-Control", value];

describe("a response must not be stored (RFC 9111 §3)", () => {
  it("unless the method is GET: what other methods mean for the cache is not understood", () => {
    for (const method of ["HEAD", "POST", "PUT", "get", "QUERY"]) {
      expect(outcome({ request: { method }, fields: cc("max-age=60, public") })).toBe("method");
    }
  });

  it("if the request had content, which no key holds", () => {
    expect(outcome({ request: { content: (async function* () {})() } })).toBe("request-content");
  });

  it("unless the status is final, and if it is 304", () => {
    for (const status of [100, 103, 199, 304, 600, 999]) {
      expect(outcome({ status, fields: cc("max-age=60") })).toBe("status");
    }
  });

  it("if the status is about the client or its connection (RFC 6585: 428, 429, 431, 511)", () => {
    for (const status of [428, 429, 431, 511]) {
      expect(outcome({ status, fields: cc("public, max-age=60"), policy: { statuses: { [status]: 60 } } })).toBe(
        "status",
      );
    }
  });

  it("if it is partial, or says that there is no such part; a whole one may be, whatever part was asked for", () => {
    for (const status of [206, 416]) {
      expect(outcome({ status, fields: cc("max-age=60"), policy: { statuses: { [status]: 60 } } })).toBe("partial");
    }
    const request = { fields: ["Range", "bytes=0-1"] };
    expect(outcome({ request, fields: cc("max-age=60") })).toBe("storable");
    // RFC 9110 §14.4: it means nothing where the status does not say so.
    expect(outcome({ request, fields: [...cc("max-age=60"), "Content-Range", "bytes 0-1/9"] })).toBe("storable");
  });

  it("if no-store is there, in any case and among anything", () => {
    expect(outcome({ fields: cc("No-Store, max-age=60") })).toBe("no-store");
    expect(outcome({ fields: [...cc("max-age=60"), ...cc("foo, no-store")] })).toBe("no-store");
    expect(outcome({ fields: cc("no-store"), policy: { override: true } })).toBe("no-store");
  });

  it("if private is there without field names, or with such as cannot be read", () => {
    expect(outcome({ fields: cc("private, max-age=60") })).toBe("private");
    expect(outcome({ fields: cc("private"), policy: { override: true } })).toBe("private");
    for (const garbage of ['""', '"a b"', '"a', "=", "'a'b c", ' "a"']) {
      expect(outcome({ fields: cc(`private=${garbage}, max-age=60`) })).toBe("private");
    }
    expect(outcome({ fields: [...cc('private="x-user"'), ...cc("private, max-age=60")] })).toBe("private");
  });

  it("if private names a field without which the rest would be another response", () => {
    for (const name of ["Cache-Control", "Expires", "Vary", "Content-Type", "content-encoding", "Location"]) {
      expect(outcome({ fields: cc(`private="x-user, ${name}", max-age=60`) })).toBe("private");
    }
  });

  it("if the request says no-store, unless the route ignores what clients say", () => {
    const request = { fields: cc("no-store") };
    expect(outcome({ request })).toBe("request");
    expect(outcome({ request, policy: { clientDirectives: "ignore" } })).toBe("storable");
  });

  it("if the request has Authorization, unless the response explicitly allows it (§3.5)", () => {
    const request = { fields: ["Authorization", "Basic eA=="] };
    for (const fields of [[], cc("max-age=60"), cc("proxy-revalidate, max-age=60")]) {
      expect(outcome({ request, fields })).toBe("authorization");
    }
    for (const allowed of ["public", "must-revalidate", "s-maxage=60"]) {
      expect(outcome({ request, fields: cc(allowed) })).toBe("storable");
    }
    for (const garbage of ["public=no", "must-revalidate=x", "s-maxage=soon", "s-maxage"]) {
      expect(outcome({ request, fields: [...cc(garbage), "ETag", '"a"'] })).toBe("authorization");
    }
    expect(outcome({ request, policy: { override: true } })).toBe("authorization");
  });

  it("if it sets a cookie, unless the route allows that, or the response keeps the cookie to itself", () => {
    const fields = ["Set-Cookie", "sid=1", ...cc("public, s-maxage=60")];
    expect(outcome({ fields, policy: { override: true } })).toBe("set-cookie");
    expect(outcome({ fields, policy: { setCookie: "strip" } })).toBe("storable");
    expect(outcome({ fields, policy: { setCookie: "store" } })).toBe("storable");
    for (const name of ["private", "no-cache"]) {
      expect(outcome({ fields: ["Set-Cookie", "sid=1", ...cc(`${name}="Set-Cookie", max-age=60`)] })).toBe("storable");
      expect(outcome({ fields: ["Set-Cookie", "sid=1", ...cc(`${name}="Set-Cookie2", max-age=60`)] })).toBe(
        "set-cookie",
      );
    }
    expect(outcome({ fields: ["Set-Cookie", "sid=1", ...cc("private")], policy: { setCookie: "store" } })).toBe(
      "private",
    );
  });

  it("if must-understand is there and the status is not understood (§5.2.2.3)", () => {
    expect(outcome({ status: 299, fields: cc("max-age=60, must-understand") })).toBe("status");
    expect(outcome({ status: 299, fields: cc("max-age=60") })).toBe("storable");
    expect(outcome({ status: 200, fields: cc("max-age=60, must-understand, no-store") })).toBe("storable");
    expect(outcome({ status: 299, fields: cc("max-age=60, must-understand, no-store") })).toBe("status");
    expect(outcome({ status: 200, fields: cc("max-age=60, must-understand=no, no-store") })).toBe("no-store");
  });

  it("if it varies by everything, by more than ten names, or by what the proxy says of each client", () => {
    expect(outcome({ fields: ["Vary", "Accept, *"] })).toBe("vary-star");
    const names = (n: number) => Array.from({ length: n }, (_, i) => `x-${i}`).join();
    expect(outcome({ fields: ["Vary", names(10)] })).toBe("storable");
    expect(outcome({ fields: ["Vary", names(11)] })).toBe("too-many-vary-names");
    expect(outcome({ fields: ["Vary", "X-Forwarded-For"] })).toBe("vary-forwarded");
  });

  it("if it varies by Accept-Encoding and has a coding that its classes do not tell apart", () => {
    const coded = (coding: string, vary = "Accept-Encoding") => ({
      fields: ["Vary", vary, "Content-Encoding", coding],
    });
    expect(outcome(coded("br"))).toBe("storable");
    expect(outcome(coded("X-Gzip"))).toBe("storable");
    expect(outcome(coded("compress"))).toBe("content-coding");
    expect(outcome(coded("gzip, dcb"))).toBe("content-coding");
    expect(outcome(coded("compress", "Accept"))).toBe("storable");
    const policy = { key: { query: "all", headers: ["Accept-Encoding"], cookies: [] } } as const;
    expect(outcome({ ...coded("compress", "Accept"), policy })).toBe("content-coding");
  });

  it("if nobody says for how long it is fresh", () => {
    expect(outcome({ policy: { ttl: undefined } })).toBe("no-freshness");
    expect(outcome({ policy: { ttl: undefined }, fields: ["ETag", '"a"'] })).toBe("no-freshness");
    expect(outcome({ status: 404 })).toBe("no-freshness");
    expect(outcome({ status: 404, policy: { statuses: { 404: 10 } } })).toBe("storable");
    expect(outcome({ status: 503, fields: cc("max-age=5") })).toBe("storable");
  });

  it("if it is stale at once and of no use then", () => {
    expect(outcome({ fields: cc("max-age=0") })).toBe("no-freshness");
    expect(outcome({ fields: [...cc("max-age=60"), "Age", "60"] })).toBe("no-freshness");
    expect(outcome({ fields: cc("no-cache, max-age=60") })).toBe("no-freshness");
    expect(outcome({ fields: cc("max-age=0"), policy: { staleIfError: 60 } })).toBe("storable");
    expect(outcome({ fields: cc("max-age=0, stale-while-revalidate=5") })).toBe("storable");
    expect(outcome({ fields: [...cc("no-cache"), "ETag", '"a"'] })).toBe("storable");
    expect(outcome({ fields: [...cc("max-age=0"), "Last-Modified", dateIn(-9)] })).toBe("storable");
  });

  it("if it is an error and not fresh: it would take the place of something better", () => {
    expect(outcome({ status: 500, fields: [...cc("max-age=0"), "ETag", '"a"'] })).toBe("no-freshness");
    expect(outcome({ status: 404, fields: [...cc("no-cache"), "ETag", '"a"'], policy: { staleIfError: 9 } })).toBe(
      "no-freshness",
    );
  });
});

describe("what is stored", () => {
  it("keeps all fields but Age, in their order", () => {
    const fields = ["Date", dateIn(-1), "X-A", "1", "age", "7", "x-a", "2", "Cache-Status", "origin; hit"];
    expect(stored({ fields }).fields).toEqual([
      "Date",
      dateIn(-1),
      "X-A",
      "1",
      "x-a",
      "2",
      "Cache-Status",
      "origin; hit",
    ]);
  });

  it("has a Date, the time of arrival where the origin sent none (RFC 9110 §6.6.1)", () => {
    expect(field(stored({}).fields, "date")).toBe(dateIn(0));
  });

  it("has its age, lifetime, validators and Vary names at hand", () => {
    const fields = ["ETag", 'W/"1"', "Last-Modified", dateIn(-90), "Vary", "B, a", "Age", "5", ...cc("max-age=60")];
    expect(stored({ fields })).toMatchObject({
      status: 200,
      requestTime: NOW - 100,
      responseTime: NOW,
      initialAge: 5.1,
      lifetime: 60,
      etag: 'W/"1"',
      lastModified: dateIn(-90),
      names: ["a", "b"],
      alwaysValidate: false,
      mustRevalidate: false,
    });
  });

  it("must be validated always where the origin says no-cache for the whole, or names what cannot be read or missed", () => {
    for (const value of ["no-cache", 'no-cache=""', 'no-cache="a b"', 'no-cache="a, vary"', 'no-cache="a", no-cache']) {
      expect(stored({ fields: [...cc(`${value}, max-age=60`), "ETag", '"a"'] }).alwaysValidate).toBe(true);
    }
  });

  it("lacks the fields that private and no-cache name, and is otherwise as fresh as it says", () => {
    const named = ["X-User", "ann", "x-user", "bob", "Set-Cookie", "sid=1", "ETag", '"a"', "X-Other", "1"];
    const head = stored({ fields: [...named, ...cc('max-age=60, private="x-user", no-cache="Set-Cookie, ETag"')] });
    expect(head.fields.filter((_, i) => i % 2 === 0)).toEqual(["X-Other", "Cache-Control", "Date"]);
    expect(head).toMatchObject({ lifetime: 60, alwaysValidate: false, etag: undefined });
    expect(stored({ fields: cc('no-cache="x-user"') })).toMatchObject({ lifetime: 60.1, alwaysValidate: false });
  });

  it("lacks nothing where no-cache names what cannot be missed: all of it is validated", () => {
    const fields = ["X-User", "ann", "Vary", "Accept", "ETag", '"a"', ...cc('no-cache="x-user, vary"')];
    const head = stored({ fields });
    expect([head.alwaysValidate, head.names, has(head.fields, "x-user")]).toEqual([true, ["accept"], true]);
  });

  it("keeps the cookie or lacks it, as the route says", () => {
    const fields = ["Set-Cookie", "a=1", "Set-Cookie", "b=2", ...cc("max-age=60")];
    expect(lines(stored({ fields, policy: { setCookie: "store" } }).fields, "set-cookie")).toEqual(["a=1", "b=2"]);
    expect(has(stored({ fields, policy: { setCookie: "strip" } }).fields, "set-cookie")).toBe(false);
  });

  it("keeps its targeted field, by which a 304 may be read later", () => {
    expect(stored({ targeted: "max-age=9", fields: cc("no-store") })).toMatchObject({
      targeted: "max-age=9",
      lifetime: 9,
    });
    expect(stored({}).targeted).toBeUndefined();
  });

  it("is fresh by the route's word alone under override, which leaves no-cache behind", () => {
    const policy = { ttl: 60, override: true, staleIfError: 9 };
    const overridden = { lifetime: 60.1, alwaysValidate: false, mustRevalidate: false, staleIfError: 9 };
    expect(stored({ fields: cc("no-cache, max-age=0, s-maxage=1"), policy })).toMatchObject(overridden);
    expect(stored({ fields: cc("must-revalidate"), policy })).toMatchObject({ mustRevalidate: true, staleIfError: 0 });
  });
});

describe("stale uses (§4.2.4, RFC 5861)", () => {
  const policy = { staleWhileRevalidate: 30, staleIfError: 600 };
  const uses = (value: string) => {
    const { staleWhileRevalidate, staleIfError, mustRevalidate } = stored({
      fields: [...cc(value), "ETag", '"a"'],
      policy,
    });
    return [staleWhileRevalidate, staleIfError, mustRevalidate];
  };

  it("are the response's where it states them, else the route's", () => {
    expect(uses("max-age=60")).toEqual([30, 600, false]);
    expect(uses("max-age=60, stale-while-revalidate=5")).toEqual([5, 600, false]);
    expect(uses("max-age=60, stale-if-error=0")).toEqual([30, 0, false]);
    expect(uses("max-age=60, stale-if-error=soon, stale-while-revalidate")).toEqual([0, 0, false]);
  });

  it("are forbidden by must-revalidate, proxy-revalidate and no-cache", () => {
    expect(uses("max-age=60, must-revalidate, stale-if-error=9")).toEqual([0, 0, true]);
    expect(uses("max-age=60, proxy-revalidate, stale-while-revalidate=9")).toEqual([0, 0, true]);
    expect(uses("no-cache, stale-while-revalidate=9")).toEqual([0, 0, true]);
  });

  it("are not the route's to give beside s-maxage, but the response's own hold", () => {
    expect(uses("s-maxage=60")).toEqual([0, 0, true]);
    expect(uses("s-maxage=60, stale-while-revalidate=9")).toEqual([9, 0, true]);
  });
});

describe("complete", () => {
  const body = new TextEncoder().encode("hello");

  it("gives the response one Content-Length, that of its body, for whatever framing it came in", () => {
    const fields = ["Transfer-Encoding", "chunked", "content-length", "9", "Trailer", "x", "X-A", "1"];
    const whole = complete(stored({ fields }), body);
    expect(lines(whole.fields, "content-length")).toEqual(["5"]);
    expect(has(whole.fields, "transfer-encoding")).toBe(false);
    expect(has(whole.fields, "trailer")).toBe(false);
    expect(field(whole.fields, "x-a")).toBe("1");
    expect(whole.body).toBe(body);
  });

  it("gives a 204 none (RFC 9110 §8.6)", () => {
    expect(has(complete(stored({ status: 204 }), new Uint8Array()).fields, "content-length")).toBe(false);
  });
});

describe("whatever the wire brings", () => {
  it("is decided without throwing, and never stored with Set-Cookie, no-store or private in it", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("no-store", "private", "public, max-age=9", "s-maxage=9", "*", 'private="a, no-store', '"1"'),
      fc.constantFrom('private="set-cookie", max-age=9', 'no-cache="x"'),
    );
    const name = fc.constantFrom("Cache-Control", "Vary", "ETag", "Set-Cookie", "Expires", "Content-Encoding", "X");
    const response = fc.record({ status: fc.integer({ min: 100, max: 700 }), list: fc.array(fc.tuple(name, value)) });
    fc.assert(
      fc.property(response, ({ status, list }) => {
        const fields = list.flat();
        const found = verdict({ status, fields, policy: { override: true, statuses: { [status]: 60 } } });
        if (found.kind === "not-storable") return;
        expect(has(found.stored.fields, "set-cookie")).toBe(false);
        expect(lines(fields, "cache-control")).not.toContain("no-store");
        expect(lines(fields, "cache-control")).not.toContain("private");
      }),
      { numRuns: 1000 },
    );
  });
});
