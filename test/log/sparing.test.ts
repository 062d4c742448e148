import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sparing } from "../../src/log/sparing.ts";
import type { Details } from "../../src/log.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function make() {
  const said: [string, Details | undefined][] = [];
  const debugged: [string, Details | undefined][] = [];
  const writeTo = (lines: typeof said) => (message: string, details?: Details) => void lines.push([message, details]);
  const write = writeTo(said);
  const log = sparing({ debug: writeTo(debugged), info: write, warn: write }, { lines: 2, windowMs: 1000 });
  return { said, debugged, log };
}

test("the first lines are written at once, and those after their time again", () => {
  const { said, log } = make();
  log.warn("degraded", { detail: "a" });
  log.info("ok");
  expect(said).toEqual([
    ["degraded", { detail: "a" }],
    ["ok", {}],
  ]);
  vi.advanceTimersByTime(1000);
  expect(said.length).toBe(2);
  log.info("ok");
  expect(said.length).toBe(3);
});

test("of a flood the last one is written at the end of the time, with how many more there were", () => {
  const { said, log } = make();
  for (let i = 0; i < 50; i++) log[i % 2 === 0 ? "warn" : "info"](i % 2 === 0 ? "degraded" : "ok", { i });
  expect(said.length).toBe(2);
  vi.advanceTimersByTime(999);
  expect(said.length).toBe(2);
  vi.advanceTimersByTime(1);
  expect(said.slice(2)).toEqual([["ok", { i: 49, more: 47 }]]);
});

test("a flood that goes on is counted anew, and every line is one written or one more", () => {
  const { said, log } = make();
  for (let i = 0; i < 500; i++) {
    log.warn("degraded");
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(5000);
  expect(said.length).toBeLessThanOrEqual(2 * 6);
  const counted = said.reduce((sum, [, details]) => sum + 1 + Number(details?.more ?? 0), 0);
  expect(counted).toBe(500);
});

test("what is held is written where nothing follows, and then all is quiet", () => {
  const { said, log } = make();
  for (const message of ["a", "b", "c"]) log.info(message);
  vi.advanceTimersByTime(10_000);
  expect(said.map(([message]) => message)).toEqual(["a", "b", "c"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("at level debug what is held is written as it comes", () => {
  const { debugged, log } = make();
  for (const message of ["a", "b", "c"]) log.info(message);
  log.warn("d", { detail: "now" });
  expect(debugged).toEqual([
    ["c", {}],
    ["d", { detail: "now" }],
  ]);
});
