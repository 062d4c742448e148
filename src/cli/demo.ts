// What is there to see without a service of one's own? A sample origin, slow on purpose, whose products can be read
// and written, and what to try with it. It is a bare node:http server on purpose, the second place of src that imports
// it: it shares nothing with Forebay, so what the demo shows is what any service gets.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";

interface DemoOrigin {
  readonly url: string;
  close(): Promise<void>;
}

interface DemoOptions {
  /** host:port. */
  readonly listen?: string;
  /** Milliseconds that every answer takes. */
  readonly latencyMs?: number;
}

/** Starts the sample origin. Its answers are numbered in X-Origin-Request, in the order in which they were asked for. */
export async function startDemoOrigin({
  listen = "127.0.0.1:0",
  latencyMs = 200,
}: DemoOptions = {}): Promise<DemoOrigin> {
  const shop = createShop();
  let count = 0;
  const server = createServer((incoming, outgoing) => {
    count += 1;
    outgoing.setHeader("X-Origin-Request", count);
    if (incoming.url === "/events") return sendEvents(outgoing);
    setTimeout(() => void serve(shop, incoming, outgoing), latencyMs);
  });
  const { host, port } = hostAndPort(listen);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** `wanted` (host:port) where it is free, else the same host with port 0, which means any free one. */
export function freeAddress(wanted: string): Promise<string> {
  const { host, port } = hostAndPort(wanted);
  return new Promise((resolve) => {
    const probe = createTcpServer()
      .once("error", () => resolve(`${host}:0`))
      .listen(port, host, () => probe.close(() => resolve(wanted)));
  });
}

interface DemoUrls {
  readonly proxy: string;
  readonly admin: string | null;
  readonly origin: string;
}

/** What to try, for the terminal. Fits the routes of the example proxy.config.yaml. */
export function demoText({ proxy, admin, origin }: DemoUrls): string {
  return `
  A sample service that takes its time    ${origin}
  Forebay in front of it                  ${proxy}

  Try in another terminal:

  A miss of 200 ms, then a hit: see Cache-Status, Age and the time; X-Origin-Request numbers what reached the service
    curl -i -w '\\n%{time_total} s\\n' ${proxy}/products/7
    curl -i -w '\\n%{time_total} s\\n' ${proxy}/products/7

  A write, and the next reader sees it
    curl -X PUT ${proxy}/products/7 -H 'Content-Type: application/json' -d '{"name":"Kettle","price":1900}'
    curl -i ${proxy}/products/7

  A hundred ask at once for what nobody has asked for: the service is asked once
    seq 100 | xargs -P 100 -I{} curl -si '${proxy}/search?q=tea' | grep -i x-origin-request | sort | uniq -c

  More than is granted: 429 with Retry-After
    seq 120 | xargs -P 8 -I{} curl -s -o /dev/null -w '%{http_code}\\n' ${proxy}/products/7 | sort | uniq -c
    curl -i ${proxy}/products/7

  What passes untouched: one person's orders, and a stream
    curl -i ${proxy}/users/1/orders
    curl -N ${proxy}/events
${admin === null ? "" : `\n  How it is: the dashboard, in a browser\n    ${admin}/\n`}
  Ctrl-C ends it.
`;
}

interface Product {
  readonly id: number;
  readonly name: string;
  /** Cents. */
  readonly price: number;
  /** Epoch ms, whole seconds. */
  readonly changed: number;
}

interface Shop {
  readonly products: Map<number, Product>;
  nextId: number;
}

interface Ask {
  readonly method: string;
  readonly url: URL;
  /** The content, parsed; undefined: none, or no JSON object. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

interface Answer {
  readonly status: number;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const NAMES = ["Teapot", "Kettle", "Cup", "Saucer", "Spoon", "Strainer", "Caddy", "Tray", "Cosy", "Jug"];
const MAX_PRODUCTS = 1000;
const MAX_BODY_BYTES = 64 * 1024;
const PAGE_SIZE = 10;

function createShop(): Shop {
  const products = new Map<number, Product>();
  for (let id = 1; id <= 40; id++) {
    const name = `${NAMES[(id - 1) % NAMES.length]} no. ${id}`;
    products.set(id, { id, name, price: 500 + ((id * 370) % 4000), changed: wholeSeconds() });
  }
  return { products, nextId: products.size + 1 };
}

async function serve(shop: Shop, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const url = new URL(incoming.url ?? "/", "http://origin");
    const body = await readJson(incoming);
    const answer = answered(shop, { method: incoming.method ?? "GET", url, body });
    send(outgoing, incoming.headers["if-none-match"], answer);
  } catch {
    send(outgoing, undefined, { status: 400, body: { error: "this request cannot be read" } });
  }
}

function answered(shop: Shop, ask: Ask): Answer {
  const [kind, id, part, ...rest] = ask.url.pathname.split("/").slice(1);
  if (rest.length === 0 && kind === "products" && part === undefined) {
    return id === undefined ? products(shop, ask) : product(shop, Number(id), ask);
  }
  if (!isRead(ask)) return { status: 405, fields: { Allow: "GET, HEAD" } };
  if (kind === "search" && id === undefined) return search(shop, ask.url);
  if (kind === "users" && part === "orders" && rest.length === 0) return orders(shop, Number(id));
  if (kind === "time" && id === undefined) {
    return { status: 200, fields: { "Cache-Control": "no-store" }, body: { time: new Date().toISOString() } };
  }
  return NOT_FOUND;
}

const NOT_FOUND: Answer = { status: 404, body: { error: "there is no such thing here" } };

/** States no freshness: how long it is kept is said in proxy.config.yaml. */
function products(shop: Shop, { method, url, body }: Ask): Answer {
  if (method === "POST") return created(shop, body);
  if (method !== "GET" && method !== "HEAD") return { status: 405, fields: { Allow: "GET, HEAD, POST" } };
  const page = Math.max(1, Math.trunc(Number(url.searchParams.get("page") ?? 1)) || 1);
  const all = [...shop.products.values()].sort(order(url.searchParams.get("sort")));
  return { status: 200, body: { page, of: Math.ceil(all.length / PAGE_SIZE), products: pageOf(all, page) } };
}

/** Has validators and states no freshness. */
function product(shop: Shop, id: number, ask: Ask): Answer {
  const found = shop.products.get(id);
  if (found === undefined) return NOT_FOUND;
  if (isRead(ask)) return shown(found);
  if (ask.method === "DELETE") {
    shop.products.delete(id);
    return { status: 204 };
  }
  if (ask.method !== "PUT" && ask.method !== "PATCH") {
    return { status: 405, fields: { Allow: "GET, HEAD, PUT, PATCH, DELETE" } };
  }
  const changed = productFrom(id, ask.method === "PATCH" ? { ...found, ...ask.body } : ask.body);
  if (changed === undefined) return NOT_A_PRODUCT;
  shop.products.set(id, changed);
  return shown(changed);
}

const NOT_A_PRODUCT: Answer = { status: 400, body: { error: 'want {"name": "…", "price": cents}' } };

function created(shop: Shop, body: Ask["body"]): Answer {
  if (shop.products.size >= MAX_PRODUCTS)
    return { status: 409, body: { error: `${MAX_PRODUCTS} products are enough` } };
  const made = productFrom(shop.nextId, body);
  if (made === undefined) return NOT_A_PRODUCT;
  shop.nextId += 1;
  shop.products.set(made.id, made);
  return { ...shown(made), status: 201, fields: { Location: `/products/${made.id}` } };
}

/** Says itself how long it is fresh. */
function search({ products: all }: Shop, url: URL): Answer {
  const wanted = (url.searchParams.get("q") ?? "").toLowerCase();
  const found = [...all.values()].filter(({ name }) => name.toLowerCase().includes(wanted));
  return { status: 200, fields: { "Cache-Control": "public, max-age=30" }, body: { q: wanted, found } };
}

/** One person's: no shared cache may keep it. */
function orders({ products: all }: Shop, user: number): Answer {
  if (!Number.isInteger(user) || user < 1) return NOT_FOUND;
  const bought = [...all.values()].filter(({ id }) => id % 7 === user % 7).slice(0, 3);
  return { status: 200, fields: { "Cache-Control": "private, max-age=60" }, body: { user, bought } };
}

function shown(product: Product): Answer {
  const tag = createHash("sha1").update(JSON.stringify(product)).digest("base64url").slice(0, 12);
  return {
    status: 200,
    fields: { ETag: `"${tag}"`, "Last-Modified": new Date(product.changed).toUTCString() },
    body: product,
  };
}

function productFrom(id: number, body: Ask["body"]): Product | undefined {
  const { name, price } = body ?? {};
  if (typeof name !== "string" || typeof price !== "number") return undefined;
  return { id, name, price, changed: wholeSeconds() };
}

function isRead({ method }: Ask): boolean {
  return method === "GET" || method === "HEAD";
}

function order(by: string | null): (one: Product, other: Product) => number {
  if (by === "price") return (one, other) => one.price - other.price;
  if (by === "name") return (one, other) => one.name.localeCompare(other.name);
  return (one, other) => one.id - other.id;
}

function pageOf(all: readonly Product[], page: number): readonly Product[] {
  return all.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
}

async function readJson(incoming: IncomingMessage): Promise<Ask["body"]> {
  let text = "";
  for await (const piece of incoming.setEncoding("utf8")) {
    text += piece;
    if (text.length > MAX_BODY_BYTES) throw new Error("read the content: it is too long");
  }
  const read: unknown = text === "" ? undefined : JSON.parse(text);
  return typeof read === "object" && read !== null ? (read as Record<string, unknown>) : undefined;
}

function send(outgoing: ServerResponse, ifNoneMatch: string | undefined, { status, fields = {}, body }: Answer): void {
  if (status === 200 && fields.ETag !== undefined && ifNoneMatch?.includes(fields.ETag)) {
    outgoing.writeHead(304, fields).end();
    return;
  }
  if (body === undefined) {
    outgoing.writeHead(status, fields).end();
    return;
  }
  const text = `${JSON.stringify(body)}\n`;
  outgoing.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    ...fields,
  });
  outgoing.end(text);
}

/** Server-sent events: one a second until the reader leaves. */
function sendEvents(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const tick = () => outgoing.write(`data: ${JSON.stringify({ time: new Date().toISOString() })}\n\n`);
  tick();
  const timer = setInterval(tick, 1000);
  outgoing.once("close", () => clearInterval(timer));
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon) || "127.0.0.1", port: Number(address.slice(colon + 1)) };
}

function wholeSeconds(): number {
  return Math.trunc(Date.now() / 1000) * 1000;
}
