// On which connection is a write noted, while the one for all that is lost and another is not?

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Line } from "../../src/store/connections.ts";
import { createHighestClock } from "../../src/store/highest-clock.ts";
import { createNotes } from "../../src/store/notes.ts";
import { createRedisKeys } from "../../src/store/redis-keys.ts";

const LEASE_MS = 10_000;

/** A connection on which everything is taken; `said` are the words sent on it. */
function line(): { line: Line; said: string[][] } {
  const said: string[][] = [];
  const send = async (words: readonly unknown[]) => void said.push(words.map(String));
  return { line: { send } as unknown as Line, said };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the lines of writes are added, renewed, left and discarded where an invalidation would be told", async () => {
  const [first, other] = [line(), line()];
  const notes = createNotes({
    line: first.line,
    reach: { mayWrite: () => false, teller: () => other.line },
    keys: createRedisKeys("forebay"),
    leaseMs: LEASE_MS,
    maxOwed: 10,
    clock: createHighestClock(),
  });
  for (const name of ["a", "b", "c"]) await notes.add(`${name}|1|null`, other.line);
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  notes.tick();
  expect(other.said.at(-1)).toEqual(expect.arrayContaining(["a|1|null", "b|1|null", "c|1|null"]));
  notes.discard("a|1|null");
  expect(other.said.at(-1)).toEqual(["ZREM", "forebay:{fence}:w", "a|1|null"]);
  notes.leave("b|1|null");
  expect(other.said.at(-1)).toEqual(expect.arrayContaining(["b|1|null"]));
  expect(first.said).toEqual([]);
});
