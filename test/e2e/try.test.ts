// `forebay try` as its users run it, against a real small origin. Nothing here looks at how fast anything was.

import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { TryResult } from "../../src/cli/try/result.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { launch, runForebay } from "../support/sidecar.ts";

let origin: Origin;
let folder: string;

beforeEach(async () => {
  origin = await startOrigin((request, response) => {
    if (request.url?.startsWith("/private")) response.setHeader("Cache-Control", "private");
    response.writeHead(request.url === "/broken" ? 503 : 200).end("x".repeat(500));
  });
  folder = mkdtempSync(join(tmpdir(), "forebay-test-"));
});

afterEach(async () => {
  await origin.close();
  rmSync(folder, { recursive: true });
});

const asked = (...args: string[]) =>
  runForebay(["try", "--seconds", "4", "--connections", "3", ...args], { cwd: folder });

async function found(...args: string[]): Promise<TryResult> {
  const { code, stdout, stderr } = await asked("--json", ...args);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as TryResult;
}

it("a service is asked in turns, directly and through Forebay, and what reached it is counted exactly", async () => {
  const { load } = await found("--origin", origin.url, "--path", "/a", "--path", "/b?c=d");
  if (load === undefined) throw new Error("no load");
  const { direct, forebay } = load;
  expect(direct).toMatchObject({
    errors: 0,
    hits: 0,
    statuses: { 200: direct.requests },
    originRequests: direct.sent,
  });
  expect(forebay).toMatchObject({ errors: 0, originRequests: 2, statuses: { 200: forebay.requests } });
  expect(forebay.hits + forebay.collapsed).toBe(forebay.requests - 2);
  expect(forebay.originBytes).toBeGreaterThan(2 * 500);
  expect(forebay.originBytes).toBeLessThan(2 * 1000);
  expect(forebay.clientBytes).toBeGreaterThan(forebay.requests * 500);
  // What was under way when a round ended, and the first look whether anybody is there.
  expect(Math.abs(origin.seen.length - direct.sent - 2)).toBeLessThanOrEqual(1 + 2 * 3);
  expect(new Set(origin.seen.map(({ method }) => method))).toEqual(new Set(["GET"]));
  expect(new Set(origin.seen.map(({ headers }) => headers.host))).toEqual(new Set([new URL(origin.url).host]));
});

it("says first what it will ask of whom, prints a table, why there were no hits, and draws pictures", async () => {
  const pictures = ["--svg", "a.svg", "--html", "a.html"];
  const { code, stdout } = await asked("--origin", origin.url, "--path", "/private", ...pictures);
  expect(code).toBe(0);
  expect(stdout.split("\n")[0]).toBe(
    `Asks ${origin.url} for GET /private, as fast as 3 connections allow: 2 s directly and 2 s through Forebay (memory, a TTL of 1m where it states none), in turns.`,
  );
  for (const row of [
    "requests/s",
    "p50",
    "p99",
    "thereof to the origin",
    "bytes from the origin",
    "hit ratio",
    "errors",
  ]) {
    expect(stdout).toMatch(new RegExp(`^${row} `, "m"));
  }
  expect(stdout).toMatch(/^Why requests were not hits, in the words of Cache-Status: uri-miss, private /m);
  expect(readFileSync(join(folder, "a.svg"), "utf8")).toMatch(/^<svg /);
  expect(readFileSync(join(folder, "a.html"), "utf8")).toContain("<svg ");
});

it("errors of the service are told on both sides", async () => {
  const { load } = await found("--origin", origin.url, "--path", "/broken");
  expect(load?.direct).toMatchObject({ errors: load?.direct.requests, statuses: { 503: load?.direct.requests } });
  expect(load?.forebay.errors).toBe(load?.forebay.requests);
});

it("a log is predicted from without asking anybody, by the user's rules, and its GETs are asked for where an origin is given", async () => {
  const line = (time: string, what: string) =>
    `10.0.0.1 - - [21/Nov/2026:08:00:${time} +0000] "${what} HTTP/1.1" 200 100`;
  const log = ["01", "02", "07"].map((time) => line(time, "GET /a/1"));
  writeFileSync(
    join(folder, "a.log"),
    [...log, line("08", "DELETE /a/1"), line("09", "GET /a/1"), "\u001b[2J", ""].join("\r\n"),
  );
  writeFileSync(join(folder, "my.yaml"), `origin: ${origin.url}\nroutes: [{ path: /a/:id, cache: { ttl: 3s } }]\n`);
  const alone = await found("--access-log", "a.log", "--config", "my.yaml");
  expect(alone).toMatchObject({ log: { requests: 5, malformed: 1, firstMalformed: 6 } });
  expect(alone.load).toBeUndefined();
  expect(alone.prediction?.columns.map(({ name }) => name)).toEqual(["as configured", "1s", "10s", "1m", "10m", "1h"]);
  expect(alone.prediction?.rows).toMatchObject([{ route: "/a/:id", requests: 5, reads: 4 }]);
  expect(alone.prediction?.total.cells.map(({ hits }) => hits)).toEqual([1, 0, 2, 2, 2, 2]);
  expect(origin.seen).toEqual([]);
  const { load, prediction } = await found("--access-log", "a.log", "--origin", origin.url);
  expect(prediction?.rows).toMatchObject([{ route: "/a/*" }]);
  expect(load?.forebay.originRequests).toBe(1);
  expect(new Set(origin.seen.map(({ method, url }) => `${method} ${url}`))).toEqual(new Set(["GET /a/1"]));
});

it("a line as long as a file is one bad line", async () => {
  writeFileSync(
    join(folder, "a.log"),
    `${"x".repeat(3_000_000)}\n{"method":"GET","path":"/","status":200,"time":1795248005000}`,
  );
  expect(await found("--access-log", "a.log")).toMatchObject({ log: { requests: 1, malformed: 1, firstMalformed: 1 } });
});

it("a service that does not answer, and a log that is not there, are told in one line", async () => {
  const port = origin.port;
  await origin.close();
  const dead = await asked("--origin", `http://127.0.0.1:${port}`);
  origin = await startOrigin(() => {});
  expect(dead).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^try: http:\/\/127\.0\.0\.1:\d+ does not answer: \w+\n$/),
  });
  expect(await asked("--access-log", "none.log")).toMatchObject({
    code: 1,
    stderr: "try: none.log cannot be read: there is no such file\n",
  });
});

it("Ctrl-C ends it with the Forebay that it started", async () => {
  const child = launch(["try", "--origin", origin.url, "--seconds", "600", "--connections", "1"], { cwd: folder });
  const ended = once(child, "close");
  while (!origin.seen.some(({ headers }) => headers.via !== undefined)) await origin.nth(origin.seen.length + 1);
  const served = childrenOf(child.pid ?? 0);
  expect(served).toHaveLength(1);
  child.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
  expect(served.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
});

it("nothing is left of it in the Redis that it was given", async () => {
  const redis: TestRedis = await startRedis();
  try {
    await redis.command("SET", "mine", "1");
    const { load } = await found("--origin", origin.url, "--redis", redis.url, "--ttl", "1h");
    expect(load?.forebay).toMatchObject({ errors: 0 });
    expect(await redis.command("KEYS", "*")).toEqual(["mine"]);
  } finally {
    await redis.stop();
  }
});

function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
    } catch {
      return false; // it has ended
    }
  });
}
