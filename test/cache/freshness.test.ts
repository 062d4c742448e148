import { describe, expect, it } from "vitest";
import { directivesOf } from "../../src/cache/directives.ts";
import { currentAge, freshnessLifetime, initialAge, keepSeconds } from "../../src/cache/freshness.ts";
import type { CachePolicy } from "../../src/cache/policy.ts";
import type { Fields } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { aPolicy, aStored, dateIn, NOW } from "./example.ts";

function freshness(fields: Fields, policy: Partial<CachePolicy> = {}, status = 200) {
  return freshnessLifetime({ ...anAsk(fields, policy), status });
}
function anAsk(fields: Fields, policy: Partial<CachePolicy> = {}) {
  const about = { status: 200, fields, targeted: undefined, directives: directivesOf({ fields }) };
  return { ...about, policy: aPolicy(policy), requestTime: NOW, responseTime: NOW, random: () => 0.5 };
}
const lifetime = (...ask: Parameters<typeof freshness>) => freshness(...ask)?.lifetime;
const cacheControl = (value: string) => ["Date", dateIn(0), "Cache-Control", value];

describe("freshnessLifetime (RFC 9111 §4.2.1)", () => {
  it("is s-maxage before max-age before Expires minus Date", () => {
    const expires = ["Date", dateIn(0), "Expires", dateIn(30)];
    expect(lifetime([...expires, "Cache-Control", "max-age=20, s-maxage=10"])).toBe(10);
    expect(lifetime([...expires, "Cache-Control", "max-age=20"])).toBe(20);
    expect(lifetime(expires)).toBe(30);
  });

  it("counts Expires from the origin's Date, not from our clock; without a Date from the arrival", () => {
    expect(lifetime(["Date", dateIn(-100), "Expires", dateIn(-40)])).toBe(60);
    expect(lifetime(["Expires", dateIn(45)])).toBe(45);
    expect(lifetime(["Date", "yesterday", "Expires", dateIn(45)])).toBe(45);
  });

  it('is zero for an Expires in the past, for invalid dates, "especially including the value 0", and for several', () => {
    for (const value of ["0", "-1", "soon", dateIn(-1), `${dateIn(60)}, ${dateIn(60)}`]) {
      expect(lifetime(["Date", dateIn(0), "Expires", value])).toBe(0);
    }
    expect(lifetime(["Expires", dateIn(60), "Expires", dateIn(60)])).toBe(0);
  });

  it("is zero where max-age or s-maxage cannot be read, whatever stands beside it", () => {
    for (const value of ["max-age", "max-age=", "max-age=1.5", "max-age=-1", "max-age=abc", "s-maxage=x, max-age=60"]) {
      expect(lifetime([...cacheControl(value), "Expires", dateIn(60)])).toBe(0);
    }
  });

  it("takes Expires in each of the three forms of a date, in any case, and in no other zone than GMT (§4.2)", () => {
    const inForm = (value: string) => lifetime(["Date", dateIn(0), "Expires", value]);
    expect(inForm("Thu, 15 Jan 2026 12:01:00 GMT")).toBe(60);
    expect(inForm("THU, 15 jan 2026 12:01:00 gMT")).toBe(60);
    expect(inForm("Thursday, 15-Jan-26 12:01:00 GMT")).toBe(60);
    expect(inForm("Thu Jan 15 12:01:00 2026")).toBe(60);
    expect(inForm("Tue, 19 Jan 2038 14:14:08 GMT")).toBeGreaterThan(86_400 * 365 * 12);
    expect(inForm("Sun, 21 Nov 2286 04:46:39 GMT")).toBe(2 ** 31);
    for (const zone of ["UTC", "AEST", "EST", "+0000", "+0100", ""]) {
      expect(inForm(`Thu, 15 Jan 2026 12:01:00 ${zone}`)).toBe(0);
    }
  });

  it("is the smaller of two that contradict each other", () => {
    expect(lifetime(cacheControl("max-age=60, max-age=5"))).toBe(5);
  });

  it("is at most 2^31 seconds", () => {
    expect(lifetime(cacheControl("max-age=99999999999"))).toBe(2 ** 31);
  });

  it("is zero, not unstated, for no-cache alone", () => {
    expect(freshness(cacheControl("no-cache"), { ttl: 60 })).toEqual({ lifetime: 0, statedBy: "origin" });
  });

  it("is not that of Expires beside a targeted field, which then states none (RFC 9213 §2.2)", () => {
    const targeted = [
      "CDN-Cache-Control",
      "none",
      "Date",
      dateIn(0),
      "Expires",
      dateIn(60),
      "Cache-Control",
      "max-age=9",
    ];
    expect(lifetime(targeted)).toBeUndefined();
    expect(lifetime(targeted, { ttl: 300 })).toBe(300);
    expect(lifetime([...targeted, "Last-Modified", dateIn(-1000)], { heuristic: true })).toBe(100);
    expect(lifetime(["CDN-Cache-Control", "?", ...targeted.slice(2)])).toBe(9);
  });

  it("is undefined where nobody states any", () => {
    expect(lifetime(["Date", dateIn(0), "Last-Modified", dateIn(-1000)])).toBeUndefined();
    expect(lifetime(cacheControl("public"))).toBeUndefined();
  });
});

