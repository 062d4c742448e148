// RFC 9111 §4 as a model of its own, written from its text (with §5.2.1, §5.2.2 and RFC 5861), against what storing() and
// reuse() make of the same request, response, route and clocks.

import { describe, expect, it } from "vitest";
import { currentAge } from "../../src/cache/freshness.ts";
import type { CachePolicy } from "../../src/cache/policy.ts";
import { type Reuse, reuse } from "../../src/cache/reuse.ts";
import { complete, storing } from "../../src/cache/storing.ts";
import type { Fields } from "../../src/http/message.ts";
import { aPolicy, aRequest, dateIn, NOW } from "../cache/example.ts";
import fc from "../support/fast-check.ts";

/** A directive's argument: a number, none, or garbage; undefined: the directive is not there. */
type Argument = number | "" | "x" | undefined;
type Directives = Readonly<Record<string, Argument | true>>;

interface Case {
  readonly request: Directives;
  readonly pragma: boolean;
  readonly response: Directives;
  /** Seconds from the response's arrival; "x": garbage. */
  readonly date: number | undefined;
  readonly expires: number | "x" | undefined;
  readonly lastModified: number | undefined;
  readonly age: number | undefined;
  readonly etag: boolean;
  readonly policy: Partial<CachePolicy>;
  /** Seconds. */
  readonly delay: number;
  readonly resident: number;
}

const written = (directives: Directives) =>
  Object.entries(directives)
    .filter(([, argument]) => argument !== undefined)
    .map(([name, argument]) => (argument === true || argument === "" ? name : `${name}=${argument}`))
    .join(", ");

/** What the RFCs say of `of`, in seconds since the response arrived; "forward" and "validate" both ask the origin. */
function model(of: Case): { kind: Reuse["kind"]; age: number; lifetime: number; staleIfError: boolean } {
  const { response: r, policy } = of;
  const isHeard = policy.clientDirectives !== "ignore";
  const said = written(of.request) === "" && of.pragma ? { "no-cache": true as const } : of.request; // §5.4
  const q: Directives = isHeard ? said : {};
  const has = (d: Directives, name: string) => d[name] !== undefined;
  const number = (d: Directives, name: string, garbage: number) => {
    const value = d[name];
    return typeof value === "number" ? value : garbage;
  };

  // §4.2.3
  const apparentAge = Math.max(0, -(of.date ?? 0));
  const age = Math.max(apparentAge, (of.age ?? 0) + of.delay) + of.resident;
  const initial = age - of.resident;

  // §4.2.1, and the route's, which begins when the response arrives
  const untilExpires = of.expires === "x" ? 0 : (of.expires ?? 0) - (of.date ?? 0);
  const stated = has(r, "s-maxage")
    ? number(r, "s-maxage", 0)
    : has(r, "max-age")
      ? number(r, "max-age", 0)
      : of.expires !== undefined
        ? Math.max(0, untilExpires)
        : has(r, "no-cache")
          ? 0
          : undefined;
  const unchanged = (of.date ?? 0) - (of.lastModified ?? Number.NaN);
  const heuristic = policy.heuristic === true && unchanged >= 0 ? unchanged / 10 : undefined;
  const route = policy.ttl === undefined ? undefined : policy.ttl + initial;
  const isRoute = route !== undefined && policy.override === true;
  const lifetime = (isRoute ? route : (stated ?? heuristic ?? route)) ?? Number.NaN;
  const staleness = age - lifetime;

  // §5.2.2.4, §4.2.4, RFC 5861: what the response allows beyond that
  const noCache = has(r, "no-cache") && !isRoute;
  const noStale = noCache || has(r, "must-revalidate") || has(r, "proxy-revalidate");
  const isShared = has(r, "s-maxage") && !isRoute;
  const window = (name: string, ofRoute: number | undefined) =>
    noStale ? 0 : has(r, name) ? number(r, name, 0) : isShared ? 0 : (ofRoute ?? 0);

  // §5.2.1: what the request allows
  const refusesCache = has(q, "no-cache") || has(q, "no-store");
  const likesAge = !has(q, "max-age") || age <= number(q, "max-age", -1);
  const likesLeft = !has(q, "min-fresh") || -staleness >= number(q, "min-fresh", Number.POSITIVE_INFINITY);
  const isWelcome = !noCache && !refusesCache && likesAge && likesLeft;
  const maxStale = q["max-stale"] === "" ? Number.POSITIVE_INFINITY : number(q, "max-stale", -1);
  const takesStale = has(q, "max-stale") ? staleness <= maxStale : !has(q, "max-age");

  const staleIfError =
    window("stale-if-error", policy.staleIfError) > 0 &&
    staleness < window("stale-if-error", policy.staleIfError) &&
    !noCache &&
    !refusesCache;
  const found = (kind: Reuse["kind"]) => ({ kind, age, lifetime, staleIfError });
  if (isWelcome && staleness < 0) return found("fresh");
  if (isWelcome && takesStale && has(q, "max-stale") && !noStale && !isShared) return found("fresh");
  if (isWelcome && takesStale && staleness < window("stale-while-revalidate", policy.staleWhileRevalidate)) {
    return found("stale-while-revalidate");
  }
  if (has(q, "only-if-cached")) return found("unsatisfiable"); // §5.2.1.7
  return found(of.etag || of.lastModified !== undefined || staleIfError ? "validate" : "forward");
}

