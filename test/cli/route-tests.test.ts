import { describe, expect, it } from "vitest";
import { runRouteTests } from "../../src/cli/route-tests.ts";
import { inspectConfig } from "../../src/config/load.ts";
import { ConfigError, findingText } from "../../src/config/mistakes.ts";

const ROUTES = `origin: http://127.0.0.1:9
trustedProxies: [10.0.0.0/8]
routes:
  - { path: /a, cache: { ttl: 5m } }
  - { path: /own, cache: {} }
  - { path: /stale, cache: { ttl: 10s, staleWhileRevalidate: 10s, staleIfError: 1h } }
  - { path: /lang, cache: { ttl: 1m } }
  - { path: /limited, rateLimit: { limit: 2, window: 1m } }
  - { path: "/items/:id", cache: { ttl: 1m, refreshAhead: 1000, jitter: 100%, tags: ["i:{id}"] }, invalidate: { tags: ["i:{id}"] } }
  - { path: /here, host: a.test, cache: { ttl: 1m } }
  - { path: /pass }
tests:
`;

/** What `tests` fail with, as check says it, without the file's name and the lines above. */
async function failures(tests: string): Promise<string[]> {
  const { config, find } = inspectConfig({ file: "f.yaml", env: {}, readFile: () => ROUTES + tests });
  const tested = await runRouteTests(config);
  return tested.flatMap(({ failures }) =>
    failures.map((failure) => findingText({ ...find(failure), line: find(failure).line - 12 })),
  );
}

describe("a route test passes where the routes do what it says:", () => {
  it.each([
    ["a read again is a hit, and a read after a write is a miss", "- [GET /a, GET /a hit, POST /a, GET /a miss]"],
    ["the words of Cache-Status", "- [GET /a uri-miss, POST /a method 200, GET /pass bypass, POST /pass bypass]"],
    ["time passes", "- [GET /a miss, after 299s, GET /a hit, after 1s, GET /a miss]"],
    ["time passes in a step", "- [GET /a, { after: 6m, request: GET /a miss }]"],
    [
      "what the origin makes fresh itself",
      "- { origin: { headers: { cache-control: max-age=60 } }, steps: [GET /own, GET /own hit] }",
    ],
    ["what it does not", "- [GET /own, { request: GET /own miss, expect: { stored: false } }]"],
    [
      "stale while it is validated, and fresh after that",
      "- [GET /stale, after 15s, GET /stale stale, GET /stale hit]",
    ],
    ["stale where the origin is down", "- [GET /stale, { after: 1m, request: GET /stale stale 200, origin: down }]"],
    [
      "stale where the origin fails",
      "- [GET /stale, { after: 1m, request: GET /stale stale 200, origin: { status: 500 } }]",
    ],
    ["502 where the origin is down", "- { origin: down, steps: [GET /a 502] }"],
    [
      "validation by ETag",
      "- { origin: { headers: { etag: '\"1\"' } }, steps: [GET /a, after 6m, GET /a revalidated 200, GET /a hit] }",
    ],
    [
      "variants",
      "- { origin: { headers: { vary: accept-language } }, steps: [{ request: GET /lang, headers: { accept-language: de } }, { request: GET /lang vary-miss, headers: { accept-language: en } }, { request: GET /lang hit, headers: { accept-language: de } }] }",
    ],
    ["limits", "- [{ request: GET /limited 200, times: 2 }, GET /limited limited 429, after 2m, GET /limited 200]"],
    [
      "limits, by client",
      "- [{ request: GET /limited 200, times: 2 }, { request: GET /limited 200, client: 192.0.2.2 }]",
    ],
    [
      "the client that a trusted proxy names",
      "- [{ request: GET /limited 200, times: 2 }, { request: GET /limited 429, client: 10.0.0.1, headers: { x-forwarded-for: 192.0.2.1 } }]",
    ],
    ["tags, and no chance in it", "- [GET /items/1, GET /items/2, PUT /items/1, GET /items/1 miss, GET /items/2 hit]"],
    [
      "nothing is fetched ahead by chance",
      "- [GET /items/1, GET /items/1 hit, { request: GET /items/1 hit, expect: { body: answer 1 of the scripted origin, headers: { cache-status: forebay; hit; ttl=60 } } }]",
    ],
    ["routes of one host", "- [GET http://a.test/here, GET http://a.test/here hit, GET http://b.test/here 404]"],
    ["paths without a route", "- [GET /nothing 404]"],
    [
      "fields and content",
      "- [{ request: GET /a, origin: { body: one, headers: { x-a: 1 } } }, { request: GET /a hit, origin: { body: two }, expect: { body: one, headers: { x-a: 1, age: true, x-b: false } } }]",
    ],
    ["a write that the origin refuses", "- [GET /a, { request: POST /a, origin: { status: 422 } }, GET /a hit]"],
    ["a body is sent", "- [{ request: POST /a 201, body: hello, origin: { status: 201 } }]"],
    ["each test begins with nothing stored", "- [GET /a miss]\n  - [GET /a miss]"],
  ])("%s", async (_what, tests) => {
    expect(await failures(`  ${tests}`)).toEqual([]);
  });
});

