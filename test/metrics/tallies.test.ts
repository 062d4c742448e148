import { expect, test } from "vitest";
import { createTallies } from "../../src/metrics/tallies.ts";

test("limits are told apart up to a number, whatever reloads bring; those known go on", () => {
  const { limit, limits } = createTallies();
  for (let i = 0; i < 20_100; i++) limit(`/${i}`).allowed += 1;
  limit("/7").allowed += 1;
  expect(limits.size).toBe(20_001);
  expect(limits.get("/7")?.allowed).toBe(2);
  expect(limits.get("…")?.allowed).toBe(100);
});
