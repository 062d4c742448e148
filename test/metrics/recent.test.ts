import { expect, test } from "vitest";
import { BOUNDS_MS, Histogram, quantile } from "../../src/metrics/histogram.ts";
import { outcomeOf, PLACE, STATUSES, statusOf } from "../../src/metrics/outcome.ts";
import { Recent, STEP_MS, STEPS } from "../../src/metrics/recent.ts";
import { TopKeys } from "../../src/metrics/top-keys.ts";
import { Traffic } from "../../src/metrics/traffic.ts";

const START = Date.UTC(2026, 0, 1);

function asked(traffic: Traffic, times: number, { route = "/a", ms = 1, status = 200, outcome = PLACE.hit } = {}) {
  for (let i = 0; i < times; i++) {
    traffic.finished({ route, outcome, status: statusOf(status), bytes: 10, ms, msStore: 0 });
  }
}

test("a time counts in the first range that reaches up to it, and beyond the last one in one more", () => {
  const histogram = new Histogram();
  for (const ms of [0, 0.05, 0.051, 30_000, 30_001]) histogram.add(ms);
  expect([...histogram.counts]).toEqual([2, 1, ...BOUNDS_MS.slice(3).map(() => 0), 1, 1]);
  expect(histogram.sumMs).toBeCloseTo(60_001.101);
});

test("a quantile lies within the range that the wanted one fell into", () => {
  const histogram = new Histogram();
  for (let i = 0; i < 98; i++) histogram.add(1.5);
  histogram.add(150);
  histogram.add(40_000);
  expect(quantile(histogram.counts, undefined, 0.5)).toBeCloseTo(1.51, 2);
  expect(quantile(histogram.counts, undefined, 0.99)).toBe(200);
  expect(quantile(histogram.counts, undefined, 1)).toBe(30_000);
  expect(quantile(histogram.counts, histogram.counts.slice(), 0.5)).toBe(0);
});

test("an hour is told in steps of ten seconds, oldest first, whole steps only", () => {
  const traffic = new Traffic();
  const recent = new Recent(traffic, START);
  asked(traffic, 3);
  recent.tick(START + STEP_MS - 1);
  expect(recent.series().requests.every((count) => count === 0)).toBe(true);
  recent.tick(START + STEP_MS);
  asked(traffic, 2, { status: 503, outcome: PLACE.failed });
  recent.tick(START + 3 * STEP_MS);
  const series = recent.series();
  expect(series).toMatchObject({ stepMs: STEP_MS, until: START + 3 * STEP_MS });
  expect(series.requests).toHaveLength(STEPS);
  expect(series.requests.slice(-4)).toEqual([0, 3, 2, 0]);
  expect(series.hits.slice(-4)).toEqual([0, 3, 0, 0]);
  expect(series.errors.slice(-4)).toEqual([0, 0, 2, 0]);
  expect(series.p50.slice(-4)).toEqual([0, 0.75, 0.75, 0]);
});

test("what is older than an hour is gone, and a clock that leaps hours ahead costs no more than one", () => {
  const traffic = new Traffic();
  const recent = new Recent(traffic, START);
  asked(traffic, 3);
  const later = START + 1000 * 24 * 3_600_000;
  recent.tick(later);
  const { requests, until } = recent.series();
  expect(until).toBe(Math.floor(later / STEP_MS) * STEP_MS);
  expect(requests.reduce((sum, count) => sum + count)).toBe(3);
  recent.tick(later + STEPS * STEP_MS);
  expect(recent.series().requests.every((count) => count === 0)).toBe(true);
});

test("a clock that is set back goes on from there", () => {
  const traffic = new Traffic();
  const recent = new Recent(traffic, START);
  recent.tick(START - 3_600_000);
  asked(traffic, 4);
  recent.tick(START - 3_600_000 + STEP_MS);
  expect(recent.series()).toMatchObject({ until: START - 3_600_000 + STEP_MS });
  expect(recent.series().requests.at(-1)).toBe(4);
});

