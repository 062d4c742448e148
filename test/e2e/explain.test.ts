// `forebay explain` as it is typed, with and without a running sidecar.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { startRedis } from "../support/redis.ts";
import { runForebay, type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, undisturbed } from "../support/undisturbed.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ROUTES = `
trustedProxies: [loopback]
rateLimit: { limit: 1000, window: 1m }
routes:
  - path: /articles/:id
    cache: { ttl: 5m, tags: ["article:{id}"], key: { query: [page] } }
    invalidate: { paths: ["/search*"], tags: ["article:{id}"] }
  - path: /articles/new
  - path: /*`;

async function fileWith(yaml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "forebay-explain-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "proxy.config.yaml");
  await writeFile(file, yaml);
  return file;
}

const withoutToken = { env: { ...process.env, ADMIN_TOKEN: "", NO_COLOR: "" } };
const explain = (...args: string[]) => runForebay(["explain", ...args], withoutToken);

/** To be asked in `undisturbed`: while it may not read Redis it knows nothing of what is stored, and fetches without a lease. */
async function withSidecar(yaml: string): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml, ["--log-level", "debug"]);
  cleanups.push(() => sidecar.stop());
  return sidecar;
}

test("without a sidecar the file is enough: route, client, limits, key, freshness, tags and what a write invalidates", async () => {
  const file = await fileWith(`origin: http://127.0.0.1:9\n${ROUTES}`);
  const asked = [
    "GET",
    "http://shop.test/articles/7?utm=x&page=2",
    "-H",
    "Cookie: a=b",
    "-H",
    "X-Forwarded-For: 203.0.113.9",
  ];
  const { code, stdout, stderr } = await explain("-c", file, ...asked, "--response", "Cache-Control: max-age=60");
  expect([code, stderr]).toEqual([0, ""]);
  const lines = stdout.split("\n").map((line) => line.trim().replace(/ {2,}/g, " "));
  for (const line of [
    "GET http://shop.test/articles/7?utm=x&page=2",
    "Route /articles/:id id = 7",
    'not /articles/new segment 2 is "7", not "new"',
    'not /* matches too, but in segment 1 "articles" is more specific than *',
    "127.0.0.1 connection believed: a trusted proxy",
    "203.0.113.9 X-Forwarded-For the client",
    "bucket 203.0.113.9 (by ip)",
    "query page=2",
    "ignored query utm=x",
    "cookies a",
    "Cache-Control max-age=60 → 60 s decides",
    "the route's ttl ttl 300 s → 300 s outranked",
    "tag:article:7",
    "invalidates pattern:shop.test/search* every path of this host that matches",
  ]) {
    expect(lines).toContain(line);
  }
  const json = await explain("-c", file, ...asked, "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ format: 1, way: "read", route: { id: "/articles/:id" } });
});

test("nothing that was typed reaches the terminal as it came", async () => {
  const file = await fileWith(`origin: http://127.0.0.1:9\n${ROUTES}`);
  for (const how of [[], ["--json"]]) {
    const { code, stdout } = await explain(
      ...["-c", file, "GET", "http://h/articles/%1b[2J", "-H", "Cookie: a\u009b31m=\u202e1", ...how],
    );
    expect(code).toBe(0);
    expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
  const bad = await explain("-c", file, "GET", "http://h/\u001b[31m");
  expect([bad.code, bad.stderr.replaceAll("\n", "")]).toEqual([2, expect.not.stringMatching(/\p{Cc}/u)]);
});

test("words of Cache-Status come with what they mean", async () => {
  const file = await fileWith(`origin: http://127.0.0.1:9\n${ROUTES}`);
  const about = async (...args: string[]) => (await explain("-c", file, ...args)).stdout;
  expect(await about("GET", "http://h/articles/7", "--response", "Set-Cookie: a=b")).toContain(
    "a 200 like this is not stored: it sets a cookie, and the route's setCookie is refuse (set-cookie)",
  );
  expect(await about("GET", "http://h/")).toContain("2 others, not near");
  expect(await about("PUT", "http://h/articles/7")).toContain("those of a GET");
});

test("what is typed wrong is told, with exit code 2", async () => {
  const file = await fileWith(`origin: http://127.0.0.1:9\n${ROUTES}`);
  const wrong: [string[], RegExp][] = [
    [["GET"], /write forebay explain METHOD URL/],
    [["GET", "https://h/"], /write http:/],
    [["get", "http://h/"], /no method get, .* write GET/],
    [["GET", "http://h/", "--status", "99"], /--status: write a code/],
    [["GET", "http://h/", "--token", "x"], /--token: goes with --live/],
    [["GET", "http://h/", "-H", "x"], /is not written as/],
  ];
  for (const [args, text] of wrong) {
    const { code, stderr } = await explain("-c", file, ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(text)]);
  }
});

test(
  "a running sidecar says what is stored, without a request being counted",
  async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const origin = await startOrigin((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "surrogate-key": "own" }).end("hello");
    });
    cleanups.push(() => origin.close());
    const store = `store: { redis: { url: "${redis.url}", deadline: 2s } }`;
    const yaml = `origin: ${origin.url}\nadminToken: a-token-of-16-or-more\n${store}\n${ROUTES}`;
    const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
    await undisturbed([one, two], async (round) => {
      const path = `/articles/${round}`;
      const ask = () => one.fetch(path, { headers: { "x-forwarded-for": `203.0.113.${round}` } });
      const live = async (sidecar: SidecarProcess, ...more: string[]) => {
        const where = ["--live", "--admin", sidecar.admin, "--token", "a-token-of-16-or-more"];
        return explain("GET", `http://app.test${path}`, ...where, ...more);
      };
      const stored = async (sidecar: SidecarProcess) => JSON.parse((await live(sidecar, "--json")).stdout).stored;
      const nothing = { answered: true, decision: "forward", reason: "uri-miss", response: null };
      expect(await stored(one)).toMatchObject(nothing);
      expect(origin.count(path)).toBe(0);
      await ask();
      await ask();
      expect((await stored(one)).response).toMatchObject({ state: "usable", tier: "memory", hits: 1 });
      // The limit was charged by the two requests alone.
      expect((await ask()).headers.get("ratelimit")).toMatch(/r=997/);
      expect(await stored(two)).toMatchObject({ decision: "fresh", response: { tier: "redis", hits: null } });
      const purged = await runForebay(["purge", "tag", "own", "--admin", one.admin, "--wait"], {
        env: { ...process.env, ADMIN_TOKEN: "a-token-of-16-or-more" },
      });
      expect(purged.code).toBe(0);
      const { stdout } = await live(two);
      expect(stdout).toMatch(/invalidated: may be validated/);
      expect(stdout).toMatch(/because +tag:own at 20\d\d-.*Z, clock \d+/);
      expect(origin.count(path)).toBe(1);
    });
    const refused = await explain("GET", "http://app.test/a", "--live", "--admin", one.admin);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/wants a token; give --token/)]);
  },
  ROUNDS_MS,
);

