import { describe, expect, it } from "vitest";
import type { LoggedRequest } from "../../../src/cli/try/log-line.ts";
import { createSimulation, type Prediction, type SimulationOptions } from "../../../src/cli/try/simulation.ts";
import { loadConfig } from "../../../src/config/load.ts";
import fc from "../../support/fast-check.ts";

const YAML = `
origin: http://127.0.0.1:3000
routes:
  - path: /items/:id
    cache: { ttl: 20s, statuses: { 404: 3s }, staleWhileRevalidate: 4s, maxBody: 1kb, tags: ["item:{id}"] }
    invalidate: { paths: [/list] }
  - path: /list
    cache: { ttl: 5s, key: { query: [page] }, collapse: false }
  - path: /none/*
`;
const { routes } = loadConfig({ file: "a.yaml", env: {}, readFile: () => YAML });
const COLUMNS = [
  { name: "as configured", ttl: undefined },
  { name: "2s", ttl: 2 },
  { name: "1m", ttl: 60 },
];

function predict(log: readonly LoggedRequest[], more: Partial<SimulationOptions> = {}): Prediction {
  const simulation = createSimulation({
    ...{ routes, columns: COLUMNS, authority: "a.test", rowOf: (routeId: string) => routeId },
    ...more,
  });
  for (const request of log) simulation.add(request);
  return simulation.result();
}

function asked(time: number, target: string, more: Partial<LoggedRequest> = {}): LoggedRequest {
  const plain = { ms: 0, method: "GET", authority: undefined, status: 200, bytes: 100, hidesQuery: false };
  return { ...plain, time: time * 1000, target, ...more };
}

describe("a simulation", () => {
  it("counts one fetch for each life of a response, by route and by TTL", () => {
    const { rows, total } = predict([0, 1, 3, 19, 21, 26].map((time) => asked(time, "/items/1")));
    expect(rows).toHaveLength(1);
    // Four seconds of each life are stale ones, in which it is fetched anew behind a hit.
    expect(total.cells.map(({ hits, originRequests }) => [hits, originRequests])).toEqual([
      [5, 2],
      [4, 5],
      [5, 1],
    ]);
    expect(total).toMatchObject({ requests: 6, reads: 6, cells: [{ originBytes: 200, storedBytes: 100 }, {}, {}] });
  });

  it("has a write invalidate its own path and what its route names, unless the origin refused it", () => {
    const before = [asked(0, "/items/1"), asked(0, "/items/2"), asked(0, "/list?page=1")];
    const after = [asked(2, "/items/1?a=b"), asked(2, "/items/2"), asked(2, "/list?page=1")];
    const hits = (write: LoggedRequest) => predict([...before, write, ...after]).total.cells[2]?.hits;
    expect(hits(asked(1, "/items/1", { method: "PUT" }))).toBe(1);
    expect(hits(asked(1, "/items/1", { method: "PUT", status: 500 }))).toBe(1);
    expect(hits(asked(1, "/items/1", { method: "PUT", status: 404 }))).toBe(2);
    expect(hits(asked(1, "/other", { method: "PUT" }))).toBe(2);
  });

  it("collapses those who ask while a response is fetched, where the route does", () => {
    const slow = { ms: 3000 };
    const both = (target: string) => [0, 1, 2].map((time) => asked(time, target, slow));
    expect(predict(both("/items/1")).total.cells[2]).toMatchObject({ collapsed: 2, hits: 0, originRequests: 1 });
    expect(predict(both("/list")).total.cells[2]).toMatchObject({ collapsed: 0, originRequests: 3 });
    const longer = [0, 1, 9].map((time) => asked(time, "/items/1", { ms: 10_000 }));
    expect(predict(longer).total.cells[2]).toMatchObject({ collapsed: 1, originRequests: 2 });
  });

  it("answers with the stale response while it is fetched anew", () => {
    const log = [asked(0, "/items/1"), asked(3, "/items/1", { ms: 2000 }), asked(4, "/items/1")];
    expect(predict(log).total.cells[1]).toMatchObject({ hits: 2, collapsed: 0, originRequests: 2 });
  });

  it("keys by what the route keys by, and stores what it may", () => {
    const hits = (...log: LoggedRequest[]) => predict(log).total.cells[2]?.hits;
    expect(hits(asked(0, "/list?page=1&x=1"), asked(1, "/list?x=2&page=1"), asked(1, "/list?page=2"))).toBe(1);
    expect(hits(asked(0, "/items/1"), asked(1, "/items/1", { authority: "b.test" }))).toBe(0);
    expect(hits(asked(0, "/items/1", { bytes: 2000 }), asked(1, "/items/1"))).toBe(0);
    expect(hits(asked(0, "/items/1", { status: 500 }), asked(1, "/items/1"))).toBe(0);
    expect(hits(asked(0, "/items/1", { status: 404 }), asked(1, "/items/1"), asked(8, "/items/1"))).toBe(1);
    expect(hits(asked(0, "/items/1", { status: 304 }), asked(1, "/items/1", { method: "HEAD" }))).toBe(1);
    expect(hits(asked(0, "/items/1", { status: 206 }), asked(1, "/items/1", { status: 206 }))).toBe(0);
    expect(hits(asked(0, "/none/1"), asked(1, "/none/1"))).toBe(0);
  });

  it("says what it left out or guessed", () => {
    const log = [asked(0, "/nowhere"), asked(1, "/items/1?...", { hidesQuery: true, bytes: undefined })];
    expect(predict(log)).toMatchObject({ unrouted: 1, unsized: 1, hiddenQueries: 1, total: { requests: 1 } });
  });

  it("remembers so many responses and no more", () => {
    const { dropped, total } = predict(
      [1, 2, 3, 1].map((id) => asked(0, `/items/${id}`)),
      { maxStored: 2 },
    );
    expect(dropped).toBe(6); // in three columns
    expect(total.cells[2]).toMatchObject({ originRequests: 4, storedBytes: 200 });
  });

  it("takes what began before the last as of its time", () => {
    expect(predict([asked(5, "/items/1"), asked(4, "/items/1")])).toMatchObject({
      from: 5000,
      to: 5000,
      total: { cells: [{ hits: 1 }, {}, {}] },
    });
  });

  it("agrees with a model that remembers everything and looks through all of it", () => {
    const request = fc.record({
      step: fc.oneof(fc.constantFrom(0, 1000, 2000, 4000), fc.integer({ min: 0, max: 6000 })),
      ms: fc.constantFrom(0, 0, 300, 3000, 7000),
      method: fc.constantFrom("GET", "GET", "GET", "GET", "HEAD", "PUT"),
      target: fc.constantFrom("/items/1", "/items/2", "/list?page=1", "/list?x=9&page=1", "/list", "/none/1"),
      status: fc.constantFrom(200, 200, 200, 200, 404, 500),
      bytes: fc.constantFrom(1, 10, 2000),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 60 }), (steps) => {
        let time = 0;
        const log = steps.map(({ step, ...rest }) => {
          time += step;
          return asked(time / 1000, rest.target, rest);
        });
        expect(predict(log).total.cells).toEqual(COLUMNS.map(({ ttl }) => bruteForce(log, ttl)));
      }),
      { numRuns: 500 },
    );
  });
});

