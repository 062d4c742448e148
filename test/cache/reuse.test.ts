import { describe, expect, it } from "vitest";
import type { CachePolicy } from "../../src/cache/policy.ts";
import { isPartial, isShareable, type Reuse, reuse } from "../../src/cache/reuse.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import type { Fields, Request } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { aPolicy, aRequest, aStored, NOW } from "./example.ts";

interface Case {
  /** Seconds since the response arrived. */
  at?: number;
  fields?: Fields;
  request?: Partial<Request>;
  stored?: Partial<StoredResponse> | undefined;
  usable?: boolean;
  policy?: Partial<CachePolicy>;
}

function decided({ at = 0, fields = [], request = {}, usable = true, policy = {}, ...of }: Case): Reuse {
  const stored = "stored" in of && of.stored === undefined ? undefined : aStored(of.stored);
  const ask = {
    request: aRequest("/", fields, request),
    stored,
    usable,
    policy: aPolicy(policy),
    now: NOW + at * 1000,
  };
  return reuse(ask);
}

/** In short: the kind, and the reason to go forward, the time left, or the permission to serve stale. */
function outcome(of: Case): string {
  const found = decided(of);
  if (found.kind === "unsatisfiable") return found.kind;
  if (found.kind === "forward") return `forward ${found.reason}`;
  if (found.kind === "validate") return `validate ${found.reason}${found.staleIfError ? " or stale" : ""}`;
  return `${found.kind} ${found.ttl}`;
}

const says = (value: string): { fields: Fields } => ({ fields: ["Cache-Control", value] });
const tagged = { etag: '"a"' };

describe("a request goes forward", () => {
  it("where nothing is stored, saying whether the URI or only the variant is missing", () => {
    expect(outcome({ stored: undefined })).toBe("forward uri-miss");
    const ask = { request: aRequest(), stored: undefined, usable: false, policy: aPolicy(), now: NOW };
    expect(reuse({ ...ask, varies: true })).toEqual({ kind: "forward", reason: "vary-miss" });
  });

  it("unless its method is GET or HEAD", () => {
    expect(outcome({ request: { method: "POST" } })).toBe("forward method");
    expect(outcome({ request: { method: "HEAD" } })).toBe("fresh 60");
  });

  it("for its part, where nothing is stored or what is cannot be validated (RFC 9110 §14.2)", () => {
    const fields = ["Range", "bytes=0-1"];
    expect(outcome({ stored: undefined, fields })).toBe("forward uri-miss");
    expect(outcome({ fields, at: 99 })).toBe("forward stale");
  });

  it("when it has content or asks for another protocol", () => {
    expect(outcome({ request: { content: (async function* () {})() } })).toBe("forward bypass");
    expect(outcome({ request: { upgrade: "websocket" } })).toBe("forward bypass");
  });
});

describe("a request for a part", () => {
  it("is a request like any other to what is stored whole", () => {
    const fields = ["Range", "bytes=0-1"];
    expect(outcome({ fields })).toBe("fresh 60");
    expect(outcome({ fields, at: 99, stored: tagged })).toBe("validate stale");
    expect(outcome({ fields, at: 65, stored: { staleWhileRevalidate: 9 } })).toBe("stale-while-revalidate -5");
    expect(outcome({ fields, at: 65, stored: { staleIfError: 9 } })).toBe("validate stale or stale");
  });
});

describe("a stored response (RFC 9111 §4.2)", () => {
  it("is fresh while its lifetime exceeds its age, and not one moment longer", () => {
    expect(outcome({ at: 59.9 })).toBe("fresh 0");
    expect(outcome({ at: 60 })).toBe("forward stale");
    expect(outcome({ at: 20, stored: { initialAge: 30 } })).toBe("fresh 10");
  });

  it("is validated when stale, where it can be", () => {
    expect(outcome({ at: 61, stored: tagged })).toBe("validate stale");
    expect(outcome({ at: 61, stored: { lastModified: "x" } })).toBe("validate stale");
  });

  it("is validated always where it says no-cache", () => {
    expect(outcome({ stored: { ...tagged, alwaysValidate: true } })).toBe("validate stale");
  });

  it("is used stale within its windows: at once while it is validated, or instead of an error (RFC 5861)", () => {
    const stored = { ...tagged, staleWhileRevalidate: 10, staleIfError: 30 };
    expect(outcome({ at: 65, stored })).toBe("stale-while-revalidate -5");
    expect(outcome({ at: 70, stored })).toBe("validate stale or stale");
    expect(outcome({ at: 90, stored })).toBe("validate stale");
    expect(outcome({ at: 75, stored: { staleIfError: 30 } })).toBe("validate stale or stale");
  });

  it("that was invalidated is validated or forgotten, and never used before that", () => {
    const stored = { ...tagged, staleWhileRevalidate: 99, staleIfError: 99 };
    expect(outcome({ usable: false, stored })).toBe("validate stale");
    expect(outcome({ usable: false })).toBe("forward stale");
    expect(outcome({ usable: false, stored, ...says("max-stale") })).toBe("validate stale");
    expect(outcome({ usable: false, stored, ...says("only-if-cached") })).toBe("unsatisfiable");
  });
});

