import { expect, it } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";

function shown({ isTerminal = true, expectedMs = 0 } = {}) {
  const written: string[] = [];
  let now = 0;
  const stream = { columns: 40, write: (text: string) => written.push(text) > 0 };
  const progress = createProgress({ stream, isTerminal, expectedMs, now: () => now });
  const at = (ms: number, done: number) => {
    now = ms;
    progress.tell(done, "lines read, and many more words than fit");
    return written.at(-1);
  };
  return { at, written, progress };
}

it("a bar is shown after two seconds, ten times a second at the most, and taken away", () => {
  const { at, written, progress } = shown();
  expect(at(1999, 0.4)).toBeUndefined();
  expect(at(2001, 0.5)).toBe(`\r${"█".repeat(12)}${"░".repeat(12)}  50 %  lines r\x1b[K`);
  at(2050, 0.6);
  expect(written).toHaveLength(1);
  expect(at(2200, 7)).toContain("100 %");
  progress.end();
  progress.end();
  expect(written).toHaveLength(3);
  expect(written.at(-1)).toBe("\r\x1b[K");
});

it("what is known to take longer has its bar from the beginning", () => {
  expect(shown({ expectedMs: 5000 }).at(0, 0)).toContain("0 %");
  expect(shown({ expectedMs: 2000 }).at(0, 0)).toBeUndefined();
});

it("nothing is written where there is no terminal", () => {
  const { at, written, progress } = shown({ isTerminal: false });
  at(9000, 0.5);
  progress.end();
  expect(written).toEqual([]);
});
