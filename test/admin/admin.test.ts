import { describe, expect, it } from "vitest";
import { createAdmin, type PartHealth } from "../../src/admin/admin.ts";
import { field } from "../../src/http/fields.ts";
import type { Request } from "../../src/http/message.ts";
import { problem } from "../../src/http/problem.ts";

function request(method: string, target: string): Request {
  return {
    method,
    scheme: "http",
    authority: "127.0.0.1:8081",
    target,
    fields: [],
    content: undefined,
    peer: "127.0.0.1",
    signal: new AbortController().signal,
    upgrade: undefined,
  };
}

function ask(target: string, { method = "GET", isReady = true, store = OK }: Partial<Case> = {}) {
  const response = createAdmin({
    health: () => ({ store }),
    isReady: () => isReady,
    gate: () => problem(403, "Not here."),
    purge: () => Promise.reject(new Error("a purge got through")),
    explain: () => Promise.reject(new Error("a question got through")),
    shadow: () => ({ since: "2026-01-01T00:00:00.000Z", routes: {}, differences: [] }),
    config: () => ({
      generation: 1,
      since: "2026-01-01T00:00:00.000Z",
      file: null,
      needRestart: [],
      lastFailure: null,
      config: {},
    }),
    events: { id: "s", listen: () => () => {}, lost: () => 0 },
    stats: () => ({ requests: 7 }),
    metrics: () => Promise.reject(new Error("a scrape got through")),
    hasToken: () => true,
  })(request(method, target));
  if (response instanceof Promise) throw new Error("wanted an answer at once");
  const text = new TextDecoder().decode(response.content as Uint8Array | undefined);
  return { ...response, body: text === "" ? undefined : JSON.parse(text), bytes: text.length };
}

interface Case {
  readonly method: string;
  readonly isReady: boolean;
  readonly store: PartHealth;
}

const OK: PartHealth = { state: "ok", detail: "in memory" };
const DEGRADED: PartHealth = { state: "degraded", detail: "Redis is away" };

describe("/healthz", () => {
  it("is ok while the process lives, ready or not, Redis or not", () => {
    expect(ask("/healthz", { isReady: false, store: DEGRADED })).toMatchObject({ status: 200, body: { status: "ok" } });
  });

  it("may be asked with a query", () => {
    expect(ask("/healthz?from=probe").status).toBe(200);
  });
});

describe("/readyz", () => {
  it("tells each part's state", () => {
    expect(ask("/readyz")).toMatchObject({ status: 200, body: { status: "ok", parts: { store: OK } } });
  });

  it("is degraded and still 200 while Redis is away", () => {
    expect(ask("/readyz", { store: DEGRADED })).toMatchObject({
      status: 200,
      body: { status: "degraded", parts: { store: DEGRADED } },
    });
  });

  it("is 503 while starting and while draining", () => {
    expect(ask("/readyz", { isReady: false })).toMatchObject({ status: 503, body: { status: "not ready" } });
  });

  it("is never stored", () => {
    expect(field(ask("/readyz").fields, "cache-control")).toBe("no-store");
  });
});

describe("the admin listener", () => {
  it("answers HEAD as GET, without the content", () => {
    const head = ask("/readyz", { method: "HEAD" });
    const get = ask("/readyz");
    expect(head.content).toBeUndefined();
    expect(head.status).toBe(200);
    expect(head.fields).toEqual(get.fields);
    expect(field(head.fields, "content-length")).toBe(`${get.bytes}`);
  });

  it.each(["POST", "DELETE", "OPTIONS", "get"])("refuses %s with 405 and what it takes instead", (method) => {
    const refused = ask("/healthz", { method });
    expect(refused.status).toBe(405);
    expect(field(refused.fields, "allow")).toBe("GET, HEAD");
  });

  it("lets nobody past the gate but to health", () => {
    for (const [method, target] of [
      ["POST", "/api/purge"],
      ["POST", "/api/purge?wait=all"],
      ["GET", "/api/events"],
      ["GET", "/api/stats"],
      ["GET", "/metrics"],
    ] as const) {
      expect(ask(target, { method }).status).toBe(403);
    }
  });

  it.each([
    ["GET", "/api/purge", "POST"],
    ["HEAD", "/api/events", "GET"],
  ])("refuses %s %s with 405 before it asks who it is", (method, target, allowed) => {
    const refused = ask(target, { method });
    expect(refused.status).toBe(405);
    expect(field(refused.fields, "allow")).toBe(allowed);
  });

  it.each(["/dashboard", "/healthz/", "/metrics/", "*", "/__proto__", "/constructor", ""])(
    "has nothing at %j",
    (target) => {
      const missing = ask(target);
      expect(missing.status).toBe(404);
      expect(field(missing.fields, "content-type")).toBe("application/problem+json");
    },
  );
});
