import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { ConfigError } from "../../src/config/mistakes.ts";

function load(rateLimit: string) {
  const yaml = `origin: http://127.0.0.1:9\nroutes: [{ path: /a, rateLimit: ${rateLimit} }]\n`;
  return loadConfig({ file: "f.yaml", env: {}, readFile: () => yaml }).routes[0]?.rateLimit;
}

/** What is said of `rateLimit`, without the place. */
function said(rateLimit: string): string[] {
  try {
    load(rateLimit);
    return [];
  } catch (error) {
    return (error as ConfigError).mistakes.map((line) => line.replace(/^f\.yaml:\d+:\d+ routes\[0\]\.rateLimit/, ""));
  }
}

const PLAIN = {
  limit: 9,
  window: 60_000,
  algorithm: "sliding-window",
  by: ["ip"],
  reserve: 1,
  except: [],
  enforce: true,
};

describe("a limit", () => {
  it("is a list of one, with its defaults", () => {
    expect(load("{ limit: 9, window: 1m }")).toEqual([{ ...PLAIN, onStoreFailure: "local" }]);
  });

  it("may be several", () => {
    expect(
      load("[{ limit: 10, window: 1s, algorithm: token-bucket, burst: 20 }, { limit: 1000, window: 1h }]"),
    ).toMatchObject([
      { limit: 10, window: 1000, algorithm: "token-bucket", burst: 20 },
      { limit: 1000, window: 3_600_000, algorithm: "sliding-window" },
    ]);
  });

  it("counts by one thing or several, field names in lower case, cookies as written", () => {
    expect(load("{ limit: 9, window: 1m, by: header:X-Api-Key }")).toMatchObject([{ by: ["header:x-api-key"] }]);
    expect(load("{ limit: 9, window: 1m, by: [ip, cookie:SID] }")).toMatchObject([{ by: ["ip", "cookie:SID"] }]);
  });

  it("takes keys it does not have from defaults, as one mapping", () => {
    const yaml = `origin: http://127.0.0.1:9
defaults: { rateLimit: { window: 1m, by: cookie:sid } }
routes: [{ path: /a, rateLimit: { limit: 5 } }, { path: /b, rateLimit: [{ limit: 5, window: 1s }] }]
`;
    const { routes } = loadConfig({ file: "f.yaml", env: {}, readFile: () => yaml });
    expect(routes.map(({ rateLimit }) => rateLimit)).toMatchObject([
      [{ limit: 5, window: 60_000, by: ["cookie:sid"] }],
      [{ limit: 5, window: 1000, by: ["ip"] }],
    ]);
  });
});

describe("a mistake in a limit is told with how to write it:", () => {
  const m = "limit: 9, window: 1m";
  it.each([
    ["{ window: 1m }", ".limit: is missing; write it as 100"],
    ["7", ": expected a mapping or a list of mappings, got 7; write it as { limit: 100, window: 1m }"],
    ["[]", ": is empty; write it as [{ limit: 10, window: 1s }, { limit: 1000, window: 1h }], or leave it out"],
    [`[{ ${m} }, { limit: 9, windov: 1h }]`, "[1].window: is missing; write it as 1m"],
    [
      `{ ${m}, burst: 20 }`,
      ".burst: has no meaning with sliding-window; leave it out, or write algorithm: token-bucket",
    ],
    [
      `{ ${m}, algorithm: sliding-log, reserve: 2 }`,
      ".reserve: has no window to end with in sliding-log; leave it out, or write algorithm: sliding-window",
    ],
    [
      `[{ ${m}, algorithm: token-bucket, reserve: 2 }]`,
      "[0].reserve: has no window to end with in token-bucket; leave it out, or write algorithm: sliding-window",
    ],
    [`{ ${m}, reserve: 10 }`, ".reserve: is more than the limit; write it as 9 or less"],
    [
      "{ limit: 10001, window: 1m, algorithm: sliding-log }",
      ".limit: is more than 10000, which sliding-log can remember; write less, or algorithm: sliding-window",
    ],
    [
      "{ limit: 1000000000, window: 24d }",
      ".window: is too long to count so many requests exactly; write a shorter one",
    ],
    [`{ ${m}, by: user }`, '.by: expected ip, header:NAME or cookie:NAME, got "user"; write it as header:x-api-key'],
    [
      `{ ${m}, by: "Header: X-Api-Key" }`,
      '.by: expected ip, header:NAME or cookie:NAME, got "Header: X-Api-Key"; write it as header:X-Api-Key',
    ],
    [
      `{ ${m}, by: [ip, "cookie:a b"] }`,
      '.by[1]: expected ip, header:NAME or cookie:NAME, got "cookie:a b"; write it as header:x-api-key',
    ],
    [`{ ${m}, by: [] }`, ".by: is empty; write it as ip"],
    [`{ ${m}, by: 7 }`, ".by: expected ip, header:NAME, cookie:NAME or a list of them, got 7; write it as ip"],
    [
      `{ ${m}, except: [10.0.0.0/99] }`,
      '.except[0]: expected a CIDR, loopback or private, got "10.0.0.0/99"; write it as 10.0.0.0/8',
    ],
    [`{ ${m}, except: loopback }`, '.except: expected a list, got "loopback"; write it as [loopback]'],
    [`{ ${m}, enforce: maybe }`, '.enforce: expected true or false, got "maybe"; write it as true or false'],
    [`{ ${m}, reserve: 0 }`, ".reserve: expected a whole number from 1 to 10000, got 0; write it as 1"],
  ])("%s", (rateLimit, message) => {
    expect(said(rateLimit)).toContain(message);
  });

  it("once, not for each form it might have had", () => {
    expect(said("{ limit: many, window: 1m }")).toHaveLength(1);
    expect(said("[{ limit: many, window: 1m }]")).toHaveLength(1);
  });
});
