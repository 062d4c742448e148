import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CachePolicy } from "../../src/cache/policy.ts";
import { type Flags, loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/mistakes.ts";
import type { Config } from "../../src/config/schema.ts";
import fc from "../support/fast-check.ts";

const ROOT = join(import.meta.dirname, "../..");

interface Given {
  readonly env?: Record<string, string>;
  readonly flags?: Flags;
}

function load(text: string, { env = {}, flags = {} }: Given = {}): Config {
  return loadConfig({ file: "proxy.config.yaml", env, flags, readFile: () => text });
}

function mistakesIn(attempt: () => unknown): readonly string[] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

/** What is said of a file that has an origin, and `text` from line 2 on. */
function said(text: string, given?: Given): readonly string[] {
  return mistakesIn(() => load(`origin: http://a\n${text}`, given));
}

const KEYS =
  "listen, admin, origin, trustedProxies, purge, adminToken, store, rateLimit, defaults, routes, drain, log, tests";

describe("a mistake in the file is told with its place, its path and how to write it:", () => {
  it.each([
    [
      "a bad duration",
      "routes:\n  - path: /a\n    cache:\n      ttl: 5 min",
      'proxy.config.yaml:5:7 routes[0].cache.ttl: expected a duration, got "5 min"; write it as 5m',
    ],
    [
      "a bare number as duration",
      "routes: [{ path: /a, cache: { ttl: 300 } }]",
      "proxy.config.yaml:2:31 routes[0].cache.ttl: expected a duration, got 300; write it as 300s / 300ms",
    ],
    [
      "a negative duration",
      "drain: -5s",
      'proxy.config.yaml:2:1 drain: expected a duration, got "-5s"; write it as 5s',
    ],
    [
      "a number that is none",
      "drain: .nan",
      "proxy.config.yaml:2:1 drain: expected a duration, got NaN; write it as 10s",
    ],
    [
      "a duration longer than any timer",
      "drain: 30d",
      'proxy.config.yaml:2:1 drain: expected a duration from 0ms to 24d, got "30d"; write it as 24d',
    ],
    [
      "a lease of nothing",
      "routes: [{ path: /a, cache: { collapse: { lease: 0s } } }]",
      'proxy.config.yaml:2:43 routes[0].cache.collapse.lease: expected a duration from 1ms to 24d, got "0s"; write it as 1ms',
    ],
    [
      "replicas waited for too long",
      "store: { redis: { url: redis://a, wait: { timeout: 5s } } }",
      'proxy.config.yaml:2:43 store.redis.wait.timeout: expected a duration from 1ms to 1s, got "5s"; write it as 1s',
    ],
    [
      "a bad size",
      "store: { memory: { max: 64 mb } }",
      'proxy.config.yaml:2:20 store.memory.max: expected a size, got "64 mb"; write it as 64mb',
    ],
    [
      "a path in the style of others",
      "routes: [{ path: '/users/{id}' }]",
      'proxy.config.yaml:2:12 routes[0].path: expected a path of text, :param and a trailing *, got "/users/{id}"; write it as /users/:id',
    ],
    [
      "a path that is a regular expression",
      "routes: [{ path: '^/users/[0-9]+$' }]",
      'proxy.config.yaml:2:12 routes[0].path: expected a path of text, :param and a trailing *, got "^/users/[0-9]+$"; write it as /users/:id',
    ],
    [
      "no Redis named",
      "store: { redis: { connections: 2 } }",
      "proxy.config.yaml:2:10 store.redis.url: is missing; write it as redis://127.0.0.1:6379/0, or give sentinel or cluster",
    ],
    [
      "Redis named twice",
      "store: { redis: { url: redis://a, sentinel: { name: main, nodes: [a:26379] } } }",
      "proxy.config.yaml:2:35 store.redis.sentinel: stands beside url; keep one of them",
    ],
    [
      "sentinels without port",
      "store: { redis: { sentinel: { name: main, nodes: [redis://10.0.0.5] } } }",
      'proxy.config.yaml:2:51 store.redis.sentinel.nodes[0]: expected host:port, got "redis://10.0.0.5"; write it as 10.0.0.5:26379',
    ],
    [
      "no sentinels",
      "store: { redis: { sentinel: { name: main, nodes: [] } } }",
      "proxy.config.yaml:2:43 store.redis.sentinel.nodes: is empty; write it as [10.0.0.5:26379]",
    ],
    [
      "a Cluster beside sentinels",
      "store: { redis: { sentinel: { name: main, nodes: [a:26379] }, cluster: [a:6379] } }",
      "proxy.config.yaml:2:63 store.redis.cluster: stands beside sentinel; keep one of them",
    ],
    [
      "a node of a Cluster as a URL",
      "store: { redis: { cluster: [redis://10.0.0.5] } }",
      'proxy.config.yaml:2:29 store.redis.cluster[0]: expected host:port, got "redis://10.0.0.5"; write it as 10.0.0.5:6379',
    ],
    [
      "a numbered database of a Cluster",
      "store: { redis: { cluster: [a:6379], database: 1 } }",
      "proxy.config.yaml:2:38 store.redis.database: is always 0 in a Redis Cluster; leave it out",
    ],
    [
      "TLS for a URL without",
      "store: { redis: { url: redis://a, tls: { ca: /a.pem } } }",
      "proxy.config.yaml:2:35 store.redis.tls: is for rediss://; write url with that, or leave tls out",
    ],
    [
      "a certificate without key",
      "store: { redis: { url: rediss://a, tls: { cert: /a.pem } } }",
      "proxy.config.yaml:2:36 store.redis.tls: names one of cert and key; give both",
    ],
    [
      "a password named twice",
      "store: { redis: { url: redis://me:one@a, password: two } }",
      "proxy.config.yaml:2:42 store.redis.password: stands in url as well; keep one of them",
    ],
    [
      "a password that is no text, which is not shown",
      "store: { redis: { url: redis://a, password: [4711] } }",
      "proxy.config.yaml:2:35 store.redis.password: expected a password; write it in quotes, or as an environment variable",
    ],
    [
      "a database beside a URL",
      "store: { redis: { url: redis://a, database: 1 } }",
      "proxy.config.yaml:2:35 store.redis.database: goes with sentinel; write the number as path of url",
    ],
    [
      "a write that would not wait until everybody knows of an outage",
      "store: { redis: { url: redis://a, writeDeadline: 700ms } }",
      'proxy.config.yaml:2:35 store.redis.writeDeadline: expected a duration from 800ms to 24d, got "700ms"; write it as 800ms',
    ],
    [
      "reading after an outage before everybody is back",
      "store: { redis: { url: redis://a, settle: 0s } }",
      'proxy.config.yaml:2:35 store.redis.settle: expected a duration from 1s to 24d, got "0s"; write it as 1s',
    ],
    [
      "an admin token too short to be one, which is not shown",
      "adminToken: secret",
      "proxy.config.yaml:2:1 adminToken: expected a token of 16 to 256 letters, digits and - . _ ~ + / =; write it in quotes, or as an environment variable",
    ],
    [
      "nobody who may PURGE",
      "purge: { allow: localhost }",
      'proxy.config.yaml:2:10 purge.allow: expected a list, got "localhost"; write it as [localhost]',
    ],
    ["an unknown key like a known one", "drian: 5s", "proxy.config.yaml:2:1 drian: unknown key; did you mean drain?"],
    [
      "an unknown key like none",
      "sentinel: {}",
      `proxy.config.yaml:2:1 sentinel: unknown key; the keys here are ${KEYS}`,
    ],
    [
      "an unknown key in a route",
      "routes:\n  - path: /a\n    cache: { stale-if-error: 5m }",
      "proxy.config.yaml:4:14 routes[0].cache.stale-if-error: unknown key; did you mean staleIfError?",
    ],
    [
      "a mapping where a list is wanted",
      "trustedProxies: loopback",
      'proxy.config.yaml:2:1 trustedProxies: expected a list, got "loopback"; write it as [loopback]',
    ],
    [
      "a text where a mapping is wanted",
      "routes: [{ path: /a, cache: 5m }]",
      'proxy.config.yaml:2:22 routes[0].cache: expected a mapping or false, got "5m"; write it as { ttl: 5m }',
    ],
    [
      "a key without value",
      "routes:\n  - path: /a\n    cache:",
      "proxy.config.yaml:4:5 routes[0].cache: expected a mapping or false, got nothing; write it as { ttl: 5m }",
    ],
    [
      "a text where a number is wanted",
      "rateLimit: { limit: many, window: 1m }",
      'proxy.config.yaml:2:14 rateLimit.limit: expected a whole number from 1 to 1000000000, got "many"; write it as 100',
    ],
    [
      "a limit of nothing",
      "rateLimit: { limit: 0, window: 1m }",
      "proxy.config.yaml:2:14 rateLimit.limit: expected a whole number from 1 to 1000000000, got 0; write it as 1",
    ],
    [
      "too few slots",
      "store: { fence: { slots: 1000 } }",
      "proxy.config.yaml:2:19 store.fence.slots: expected a whole number from 1024 to 16777216, got 1000; write it as 1024",
    ],
    [
      "a word that is none of those wanted",
      "rateLimit: { limit: 1, window: 1m, algorithm: Sliding Window }",
      'proxy.config.yaml:2:36 rateLimit.algorithm: expected sliding-window, fixed-window, sliding-log or token-bucket, got "Sliding Window"; write it as sliding-window',
    ],
    [
      "a missing key, at its parent",
      "rateLimit: { limit: 1 }",
      "proxy.config.yaml:2:1 rateLimit.window: is missing; write it as 1m",
    ],
    [
      "a status code that is none",
      "routes: [{ path: /a, cache: { statuses: { 40x: 5s } } }]",
      'proxy.config.yaml:2:43 routes[0].cache.statuses.40x: expected a status code from 200 to 599, got "40x"; write it as 404',
    ],
    [
      "a status whose responses are never stored",
      "routes: [{ path: /a, cache: { statuses: { 429: 5s } } }]",
      'proxy.config.yaml:2:43 routes[0].cache.statuses.429: expected a status whose responses may be stored, got "429"; write it as 404',
    ],
    [
      "a share of more than all",
      "routes: [{ path: /a, cache: { jitter: 10 } }]",
      "proxy.config.yaml:2:31 routes[0].cache.jitter: expected a share from 0% to 100%, got 10; write it as 10%",
    ],
    [
      "a pattern without its slash",
      "routes:\n  - path: products",
      'proxy.config.yaml:3:5 routes[0].path: expected a path of text, :param and a trailing *, got "products"; write it as /products',
    ],
    [
      "a pattern that can match nothing",
      "routes: [{ path: '/a/*/b' }]",
      'proxy.config.yaml:2:12 routes[0].path: expected a path of text, :param and a trailing *, got "/a/*/b"; write it as /a/*',
    ],
    [
      "a tag of what the path does not have",
      'routes: [{ path: /a/:id, cache: { tags: ["x:{name}"] } }]',
      'proxy.config.yaml:2:42 routes[0].cache.tags[0]: {name} is no parameter of the path "/a/:id"; write :name in the path, or leave it out',
    ],
    [
      "a duplicate route",
      "routes:\n  - path: /a/:id\n  - path: /a/:name",
      'proxy.config.yaml:4:5 routes[1].path: matches the same requests as routes[0].path "/a/:id"; keep one of them',
    ],
    ["a duplicate key", "drain: 1s\ndrain: 2s", "proxy.config.yaml:3:1 drain: is given twice; keep one"],
    [
      "a bad network",
      "trustedProxies: [loopback, 10.0.0.0/33]",
      'proxy.config.yaml:2:28 trustedProxies[1]: expected a CIDR, loopback or private, got "10.0.0.0/33"; write it as 10.0.0.0/8',
    ],
    [
      "one address for both listeners",
      "listen: :9000\nadmin: 127.0.0.1:9000",
      'proxy.config.yaml:3:1 admin: is the address of listen, ":9000"; write another port',
    ],
    [
      "text that is not YAML",
      "routes: [",
      "proxy.config.yaml:2:10 is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]; correct it, or put the text in quotes",
    ],
    [
      "a tag of YAML",
      "drain: !seconds 5",
      "proxy.config.yaml:2:8 is not YAML: Unresolved tag: !seconds; correct it, or put the text in quotes",
    ],
    [
      "a missing variable",
      `drain: \${DRAIN}`,
      `proxy.config.yaml:2:8 drain: the environment variable DRAIN is not set; set it, or write \${DRAIN:-default}`,
    ],
    [
      "a variable badly written",
      `drain: \${DRAIN-5s}`,
      `proxy.config.yaml:2:8 drain: has a \${ that begins no variable; write \${NAME}, \${NAME:-default}, or $\${ for \${ itself`,
    ],
  ])("%s", (_, text, message) => {
    expect(said(text)).toEqual([message]);
  });

  it("an origin that is Forebay itself", () => {
    const itself = (yaml: string) => mistakesIn(() => load(yaml));
    expect(itself("origin: { url: [http://10.0.0.1:8081, http://localhost:8081] }")).toEqual([
      'proxy.config.yaml:1:11 origin.url: is the address of admin, "127.0.0.1:8081", so Forebay would ask itself; write where the service listens',
    ]);
    expect(itself("origin: http://127.0.0.1\nlisten: :80")).toHaveLength(1);
    expect(itself("origin: http://10.0.0.5:8080")).toEqual([]);
  });

  it("an origin with a path", () => {
    expect(mistakesIn(() => load("origin: http://a/b?c"))).toEqual([
      'proxy.config.yaml:1:1 origin: expected an http:// or https:// URL without path, got "http://a/b?c"; write it as http://a',
    ]);
  });

  it("no origin", () => {
    expect(mistakesIn(() => load("drain: 5s"))).toEqual([
      "proxy.config.yaml:1:1 origin: is missing; write it as http://127.0.0.1:3000",
    ]);
  });

  it("a list at the top", () => {
    expect(mistakesIn(() => load("- a"))).toEqual([
      "proxy.config.yaml:1:1 expected a mapping at the top; write keys such as origin: http://127.0.0.1:3000",
    ]);
  });
});

describe("a file that cannot be read", () => {
  it("is told by its name", () => {
    const absent = join(ROOT, "absent.yaml");
    expect(mistakesIn(() => loadConfig({ file: absent, env: {} }))).toEqual([
      `${absent}: cannot be read: there is no such file; give the path of a YAML file`,
    ]);
  });

  it("is told to be a directory where it is one", () => {
    expect(mistakesIn(() => loadConfig({ file: ROOT, env: {} }))).toEqual([
      `${ROOT}: cannot be read: it is a directory; give the path of a YAML file`,
    ]);
  });
});

describe("mistakes", () => {
  it("are told all at once, of values, between values and of variables, in the order of the file", () => {
    const lines = said(`listen: 8080
drain: \${DRAIN}
routes:
  - path: /a/:id
    cache: { tll: 5m, tags: ["{name}"] }
  - path: /a/:name
    rateLimit: { limit: 5 }
`);
    expect(lines.map((line) => line.split(": ")[0])).toEqual([
      "proxy.config.yaml:2:1 listen",
      "proxy.config.yaml:3:8 drain",
      "proxy.config.yaml:6:14 routes[0].cache.tll",
      "proxy.config.yaml:6:30 routes[0].cache.tags[0]",
      "proxy.config.yaml:7:5 routes[1].path",
      "proxy.config.yaml:8:5 routes[1].rateLimit.window",
    ]);
  });

  it("in defaults are told once and there, however many routes take them", () => {
    expect(said("defaults: { cache: { ttl: 5 min } }\nroutes: [{ path: /a }, { path: /b, cache: {} }]")).toEqual([
      'proxy.config.yaml:2:22 defaults.cache.ttl: expected a duration, got "5 min"; write it as 5m',
    ]);
  });

  it("are one line each and show no control characters, and no password of a URL", () => {
    const text = 'store: { redis: { url: "http://me:secret@host" } }\n"bad\\nkey\\e": 1';
    const lines = said(text);
    expect(lines).toHaveLength(2);
    expect(lines.join("")).toMatch(/^[\x20-\x7e]+$/);
    expect(lines.join("")).not.toContain("secret");
  });

  it("beyond a hundred are counted only", () => {
    const lines = said(Array.from({ length: 150 }, (_, index) => `key${index}: 1`).join("\n"));
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe("… and 50 more mistakes");
  });
});

describe("a loaded configuration", () => {
  it("is complete, in milliseconds, seconds and bytes", () => {
    expect(load("origin: http://127.0.0.1:3000\nroutes: [{ path: /a, cache: { ttl: 5m } }]")).toEqual({
      listen: { host: "127.0.0.1", port: 8080 },
      admin: { host: "127.0.0.1", port: 8081 },
      origin: {
        url: ["http://127.0.0.1:3000"],
        connections: 128,
        timeout: { connect: 2000, headers: 15_000, body: 30_000 },
      },
      trustedProxies: [],
      store: { prefix: "forebay", fence: { slots: 1_048_576 }, memory: { max: 67_108_864, trust: 0 } },
      drain: 10_000,
      log: { level: "info", access: true, sample: 1, format: "auto", query: false, headers: [] },
      tests: [],
      routes: [
        {
          id: "/a",
          path: "/a",
          host: undefined,
          cache: {
            ttl: 300,
            override: false,
            statuses: {},
            jitter: 0,
            refreshAhead: 0,
            heuristic: false,
            clientDirectives: "honor",
            mode: "on",
            verify: 0,
            setCookie: "refuse",
            staleWhileRevalidate: 0,
            staleIfError: 0,
            key: { query: "all", headers: [], cookies: [] },
            tags: [],
            exposeTags: false,
            maxBody: 1_048_576,
            collapse: { wait: 5000, lease: 3_000, followers: 10_000 },
          } satisfies CachePolicy,
          tags: [],
          rateLimit: undefined,
          invalidate: undefined,
          onStoreFailure: "proceed",
        },
      ],
    });
  });

  it("is frozen through and through", () => {
    const config = load("origin: http://a\nroutes: [{ path: /a, cache: { tags: [x], statuses: { 404: 5s } } }]");
    const open: unknown[] = [config];
    for (const value of open) {
      expect(Object.isFrozen(value)).toBe(true);
      open.push(...Object.values(value as object).filter((inner) => typeof inner === "object" && inner !== null));
    }
    expect(open.length).toBeGreaterThan(10);
  });

  it("caches nothing on a route without cache", () => {
    expect(load("origin: http://a\nroutes: [{ path: /a }]").routes[0]?.cache).toBe(false);
  });

  it("has one route for everything, cached as the origin says, where the file has none", () => {
    const [route, ...more] = load("origin: http://a").routes;
    expect(route).toMatchObject({ id: "/*", path: "/*", cache: { ttl: undefined } });
    expect(more).toEqual([]);
  });

  it("names a route by its host and path", () => {
    const config = load("origin: http://a\nroutes: [{ path: /a, host: API.example.com }, { path: /a }]");
    expect(config.routes.map(({ id }) => id)).toEqual(["api.example.com/a", "/a"]);
  });

  it("takes from defaults what a route does not say, key by key, and below cache key by key again", () => {
    const { routes } = load(`origin: http://a
defaults: { cache: { ttl: 5m, tags: [all] }, rateLimit: { window: 1m, limit: 5 }, onStoreFailure: refuse }
routes:
  - { path: /a }
  - { path: /b, cache: { tags: [b] }, rateLimit: { limit: 9 } }
  - { path: /c, cache: false, onStoreFailure: proceed }
`);
    expect(routes).toMatchObject([
      { cache: { ttl: 300, tags: ["all"] }, rateLimit: [{ limit: 5, window: 60_000 }], onStoreFailure: "refuse" },
      { cache: { ttl: 300, tags: ["b"] }, rateLimit: [{ limit: 9, window: 60_000 }], onStoreFailure: "refuse" },
      { cache: false, rateLimit: [{ limit: 5, window: 60_000 }], onStoreFailure: "proceed" },
    ]);
  });

  it("allows an unknown :param in invalidate.paths, which stands for everything", () => {
    const { routes } = load("origin: http://a\nroutes: [{ path: /a/:id, invalidate: { paths: [/b/:id/:other] } }]");
    expect(routes[0]?.invalidate?.paths).toEqual(["/b/:id/:other"]);
  });

  it("is what the example file says", () => {
    const config = loadConfig({ file: join(ROOT, "proxy.config.yaml"), env: {} });
    expect(config.store.redis).toBeUndefined();
    expect(config.origin.url).toEqual(["http://127.0.0.1:3000"]);
    expect(config.routes.map(({ id }) => id)).toContain("/products/:id");
  });

  it("is what the example file says with its comments made keys", () => {
    const text = readFileSync(join(ROOT, "proxy.config.yaml"), "utf8");
    const open = text
      .replace(/^origin: .*\n/m, "")
      .replace(
        /^( *)# ((?: *)(?:origin|url|connections|timeout|redis|deadline|writeDeadline|wait|rateLimit):)/gm,
        "$1$2",
      );
    const config = load(open, { env: { REDIS_URL: "redis://cache:6379/2" } });
    const wait = { replicas: 1, timeout: 100 };
    expect(config.store.redis).toMatchObject({ url: "redis://cache:6379/2", deadline: 50, wait });
    expect(config.origin.url).toHaveLength(2);
    expect(config.rateLimit).toMatchObject([{ limit: 1000, window: 60_000 }]);
  });
});

describe("Redis", () => {
  it("is not waited for to have replicas, unless that is said, and then for one", () => {
    const wait = (text: string) =>
      load(`origin: http://a\nstore: { redis: { url: redis://a${text} } }`, { env: {} }).store.redis?.wait;
    expect(wait("")).toBeUndefined();
    expect(wait(", wait: {}")).toEqual({ replicas: 1, timeout: 100 });
    expect(wait(", wait: { replicas: 2, timeout: 1s }")).toEqual({ replicas: 2, timeout: 1000 });
  });

  it("takes passwords of digits as they stand in the environment", () => {
    const password = (PASSWORD: string) =>
      load(`origin: http://a\nstore: { redis: { url: redis://a, password: "\${PASSWORD}" } }`, { env: { PASSWORD } })
        .store.redis?.password;
    const passwords = ["4711", "0", "007", "12345678901234567890"];
    expect(passwords.map(password)).toEqual(passwords);
  });

  it("is named by its URL, by sentinels, by nodes of a Cluster, and spoken to over TLS, as a user", () => {
    const redis = (text: string, env = {}) => load(`origin: http://a\nstore: { redis: ${text} }`, { env }).store.redis;
    expect(
      redis("{ sentinel: { name: main, nodes: ['10.0.0.5:26379', '[::1]:26380'] }, tls: {}, database: 2 }"),
    ).toMatchObject({
      sentinel: { name: "main", nodes: ["10.0.0.5:26379", "[::1]:26380"] },
      tls: {},
      database: 2,
    });
    const cluster = ["10.0.0.5:6379", "[::1]:7000"];
    expect(redis("{ cluster: ['10.0.0.5:6379', '[::1]:7000'], tls: {} }")).toMatchObject({ cluster, tls: {} });
    expect(redis(`{ url: rediss://a, username: me, password: "\${PASSWORD}" }`, { PASSWORD: "4711" })).toMatchObject({
      url: "rediss://a",
      username: "me",
      password: "4711",
    });
  });
});

describe("the command line", () => {
  it("wins over the file, and leaves what stands beside it", () => {
    const config = load("listen: :1\nadmin: :2\norigin: { url: http://a, connections: 5 }\nlog: { query: true }", {
      flags: {
        origin: "http://b:5",
        listen: "127.0.0.1:0",
        admin: "false",
        redis: "redis://c:6379/1",
        logLevel: "debug",
      },
    });
    expect(config).toMatchObject({
      listen: { host: "127.0.0.1", port: 0 },
      admin: false,
      origin: { url: ["http://b:5"], connections: 5 },
      store: { redis: { url: "redis://c:6379/1", deadline: 50 } },
      log: { level: "debug", query: true },
    });
  });

  it("makes good for a variable that is missing in what it stands in for", () => {
    const config = load(`origin: \${NOT}\nstore: { redis: { url: "\${NOT}" } }`, {
      flags: { origin: "http://b", redis: "redis://c" },
    });
    expect(config.origin.url).toEqual(["http://b"]);
    expect(config.store.redis?.url).toBe("redis://c");
  });

  it("alone makes a configuration that caches what the origin makes fresh", () => {
    const config = loadConfig({ env: {}, flags: { origin: "http://127.0.0.1:3000" } });
    expect(config.routes).toMatchObject([{ path: "/*", cache: { ttl: undefined } }]);
  });

  it("without file must name an origin", () => {
    expect(mistakesIn(() => loadConfig({ env: {} }))).toEqual([
      "--origin: is missing; write it as --origin http://127.0.0.1:3000, or name a file with --config",
    ]);
  });

  it("is named in its mistakes, without place", () => {
    expect(said("", { flags: { listen: "8080", redis: "localhost:6379" } })).toEqual([
      '--listen: expected host:port, :port or unix:/path, got "8080"; write it as 127.0.0.1:8080',
      '--redis: expected a redis:// or rediss:// URL, got "localhost:6379"; write it as redis://localhost:6379',
    ]);
  });
});

describe("whatever the file holds", () => {
  const outcome = (text: string) => {
    const lines = mistakesIn(() => load(text, { env: { SET: "1" } }));
    for (const line of lines) expect([...line].find((character) => character < " ")).toBeUndefined();
  };

  it("nothing but ConfigError is thrown for text of YAML's characters", () => {
    const piece = fc.constantFrom(
      ..."abc:-?[]{},&*!|>'\"%@`#<~\n\n \t$0.\u0085\u2028é😀\\",
      "\n  ",
      "- ",
      ": ",
      `\${SET}`,
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("")),
        outcome,
      ),
      { numRuns: 2000 },
    );
  });

  it("nothing but ConfigError is thrown for any values under known and unknown keys", () => {
    const key = fc.constantFrom(
      "origin",
      "routes",
      "defaults",
      "cache",
      "path",
      "tags",
      "ttl",
      "__proto__",
      "<<",
      "log",
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(
          null,
          true,
          5,
          -1,
          Number.MAX_VALUE,
          "",
          "/a",
          "/:id",
          "*",
          "5m",
          "{id}",
          `\${SET}`,
          `\${NOT}`,
          "http://a",
        ),
        fc.string(),
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.array(fc.tuple(key, tie("tree")), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
      ),
    }));
    const text = fc.dictionary(key, tree, { maxKeys: 6, noNullPrototype: true }).map((value) => JSON.stringify(value));
    fc.assert(fc.property(text, outcome), { numRuns: 2000 });
  });
});
