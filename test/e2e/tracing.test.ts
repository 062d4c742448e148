// Traces as they leave a process: with an SDK loaded before Forebay (test/support/otel-sdk.mjs), and without one.

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const SDK = fileURLToPath(new URL("../support/otel-sdk.mjs", import.meta.url));
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const [INTERNAL, SERVER, CLIENT] = [0, 1, 2];

interface Span {
  readonly tracer: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | null;
  readonly status: number;
  readonly ends: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Traced {
  readonly origin: Origin;
  readonly sidecar: SidecarProcess;
  /** Resolves when so many spans have ended. */
  spans(count: number): Promise<Span[]>;
}

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startTraced({ bare = false, hasSdk = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "forebay-tracing-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "spans");
  const origin = await startOrigin((request, response) => {
    response.statusCode = request.url?.startsWith("/broken") ? 500 : 200;
    response.end("hello");
  });
  cleanups.push(() => origin.close());
  const yaml = `origin: ${origin.url}\nroutes:\n  - path: /products/:id\n    cache: { ttl: 5m }\n  - path: /broken\n`;
  const env = { ...process.env, OTEL_TEST_FILE: file, OTEL_TEST_BARE: bare ? "1" : "0" };
  const sidecar = await startSidecarProcess(yaml, [], hasSdk ? { env, preload: SDK } : { env });
  cleanups.push(() => sidecar.stop());
  const spans = (count: number) =>
    vi.waitFor(
      () => {
        const lines = readFileSync(file, "utf8").trim().split("\n");
        expect(lines.length).toBeGreaterThanOrEqual(count);
        return lines.map((line): Span => JSON.parse(line));
      },
      { timeout: 10_000 },
    );
  return { origin, sidecar, spans } satisfies Traced;
}

test("a request has a span, and under it one for what the origin was asked, which carries the trace on", async () => {
  const { origin, sidecar, spans } = await startTraced();
  const traceparent = `00-${TRACE}-${PARENT}-01`;
  await sidecar.fetch("/products/7?token=secret", { headers: { traceparent, "x-request-id": "r-1" } });
  await sidecar.fetch("/products/7?token=secret", { headers: { traceparent } });
  const [asked, missed, hit, ...rest] = await spans(3);
  expect(rest).toEqual([]);
  expect(missed).toMatchObject({
    ...{
      tracer: "forebay",
      name: "GET /products/:id",
      kind: SERVER,
      traceId: TRACE,
      parent: PARENT,
      ends: 1,
      status: 0,
    },
    attributes: {
      "http.request.method": "GET",
      "http.route": "/products/:id",
      "http.response.status_code": 200,
      "url.path": "/products/7",
      "url.scheme": "http",
      "server.address": "app.test",
      "client.address": "127.0.0.1",
      "forebay.cache": "uri-miss",
      "forebay.request_id": "r-1",
    },
  });
  expect(asked).toMatchObject({
    ...{ name: "GET", kind: CLIENT, traceId: TRACE, parent: missed?.spanId, ends: 1 },
    attributes: { "http.response.status_code": 200, "url.full": "http://app.test/products/7" },
  });
  expect(hit).toMatchObject({ kind: SERVER, traceId: TRACE, parent: PARENT, attributes: { "forebay.cache": "hit" } });
  expect(origin.seen.map(({ headers }) => headers)).toMatchObject([
    { traceparent: `00-${TRACE}-${asked?.spanId}-01`, "x-test-trace": TRACE },
  ]);
  expect(JSON.stringify([asked, missed, hit])).not.toContain("secret");
  const { trace, id } = await sidecar.line(({ msg }) => msg === "request");
  expect({ trace, id }).toEqual({ trace: TRACE, id: "r-1" });
});

test("what goes wrong is told of the span whose affair it is", async () => {
  const { origin, sidecar, spans } = await startTraced();
  await sidecar.fetch("/broken", { method: "POST" });
  await origin.close();
  await sidecar.fetch("/broken");
  await sidecar.fetch("/nowhere");
  const all = (await spans(6)).map(({ name, kind, status, attributes }) => [
    name,
    kind,
    status,
    attributes["error.type"],
  ]);
  expect(all).toEqual([
    ["POST", CLIENT, 2, "500"],
    ["store commit", INTERNAL, 0, undefined],
    ["POST /broken", SERVER, 2, "500"],
    ["GET", CLIENT, 2, "refused"],
    ["GET /broken", SERVER, 2, "502"],
    ["GET", SERVER, 0, undefined],
  ]);
  const { id, route, trace } = await sidecar.line(({ msg }) => msg === "origin failed");
  expect([id, route, trace]).toEqual([expect.any(String), "/broken", expect.stringMatching(/^[\da-f]{32}$/)]);
  expect(await sidecar.line((line) => line.msg === "request" && line.id === id)).toMatchObject({ status: 502, trace });
});

test("a parent that is not sampled is not recorded, and carried on as such", async () => {
  const { origin, sidecar, spans } = await startTraced();
  await sidecar.fetch("/products/1", { headers: { traceparent: `00-${TRACE}-${PARENT}-00` } });
  await sidecar.fetch("/products/2", { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
  expect((await spans(2)).map(({ attributes }) => attributes["url.path"] ?? attributes["url.full"])).toEqual([
    "http://app.test/products/2",
    "/products/2",
  ]);
  expect(origin.seen[0]?.headers.traceparent).toMatch(new RegExp(`^00-${TRACE}-[\\da-f]{16}-00$`));
});

test.each([false, true])(
  "a traceparent that says nothing valid is ignored, and a trace begins (bare: %s)",
  async (bare) => {
    const { origin, sidecar, spans } = await startTraced({ bare });
    const hostile = [
      `ff-${TRACE}-${PARENT}-01`,
      `00-${"0".repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-01-x`,
      "-----",
    ];
    for (const traceparent of hostile) {
      await sidecar.fetch("/broken", { headers: { traceparent, tracestate: "evil=1" } });
    }
    const requests = (await spans(2 * hostile.length)).filter(({ kind }) => kind === SERVER);
    expect(requests.map(({ parent }) => parent)).toEqual(hostile.map(() => null));
    expect(new Set(requests.map(({ traceId }) => traceId)).size).toBe(hostile.length);
    for (const { headers } of origin.seen) {
      expect(headers.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
      expect(headers.traceparent).not.toContain(TRACE);
      expect(headers.tracestate).toBeUndefined();
    }
  },
);

test("without a propagator of its own an SDK gets W3C's, tracestate included", async () => {
  const { origin, sidecar, spans } = await startTraced({ bare: true });
  await sidecar.fetch("/broken", { headers: { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "a=1,b=2" } });
  const [asked, request] = await spans(2);
  expect([request?.traceId, request?.parent, asked?.parent]).toEqual([TRACE, PARENT, request?.spanId]);
  expect(origin.seen[0]?.headers).toMatchObject({
    traceparent: `00-${TRACE}-${asked?.spanId}-01`,
    tracestate: "a=1,b=2",
  });
});

test("without an SDK both fields go on as they came, and the log says the trace", async () => {
  const { origin, sidecar } = await startTraced({ hasSdk: false });
  const traceparent = `cc-${TRACE}-${PARENT}-03-more`;
  await sidecar.fetch("/broken", { headers: { traceparent, tracestate: "a=1" } });
  expect(origin.seen[0]?.headers).toMatchObject({ traceparent, tracestate: "a=1" });
  expect(await sidecar.line(({ msg }) => msg === "request")).toMatchObject({ trace: TRACE });
});
