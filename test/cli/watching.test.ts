import { describe, expect, it } from "vitest";
import { looked, type Seen } from "../../src/cli/watching.ts";

/** Which of these looks tell of a change, the file having been read as "a". */
function due(...found: (string | undefined)[]): number[] {
  let seen: Seen = { read: "a", last: "a", looks: 0 };
  return found.flatMap((now, i) => {
    const { isDue, ...next } = looked(seen, now);
    seen = next;
    return isDue ? [i] : [];
  });
}

describe("a watched file", () => {
  it("has changed when it has stood still from one look to the next, once", () => {
    expect(due("a", "b", "b", "b", "b")).toEqual([2]);
  });

  it("is not read while it is being written", () => {
    expect(due("b", "c", "d", "d")).toEqual([3]);
  });

  it("may be away for a moment, and is then as it was or another one", () => {
    expect(due(undefined, undefined, "a", "a", "a")).toEqual([]);
    expect(due(undefined, undefined, "b", "b")).toEqual([3]);
  });

  it("is gone after a while, which is told once", () => {
    expect(due(...Array.from({ length: 30 }, () => undefined))).toEqual([10]);
  });

  it("is read again when it has come back as it was", () => {
    const gone = Array.from({ length: 11 }, () => undefined);
    expect(due(...gone, "a", "a")).toEqual([10, 12]);
  });
});
