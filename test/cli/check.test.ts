import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type CheckOptions, check } from "../../src/cli/check.ts";
import { RULES } from "../../src/cli/lint/rules.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "forebay-check-"));
const FILE = join(FOLDER, "f.yaml");
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

type Options = Partial<CheckOptions>;

interface Found {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly rule: string;
  readonly text: string;
}

interface Report {
  readonly ok: boolean;
  readonly routes: number;
  readonly mistakes: readonly Found[];
  readonly warnings: readonly Found[];
  readonly tests: readonly (Found & { name: string; ok: boolean; failures: readonly Omit<Found, "rule">[] })[];
  readonly notes: readonly string[];
}

async function checked(yaml: string, options: Options = {}): Promise<{ text: string; code: number }> {
  writeFileSync(FILE, /^origin:/m.test(yaml) ? yaml : `origin: http://127.0.0.1:9\n${yaml}`);
  const { text, code } = await check({
    ...{ file: FILE, env: {}, flags: {}, json: false, strict: false, ask: false, coloured: false },
    ...options,
  });
  return { text: text.replaceAll(FILE, "f.yaml"), code };
}

async function reported(yaml: string, options: Options = {}): Promise<Report> {
  return JSON.parse((await checked(yaml, { ...options, json: true })).text);
}

/** "line rule path" of each warning. */
async function warned(yaml: string): Promise<string[]> {
  const { warnings, mistakes } = await reported(yaml);
  expect(mistakes.filter(({ rule }) => rule === "configuration")).toEqual([]);
  return [...mistakes, ...warnings].map(({ line, rule, path }) => `${line} ${rule} ${path}`);
}

const LIMIT = "{ limit: 10, window: 1m }";
const PROXIED = "trustedProxies: [loopback]\n";
const REDIS = "store: { redis: { url: redis://127.0.0.1:1 } }\n";