function fieldsOf(of: Case): Fields {
  const line = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);
  const at = (seconds: number | undefined) => (seconds === undefined ? undefined : dateIn(seconds));
  return [
    ...line("Cache-Control", written(of.response) || undefined),
    ...line("Date", at(of.date)),
    ...line("Expires", of.expires === "x" ? "0" : at(of.expires)),
    ...line("Last-Modified", at(of.lastModified)),
    ...line("Age", of.age === undefined ? undefined : String(of.age)),
    ...line("ETag", of.etag ? '"1"' : undefined),
  ];
}

/** What is decided, and on what; undefined: the response is not stored. */
function decided(of: Case, method: "GET" | "HEAD") {
  const policy = aPolicy({ jitter: 0, setCookie: "refuse", ...of.policy });
  const response = { status: 200, fields: fieldsOf(of) };
  const times = { requestTime: NOW - of.delay * 1000, responseTime: NOW, random: () => 0 };
  const verdict = storing({ request: aRequest("/"), response, policy, ...times });
  if (verdict.kind !== "storable") return undefined;
  const stored = complete(verdict.stored, new Uint8Array());
  const said = written(of.request);
  const fields = [...(said === "" ? [] : ["Cache-Control", said]), ...(of.pragma ? ["Pragma", "no-cache"] : [])];
  const now = NOW + of.resident * 1000;
  const request = aRequest("/", fields, { method });
  return { decision: reuse({ request, stored, usable: true, policy, now }), stored, now, response };
}

const small = fc.nat(12);
const argument = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  { weight: 5, arbitrary: small },
  { weight: 1, arbitrary: fc.constantFrom<Argument>("", "x") },
);
const flag = fc.oneof(
  { weight: 9, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant(true as const) },
);
const perhaps = fc.option(small, { nil: undefined });
const aCase: fc.Arbitrary<Case> = fc.record({
  request: fc.record({
    "max-age": argument,
    "min-fresh": argument,
    "max-stale": argument,
    "no-cache": flag,
    "no-store": flag,
    "only-if-cached": flag,
  }),
  pragma: fc.nat(9).map((n) => n === 0),
  response: fc.record({
    "max-age": argument,
    "s-maxage": argument,
    "stale-while-revalidate": argument,
    "stale-if-error": argument,
    "must-revalidate": flag,
    "proxy-revalidate": flag,
    "no-cache": flag,
    public: flag,
  }),
  date: fc.option(fc.integer({ min: -12, max: 4 }), { nil: undefined }),
  expires: fc.option(fc.oneof(fc.integer({ min: -4, max: 12 }), fc.constant("x" as const)), { nil: undefined }),
  lastModified: fc.option(fc.integer({ min: -120, max: 0 }), { nil: undefined }),
  age: perhaps,
  etag: fc.boolean(),
  policy: fc.record({
    ttl: perhaps,
    override: fc.boolean(),
    heuristic: fc.boolean(),
    staleWhileRevalidate: small,
    staleIfError: small,
    clientDirectives: fc.constantFrom("honor", "honor", "ignore"),
  }),
  delay: fc.oneof(fc.constant(0), small),
  resident: fc.oneof(small, fc.nat(24)),
});

describe("a stored response is used as RFC 9111 §4 says", () => {
  it("for any request, response, route and clock", () => {
    let stored = 0;
    fc.assert(
      fc.property(aCase, fc.constantFrom("GET", "HEAD"), (of, method) => {
        const found = decided(of, method);
        if (found === undefined) return;
        stored++;
        const expected = model(of);
        const { decision } = found;
        expect(currentAge(found.stored, found.now)).toBeCloseTo(expected.age, 6);
        expect(found.stored.lifetime).toBeCloseTo(expected.lifetime, 6);
        expect(decision.kind).toBe(expected.kind);
        if (decision.kind === "validate") expect(decision.staleIfError).toBe(expected.staleIfError);
        if (decision.kind === "fresh" || decision.kind === "stale-while-revalidate") {
          // RFC 9211 §2.4
          expect(decision.ttl).toBe(Math.floor(found.stored.lifetime - currentAge(found.stored, found.now)));
        }
      }),
      { numRuns: 5000 },
    );
    expect(stored).toBeGreaterThan(2000);
  });

  it("and what is not stored could neither have been fresh nor have been of use stale", () => {
    fc.assert(
      fc.property(aCase, (of) => {
        if (decided(of, "GET") !== undefined) return;
        const { kind, lifetime } = model({ ...of, request: {}, pragma: false, resident: 0 });
        // Where nobody states a freshness it is not kept for its validator alone; §3 does not ask for that.
        if (!Number.isNaN(lifetime)) expect(kind).toBe("forward");
      }),
      { numRuns: 1000 },
    );
  });

  it("and never stale beyond what was allowed: not in one case in which a strict reading forbids it (§4.2.4)", () => {
    fc.assert(
      fc.property(aCase, fc.constantFrom("must-revalidate", "proxy-revalidate", "no-cache"), (of, forbidding) => {
        // A route's `override` is the operator's own word against the origin's no-cache.
        const policy = { ...of.policy, override: false };
        const found = decided({ ...of, policy, response: { ...of.response, [forbidding]: true } }, "GET");
        if (found === undefined) return;
        const { decision, stored, now } = found;
        const isStale = currentAge(stored, now) >= stored.lifetime;
        if (isStale) expect(decision.kind).toBeOneOf(["validate", "forward", "unsatisfiable"]);
        if (decision.kind === "validate" && isStale) expect(decision.staleIfError).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
