import { connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { demoText, freeAddress, startDemoOrigin } from "../../src/cli/demo.ts";

let stop: (() => Promise<void>) | undefined;

afterEach(async () => {
  await stop?.();
  stop = undefined;
});

async function origin(): Promise<string> {
  const { url, close } = await startDemoOrigin({ latencyMs: 0 });
  stop = close;
  return url;
}

function json(method: string, body: unknown): RequestInit {
  return { method, body: typeof body === "string" ? body : JSON.stringify(body) };
}

describe("the sample origin", () => {
  it("numbers its answers", async () => {
    const url = await origin();
    const numbers = [await fetch(`${url}/products`), await fetch(`${url}/nothing`)].map(({ headers }) =>
      headers.get("x-origin-request"),
    );
    expect(numbers).toEqual(["1", "2"]);
  });

  it("takes as long as it is told to", async () => {
    const { url, close } = await startDemoOrigin({ latencyMs: 60 });
    stop = close;
    const began = performance.now();
    await fetch(`${url}/time`);
    expect(performance.now() - began).toBeGreaterThanOrEqual(59);
  });

  it("pages and sorts its products, and states no freshness for them", async () => {
    const response = await fetch(`${await origin()}/products?page=2&sort=price`);
    const { page, products } = (await response.json()) as { page: number; products: { price: number }[] };
    expect(page).toBe(2);
    expect(products).toHaveLength(10);
    expect(products.map(({ price }) => price)).toEqual(products.map(({ price }) => price).sort((a, b) => a - b));
    expect(response.headers.get("cache-control")).toBeNull();
  });

  it("validates one product by its tag, which a write changes", async () => {
    const url = `${await origin()}/products/7`;
    const tag = (await fetch(url)).headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "If-None-Match": tag } })).status).toBe(304);
    await fetch(url, json("PUT", { name: "Kettle", price: 1900 }));
    const changed = await fetch(url, { headers: { "If-None-Match": tag } });
    expect(changed.status).toBe(200);
    expect(await changed.json()).toMatchObject({ id: 7, name: "Kettle", price: 1900 });
  });

  it("makes, changes and removes products", async () => {
    const url = await origin();
    const made = await fetch(`${url}/products`, json("POST", { name: "Bowl", price: 1 }));
    expect(made.status).toBe(201);
    const own = `${url}${made.headers.get("location")}`;
    expect(await (await fetch(own, json("PATCH", { price: 2 }))).json()).toMatchObject({ name: "Bowl", price: 2 });
    expect((await fetch(own, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(own)).status).toBe(404);
  });

  it("finds products, fresh for a while by its own word", async () => {
    const response = await fetch(`${await origin()}/search?q=KETTLE`);
    expect(response.headers.get("cache-control")).toBe("public, max-age=30");
    expect(await response.json()).toMatchObject({ q: "kettle", found: { length: 4 } });
  });

  it("keeps a person's orders private and the time unstored", async () => {
    const url = await origin();
    expect((await fetch(`${url}/users/1/orders`)).headers.get("cache-control")).toBe("private, max-age=60");
    expect((await fetch(`${url}/time`)).headers.get("cache-control")).toBe("no-store");
  });

  it.each([
    ["a content that is no JSON", "PUT", "/products/7", "{", 400],
    ["a product without a price", "PUT", "/products/7", { name: "Cup" }, 400],
    ["a content of 65 KB", "PUT", "/products/7", "x".repeat(65 * 1024 + 1), 400],
    ["a write to what cannot be written", "POST", "/search", {}, 405],
    ["a method it does not know", "POST", "/products/7", {}, 405],
    ["a product that is not there", "GET", "/products/999", undefined, 404],
    ["a person that is nobody", "GET", "/users/x/orders", undefined, 404],
  ])("refuses %s", async (_, method, path, body, status) => {
    const url = await origin();
    expect((await fetch(url + path, body === undefined ? { method } : json(method, body))).status).toBe(status);
  });

  it("streams events until the reader leaves", async () => {
    const reader = (await fetch(`${await origin()}/events`)).body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/^data: \{"time":/);
    await reader?.cancel();
  });

  it("ends although a client is still connected", async () => {
    const { url, close } = await startDemoOrigin({ latencyMs: 0 });
    const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await close();
    await closed;
  });
});

describe("a free address", () => {
  it("is the one wanted where nobody has it, else any on the same host", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    expect(await freeAddress(address)).toBe("127.0.0.1:0");
    await new Promise((resolve) => server.close(resolve));
    expect(await freeAddress(address)).toBe(address);
  });
});

describe("what the demo prints", () => {
  const urls = { proxy: "http://127.0.0.1:8080", admin: "http://127.0.0.1:8081", origin: "http://127.0.0.1:3000" };

  it("says where things are and what to type", () => {
    const text = demoText(urls);
    for (const part of Object.values(urls)) expect(text).toContain(part);
    expect(text).toContain("curl -i");
    expect(text).toContain("dashboard, in a browser\n    http://127.0.0.1:8081/\n");
  });

  it("says nothing of an admin listener that is off", () => {
    expect(demoText({ ...urls, admin: null })).not.toContain("readyz");
  });
});