describe("the client's directives (§5.2.1)", () => {
  it("no-cache, and Pragma in the absence of Cache-Control, have the origin asked", () => {
    expect(outcome({ ...says("no-cache"), stored: tagged })).toBe("validate request");
    expect(outcome({ ...says("no-cache") })).toBe("forward request");
    expect(outcome({ fields: ["Pragma", "no-cache"], stored: tagged })).toBe("validate request");
    expect(outcome({ fields: ["Pragma", "no-cache", "Cache-Control", "x"] })).toBe("fresh 60");
    expect(outcome({ ...says("no-cache"), at: 61, stored: tagged })).toBe("validate stale");
  });

  it("no-cache is not satisfied with something stale where the origin fails", () => {
    expect(outcome({ ...says("no-cache"), at: 61, stored: { ...tagged, staleIfError: 99 } })).toBe("validate stale");
  });

  it("no-store is not answered from the store", () => {
    expect(outcome(says("no-store"))).toBe("forward request");
  });

  it("max-age limits the age", () => {
    expect(outcome({ ...says("max-age=10"), at: 10 })).toBe("fresh 50");
    expect(outcome({ ...says("max-age=10"), at: 10.5, stored: tagged })).toBe("validate request");
    expect(outcome({ ...says("max-age=0"), at: 1 })).toBe("forward request");
    expect(outcome({ ...says("max-age=soon") })).toBe("forward request");
  });

  it("min-fresh wants freshness to be left", () => {
    expect(outcome({ ...says("min-fresh=20"), at: 40 })).toBe("fresh 20");
    expect(outcome({ ...says("min-fresh=20"), at: 41 })).toBe("forward request");
    expect(outcome({ ...says("min-fresh=x") })).toBe("forward request");
  });

  it("max-stale accepts staleness, all of it or up to a number", () => {
    expect(outcome({ ...says("max-stale"), at: 1000 })).toBe("fresh -940");
    expect(outcome({ ...says("max-stale=5"), at: 65 })).toBe("fresh -5");
    expect(outcome({ ...says("max-stale=5"), at: 66 })).toBe("forward stale");
    expect(outcome({ ...says("max-stale=x"), at: 61 })).toBe("forward stale");
  });

  it("max-stale does not overcome must-revalidate or no-cache (§4.2.4)", () => {
    expect(outcome({ ...says("max-stale"), at: 61, stored: { mustRevalidate: true } })).toBe("forward stale");
    expect(outcome({ ...says("max-stale"), stored: { alwaysValidate: true } })).toBe("forward stale");
  });

  it("a client that states max-age without max-stale is served nothing stale", () => {
    const stored = { ...tagged, staleWhileRevalidate: 99 };
    expect(outcome({ ...says("max-age=999"), at: 61, stored })).toBe("validate stale");
    expect(outcome({ ...says("min-fresh=0"), at: 61, stored })).toBe("validate stale");
    expect(outcome({ ...says("max-age=999, max-stale=9"), at: 61, stored })).toBe("fresh -1");
  });

  it("a response older than the client likes stands in for an error where that is permitted", () => {
    expect(outcome({ ...says("max-age=0"), at: 1, stored: { ...tagged, staleIfError: 9 } })).toBe(
      "validate request or stale",
    );
    expect(outcome({ ...says("no-store"), at: 1, stored: { staleIfError: 9 } })).toBe("forward request");
  });

  it("only-if-cached is answered from the store or not at all", () => {
    expect(outcome(says("only-if-cached"))).toBe("fresh 60");
    expect(outcome({ ...says("only-if-cached"), at: 61, stored: tagged })).toBe("unsatisfiable");
    expect(outcome({ ...says("only-if-cached"), stored: undefined })).toBe("unsatisfiable");
    expect(outcome({ ...says("only-if-cached"), at: 61, stored: { staleWhileRevalidate: 9 } })).toBe(
      "stale-while-revalidate -1",
    );
  });

  it("count for nothing where the route ignores them", () => {
    const policy = { clientDirectives: "ignore" } as const;
    for (const value of ["no-cache", "no-store", "max-age=0", "min-fresh=99"]) {
      expect(outcome({ ...says(value), policy })).toBe("fresh 60");
    }
    expect(outcome({ ...says("only-if-cached"), policy, stored: undefined })).toBe("forward uri-miss");
    expect(outcome({ fields: ["Pragma", "no-cache"], policy })).toBe("fresh 60");
  });
});

