import { type Item, parseList, Token } from "structured-headers";
import { describe, expect, it } from "vitest";
import { cacheStatus } from "../../src/cache/status.ts";
import fc from "../support/fast-check.ts";

/** The one member as a strict parser reads it: its name, and its parameters. */
function read(text: string): Record<string, unknown> {
  const list = parseList(text);
  expect(list).toHaveLength(1);
  const [name, parameters] = list[0] as Item;
  expect(name).toEqual(new Token("forebay"));
  return Object.fromEntries(parameters);
}

describe("Cache-Status (RFC 9211)", () => {
  it("says hit and how long the response is still fresh", () => {
    expect(cacheStatus.hit(37)).toBe("forebay; hit; ttl=37");
    expect(read(cacheStatus.hit(37))).toEqual({ hit: true, ttl: 37 });
    expect(read(cacheStatus.hit(-5))).toEqual({ hit: true, ttl: -5 });
  });

  it("says why a request went forward and what became of it", () => {
    const miss = cacheStatus.forwarded({ reason: "uri-miss", status: 200, stored: true });
    expect(miss).toBe("forebay; fwd=uri-miss; fwd-status=200; stored");
    expect(cacheStatus.forwarded({ reason: "stale", status: 304 })).toBe("forebay; fwd=stale; fwd-status=304");
    expect(read(cacheStatus.forwarded({ reason: "vary-miss", status: 200, stored: true, collapsed: true }))).toEqual({
      fwd: new Token("vary-miss"),
      "fwd-status": 200,
      stored: true,
      collapsed: true,
    });
  });

  it("leaves out what is not so or not known", () => {
    const text = cacheStatus.forwarded({ reason: "bypass", status: undefined, stored: false, collapsed: false });
    expect(text).toBe("forebay; fwd=bypass");
  });

  it("gives a reason of ours as a token and any other text as a string", () => {
    expect(cacheStatus.forwarded({ reason: "uri-miss", status: 200, detail: "set-cookie" })).toBe(
      "forebay; fwd=uri-miss; fwd-status=200; detail=set-cookie",
    );
    expect(read(cacheStatus.forwarded({ reason: "bypass", detail: 'a "b" \\ ü' })).detail).toBe('a "b" \\ ?');
  });

  it("is a structured field whatever the detail", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (detail) => {
        const found = read(cacheStatus.forwarded({ reason: "request", detail }));
        expect(String(found.detail)).toHaveLength(detail.length);
      }),
      { numRuns: 1000 },
    );
  });
});