/** One fetch of the model, kept for ever. */
interface Fetch {
  readonly index: number;
  readonly key: string;
  readonly path: string;
  readonly bytes: number;
  readonly ready: number;
  readonly fresh: number;
  readonly gone: number;
  readonly covered: number;
}

/** The rules of YAML above, written down once more by hand. */
function bruteForce(log: readonly LoggedRequest[], ttl: number | undefined) {
  const cell = { hits: 0, collapsed: 0, originRequests: 0, originBytes: 0, storedBytes: 0 };
  const fetches: Fetch[] = [];
  for (const [index, { time, ms, method, target, status, bytes = 0 }] of log.entries()) {
    const path = target.split("?")[0] ?? "";
    const isList = path === "/list";
    const key = isList ? `${path} ${target.includes("page=1")}` : path;
    const fetchIt = (covered: number) => {
      cell.originRequests += 1;
      cell.originBytes += bytes;
      const life = lifeOf(isList, status, ttl);
      const isTooLong = !isList && bytes > 1024;
      if (method !== "GET" || path === "/none/1" || life === 0 || isTooLong) return;
      const ready = time + ms;
      const fresh = ready + life * 1000;
      fetches.push({ index, key, path, bytes, ready, fresh, gone: fresh + (isList ? 0 : 4000), covered });
    };
    if (method === "PUT") {
      cell.originRequests += 1;
      cell.originBytes += bytes;
      continue;
    }
    const last = fetches.findLast((fetch) => fetch.key === key);
    const found = last !== undefined && last.gone > time && !isInvalidated(log, last, index) ? last : undefined;
    if (found === undefined) fetchIt(0);
    else if (time < found.ready && time < found.covered) cell.hits += 1;
    else if (time < found.ready && method === "GET" && !isList && found.ready - time <= 5000) cell.collapsed += 1;
    else if (time < found.ready) {
      cell.originRequests += 1;
      cell.originBytes += bytes;
    } else if (time < found.fresh) cell.hits += 1;
    else if (method === "GET") {
      cell.hits += 1;
      fetchIt(found.gone);
    } else fetchIt(0);
    const newest = fetches.filter((fetch) => fetches.findLast(({ key }) => key === fetch.key) === fetch);
    const now = newest.filter(({ gone }) => gone > time).reduce((sum, { bytes }) => sum + bytes, 0);
    // What is not stored at all is not looked at by the simulation either.
    if (path !== "/none/1") cell.storedBytes = Math.max(cell.storedBytes, now);
  }
  return cell;
}

/** Seconds; 0: not stored. */
function lifeOf(isList: boolean, status: number, ttl: number | undefined): number {
  if (status === 404) return isList ? 0 : 3;
  if (status !== 200) return 0;
  return ttl ?? (isList ? 5 : 20);
}

function isInvalidated(log: readonly LoggedRequest[], fetch: Fetch, until: number): boolean {
  return log.slice(fetch.index + 1, until).some(({ method, target, status }) => {
    if (method !== "PUT" || status === 404) return false;
    const path = target.split("?")[0] ?? "";
    return path === fetch.path || (path.startsWith("/items/") && fetch.path === "/list");
  });
}
