// Where a tag lives: alike in every process, spread evenly.

import { describe, expect, test } from "vitest";
import { CLOCK_SLOT, DEFAULT_SLOTS, FLOOR_SLOT, slotOf, softSlot } from "../../src/store/fence.ts";

describe("slotOf", () => {
  // Other processes and what is stored in Redis go by these numbers: they never change.
  test("gives each tag the slot it always had", () => {
    const tags = ["", "a", "b", "path:example.com/products/1", "tag:größe"];
    expect(tags.map((tag) => slotOf(tag, DEFAULT_SLOTS))).toEqual([916328, 283323, 407159, 475203, 559387]);
  });

  test("leaves the first four slots to the fence itself", () => {
    const slots = new Set(Array.from({ length: 1000 }, (_, i) => slotOf(`t${i}`, 7)));
    expect([...slots].sort()).toEqual([4, 5, 6]);
  });

  test("says where the second row has it, which those who know of one row never read", () => {
    const slots = [CLOCK_SLOT, FLOOR_SLOT, slotOf("a", DEFAULT_SLOTS)].map((slot) => softSlot(slot, DEFAULT_SLOTS));
    expect(slots).toEqual([1_048_576, 1_048_577, 1_331_899]);
  });

  test("spreads like chance: two of 100,000 similar tags meet about as often as they must", () => {
    const count = 100_000;
    const slots = new Set(Array.from({ length: count }, (_, i) => slotOf(`path:example.com/p/${i}`, DEFAULT_SLOTS)));
    const expected = DEFAULT_SLOTS * (1 - Math.exp(-count / DEFAULT_SLOTS));
    expect(Math.abs(slots.size - expected)).toBeLessThan(expected / 100);
  });
});
