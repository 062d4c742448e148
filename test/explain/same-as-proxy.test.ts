// What is explained and what the proxy does, for requests at random: the same route, key, tags, buckets and lifetimes.

import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createExplainer } from "../../src/explain/explain.ts";
import type { Fields } from "../../src/http/message.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { LimitQuestion, Store } from "../../src/store/store.ts";
import fc from "../support/fast-check.ts";
import { type Asked, createWorld, requestFor, respond } from "../support/world.ts";

const YAML = `
trustedProxies: [loopback, 10.0.0.0/8]
rateLimit: { limit: 1000000, window: 1m, except: [203.0.113.7] }
routes:
  - path: /articles/:id
    cache:
      { ttl: 5m, statuses: { 404: 10s }, tags: ["article:{id}"], key: { query: [page, sort], headers: [x-tenant], cookies: [currency] } }
    rateLimit:
      - { limit: 1000000, window: 1m, by: "header:x-api-key", algorithm: token-bucket }
      - { limit: 1000000, window: 1h, by: [ip, "cookie:session"], reserve: 5 }
    invalidate: { paths: [/articles, "/search*", "/articles/:id/:part"], tags: ["article:{id}"] }
  - path: /articles/new
    cache: { key: { query: none }, override: true, ttl: 7s }
  - path: /articles/:id/:part
    cache: { heuristic: true }
  - { path: /articles/:id/:part, host: shop.test, cache: { ttl: 1s, key: { headers: [accept-language] } } }
  - { path: /search*, cache: {} }
  - { path: /private/*, cache: false, rateLimit: { limit: 1000000, window: 1s } }`;

