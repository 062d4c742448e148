// Purges as an operator makes them, and what all sidecars hear of one another.

import { request } from "undici";
import { afterEach, expect, test, vi } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { startRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, watchCutOffs } from "../support/undisturbed.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function withOrigin(): Promise<string> {
  const origin = await startOrigin((_request, response) => {
    const fields = { "cache-control": "max-age=60", "surrogate-key": "own other", "cache-groups": '"group"' };
    response.writeHead(200, fields).end("hello");
  });
  cleanups.push(() => origin.close());
  return origin.url;
}

async function withSidecar(yaml: string): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml);
  cleanups.push(() => sidecar.stop());
  return sidecar;
}

const isHit = async (sidecar: SidecarProcess, target = "/a") =>
  (await sidecar.fetch(target)).headers.get("cache-status")?.includes("; hit") === true;
const untilHit = (sidecar: SidecarProcess, target?: string) =>
  vi.waitUntil(() => isHit(sidecar, target), { timeout: 20_000 });

async function purge({ admin }: SidecarProcess, what: unknown, query = ""): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${admin}/api/purge${query}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(what),
  });
  return { status: response.status, body: await response.json() };
}

test("a purge by any sidecar holds in all of them at once, and its receipt says who has heard", async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const yaml = `
origin: ${await withOrigin()}
store: { redis: { url: "${redis.url}", deadline: 2s }, memory: { trust: 1h } }
routes: [{ path: "/*", cache: { tags: [everything] } }]`;
  const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
  const purges = [
    { url: "http://app.test/a" },
    { path: "/a", host: "app.test" },
    { tag: "own" },
    { route: "/*" },
    { glob: "/?" },
    { group: "group", host: "app.test" },
    { tag: "own", soft: true },
    { all: true, soft: true },
  ];
  for (const what of [...purges, { tag: "everything" }, { all: true }]) {
    await Promise.all([untilHit(one), untilHit(two)]);
    const { status, body } = await purge(one, what, "?wait=all");
    const soft = "soft" in what ? { soft: true } : {};
    expect([status, body]).toMatchObject([200, { clock: expect.any(Number), sidecars: 2, seen: 2, ...soft }]);
    expect(await isHit(two)).toBe(false);
    expect((await purge(two, { tag: "nobody's" }, "?wait=all")).body).toMatchObject({ seen: 2 });
  }
  await Promise.all([untilHit(one), untilHit(two)]);
  expect(await purge(one, { tag: "own", soft: 1 })).toMatchObject({ status: 400 });
  expect(await purge(one, { tag: "" })).toMatchObject({ status: 400, body: { title: "Bad Request" } });
  expect((await purge(two, { tag: "nobody's" }, "?wait=all")).body).toMatchObject({ seen: 2 });
  expect(await isHit(two)).toBe(true);
});

test(
  "what happens in one sidecar is shown by the other, in order",
  async () => {
    // Who loses Redis for a moment never hears what was told meanwhile.
    while (!(await isShownInOrder()));
  },
  ROUNDS_MS,
);

/** False: the machine stood still, and nothing is to be expected. */
async function isShownInOrder(): Promise<boolean> {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const yaml = `
origin: ${await withOrigin()}
store: { redis: { url: "${redis.url}", deadline: 2s } }
rateLimit: { limit: 50, window: 1h }
routes: [{ path: "/*", cache: {} }]`;
  const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
  await Promise.all([one, two].map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));
  const cutOffs = watchCutOffs([one, two]);
  const { body } = await request(`${two.admin}/api/events`);
  let shown = "";
  body.on("data", (piece) => {
    shown += piece;
  });
  body.on("error", () => {});
  cleanups.push(() => body.destroy());
  await untilHit(one);
  await untilHit(two);
  await one.fetch("/a", { method: "POST" });
  for (let i = 0; i < 60; i++) await one.fetch("/a");
  await purge(one, { tag: "own" });
  const kinds = () => [...shown.matchAll(/^event: (\w+)$/gm)].map(([, kind]) => kind);
  const all = ["stored", "invalidated", "refused", "purged"];
  await vi.waitUntil(() => cutOffs().length > 0 || all.every((kind) => kinds().includes(kind)), { timeout: 20_000 });
  if (cutOffs().length > 0) return false;
  expect(kinds()[0]).toBe("hello");
  const told = [...shown.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data));
  expect(told).toContainEqual(expect.objectContaining({ kind: "invalidated", tags: ["path:app.test/a"] }));
  expect(told).toContainEqual(expect.objectContaining({ kind: "purged", tags: ["tag:own"] }));
  const others = told.filter(({ sidecar, seq }) => seq !== undefined && sidecar !== told[0].sidecar);
  expect(others.map(({ seq }) => seq)).toEqual(others.map((_, i) => others[0].seq + i));
  return true;
}

test("PURGE on the public listener purges its path for those who may, and is an ordinary method where nobody said so", async () => {
  const origin = await withOrigin();
  const routes = 'routes: [{ path: "/*", cache: {} }]';
  const sidecar = await withSidecar(`origin: ${origin}\npurge: {}\n${routes}`);
  const send = async (on: SidecarProcess, headers = {}) => {
    const answer = await request(`${on.url}/a?b`, {
      method: "PURGE" as "GET",
      headers: { host: "app.test", ...headers },
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  await untilHit(sidecar);
  expect(await send(sidecar, { "x-forwarded-for": "203.0.113.9" })).toMatchObject({ status: 403 });
  expect(await isHit(sidecar)).toBe(true);
  const purged = await send(sidecar);
  expect(purged.status).toBe(200);
  expect(JSON.parse(purged.text)).toMatchObject({ tags: ["path:app.test/a"], sidecars: 1, seen: 1 });
  expect(await isHit(sidecar)).toBe(false);
  const plain = await withSidecar(`origin: ${origin}\n${routes}`);
  expect(await send(plain)).toEqual({ status: 200, text: "hello" });
});

test("with a token nobody purges without it, and an open stream does not keep a sidecar from closing", async () => {
  const sidecar = await withSidecar(
    `origin: ${await withOrigin()}\nadminToken: a-token-of-16-or-more\nroutes: [{ path: "/*", cache: {} }]`,
  );
  expect((await purge(sidecar, { all: true })).status).toBe(401);
  expect((await request(`${sidecar.admin}/healthz`)).statusCode).toBe(200);
  const authorized = { headers: { authorization: "Bearer a-token-of-16-or-more" } };
  const { body, statusCode } = await request(`${sidecar.admin}/api/events`, authorized);
  body.on("error", () => {});
  expect(statusCode).toBe(200);
  expect(await sidecar.stop()).toBe(0);
});