describe("check warns of what is legal but dangerous:", () => {
  it.each<[rule: string, dangerous: string, found: string, harmless: string]>([
    [
      "trusts-everyone",
      "trustedProxies: [loopback, 0.0.0.0/0]",
      "2 trusts-everyone trustedProxies[1]",
      "trustedProxies: [10.0.0.0/8]",
    ],
    [
      "trusts-everyone",
      'trustedProxies: ["::/0"]',
      "2 trusts-everyone trustedProxies[0]",
      'trustedProxies: ["fd00::/8"]',
    ],
    ["purge-from-everywhere", "purge: { allow: [0.0.0.0/0] }", "2 purge-from-everywhere purge.allow[0]", "purge: {}"],
    ["admin-unprotected", "admin: :8081", "2 admin-unprotected admin", "admin: :8081\nadminToken: 0123456789abcdef"],
    ["admin-unprotected", 'admin: :8081\nadminToken: ""', "2 admin-unprotected admin", "admin: localhost:8081"],
    [
      "limit-behind-proxy",
      `listen: :8080\nrateLimit: ${LIMIT}`,
      "3 limit-behind-proxy rateLimit",
      `listen: :8080\ntrustedProxies: [private]\nrateLimit: ${LIMIT}`,
    ],
    ["limit-behind-proxy", `rateLimit: ${LIMIT}`, "2 limit-behind-proxy rateLimit", `${PROXIED}rateLimit: ${LIMIT}`],
    [
      "limit-behind-proxy",
      `listen: unix:/tmp/f.sock\ntrustedProxies: [10.0.0.0/8]\nrateLimit: [${LIMIT}]`,
      "4 limit-behind-proxy rateLimit[0]",
      `listen: unix:/tmp/f.sock\n${PROXIED}rateLimit: ${LIMIT}`,
    ],
    [
      "limit-evadable",
      "routes:\n  - path: /a\n    rateLimit: { limit: 10, window: 1m, by: header:x-api-key }",
      "4 limit-evadable routes[0].rateLimit",
      `${PROXIED}routes:\n  - path: /a\n    rateLimit: [{ limit: 10, window: 1m, by: header:x-api-key }, ${LIMIT}]`,
    ],
    [
      "limit-evadable",
      "routes:\n  - path: /a\n    rateLimit: { limit: 10, window: 1m, by: cookie:sid }",
      "4 limit-evadable routes[0].rateLimit",
      "routes:\n  - path: /a\n    rateLimit: { limit: 10, window: 1m, by: cookie:sid, enforce: false }",
    ],
    [
      "limit-excepts-everyone",
      `${PROXIED}rateLimit: { limit: 10, window: 1m, except: [0.0.0.0/0] }`,
      "3 limit-excepts-everyone rateLimit.except[0]",
      `${PROXIED}rateLimit: { limit: 10, window: 1m, except: [loopback] }`,
    ],
    ["missing-file", "listen: unix:/no/such/folder/f.sock", "2 missing-file listen", "listen: unix:/tmp/f.sock"],
    [
      "missing-file",
      "store: { redis: { url: rediss://127.0.0.1:1, tls: { ca: /no/ca.pem } } }",
      "2 missing-file store.redis.tls.ca",
      "store: { redis: { url: rediss://127.0.0.1:1, tls: {} } }",
    ],
    [
      "shares-set-cookie",
      "routes: [{ path: /a, cache: { setCookie: store } }]",
      "2 shares-set-cookie routes[0].cache.setCookie",
      "routes: [{ path: /a, cache: { setCookie: strip } }]",
    ],
    [
      "private-path",
      "routes: [{ path: /me/cart, cache: { ttl: 1m } }]",
      "2 private-path routes[0].cache.ttl",
      "routes: [{ path: /me/cart, cache: { ttl: 1m, key: { cookies: [session] } } }]",
    ],
    [
      "private-path",
      "routes: [{ path: /users/:id/orders, cache: { ttl: 1m, override: true } }]",
      "2 private-path routes[0].cache.override",
      "routes: [{ path: /users/:id/orders, cache: {} }]",
    ],
    [
      "errors-cached",
      "routes: [{ path: /a, cache: { statuses: { 503: 5m } } }]",
      "2 errors-cached routes[0].cache.statuses.503",
      "routes: [{ path: /a, cache: { statuses: { 503: 5s, 404: 10m } } }]",
    ],
    [
      "errors-cached",
      "routes: [{ path: /a, cache: { statuses: { 401: 1s } } }]",
      "2 errors-cached routes[0].cache.statuses.401",
      "routes: [{ path: /a, cache: { statuses: { 410: 1h } } }]",
    ],
    [
      "errors-cached",
      "routes: [{ path: /a, cache: { statuses: { 404: 1d } } }]",
      "2 errors-cached routes[0].cache.statuses.404",
      "routes: [{ path: /a, cache: { statuses: { 301: 1d } } }]",
    ],
    [
      "has-no-effect",
      "routes: [{ path: /a, cache: { override: true } }]",
      "2 has-no-effect routes[0].cache.override",
      "routes: [{ path: /a, cache: { override: true, ttl: 1m } }]",
    ],
    [
      "has-no-effect",
      "routes: [{ path: /a, cache: { jitter: 10% } }]",
      "2 has-no-effect routes[0].cache.jitter",
      "routes: [{ path: /a, cache: { jitter: 10%, statuses: { 404: 1m } } }]",
    ],
    [
      "has-no-effect",
      "routes: [{ path: /a, cache: { heuristic: true, ttl: 1m } }]",
      "2 has-no-effect routes[0].cache.ttl",
      "routes: [{ path: /a, cache: { heuristic: true } }]",
    ],
    [
      "has-no-effect",
      "routes: [{ path: /a, cache: { heuristic: true, ttl: 1m, override: true } }]",
      "2 has-no-effect routes[0].cache.heuristic",
      "routes: [{ path: /a, cache: { ttl: 1m, override: true } }]",
    ],
    [
      "has-no-effect",
      "routes: [{ path: /a, cache: { refreshAhead: 1, ttl: 0s, override: true } }]",
      "2 has-no-effect routes[0].cache.refreshAhead",
      "routes: [{ path: /a, cache: { refreshAhead: 1, ttl: 1m } }]",
    ],
    [
      "has-no-effect",
      "store: { memory: { trust: 1s } }",
      "2 has-no-effect store.memory.trust",
      "store: { memory: { trust: 0s } }",
    ],
    [
      "always-stale",
      "routes: [{ path: /a, cache: { ttl: 0s, staleWhileRevalidate: 30s } }]",
      "2 always-stale routes[0].cache.ttl",
      "routes: [{ path: /a, cache: { ttl: 1s, staleWhileRevalidate: 30s } }]",
    ],
    [
      "lease-outlasts-origin",
      `${REDIS}routes: [{ path: /a, cache: { collapse: { lease: 1m, wait: 2m } } }]`,
      "3 lease-outlasts-origin routes[0].cache.collapse.lease",
      `${REDIS}routes: [{ path: /a, cache: {} }]`,
    ],
    [
      "wait-ends-before-lease",
      `${REDIS}routes: [{ path: /a, cache: { collapse: { wait: 1s } } }]`,
      "3 wait-ends-before-lease routes[0].cache.collapse.wait",
      "routes: [{ path: /a, cache: { collapse: { wait: 1s } } }]",
    ],
    [
      "trust-outlasts-ttl",
      "store: { redis: { url: redis://127.0.0.1:1 }, memory: { trust: 1m } }\nroutes: [{ path: /a, cache: { ttl: 30s } }]",
      "2 trust-outlasts-ttl store.memory.trust",
      "store: { redis: { url: redis://127.0.0.1:1 }, memory: { trust: 1s } }\nroutes: [{ path: /a, cache: { ttl: 30s } }]",
    ],
    [
      "unreachable-route",
      "routes: [{ path: /a%2F..%2Fb }, { path: /b }]",
      "2 unreachable-route routes[0].path",
      "routes: [{ path: /a/:x }, { path: /a/* }, { path: /a* }, { path: /a/:x/* }, { path: /a/:x/:z }, { path: /:y/b, host: b.test }]",
    ],
    [
      "pattern-like-regexp",
      "routes: [{ path: /files/.+ }]",
      "2 pattern-like-regexp routes[0].path",
      "routes: [{ path: /Products(1) }, { path: /feed.* }]",
    ],
    [
      "pattern-like-regexp",
      "routes: [{ path: /a, cache: {}, invalidate: { paths: [/a$] } }]",
      "2 invalidates-nothing-cached routes[0].invalidate.paths[0]",
      "routes: [{ path: /a, cache: {}, invalidate: { paths: [/a] } }]",
    ],
    [
      "invalidates-nothing-cached",
      "routes: [{ path: /a, cache: {} }, { path: /b, invalidate: { paths: [/x*, /a/:z/*] } }]",
      "2 invalidates-nothing-cached routes[1].invalidate.paths[0]",
      "routes: [{ path: /abc, cache: {} }, { path: /b, invalidate: { paths: [/ab*] } }]",
    ],
    [
      "invalidates-nothing-cached",
      "routes: [{ path: /a, cache: {} }, { path: /b, invalidate: { paths: [/A, /c/*] } }]",
      "2 invalidates-nothing-cached routes[1].invalidate.paths[1]",
      "routes: [{ path: /a/:x, cache: {} }, { path: /b, invalidate: { paths: [/a/1, /a/:y, /a/1*, /*] } }]",
    ],
    [
      "invalidates-nothing-cached",
      'routes: [{ path: /a/:id, cache: { tags: ["product:{id}"] }, invalidate: { tags: ["products:{id}"] } }]',
      "2 invalidates-nothing-cached routes[0].invalidate.tags[0]",
      'routes: [{ path: /a/:id, cache: { tags: ["product:{id}"] }, invalidate: { tags: [frontpage] } }]',
    ],
    [
      "write-invalidates-nothing",
      "routes: [{ path: /a, cache: {}, invalidate: {} }]",
      "2 write-invalidates-nothing routes[0].invalidate",
      "routes: [{ path: /a, cache: {} }]",
    ],
    [
      "write-invalidates-nothing",
      "routes:\n  - { path: /a, cache: {} }\n  - { path: /a/:id, cache: {} }",
      "4 write-invalidates-nothing routes[1].path",
      "routes:\n  - { path: /a, cache: {} }\n  - { path: /a/:id, cache: {}, invalidate: { paths: [/a] } }",
    ],
    [
      "write-invalidates-nothing",
      "routes:\n  - { path: /a/, cache: {} }\n  - { path: /a/:id/, cache: {} }",
      "4 write-invalidates-nothing routes[1].path",
      "routes:\n  - { path: /a/, cache: {} }\n  - { path: /a/:id/, cache: {}, invalidate: { paths: [/a/] } }",
    ],
    [
      "write-invalidates-nothing",
      "routes:\n  - { path: /a, cache: { tags: [as] } }\n  - { path: /a/:id }",
      "4 write-invalidates-nothing routes[1].path",
      "routes:\n  - { path: /a, cache: { tags: [as] } }\n  - { path: /a/:id, invalidate: { tags: [as] } }",
    ],
  ])("%s: %s", async (_rule, dangerous, found, harmless) => {
    expect(await warned(dangerous)).toContain(found);
    expect((await warned(harmless)).filter((line) => line.includes(found.split(" ")[1] ?? ""))).toEqual([]);
  });

  it("a password that travels unencrypted to another machine", async () => {
    // No Redis is asked in these: the names do not resolve, and nobody waits for longer than a second.
    const redis = (keys: string) => reported(`store: { redis: { ${keys} } }`);
    const rules = async (keys: string) => (await redis(keys)).warnings.map(({ rule, path }) => `${rule} ${path}`);
    const found = "plain-text-password store.redis.";
    expect(await rules("url: redis://:secret@redis.invalid")).toEqual([`${found}url`]);
    expect(await rules("cluster: [redis.invalid:6379], password: secret")).toEqual([`${found}cluster`]);
    expect(await rules("url: rediss://:secret@redis.invalid")).toEqual([]);
    expect(await rules("url: redis://:secret@127.0.0.1:1")).toEqual([]);
    expect(await rules("url: redis://redis.invalid")).toEqual([]);
    expect(JSON.stringify(await redis("url: redis://:secret@redis.invalid"))).not.toContain("secret@");
  });

  it("says it on one line with the place, why, how to mend it and the rule", async () => {
    expect((await checked("trustedProxies: [0.0.0.0/0]")).text).toBe(
      "f.yaml:2:18 trustedProxies[0]: believes what any client says of its address, so limits by ip are evaded and logs lie; name your load balancers' networks, such as 10.0.0.0/8 [trusts-everyone]\nf.yaml: good, 1 route, 1 warning\n",
    );
  });

  it("says once what stands in defaults, and where it stands", async () => {
    const yaml = "defaults: { cache: { setCookie: store } }\nroutes: [{ path: /a }, { path: /b, cache: { ttl: 1m } }]";
    expect(await warned(yaml)).toEqual(["2 shares-set-cookie defaults.cache.setCookie"]);
  });

  it("names the route where what it takes from defaults is dangerous there alone", async () => {
    const yaml = "defaults: { cache: { ttl: 1m } }\nroutes: [{ path: /a }, { path: /docs/settings/* }, { path: /me }]";
    const { warnings } = await reported(yaml);
    expect(warnings.map(({ rule, path }) => `${rule} ${path}`)).toEqual(
      Array(2).fill("private-path defaults.cache.ttl"),
    );
    expect(warnings.map(({ text }) => text.split(" ")[1])).toEqual(["/docs/settings/*", "/me"]);
  });

  it("finds nothing in the example", async () => {
    const { text, code } = await check({
      ...{ file: "proxy.config.yaml", env: {}, flags: {}, json: false, strict: true, ask: false, coloured: false },
    });
    expect(text).toMatch(/proxy\.config\.yaml: good, 5 routes, \d+ tests passed\n$/);
    expect(code).toBe(0);
  });
});

