import { expect, test } from "vitest";
import { createFlight } from "../../src/cache/flights.ts";

const LANDED = { kind: "not-storable" } as const;

/** Whether the followers of a flight with so many have heard when `turns` of the event loop have passed since it ended. */
async function hasHeard(followers: number, turns: number): Promise<boolean> {
  const flight = createFlight();
  flight.followers = followers;
  let heard = false;
  void flight.news.then(() => {
    heard = true;
  });
  flight.end(LANDED);
  for (let i = 0; i < 9; i++) await Promise.resolve();
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  return heard;
}

test("a few followers hear at once that their flight has ended", async () => {
  expect(await hasHeard(1, 0)).toBe(true);
  expect(await hasHeard(15, 0)).toBe(true);
});

test("a crowd hears when what its end sent to the store has left", async () => {
  expect(await hasHeard(16, 0)).toBe(false);
  expect(await hasHeard(16, 1)).toBe(true);
});