test(
  "a running sidecar says which one stored a response, or validated it last",
  async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const origin = await startOrigin(({ headers }, response) => {
      const status = headers["if-none-match"] === '"1"' ? 304 : 200;
      response.writeHead(status, { "cache-control": "max-age=60", etag: '"1"' }).end(status === 200 ? "hello" : "");
    });
    cleanups.push(() => origin.close());
    const yaml = `origin: ${origin.url}\nstore: { redis: { url: "${redis.url}", deadline: 2s } }\n${ROUTES}`;
    const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
    const asked = async ({ admin }: SidecarProcess, path: string) =>
      JSON.parse(await (await fetch(`${admin}/api/${path}`)).text());
    const names = { one: (await asked(one, "stats")).sidecar, two: (await asked(two, "stats")).sidecar };
    await undisturbed([one, two], async (round) => {
      const path = `/articles/${round}`;
      const response = async (sidecar: SidecarProcess) =>
        (await asked(sidecar, `explain?url=http://app.test${path}`)).stored.response;
      const said = async ({ admin }: SidecarProcess) =>
        (await explain("GET", `http://app.test${path}`, "--live", "--admin", admin)).stdout;
      // What is stored is on its way to Redis when the client has its answer.
      await one.fetch(path);
      await vi.waitUntil(async () => (await response(two)) !== null, { timeout: 20_000 });
      expect((await response(one)).storedBy).toEqual({ sidecar: names.one, isThis: true });
      expect((await response(two)).storedBy).toEqual({ sidecar: names.one, isThis: false });
      expect(await said(two)).toMatch(new RegExp(`^ +by +sidecar ${names.one}$`, "m"));
      await two.fetch(path);
      expect(await response(two)).toMatchObject({ tier: "memory", storedBy: { sidecar: names.one } });
      const tag = `article:${round}`;
      const purged = await runForebay(["purge", "tag", tag, "--admin", one.admin, "--wait"], withoutToken);
      expect(purged.code).toBe(0);
      await two.fetch(path);
      const conditions = origin.seen.filter(({ url }) => url === path).map(({ headers }) => headers["if-none-match"]);
      expect(conditions).toEqual([undefined, '"1"']);
      await vi.waitUntil(async () => (await response(two)).storedBy.isThis, { timeout: 20_000 });
      expect((await response(one)).storedBy).toEqual({ sidecar: names.two, isThis: false });
      expect(await said(two)).toMatch(new RegExp(`^ +by +this sidecar, ${names.two}$`, "m"));
    });
  },
  ROUNDS_MS,
);