const config = loadConfig({ file: "t.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${YAML}` });

/** What the proxy asked its store. */
interface Questions {
  key: string | undefined;
  tags: readonly string[] | undefined;
  limits: readonly LimitQuestion[];
  invalidated: readonly string[] | undefined;
}

function createObserved() {
  const seen: Questions = { key: undefined, tags: undefined, limits: [], invalidated: undefined };
  const makeStore = (now: () => number): Store<StoredResponse> => {
    const store = createMemoryStore<StoredResponse>({ maxBytes: 1 << 24, slots: 4096, codec: responseCodec, now });
    return {
      ...store,
      look(question) {
        if (question.key !== undefined) Object.assign(seen, { key: question.key.primary, tags: question.tags });
        if (question.limits.length > 0) seen.limits = question.limits;
        return store.look(question);
      },
      begin(tags) {
        seen.invalidated = tags;
        return store.begin(tags);
      },
    };
  };
  const world = createWorld(YAML, makeStore);
  return { world, seen, explain: createExplainer(config, () => world.now) };
}

const word = fc.constantFrom("a", "new", "7", "%61", "A", "..", ".", "", "%2e%2E", "ü".normalize(), "x y", "a:b", "*");
const path = fc
  .tuple(
    fc.constantFrom("articles", "search", "searching", "private", "other", "%61rticles"),
    fc.array(word, { maxLength: 3 }),
  )
  .map(([first, more]) => `/${[first, ...more].map((part) => part.replace(" ", "%20")).join("/")}`);
const pair = fc
  .tuple(fc.constantFrom("page", "sort", "p%61ge", "utm", "", "a+b"), fc.constantFrom("", "=", "=1", "=%41", "=2=3"))
  .map((parts) => parts.join(""));
const query = fc.option(
  fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.join("&")),
  { nil: undefined },
);
const target = fc.tuple(path, query).map(([path, query]) => (query === undefined ? path : `${path}?${query}`));
const line = fc.constantFrom<Fields>(
  ["Cookie", "currency=eur; session=1; other=2"],
  ["Cookie", "currency=usd"],
  ["X-Tenant", " t1 "],
  ["X-Api-Key", "secret"],
  ["X-Api-Key", "other"],
  ["Accept-Language", "de, en;q=0.5"],
  ["X-Forwarded-For", "203.0.113.7"],
  ["X-Forwarded-For", "198.51.100.1, 10.0.0.2"],
  ["X-Forwarded-For", "garbage, 10.0.0.2"],
  ["X-Forwarded-Host", "other.test"],
  ["X-Forwarded-Proto", "https"],
  ["Forwarded", 'for="[2001:db8::1]:80"'],
  ["Connection", "X-Tenant"],
  ["Authorization", "Basic YTpi"],
);
const asked = fc.record({
  target,
  method: fc.constantFrom("GET", "HEAD", "POST", "OPTIONS", "BREW"),
  authority: fc.constantFrom("shop.test", "shop.test:81", "SHOP.test.".toLowerCase(), "other.test"),
  peer: fc.constantFrom("127.0.0.1", "10.0.0.1", "203.0.113.7", "2001:db8::1", ""),
  fields: fc.array(line, { maxLength: 5 }).map((lines) => lines.flat()),
});

describe("an explanation", () => {
  it("names the route, key, tags and buckets that the proxy uses", async () => {
    await fc.assert(
      fc.asyncProperty(asked, async ({ target, ...asked }) => {
        const { world, seen, explain } = createObserved();
        const { explanation } = explain(requestFor(target, asked as Asked));
        const { about } = await world.answer(target, asked as Asked);
        expect(explanation.route?.id).toBe(about.route);
        expect(explanation.way).toBe(wayOf(seen, about.route));
        if (seen.key !== undefined) {
          expect(explanation.key?.text).toBe(seen.key);
          expect(explanation.tags).toEqual(seen.tags);
        }
        if (seen.invalidated !== undefined) expect(explanation.invalidates.tags).toEqual(seen.invalidated);
        const counted = explanation.limits.filter(({ key }) => key !== null);
        const limits = seen.limits.map(({ key, client, algorithm, limit }) => ({ key, client, algorithm, limit }));
        expect(counted.map(({ key, client, algorithm, limit }) => ({ key, client, algorithm, limit }))).toEqual(limits);
      }),
      { numRuns: 150 },
    );
  });

  it("finds the lifetime and the storability of a given response that the proxy finds", async () => {
    const response = fc.record({
      status: fc.constantFrom(200, 404, 500, 301),
      fields: fc
        .array(
          fc.constantFrom<Fields>(
            ["Cache-Control", "max-age=60"],
            ["Cache-Control", "s-maxage=5, no-cache"],
            ["Cache-Control", "private"],
            ["Cache-Control", "no-store"],
            ["CDN-Cache-Control", "max-age=30"],
            ["CDN-Cache-Control", "???"],
            ["Forebay-Cache-Control", "max-age=9"],
            ["Forebay-Cache-Control", "public"],
            ["Expires", "Thu, 01 Jan 2026 00:01:40 GMT"],
            ["Expires", "0"],
            ["Last-Modified", "Wed, 31 Dec 2025 23:00:00 GMT"],
            ["Set-Cookie", "a=b"],
            ["Vary", "Accept-Language"],
            ["Vary", "*"],
            ["Surrogate-Key", "one two"],
            ["ETag", '"1"'],
          ),
          { maxLength: 4 },
        )
        .map((lines) => lines.flat()),
    });
    await fc.assert(
      fc.asyncProperty(fc.record({ asked, response }), async ({ asked: { target, ...rest }, response }) => {
        const { world, seen, explain } = createObserved();
        const asked = { ...rest, method: "GET" };
        world.origin = () => respond("hello", response);
        const { explanation, visit } = explain(requestFor(target, asked), response);
        await world.request(target, asked);
        if (seen.key === undefined || visit === undefined) return;
        const { stored } = await world.store.look({ key: visit.key, tags: [], limits: [], apart: true });
        const said = explanation.freshness;
        expect(said?.response?.refused === null).toBe(stored !== undefined);
        if (stored === undefined) return;
        expect(said?.response?.lifetime).toBe(stored.value.lifetime);
        expect(explanation.tags).toEqual(stored.tags);
        const decides = said?.rules.filter(({ verdict }) => verdict === "decides") ?? [];
        expect(decides.map(({ lifetime }) => lifetime)).toEqual([stored.value.lifetime]);
        expect(explanation.key?.variant?.map(({ name }) => name)).toEqual(stored.value.names);
      }),
      { numRuns: 150 },
    );
  });
});

function wayOf({ key, invalidated }: Questions, route: string | undefined): string {
  if (route === undefined) return "no-route";
  if (invalidated !== undefined) return "write";
  return key === undefined ? "pass" : "read";
}
