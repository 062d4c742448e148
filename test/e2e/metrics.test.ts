// What a sidecar tells of itself in numbers: as JSON for the dashboard, as text for Prometheus.

import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { CATALOGUE } from "../../src/metrics/catalogue.ts";
import { type Family, readTextFormat } from "../metrics/text-format.ts";
import { startOrigin } from "../support/origin.ts";
import { startRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ROUTES = `
routes:
  - path: /products/:id
    cache: { ttl: 5m }
    rateLimit: { limit: 5, window: 1h }
  - path: /stale/:id
    cache: {}
  - path: /*
    cache: false
`;

/** A sidecar in front of an origin that answers each path with its own text; /hangs/* never. */
async function start(yaml = ROUTES, args: string[] = []) {
  const origin = await startOrigin((request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/hangs")) return;
    if (path.startsWith("/stale"))
      response.setHeader("Cache-Control", "max-age=0, must-revalidate").setHeader("ETag", '"1"');
    if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end();
    else response.writeHead(path.startsWith("/broken") ? 500 : 200).end("0123456789");
  });
  cleanups.push(() => origin.close());
  const sidecar = await startSidecarProcess(`origin: ${origin.url}\n${yaml}`, args);
  cleanups.push(() => sidecar.stop());
  return { origin, sidecar };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON as it comes
async function stats(sidecar: SidecarProcess): Promise<any> {
  return (await fetch(`${sidecar.admin}/api/stats`)).json();
}

/** A request is counted when its exchange is over, which its client may know a little earlier. */
async function statsOf(sidecar: SidecarProcess, requests: number) {
  await expect.poll(async () => (await stats(sidecar)).totals.requests).toBe(requests);
  return stats(sidecar);
}

test("what was asked is told in all, by route and by limit", async () => {
  const { sidecar, origin } = await start();
  for (let i = 0; i < 7; i++) await sidecar.fetch("/products/1?token=hush");
  for (let i = 0; i < 3; i++) await sidecar.fetch("/stale/1");
  await sidecar.fetch("/other", { method: "POST", body: "x" });
  await sidecar.fetch("/broken");
  const told = await statsOf(sidecar, 12);
  expect(told.totals).toEqual({
    ...{ requests: 12, hits: 4, forwards: 6, collapsed: 0, limited: 2, errors: 1 },
    bytes: told.totals.bytes,
  });
  expect(origin.count()).toBe(6);
  expect(told.routes.find(({ route }: { route: string }) => route === "/products/:id")).toMatchObject({
    ...{ requests: 7, hits: 4, forwards: 1, limited: 2, errors: 0 },
  });
  expect(told.limits).toEqual([{ limit: "/products/:id", allowed: 5, refused: 2 }]);
  expect(told.flights).toEqual({ underWay: 0, followers: 0 });
  expect(told.top[0]).toEqual({ key: "GET app.test/products/1?...", route: "/products/:id", requests: 7 });
  expect(told.health.store).toEqual({ state: "ok", detail: expect.any(String) });
  expect(told.series.requests).toHaveLength(360);
  expect(told.latencyMs.p50).toBeGreaterThan(0);
  expect(told.perSecond.requests).toBeGreaterThan(0);
});

test("a client that leaves before there is an answer is counted once", async () => {
  const { sidecar, origin } = await start();
  const { hostname, port } = new URL(sidecar.url);
  for (const fields of ["", "Expect: 100-continue\r\nContent-Length: 0\r\n"]) {
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const asked = origin.nth(origin.count() + 1);
    socket.write(`GET /hangs HTTP/1.1\r\nHost: app.test\r\n${fields}\r\n`);
    await asked;
    socket.destroy();
  }
  await sidecar.fetch("/other");
  expect((await statsOf(sidecar, 3)).totals).toMatchObject({ requests: 3, errors: 0, bytes: 10 });
});

test("with a token the numbers are for those who have it", async () => {
  const { sidecar } = await start(`adminToken: 0123456789abcdef\n${ROUTES}`);
  expect((await fetch(`${sidecar.admin}/api/stats`)).status).toBe(401);
  const headers = { authorization: "Bearer 0123456789abcdef" };
  expect((await fetch(`${sidecar.admin}/api/stats`, { headers })).status).toBe(200);
});

async function scrape(sidecar: SidecarProcess): Promise<ReadonlyMap<string, Family>> {
  const answer = await fetch(`${sidecar.admin}/metrics`);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return readTextFormat(await answer.text());
}

/** The sum of a metric's lines that have these labels. */
function sum(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name.replace(/_(bucket|sum|count)$/, "")) ?? families.get(name);
  const meant = (family?.samples ?? []).filter((sample) => {
    return sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
  });
  return meant.reduce((total, { value }) => total + value, 0);
}

test("a scrape is of the format, has every metric of the catalogue, and adds up with what was asked", async () => {
  const { sidecar, origin } = await start();
  for (let i = 0; i < 7; i++) await sidecar.fetch("/products/1");
  for (let i = 0; i < 3; i++) await sidecar.fetch("/stale/1");
  await sidecar.fetch("/products/1", { method: "PUT", body: "x" });
  await sidecar.fetch("/broken");
  await statsOf(sidecar, 12);
  const families = await scrape(sidecar);
  expect([...families.keys()]).toEqual(CATALOGUE.map(({ name }) => name));
  const of = (labels: Record<string, string>) => sum(families, "forebay_requests_total", labels);
  expect(of({})).toBe(12);
  expect(of({ route: "/products/:id", outcome: "hit", status: "2xx" })).toBe(4);
  expect(of({ route: "/products/:id", outcome: "uri-miss" })).toBe(1);
  expect(of({ route: "/products/:id", outcome: "limited", status: "4xx" })).toBe(3);
  expect(of({ route: "/stale/:id", outcome: "uri-miss" })).toBe(1);
  expect(of({ route: "/stale/:id", outcome: "validated", status: "2xx" })).toBe(2);
  expect(of({ route: "/*", outcome: "bypass", status: "5xx" })).toBe(1);
  expect(sum(families, "forebay_request_duration_seconds_count")).toBe(12);
  expect(sum(families, "forebay_origin_duration_seconds_count")).toBe(origin.count());
  expect(sum(families, "forebay_limit_requests_total", { limit: "/products/:id", result: "allowed" })).toBe(5);
  expect(sum(families, "forebay_limit_requests_total", { limit: "/products/:id", result: "refused" })).toBe(3);
  expect(sum(families, "forebay_origin_received_bytes_total")).toBe(30);
  expect(sum(families, "forebay_memory_entries")).toBe(2);
  expect(sum(families, "forebay_store_up")).toBe(1);
  // Measured a few times a second: all of the above may have taken less.
  const measured = async () => sum(await scrape(sidecar), "forebay_event_loop_delay_seconds_count");
  await expect.poll(measured).toBeGreaterThan(0);
  expect(sum(families, "process_resident_memory_bytes")).toBeGreaterThan(1e7);
  expect((await fetch(`${sidecar.admin}/metrics`, { method: "HEAD" })).status).toBe(200);
});

test("nothing that a client types becomes a label", async () => {
  const { sidecar } = await start();
  const hostile = [
    "/a%22%0Aevil_total%201",
    "/{x=%22y%22}",
    "/..%2f%5c",
    `/${"x".repeat(3000)}`,
    "/products/%00%1b[2J",
  ];
  for (const path of hostile) await sidecar.fetch(path);
  await statsOf(sidecar, hostile.length);
  const text = await (await fetch(`${sidecar.admin}/metrics`)).text();
  const families = readTextFormat(text);
  const routes = new Set(families.get("forebay_requests_total")?.samples.map(({ labels }) => labels.route));
  expect([...routes].every((route) => ["/products/:id", "/stale/:id", "/*", ""].includes(route ?? "?"))).toBe(true);
  expect(text).not.toMatch(/evil|xxx|app\.test/);
});

test("a route's own text is escaped as the format wants it", async () => {
  const { sidecar } = await start('routes: [{ path: "/a%22b" }, { path: "/*" }]');
  await sidecar.fetch("/a%22b");
  await statsOf(sidecar, 1);
  expect(sum(await scrape(sidecar), "forebay_requests_total")).toBe(1);
});

test("without a token a scrape may come by any name; with one it is sent", async () => {
  const { sidecar } = await start();
  const proxied = { headers: { host: "forebay.internal:8081", "x-forwarded-for": "10.0.0.1" } };
  expect((await fetch(`${sidecar.admin}/metrics`, proxied)).status).toBe(200);
  const gated = (await start(`adminToken: 0123456789abcdef\n${ROUTES}`)).sidecar;
  expect((await fetch(`${gated.admin}/metrics`)).status).toBe(401);
  const headers = { authorization: "Bearer 0123456789abcdef" };
  expect((await fetch(`${gated.admin}/metrics`, { headers })).status).toBe(200);
});

test("the connections to Redis, and what goes over them, are counted", async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const { sidecar } = await start(`store: { redis: { url: "${redis.url}", connections: 2, deadline: 2s } }\n${ROUTES}`);
  await expect.poll(async () => (await stats(sidecar)).health.store.state, { timeout: 10_000 }).toBe("ok");
  for (let i = 0; i < 3; i++) await sidecar.fetch("/products/1");
  await sidecar.fetch("/products/1", { method: "PUT", body: "x" });
  await statsOf(sidecar, 4);
  const families = await scrape(sidecar);
  expect(sum(families, "forebay_redis_connections")).toBe(3);
  expect(sum(families, "forebay_redis_round_trip_seconds_count")).toBeGreaterThanOrEqual(4);
  expect(sum(families, "forebay_store_wait_seconds_count", { route: "/products/:id" })).toBe(4);
  expect(sum(families, "forebay_invalidations_total")).toBe(1);
  expect(sum(families, "forebay_redis_pending_commands")).toBe(0);
  await redis.stop();
  await expect.poll(async () => sum(await scrape(sidecar), "forebay_redis_connections"), { timeout: 10_000 }).toBe(0);
  const after = await scrape(sidecar);
  expect(sum(after, "forebay_redis_connections_lost_total")).toBeGreaterThan(0);
});