describe("a route test that fails says where, what was expected and what came:", () => {
  it.each([
    [
      "- [GET /a, GET /a miss]",
      "f.yaml:1:14 tests[0][1].expect.cache: GET /a: expected miss, but it was hit (status 200, Cache-Status forebay; hit; ttl=300)",
    ],
    [
      "- [GET /pass hit]",
      "f.yaml:1:6 tests[0][0].expect.cache: GET /pass: expected hit, but it was bypass (status 200, Cache-Status forebay; fwd=bypass; fwd-status=200)",
    ],
    [
      "- [GET /nothing hit]",
      "f.yaml:1:6 tests[0][0].expect.cache: GET /nothing: expected hit, but it was no answer of the cache (status 404, Cache-Status none)",
    ],
    [
      "- steps:\n    - request: GET /a\n      expect:\n        status: 404",
      "f.yaml:4:9 tests[0].steps[0].expect.status: GET /a: expected status 404, but it was 200 (status 200, Cache-Status forebay; fwd=uri-miss; fwd-status=200; stored)",
    ],
    [
      "- [{ request: GET /limited 200, times: 3 }]",
      "f.yaml:1:6 tests[0][0].expect.status: GET /limited (time 3 of 3): expected status 200, but it was 429 (status 429, Cache-Status none)",
    ],
    [
      "- [GET /pass limited]",
      "f.yaml:1:6 tests[0][0].expect.limited: GET /pass: expected a refusal by a limit, but it was let in (status 200, Cache-Status forebay; fwd=bypass; fwd-status=200)",
    ],
    [
      '- [{ request: GET /pass, expect: { headers: { x-a: "1" } } }]',
      'f.yaml:1:49 tests[0][0].expect.headers.x-a: GET /pass: expected x-a: "1", but there was none (status 200, Cache-Status forebay; fwd=bypass; fwd-status=200)',
    ],
    [
      "- [{ request: GET /pass, expect: { body: two }, origin: { body: one } }]",
      'f.yaml:1:38 tests[0][0].expect.body: GET /pass: expected the content "two", but it was "one" (status 200, Cache-Status forebay; fwd=bypass; fwd-status=200)',
    ],
  ])("%s", async (tests, said) => {
    expect(await failures(`  ${tests}`)).toEqual([said]);
  });
});

describe("a mistake in a route test is told as any other:", () => {
  it.each([
    [
      "- [get /b]",
      'f.yaml:13:6 tests[0][0]: expected METHOD /path, and behind it hit, stale, miss, bypass, limited or a status; or after DURATION, got "get /b"; write it as GET /b',
    ],
    [
      "- [after 10]",
      'f.yaml:13:6 tests[0][0]: expected METHOD /path, and behind it hit, stale, miss, bypass, limited or a status; or after DURATION, got "after 10"; write it as after 10s',
    ],
    [
      "- [GET /a hit miss]",
      'f.yaml:13:6 tests[0][0]: expected METHOD /path, and behind it hit, stale, miss, bypass, limited or a status; or after DURATION, got "GET /a hit miss"; write it as GET /products/1 hit',
    ],
    ["- [{ headers: {} }]", "f.yaml:13:6 tests[0][0].request: is missing; write it as GET /products/1 hit"],
    ["- [{ request: GET /a, expects: {} }]", "f.yaml:13:25 tests[0][0].expects: unknown key; did you mean expect?"],
    ["- []", "f.yaml:13:5 tests[0]: is empty; write it as [GET /a, GET /a hit]"],
    [
      "- GET /a",
      'f.yaml:13:5 tests[0]: expected a list of steps or a mapping, got "GET /a"; write it as [GET /a, GET /a hit, POST /a, GET /a miss]',
    ],
  ])("%s", async (tests, said) => {
    await expect(failures(`  ${tests}`)).rejects.toThrow(ConfigError);
    await expect(failures(`  ${tests}`)).rejects.toThrow(said);
  });
});