test("rates are those of the last seconds, latencies those of about a minute", () => {
  const traffic = new Traffic();
  const recent = new Recent(traffic, START);
  asked(traffic, 1000, { ms: 400 });
  for (let second = 1; second <= 90; second++) {
    asked(traffic, 10, { ms: 1.5 });
    recent.tick(START + second * 1000);
  }
  const now = START + 90_000;
  expect(recent.perSecond(now)).toEqual({ requests: 10, hits: 10, forwards: 0 });
  expect(recent.latency().p99).toBeLessThan(2);
  expect(recent.route("/a", now)).toMatchObject({ perSecond: 10 });
  expect(recent.route("/a", now).p99).toBeLessThan(2);
  expect(recent.route("/never", now)).toEqual({ perSecond: 0, p50: 0, p99: 0 });
});

test("what is counted by route and in all is the same", () => {
  const traffic = new Traffic();
  asked(traffic, 2, { route: "/a" });
  asked(traffic, 3, { route: "/b", outcome: PLACE.limited, status: 429 });
  asked(traffic, 1, { route: "/b", outcome: PLACE.collapsed });
  traffic.forwarded("/b", 20);
  expect(traffic.all).toMatchObject({
    requests: 6,
    hits: 2,
    limited: 3,
    collapsed: 1,
    forwards: 1,
    errors: 0,
    bytes: 60,
  });
  expect(traffic.routes.get("/b")).toMatchObject({ requests: 4, limited: 3, collapsed: 1, forwards: 1 });
  expect(traffic.routes.get("/b")?.cells[PLACE.limited * STATUSES.length + statusOf(429)]).toBe(3);
});

test("only known words are outcomes", () => {
  expect(outcomeOf({ own: undefined, cache: "vary-miss" })).toBe(PLACE["vary-miss"]);
  expect(outcomeOf({ own: "failed", cache: "uri-miss" })).toBe(PLACE.failed);
  for (const cache of ["-", "__proto__", "toString", "whatever"]) {
    expect(outcomeOf({ own: undefined, cache })).toBe(PLACE.none);
  }
  expect([101, 200, 304, 404, 599, 0, 999].map((status) => STATUSES[statusOf(status)])).toEqual([
    "1xx",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "none",
    "none",
  ]);
});

function ask(target: string, method = "GET") {
  return { method, authority: "shop.test", target };
}

test("the keys most asked for are told first, 20 at the most, without query values", () => {
  const top = new TopKeys({ showQuery: () => false });
  for (let i = 0; i < 100; i++)
    for (let times = 0; times <= i % 30; times++) top.take(ask(`/p/${i % 30}?secret=${i}`), "/p/:id");
  const told = top.told();
  expect(told).toHaveLength(20);
  expect(told[0]).toMatchObject({ key: "GET shop.test/p/29?...", route: "/p/:id", requests: 90 });
});

test("the sketch stays small under a crawl, which does not pass for what is asked for most", () => {
  const top = new TopKeys({ showQuery: () => true });
  for (let i = 0; i < 20_000; i++) {
    top.take(ask(`/crawled/${i}`), "/*");
    if (i % 10 === 0) top.take(ask("/loved?x=1"), "/*");
  }
  const [first, ...others] = top.told();
  expect(first?.key).toBe("GET shop.test/loved?x=1");
  expect(first?.requests).toBeGreaterThan(1500);
  expect(Math.max(...others.map(({ requests }) => requests))).toBeLessThan(20);
});

test("under much traffic a sample stands for all, and what is asked for no more fades", () => {
  const top = new TopKeys({ showQuery: () => false });
  top.pace(10_000);
  for (let i = 0; i < 10_000; i++) top.take(ask("/a"), undefined);
  expect(top.told()[0]?.requests).toBeGreaterThan(9900);
  for (let i = 0; i < 20; i++) top.fade();
  expect(top.told()).toEqual([]);
});

test("a key holds printable ASCII alone, and is short", () => {
  const top = new TopKeys({ showQuery: () => true });
  top.take(ask(`/\u001b[2J\u009b31m${"x".repeat(1000)}`), undefined);
  expect(top.told()[0]?.key).toMatch(/^GET shop\.test\/%1B\[2J%9B31mx+\.\.\.$/);
  expect(top.told()[0]?.key.length).toBeLessThan(300);
});
