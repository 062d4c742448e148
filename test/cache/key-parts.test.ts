import { describe, expect, it } from "vitest";
import { primaryKey, variantKey } from "../../src/cache/key.ts";
import { keyParts, variantParts } from "../../src/cache/key-parts.ts";
import type { CachePolicy } from "../../src/cache/policy.ts";
import fc from "../support/fast-check.ts";
import { requestFor } from "../support/world.ts";

function partsOf(target: string, key: Partial<CachePolicy["key"]>, fields: readonly string[] = []) {
  const policy = { key: { query: "all", headers: [], cookies: [], ...key } } as unknown as CachePolicy;
  return keyParts(primaryKey(requestFor(target, { fields }), policy));
}

describe("the parts of a key", () => {
  it("are scheme, authority and path, and a query where there is one", () => {
    const common = {
      scheme: "http",
      authority: "shop.test",
      path: "/a",
      forwardedHost: null,
      headers: [],
      cookies: [],
    };
    expect(partsOf("/%61", {})).toEqual({ ...common, query: null });
    expect(partsOf("/a?", {})).toEqual({ ...common, query: [""] });
    expect(partsOf("/a?b=2&a=1&b=1", {})).toEqual({ ...common, query: ["a=1", "b=2", "b=1"] });
    expect(partsOf("/a?b=2", { query: "none" })).toEqual({ ...common, query: null });
    expect(partsOf("/a?b=2&c", { query: ["c"] })).toEqual({ ...common, query: ["c"] });
    expect(partsOf("/a", { query: ["c"] })).toEqual({ ...common, query: [] });
  });

  it("are fields and cookies, absent ones told from empty ones", () => {
    const fields = ["X-A", "", "Cookie", "c=1:2; c=3; d"];
    expect(partsOf("/a?q", { headers: ["x-a", "X-B"], cookies: ["c", "d", "e"] }, fields)).toMatchObject({
      query: ["q"],
      headers: [
        { name: "x-a", value: "" },
        { name: "x-b", value: null },
      ],
      cookies: [
        { name: "c", values: ["1:2", "3"] },
        { name: "d", values: [""] },
        { name: "e", values: [] },
      ],
    });
  });

  it("are what a trusted proxy says", () => {
    const fields = ["X-Forwarded-Proto", "https", "X-Forwarded-Host", "@1:x"];
    expect(partsOf("/a", {}, fields)).toMatchObject({ scheme: "https", forwardedHost: "@1:x" });
  });

  it("are read back whatever stands in them", () => {
    const text = fc.string({ maxLength: 8 }).map((each) => each.replace(/[?&%;,\s]|[^!-~]/g, "-"));
    fc.assert(
      fc.property(fc.record({ path: text, pair: text, header: text, cookie: text }), (given) => {
        const fields = ["X-A", given.header, "Cookie", `c=${given.cookie}`];
        const parts = partsOf(`/${given.path}?${given.pair}`, { headers: ["x-a"], cookies: ["c"] }, fields);
        expect(parts).toMatchObject({ path: `/${given.path}`, query: [given.pair] });
        expect(parts.headers).toEqual([{ name: "x-a", value: given.header }]);
        expect(parts.cookies).toEqual([{ name: "c", values: [given.cookie] }]);
      }),
    );
  });
});

it("the parts of a variant are its fields", () => {
  expect(variantParts(variantKey(["accept", "x"], ["Accept", " a:1 "]))).toEqual([
    { name: "accept", value: "a:1" },
    { name: "x", value: null },
  ]);
  expect(variantParts("")).toEqual([]);
});
