// A team proves that caching is safe: a real origin whose cart depends on a cookie that nobody has keyed, first in shadow
// mode, then with verified hits.

import { afterEach, expect, it } from "vitest";
import type { ShadowStatus } from "../../src/admin/shadow.ts";
import { startOrigin } from "../support/origin.ts";
import { startRedis } from "../support/redis.ts";
import { type Line, type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(yaml: string): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml);
  closing.push(sidecar.stop);
  return sidecar;
}

async function startShop() {
  const shop = await startOrigin(({ url, headers }, response) => {
    const isPersonal = url?.startsWith("/cart") && headers.cookie !== undefined;
    response.end(isPersonal ? `the cart of ${headers.cookie}` : "for everybody");
  });
  closing.push(shop.close);
  return shop;
}

const isDifference = ({ msg }: Line) => msg === "a cached answer would not be the origin's";
const shadowOf = async (sidecar: SidecarProcess) =>
  (await (await fetch(`${sidecar.admin}/api/shadow`)).json()) as ShadowStatus;
const as = (session: string) => ({ headers: { cookie: `session=${session}` } });

it("shadow mode answers from the origin alone, counts the hits and finds the key that depends on a cookie", async () => {
  const shop = await startShop();
  const sidecar = await started(`origin: ${shop.url}\nroutes:\n  - path: /*\n    cache: { mode: shadow, ttl: 1m }\n`);
  const first = await sidecar.fetch("/cart?step=1", as("alice"));
  expect(first.headers.get("cache-status")).toBe('forebay; fwd=bypass; fwd-status=200; detail="shadow: fwd=uri-miss"');
  await sidecar.fetch("/products");
  await sidecar.fetch("/products");
  const bob = await sidecar.fetch("/cart?step=1", as("bob"));
  expect(bob.headers.get("cache-status")).toMatch(/detail="shadow: hit; ttl=\d+"$/);
  expect(await bob.text()).toBe("the cart of session=bob");

  const unclear = await sidecar.line(isDifference);
  expect(unclear).toMatchObject({ route: "/*", key: "app.test/cart?...", verdict: "unclear", aspects: ["content"] });
  const access = await sidecar.line(({ msg, cache }) => msg === "request" && cache === "would-hit");
  expect(access).toMatchObject({ status: 200 });

  await sidecar.fetch("/cart?step=1", as("alice"));
  await sidecar.line(isDifference, sidecar.lines.indexOf(unclear) + 1);
  expect(await shadowOf(sidecar)).toMatchObject({
    routes: { "/*": { wouldHit: 3, wouldMiss: 2, same: 2, different: 1 } },
    differences: [{ key: "app.test/cart?...", verdict: "clients", requestFields: ["cookie:session"] }],
  });
  expect(shop.count()).toBe(5);
  expect(JSON.stringify(sidecar.lines)).not.toMatch(/alice|bob|step=1/);
});

it("sidecars that share a Redis note and invalidate as one, in shadow mode too", async () => {
  const redis = await startRedis();
  closing.push(() => redis.stop());
  const shop = await startShop();
  const yaml = `origin: ${shop.url}\nstore: { redis: { url: "${redis.url}", deadline: 1s } }\nroutes:\n  - path: /*\n    cache: { mode: shadow, ttl: 1m }\n`;
  const [one, two] = await Promise.all([started(yaml), started(yaml)]);
  const wouldHit = async (sidecar: SidecarProcess, path: string) =>
    (await sidecar.fetch(path)).headers.get("cache-status")?.includes("shadow: hit") === true;
  // A machine that stands still for a moment cuts a sidecar off from Redis: then the next path is tried.
  let path = "";
  for (let n = 0; path === ""; n++) {
    while (!(await wouldHit(one, `/products/${n}`)));
    if (await wouldHit(two, `/products/${n}`)) path = `/products/${n}`;
  }
  await one.fetch(path, { method: "PUT" });
  expect(await wouldHit(two, path)).toBe(false);
  const { routes } = await shadowOf(one);
  expect(routes["/*"]?.different).toBe(0);
});

it("a verified hit finds it too, without the client's waiting", async () => {
  const shop = await startShop();
  const sidecar = await started(`origin: ${shop.url}\nroutes:\n  - path: /*\n    cache: { verify: 100%, ttl: 1m }\n`);
  await sidecar.fetch("/cart");
  const bob = await sidecar.fetch("/cart", as("bob"));
  expect(await bob.text()).toBe("for everybody"); // which is what is proved
  expect(await sidecar.line(isDifference)).toMatchObject({
    by: "verify",
    verdict: "clients",
    requestFields: ["cookie"],
  });
  expect(await shadowOf(sidecar)).toMatchObject({ routes: { "/*": { different: 1 } } });
  expect(shop.count("/cart")).toBe(3);
});

it("GET /api/shadow is gated", async () => {
  const shop = await startShop();
  const token = "0123456789abcdef";
  const sidecar = await started(`origin: ${shop.url}\nadminToken: ${token}\n`);
  expect((await fetch(`${sidecar.admin}/api/shadow`)).status).toBe(401);
  const told = await fetch(`${sidecar.admin}/api/shadow`, { headers: { authorization: `Bearer ${token}` } });
  expect(await told.json()).toMatchObject({ routes: {}, differences: [] });
});

it("a verification that does not end does not hold up the end of the process, and is no failure of the origin", async () => {
  const shop = await startOrigin((_request, response) => void response.end("for everybody"));
  closing.push(shop.close);
  const sidecar = await started(
    `origin: ${shop.url}\ndrain: 1h\nroutes:\n  - path: /*\n    cache: { ttl: 1m, verify: 100% }\n`,
  );
  await sidecar.fetch("/a");
  shop.handler = (_request, response) => void response.writeHead(200).write("for");
  await sidecar.fetch("/a");
  const { aborted } = await shop.nth(2);
  expect(await sidecar.stop()).toBe(0);
  expect(await aborted).toBe(true);
  expect(sidecar.lines.map(({ msg }) => msg).filter((msg) => msg !== "request")).toEqual([
    "listening",
    "closing",
    "closed",
  ]);
});