describe("a comment allows a rule", () => {
  const open = "trustedProxies: [0.0.0.0/0]";

  it.each([
    ["beside it", `${open} # forebay-lint: allow trusts-everyone`],
    [
      "above it, with a reason",
      `# forebay-lint: allow trusts-everyone (only the mesh reaches it)\n\n# as ever\n${open}`,
    ],
    ["with others", `${open} # forebay-lint: allow trusts-everyone, private-path`],
  ])("%s", async (_where, yaml) => {
    expect((await warned(yaml)).filter((line) => line.includes("trusts-everyone"))).toEqual([]);
  });

  it("on its own line alone", async () => {
    const yaml = `# forebay-lint: allow trusts-everyone\n${open.replace("[", "\n  - ").replace("]", "")}\n  - ::/0`;
    expect((await warned(yaml)).filter((line) => line.includes(" trusts-everyone"))).toEqual([
      "4 trusts-everyone trustedProxies[0]",
      "5 trusts-everyone trustedProxies[1]",
    ]);
  });

  it("and is itself looked at", async () => {
    expect(await warned("drain: 5s # forebay-lint: allow trusts-everyone, trust-nobody")).toEqual([
      "2 allow-unused ",
      "2 allow-unknown ",
    ]);
  });

  it("what is missing on this machine too", async () => {
    const yaml = "listen: unix:/no/such/f.sock";
    expect((await checked(yaml)).code).toBe(2);
    expect((await checked(`${yaml} # forebay-lint: allow missing-file (CI)`)).code).toBe(0);
  });
});