describe("the route's lifetime", () => {
  it("holds where the origin states none", () => {
    expect(freshness(["Date", dateIn(0)], { ttl: 300 })).toEqual({ lifetime: 300, statedBy: "route" });
    expect(lifetime(cacheControl("max-age=1"), { ttl: 300 })).toBe(1);
    expect(lifetime(["Expires", "0"], { ttl: 300 })).toBe(0);
  });

  it("wins over the origin's with override, and with override alone", () => {
    expect(lifetime(cacheControl("max-age=1"), { ttl: 300, override: true })).toBe(300);
    expect(lifetime(cacheControl("max-age=1"), { override: true })).toBe(1);
  });

  it("holds for errors only where they are named", () => {
    const policy = { ttl: 300, statuses: { 404: 10, 200: 20 } };
    expect(lifetime([], policy, 404)).toBe(10);
    expect(lifetime([], policy, 410)).toBeUndefined();
    expect(lifetime([], policy, 503)).toBeUndefined();
    expect(lifetime([], policy, 302)).toBeUndefined();
    expect(lifetime([], policy, 200)).toBe(20);
    expect(lifetime([], policy, 301)).toBe(300);
    expect(lifetime(cacheControl("max-age=7"), policy, 503)).toBe(7);
  });

  it("counts from the arrival: what the origin took and the age it came with are added", () => {
    const fields = ["Date", dateIn(0), "Age", "100"];
    const ask = { ...anAsk(fields, { ttl: 10 }), requestTime: NOW - 2500 };
    expect(freshnessLifetime(ask)?.lifetime).toBe(10 + 102.5);
  });

  it("is shortened at random by up to its jitter, and never lengthened", () => {
    const policy = { ttl: 100, statuses: { 404: 10 }, jitter: 0.2 };
    expect(lifetime([], policy)).toBe(90); // half of the fifth
    expect(lifetime([], policy, 404)).toBe(9);
    const drawn = (share: number) => freshnessLifetime({ ...anAsk([], policy), random: () => share })?.lifetime;
    expect(drawn(0)).toBe(100);
    expect(drawn(0.999)).toBeCloseTo(80.02);
    const aged = { ...anAsk(["Date", dateIn(0), "Age", "50"], policy), random: () => 0.5 };
    expect(freshnessLifetime(aged)?.lifetime).toBe(50 + 90);
  });

  it("alone has jitter: what the origin states and what is estimated from it stay", () => {
    const policy = { ttl: 100, jitter: 0.5, heuristic: true };
    expect(lifetime(cacheControl("max-age=60"), policy)).toBe(60);
    expect(lifetime(["Date", dateIn(0), "Expires", dateIn(30)], policy)).toBe(30);
    expect(lifetime(["Date", dateIn(0), "Last-Modified", dateIn(-1000)], policy)).toBe(100);
    expect(lifetime(cacheControl("max-age=60"), { ...policy, override: true })).toBe(75);
  });
});