describe("reuse, against §4 in a dozen lines", () => {
  /** The kinds that the words of §4, §5.2.1 and RFC 5861 allow, for a GET of the whole with a usable stored response. */
  function model(c: Facts, age: number, s: StoredResponse): string {
    const stale = age >= s.lifetime;
    const tooOld = c["max-age"] !== undefined && age > c["max-age"];
    const notFreshEnough = c["min-fresh"] !== undefined && s.lifetime - age < c["min-fresh"];
    const refused = c["no-cache"] || c["no-store"] || s.alwaysValidate || tooOld || notFreshEnough;
    const accepts = c["max-stale"] !== undefined && age - s.lifetime <= c["max-stale"];
    const unwilling = c["max-age"] !== undefined || c["max-stale"] !== undefined;
    if (!refused && !stale) return "fresh";
    if (!refused && stale && accepts && !s.mustRevalidate) return "fresh";
    const mayWait = accepts || !unwilling;
    if (!refused && mayWait && age < s.lifetime + s.staleWhileRevalidate) return "stale-while-revalidate";
    if (c["only-if-cached"]) return "unsatisfiable";
    const insists = s.alwaysValidate || c["no-cache"] || c["no-store"];
    const instead = s.staleIfError > 0 && age < s.lifetime + s.staleIfError && !insists;
    return s.etag !== undefined || instead ? "validate" : "forward";
  }

  type Facts = { [name in "max-age" | "min-fresh" | "max-stale"]: number | undefined } & {
    [name in "no-cache" | "no-store" | "only-if-cached"]: boolean;
  };
  const seconds = fc.integer({ min: 0, max: 20 });
  const perhaps = fc.option(seconds, { nil: undefined, freq: 2 });
  const seldom = fc.integer({ min: 0, max: 5 }).map((n) => n === 0);
  const facts: fc.Arbitrary<Facts> = fc.record({
    "max-age": perhaps,
    "min-fresh": perhaps,
    "max-stale": perhaps,
    "no-cache": seldom,
    "no-store": seldom,
    "only-if-cached": seldom,
  });
  const response = fc.record({
    initialAge: seconds,
    lifetime: seconds,
    staleWhileRevalidate: seconds,
    staleIfError: seconds,
    alwaysValidate: seldom,
    mustRevalidate: fc.boolean(),
    etag: fc.option(fc.constant('"a"'), { nil: undefined }),
  });

  it("decides alike over random requests, responses and clocks", () => {
    fc.assert(
      fc.property(facts, response, seconds, (said, more, at) => {
        const value = Object.entries(said)
          .filter(([, argument]) => argument !== undefined && argument !== false)
          .map(([name, argument]) => (argument === true ? name : `${name}=${argument}`));
        const found = decided({ at, stored: more, ...says(value.join(", ")) });
        expect(found.kind).toBe(model(said, more.initialAge + at, aStored(more)));
      }),
      { numRuns: 5000 },
    );
  });

  it("never uses what was invalidated, whatever is asked and whenever", () => {
    fc.assert(
      fc.property(facts, response, seconds, fc.string({ unit: "binary" }), (said, more, at, text) => {
        const fields = ["Cache-Control", `${text},${Object.keys(said).join()}`, "Pragma", text];
        const found = decided({ at, stored: more, usable: false, fields });
        expect(["validate", "forward", "unsatisfiable"]).toContain(found.kind);
        if (found.kind === "validate") expect(found.staleIfError).toBe(false);
      }),
    );
  });
});

describe("isShareable", () => {
  const may = (fields: Fields = [], more: Partial<Request> = {}, policy = aPolicy()) =>
    isShareable(aRequest("/", fields, more), policy);

  it("is true of a plain GET, also of one for a part, or that has the origin asked", () => {
    expect(may()).toBe(true);
    expect(may(["Range", "bytes=0-"])).toBe(true);
    expect(may(["Cache-Control", "no-cache", "Cookie", "a=1"])).toBe(true);
  });

  it("is false of what asks for another protocol, with content, or not to be stored", () => {
    expect(may([], { upgrade: "websocket" })).toBe(false);
    expect(may([], { content: (async function* () {})() })).toBe(false);
    expect(may([], { method: "HEAD" })).toBe(false);
    expect(may(["Cache-Control", "no-store"])).toBe(false);
    expect(may(["Cache-Control", "no-store"], {}, aPolicy({ clientDirectives: "ignore" }))).toBe(true);
  });

  it("is false of what carries credentials, unless they are in the key", () => {
    const policy = aPolicy({ key: { query: "all", headers: ["Authorization"], cookies: [] } });
    expect(may(["Authorization", "x"])).toBe(false);
    expect(may(["Authorization", "x"], {}, policy)).toBe(true);
  });
});

describe("isPartial", () => {
  it("is true of a GET with Range; for other methods Range is not defined", () => {
    expect(isPartial(aRequest("/", ["range", "bytes=0-1"]))).toBe(true);
    expect(isPartial(aRequest("/", ["range", "bytes=0-1"], { method: "HEAD" }))).toBe(false);
    expect(isPartial(aRequest())).toBe(false);
  });
});