describe("the exit code of check", () => {
  const passing = "routes: [{ path: /a, cache: { ttl: 1m } }]\ntests: [[GET /a, GET /a hit]]";

  it.each<[string, string, Options, number]>([
    ["0 where all is well", passing, {}, 0],
    ["0 with warnings", "trustedProxies: [0.0.0.0/0]", {}, 0],
    ["1 with warnings and --strict", "trustedProxies: [0.0.0.0/0]", { strict: true }, 1],
    ["1 where a test fails", passing.replace("hit", "miss"), {}, 1],
    ["2 where something is wrong", "drain: 5", {}, 2],
    ["2 where the file is not YAML", "drain: [", {}, 2],
  ])("is %s", async (_what, yaml, options, code) => {
    expect((await checked(yaml, options)).code).toBe(code);
    expect((await checked(yaml, { ...options, json: true })).code).toBe(code);
  });
});

describe("what a file calls its tests", () => {
  it("reaches no terminal as it came", async () => {
    const yaml = "routes: [{ path: /a, cache: { ttl: 1m } }]\ntests:\n";
    const named = `${yaml}  - { name: "\\e[31m\\u202e!", steps: [GET /a] }\n  - { name: "\\e[2J", steps: [GET /a 201] }\n`;
    for (const json of [false, true]) {
      const { text } = await checked(named, { json });
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    expect((await reported(named)).tests.map(({ name }) => name)).toEqual(["\u001b[31m\u202e!", "\u001b[2J"]);
  });
});

describe("--json", () => {
  it("gives each mistake with its place", async () => {
    expect(await reported("drain: 5s\nroutes:\n  - path: a\n  - { path: /b, cach: {} }")).toMatchObject({
      ok: false,
      mistakes: [
        { line: 4, column: 5, path: "routes[0].path", rule: "configuration" },
        { line: 5, column: 17, path: "routes[1].cach", text: "unknown key; did you mean cache?" },
      ],
    });
  });

  it("gives the place of what is no YAML", async () => {
    const { mistakes } = await reported("drain: [1");
    expect(mistakes[0]).toMatchObject({ line: 2, path: "", rule: "configuration" });
    expect(mistakes[0]?.text).toMatch(/^is not YAML: /);
  });

  it("gives warnings by rule, and tests with where they failed", async () => {
    const yaml =
      "routes: [{ path: /me, cache: { ttl: 1m } }]\ntests:\n  - name: kept\n    steps:\n      - GET /me\n      - GET /me miss\n  - [GET /me]";
    const report = await reported(yaml);
    expect(report).toMatchObject({
      file: "f.yaml",
      ok: false,
      routes: 1,
      warnings: [{ line: 2, column: 32, path: "routes[0].cache.ttl", rule: "private-path" }],
      tests: [
        { name: "kept", ok: false, line: 7, column: 9, path: "tests[0].steps[1].expect.cache", rule: "route-test" },
        { name: "GET /me", ok: true, line: 8, path: "tests[1]", text: "" },
      ],
    });
    expect(report.tests[0]?.text).toBe(
      "GET /me: expected miss, but it was hit (status 200, Cache-Status forebay; hit; ttl=60)",
    );
  });
});

describe("the README", () => {
  const text = readFileSync("README.md", "utf8").split("### Check a configuration")[1] ?? "";
  const block = (language: string, nth: number) =>
    [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))][nth]?.[1] ?? "";

  it("shows what check prints", async () => {
    const { text } = await checked(block("yaml", 0));
    expect(block("console", 0)).toContain(`\n${text.replaceAll("f.yaml", "my.yaml")}$ echo`);
  });

  it("shows tests that pass", async () => {
    const routes =
      "trustedProxies: [loopback]\nroutes: [{ path: /a, cache: { ttl: 5m, staleIfError: 1h }, rateLimit: { limit: 100, window: 1m } }]";
    expect((await checked(`${routes}\n${block("yaml", 1)}`)).text).toMatch(/good, 1 route, 4 tests passed\n$/);
  });

  it("has each rule in its table", () => {
    const table = text.split("| rule | finds |")[1]?.split("\n\n")[0] ?? "";
    expect(RULES.filter((rule) => !table.includes(`\`${rule}\``))).toEqual([]);
  });
});

it("colours only where they are wanted", async () => {
  expect((await checked("trustedProxies: [0.0.0.0/0]")).text).not.toContain("\u001b");
  expect((await checked("trustedProxies: [0.0.0.0/0]", { coloured: true })).text).toContain(
    "\u001b[33m[trusts-everyone]",
  );
});

it("names its rules once each, in order", () => {
  expect([...RULES]).toEqual([...new Set(RULES)].toSorted());
});

it("says of a file with very many dangers the first hundred, and how many more", async () => {
  const routes = Array.from({ length: 150 }, (_, i) => `  - { path: /me/${i}, cache: { ttl: 1m } }`);
  const lines = (await checked(`routes:\n${routes.join("\n")}`)).text.split("\n");
  expect(lines.slice(-3)).toEqual(["… and 50 more warnings", "f.yaml: good, 150 routes, 150 warnings", ""]);
});
