// What becomes of a look whose second trip Redis does not answer.

import { expect, test, vi } from "vitest";
import type { Answer, Ask } from "../../src/store/batch.ts";
import { createHighestClock } from "../../src/store/highest-clock.ts";
import { createRedisKeys } from "../../src/store/redis-keys.ts";
import type { LimitQuestion, Verdict } from "../../src/store/store.ts";
import { createTrips, recordText } from "../../src/store/trips.ts";
import { keyOf, textCodec } from "./contract.ts";

const LIMIT: LimitQuestion = { key: "all", limit: 1, windowMs: 1000, algorithm: "fixed-window" };
const REFUSED: Verdict = { allowed: false, remaining: 0, resetMs: 500 };
const FIRST: Answer = {
  record: recordText({ names: ["accept-language"], passUntil: 0 }),
  variant: undefined,
  fence: new Map([
    [0, 2],
    [1, 1],
  ]),
  seen: 0,
  verdicts: [REFUSED],
  leaseMs: 0,
};

function trips(...answers: (() => Promise<Answer>)[]) {
  return createTrips({
    keys: createRedisKeys("forebay"),
    slots: 1024,
    codec: textCodec,
    asking: [(_: Ask) => answers.shift()?.() ?? Promise.reject(new Error("asked too often"))],
    deadline: 5,
    clock: createHighestClock(),
    lost() {},
  });
}

const question = { key: keyOf("k"), tags: [], limits: [LIMIT] };

test("what the limits said in the first trip counts, though the second is not answered in time", async () => {
  const asked = trips(
    async () => FIRST,
    () => new Promise(() => {}),
  ).look(question);
  await expect(asked).rejects.toMatchObject({ name: "StoreUnavailable", verdicts: [REFUSED] });
});

test("what the limits said in the first trip counts, though the second fails", async () => {
  const asked = trips(
    async () => FIRST,
    () => Promise.reject(new Error("LOADING")),
  ).look(question);
  await expect(asked).rejects.toMatchObject({ message: "LOADING", verdicts: [REFUSED] });
});

test("a lease had in the first trip is let go where the second is not answered", async () => {
  const late = vi.fn();
  const lease = { key: "l", token: "t", ms: 1, late };
  const asked = trips(
    async () => FIRST,
    () => new Promise(() => {}),
  ).look({ ...question, limits: [], lease });
  await expect(asked).rejects.toMatchObject({ verdicts: undefined });
  expect(late).toHaveBeenCalledOnce();
});