describe("the heuristic (§4.2.2)", () => {
  const old = ["Date", dateIn(0), "Last-Modified", dateIn(-1000)];

  it("is a tenth of the time since Last-Modified, at most a day", () => {
    expect(freshness(old, { heuristic: true })).toEqual({ lifetime: 100, statedBy: "heuristic" });
    expect(lifetime(["Last-Modified", dateIn(-100_000_000)], { heuristic: true })).toBe(86_400);
  });

  it("must not be used when an explicit expiration time is present", () => {
    expect(lifetime([...old, "Cache-Control", "max-age=3"], { heuristic: true })).toBe(3);
    expect(lifetime([...old, "Expires", "0"], { heuristic: true })).toBe(0);
  });

  it("is used for heuristically cacheable statuses and for what is marked public", () => {
    for (const status of [203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
      expect(lifetime(old, { heuristic: true }, status)).toBe(100);
    }
    for (const status of [201, 202, 307, 400, 403, 500, 502, 503]) {
      expect(lifetime(old, { heuristic: true }, status)).toBeUndefined();
    }
    expect(lifetime(old, { heuristic: true }, 302)).toBeUndefined();
    expect(lifetime(old, { heuristic: true }, 599)).toBeUndefined();
    expect(lifetime([...old, "Cache-Control", "public"], { heuristic: true }, 302)).toBe(100);
    expect(lifetime([...old, "Cache-Control", "public=no"], { heuristic: true }, 302)).toBeUndefined();
  });

  it("gives way to the route's where Last-Modified is absent, in the future or garbage", () => {
    const policy = { heuristic: true, ttl: 9 };
    for (const fields of [[], ["Last-Modified", dateIn(10)], ["Last-Modified", "once"]]) {
      expect(lifetime(fields, policy)).toBe(9);
    }
    expect(lifetime(old, policy)).toBe(100);
  });
});

describe("initialAge (§4.2.3)", () => {
  const ageOf = (fields: Fields, delayMs = 0) => initialAge({ fields, requestTime: NOW - delayMs, responseTime: NOW });

  it("is the larger of apparent_age and age_value + response_delay", () => {
    expect(ageOf(["Date", dateIn(-30), "Age", "10"])).toBe(30);
    expect(ageOf(["Date", dateIn(-30), "Age", "50"], 2000)).toBe(52);
    expect(ageOf(["Date", dateIn(0)], 250)).toBe(0.25);
  });

  it("is not negative where the origin's clock is ahead, or ours was set back", () => {
    expect(ageOf(["Date", dateIn(300)])).toBe(0);
    expect(ageOf([], -5000)).toBe(0);
  });

  it("does not count the part of a second that Date cannot show", () => {
    expect(initialAge({ fields: ["Date", dateIn(0)], requestTime: NOW + 999, responseTime: NOW + 999 })).toBe(0);
  });

  it("uses the first of several Age members and ignores what is no number of seconds (§5.1)", () => {
    expect(ageOf(["Age", "7, 9"])).toBe(7);
    expect(ageOf(["Age", "7", "Age", "9"])).toBe(7);
    expect(ageOf(["Age", "0,7200"])).toBe(0);
    expect(ageOf(["Age", "", "Age", " 7 "])).toBe(7); // an empty member is none (RFC 9110 §5.6.1)
    expect(ageOf(["Age", "abc, 7"])).toBe(0);
    expect(ageOf(["Age", "007"])).toBe(7);
    for (const value of ["-7", "7.5", "7200.0", "abc", "", "7s", '"7"', "7;a=1", "+7", "1e3"])
      expect(ageOf(["Age", value])).toBe(0);
    expect(ageOf(["Age", "9".repeat(400)])).toBe(2 ** 31);
  });
});

describe("currentAge", () => {
  it("adds the time a response has been here", () => {
    expect(currentAge(aStored({ initialAge: 5 }), NOW + 2500)).toBe(7.5);
  });

  it("does not shrink when the clock is set back", () => {
    expect(currentAge(aStored({ initialAge: 5 }), NOW - 60_000)).toBe(5);
  });
});

describe("keepSeconds", () => {
  it("is as long as the response may be used stale", () => {
    expect(keepSeconds(aStored({ staleWhileRevalidate: 30, staleIfError: 90 }))).toBe(90);
    expect(keepSeconds(aStored())).toBe(0);
  });

  it("is at least ten minutes where it can be validated", () => {
    expect(keepSeconds(aStored({ etag: '"a"', lifetime: 0 }))).toBe(600);
    expect(keepSeconds(aStored({ etag: '"a"', lifetime: 7200, staleIfError: 1 }))).toBe(7200);
    expect(keepSeconds(aStored({ etag: '"a"', lifetime: 10 ** 8 }))).toBe(86_400);
  });
});

describe("whatever the wire brings", () => {
  it("makes finite numbers of seconds that are not negative", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("max-age=1", dateIn(9), dateIn(-9), "s-maxage=,", "0", "99999999999999999999"),
    );
    const name = fc.constantFrom("Cache-Control", "Expires", "Date", "Age", "Last-Modified");
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (list) => {
        const fields = list.flat();
        const found = lifetime(fields, { heuristic: true, ttl: 5 });
        expect(Number.isFinite(found) && (found ?? 0) >= 0).toBe(true);
        const age = initialAge({ fields, requestTime: NOW, responseTime: NOW });
        expect(Number.isFinite(age) && age >= 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
