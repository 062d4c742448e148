import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askOrigin, askRedis } from "../../../src/cli/lint/asking.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { startRedis, type TestRedis } from "../../support/redis.ts";

function config(yaml: string): Config {
  return loadConfig({ file: "f.yaml", env: {}, readFile: () => yaml });
}

describe("Redis is asked for its eviction policy", () => {
  const at = (url: string) => config(`origin: http://127.0.0.1:9\nstore: { redis: { url: "${url}" } }`);
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis(["--maxmemory", "100mb"]);
  });
  afterAll(() => redis.stop());

  it.each(["allkeys-lru", "noeviction"])("%s hurts, in the words of the warning at start", async (policy) => {
    await redis.command("CONFIG", "SET", "maxmemory-policy", policy);
    const { warnings, notes } = await askRedis(at(redis.url));
    expect(warnings).toMatchObject([{ rule: "eviction-policy", path: ["store", "redis", "url"] }]);
    expect(warnings[0]?.text).toContain(`maxmemory-policy ${policy}`);
    expect(notes).toEqual([]);
  });

  it("volatile-lru does not", async () => {
    await redis.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru");
    expect(await askRedis(at(redis.url))).toEqual({ warnings: [], notes: [] });
  });

  it("a replica is no place for the store", async () => {
    await redis.command("REPLICAOF", "127.0.0.1", "1");
    const { warnings } = await askRedis(at(redis.url));
    await redis.command("REPLICAOF", "NO", "ONE");
    expect(warnings).toEqual([
      { rule: "redis-unsuitable", path: ["store", "redis", "url"], text: "this Redis is a replica, not the master" },
    ]);
  });

  it("and where nothing answers it is said that nobody was asked", async () => {
    const { warnings, notes } = await askRedis(at("redis://:hush@127.0.0.1:1"));
    expect(warnings).toEqual([]);
    expect(notes).toEqual([expect.stringMatching(/^Redis was not asked for its eviction policy: .*ECONNREFUSED/)]);
    expect(notes[0]).not.toContain("hush");
  });

  it("and one that is silent is not waited for", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const { notes } = await askRedis(at(`redis://127.0.0.1:${typeof address === "object" ? address?.port : 0}`));
    silent.close();
    expect(notes).toEqual([expect.stringContaining("not asked")]);
  });
});

describe("the origin is asked", () => {
  const answers: Record<string, Record<string, string>> = {
    "/cookies": { vary: "Accept, Cookie" },
    "/auth": { vary: "authorization" },
    "/any": { vary: "*" },
    "/private": { "cache-control": "private, max-age=60" },
    "/sets": { "set-cookie": "a=1" },
    "/fresh": { "cache-control": "public, max-age=60" },
    "/plain": {},
  };
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin((request, response) => {
      response.writeHead(request.url === "/gone" ? 404 : 200, answers[request.url ?? ""] ?? { vary: "cookie" });
      response.end("hello");
    });
  });
  afterAll(() => origin.close());

  const asked = async (routes: string) => {
    const { warnings, notes } = await askOrigin(config(`origin: ${origin.url}\n${routes}`));
    expect(notes).toEqual([]);
    return warnings.map(({ rule, path, text }) => `${rule} ${path.join(".")} ${text.split(",")[0]}`);
  };

  it.each([
    ["/cookies", "credentials-not-keyed routes.0.cache the origin answers /cookies with Vary: cookie"],
    ["/auth", "credentials-not-keyed routes.0.cache the origin answers /auth with Vary: authorization"],
    ["/any", "origin-forbids-caching routes.0.cache the origin answers /any with Vary: *"],
    ["/sets", "origin-forbids-caching routes.0.cache the origin answers /sets with Set-Cookie"],
    ["/fresh", "has-no-effect routes.0.cache the origin answers /fresh with max-age=60"],
  ])("and what it answers for %s is said", async (path, said) => {
    expect(await asked(`routes: [{ path: ${path}, cache: { ttl: 1m } }]`)).toEqual([said]);
  });

  it("and what forbids caching is said, whatever the route says", async () => {
    const said = "origin-forbids-caching routes.0.cache the origin answers /private with Cache-Control: private";
    expect(await asked("routes: [{ path: /private, cache: { ttl: 1m, override: true } }]")).toEqual([said]);
  });

  it.each([
    "{ path: /plain, cache: { ttl: 1m } }",
    "{ path: /cookies, cache: { key: { cookies: [session] } } }",
    "{ path: /auth, cache: { key: { headers: [authorization] } } }",
    "{ path: /fresh, cache: {} }",
    "{ path: /fresh, cache: { ttl: 1m, override: true } }",
    "{ path: /sets, cache: { setCookie: strip } }",
    "{ path: /gone, cache: {} }",
    "{ path: /cookies }",
  ])("and there is nothing to say of %s", async (route) => {
    expect(await asked(`routes: [${route}]`)).toEqual([]);
  });

  it("for the paths of tests where a route has parameters, with no method but GET", async () => {
    const before = origin.seen.length;
    const said = await asked(
      'routes: [{ path: "/x/:id", cache: {} }]\ntests: [[GET /x/7, GET /x/7, POST /x/8, GET /y]]',
    );
    expect(said).toEqual(["credentials-not-keyed routes.0.cache the origin answers /x/7 with Vary: cookie"]);
    expect(origin.seen.slice(before).map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /x/7"]);
  });

  it("and where it does not answer that is said", async () => {
    const { warnings, notes } = await askOrigin(
      config("origin: http://127.0.0.1:1\nroutes: [{ path: /a, cache: {} }]"),
    );
    expect([warnings, notes]).toEqual([[], [expect.stringMatching(/^the origin was not asked for \/a: /)]]);
  });
});