test("what is no sidecar is told as such", async () => {
  const other = await startOrigin((_request, response) => {
    response.end('{"format":1}');
  });
  cleanups.push(() => other.close());
  const { code, stdout, stderr } = await explain("--live", "--admin", other.url, "GET", "http://h/");
  expect([code, stdout, stderr]).toEqual([
    1,
    "",
    expect.stringMatching(/^what answers there is no sidecar; give .*\n$/),
  ]);
});

test(
  "a lease under way is seen",
  async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const origin = await startOrigin((_request, response) => void response.end());
    cleanups.push(() => origin.close());
    const sidecar = await withSidecar(
      `origin: ${origin.url}\nstore: { redis: { url: "${redis.url}", deadline: 2s } }\n${ROUTES}`,
    );
    const { stdout } = await undisturbed([sidecar], async (round) => {
      const path = `/articles/${round}`;
      const asked = Promise.withResolvers<ServerResponse>();
      origin.handler = ({ url }, response) => void (url === path ? asked.resolve(response) : response.end());
      const answer = sidecar.fetch(path);
      const response = await asked.promise;
      const said = await explain("GET", `http://app.test${path}`, "--live", "--admin", sidecar.admin);
      response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
      await answer;
      return said;
    });
    expect(stdout).toMatch(/lease +a sidecar fetches it; its lease has \d+ ms left/);
  },
  ROUNDS_MS,
);

test("a running sidecar explains by the configuration that is in use", async () => {
  const yaml = "origin: http://127.0.0.1:9\nroutes: [{ path: /a, cache: { ttl: 1m } }]";
  const sidecar = await startSidecarProcess(yaml);
  cleanups.push(() => sidecar.stop());
  const route = async () => {
    const { stdout } = await explain("GET", "http://app.test/a/7", "--live", "--json", "--admin", sidecar.admin);
    return JSON.parse(stdout).route?.id ?? null;
  };
  expect(await route()).toBeNull();
  await writeFile(sidecar.file, yaml.replace("/a,", "'/a/:id',"));
  await sidecar.line(({ msg }) => msg === "configuration replaced");
  expect(await route()).toBe("/a/:id");
});
