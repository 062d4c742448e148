import { stripVTControlCharacters } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { top } from "../../src/cli/top.ts";
import { type Stats, statsIn, topLines } from "../../src/cli/top-text.ts";
import { startPanel } from "../dashboard/panel.ts";

const ROUTE = {
  ...{ route: "/products/:id", requests: 1000, hits: 900, forwards: 60, limited: 3, errors: 0 },
  ...{ perSecond: 12.5, p50: 0.4, p99: 38 },
};

const STATS: Stats = {
  ...{ sidecar: "s-1", version: "0.1.0", uptimeMs: 187_000_000, routesInAll: 1, routes: [ROUTE] },
  health: { store: { state: "ok", detail: "in memory" } },
  totals: { requests: 1000, hits: 900, forwards: 60, limited: 3, errors: 0 },
  perSecond: { requests: 12.5, hits: 11, forwards: 1 },
  latencyMs: { p50: 0.4, p99: 38 },
  flights: { underWay: 2, followers: 5 },
  top: [{ key: "GET app.test/products/7", requests: 400 }],
};

const unpainted = (_: string, text: string) => text;
const lines = (stats: Partial<Stats> = {}, columns = 120, rows = 40) =>
  topLines({ ...STATS, ...stats }, { columns, rows }, unpainted);

describe("the picture of forebay top", () => {
  it("says how it is, what was lately, each route and the keys most asked for", () => {
    expect(lines()).toEqual([
      "Forebay 0.1.0  sidecar s-1  up 2 d 3 h",
      "store ok: in memory",
      "12.5 req/s   hit ratio 88.0 %   origin load saved 92.0 %   p50 0.40 ms   p99 38 ms",
      "1000 requests   0 errors   3 limited   2 flights under way, 5 wait",
      "",
      "Route                                   req/s hit ratio    saved      p99  requests      p50  to origin  limited  errors",
      "/products/:id                            12.5    90.0 %   94.0 %    38 ms      1000  0.40 ms         60        3       0",
      "",
      `Most asked lately, about${" ".repeat(76)}  requests`,
      `GET app.test/products/7${" ".repeat(77)}       400`,
    ]);
  });

  it.each([
    [200, 60],
    [80, 24],
    [60, 12],
    [30, 8],
    [10, 3],
  ])("fits a terminal of %i by %i", (columns, rows) => {
    const routes = Array.from({ length: 40 }, (_, i) => ({ ...ROUTE, route: `/a-rather-long-path-of-number/${i}` }));
    const keys = Array.from({ length: 20 }, (_, i) => ({ key: `GET a.test/${"x".repeat(200)}${i}`, requests: i }));
    const shown = lines({ routes, routesInAll: 400, top: keys }, columns, rows);
    expect(shown.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(columns);
  });

  it("shows as many routes as there is room for, and of how many", () => {
    const routes = Array.from({ length: 40 }, (_, i) => ({ ...ROUTE, route: `/${i}` }));
    const shown = lines({ routes, routesInAll: 400 }, 80, 24);
    expect(shown.find((line) => line.startsWith("Route"))).toContain("Route (");
    expect(shown.some((line) => line.startsWith("Most asked"))).toBe(true);
  });

  it("lets nothing through that a terminal would obey", () => {
    const evil = "\x1b]0;owned\x07\x9b31m\u202e\n";
    const shown = lines({
      ...{ sidecar: evil, version: evil, health: { [evil]: { state: evil, detail: evil } } },
      ...{ routes: [{ ...ROUTE, route: evil }], top: [{ key: evil, requests: 1 }] },
    });
    expect(shown.join("|")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(shown.join("|")).toContain("\\u001b]0;owned");
  });

  it("knows what it cannot read", () => {
    expect(statsIn({ status: "ok" })).toBeUndefined();
    expect(statsIn(STATS)).toBe(STATS);
  });
});

describe("forebay top", () => {
  const cleanups: (() => unknown)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function started(given: readonly string[], { isTTY = true } = {}) {
    const panel = await startPanel({ sidecar: "s-1" });
    let isOpen = true;
    const close = async () => {
      if (isOpen) await panel.close();
      isOpen = false;
    };
    cleanups.push(close);
    const written: string[] = [];
    const errors: string[] = [];
    const end = Promise.withResolvers<void>();
    const code = top(
      { given: new Map(given.map((name) => [name, [""]])) },
      { base: panel.url, token: "" },
      {
        stdout: { isTTY, columns: 100, rows: 30, write: (text) => written.push(text) },
        stderr: { write: (text) => errors.push(text) },
        env: { NO_COLOR: "1" },
      },
      end.promise,
    );
    return { panel, written, errors, code, end, close };
  }

  const finished = { route: "/a", outcome: 0, status: 1, bytes: 1, ms: 1, msStore: 0 };

  it("draws again each second, says when the sidecar is gone, and leaves the terminal as it was", async () => {
    const { panel, written, code, end, close } = await started([]);
    const shown = () => stripVTControlCharacters(written.at(-1) ?? "");
    await vi.waitUntil(() => shown().includes("Nothing has been asked for yet"), { timeout: 20_000 });
    expect(written[0]).toBe("\x1b[?1049h\x1b[?25l\x1b[?7l");
    panel.traffic.finished(finished);
    await vi.waitUntil(() => /\n\/a /.test(shown()), { timeout: 20_000 });
    await close();
    await vi.waitUntil(() => shown().includes("no sidecar answers there"), { timeout: 20_000 });
    expect(shown()).toMatch(/\n\/a /);
    end.resolve();
    expect(await code).toBe(0);
    expect(written.at(-1)).toBe("\x1b[?7h\x1b[?25h\x1b[?1049l");
  });

  it.each([
    { given: ["once"], isTTY: true },
    { given: [], isTTY: false },
  ])("prints once: %j", async ({ given, isTTY }) => {
    const { written, code } = await started(given, { isTTY });
    expect(await code).toBe(0);
    expect(written).toHaveLength(1);
    expect(written[0]).not.toContain("\x1b");
    expect(written[0]).toMatch(/^Forebay 0\.1\.0 {2}sidecar s-1/);
  });

  it("prints all that there is as JSON", async () => {
    const { written, code } = await started(["json"]);
    expect(await code).toBe(0);
    expect(JSON.parse(written.join("")).series.requests).toHaveLength(360);
  });

  it("says why nothing can be shown, and leaves the terminal alone", async () => {
    const written: string[] = [];
    const errors: string[] = [];
    const stdout = { isTTY: true, columns: 80, rows: 24, write: (text: string) => written.push(text) };
    const output = { stdout, stderr: { write: (text: string) => errors.push(text) }, env: {} };
    const nowhere = { base: "http://127.0.0.1:1", token: "" };
    expect(await top({ given: new Map() }, nowhere, output, new Promise(() => {}))).toBe(1);
    expect(written).toEqual([]);
    expect(errors.join("")).toMatch(/^http:\/\/127\.0\.0\.1:1: no sidecar answers there; .*\n$/);
  });
});
