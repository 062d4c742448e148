// When may the store be written and read after Redis was reached? The turned clock, and a Redis that answers as told.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Connections, FRESH_MS, type Line } from "../../src/store/connections.ts";
import { createHighestClock } from "../../src/store/highest-clock.ts";
import { createReach, type Reach } from "../../src/store/reach.ts";
import { VOUCH } from "../../src/store/scripts.ts";

const SETTLE = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const WRITE_DEADLINE = 1000;

interface Given {
  readonly answers: number[][];
  readonly settle?: number;
  /** Of its connections; they are whole if nothing else is said. */
  readonly about?: About;
}

interface About {
  isWhole: boolean;
  heardAt: number;
  /** Of the one line. */
  isFresh: boolean;
  openedAt: number;
  /** The Redis process that the connection for subscriptions leads to; the line leads to 7. */
  subscribedAt: number;
  /** How often they were all given up. */
  left: number;
}

function whole(): About {
  return { isWhole: true, heardAt: 0, isFresh: true, openedAt: 0, subscribedAt: 7, left: 0 };
}

/** One that finds its connections as `about` says, at a Redis to whose vouching `answers` are given, the last again and again. */
async function reached({ answers, settle = SETTLE, about = whole() }: Given): Promise<Reach & { line: Line }> {
  const line = {
    process: 7,
    isFresh: () => about.isFresh,
    get openedAt() {
      return about.openedAt;
    },
    send: async (words: readonly unknown[]) =>
      words[1] === VOUCH.digest && (answers.length > 1 ? answers.shift() : answers[0]),
  } as unknown as Line;
  const connections = {
    ...{ lines: [line], leave: () => void about.left++ },
    get subscriber() {
      return { ...line, process: about.subscribedAt };
    },
    ...{ isWhole: () => about.isWhole, heardAt: () => about.heardAt },
  } as unknown as Connections;
  const reach = createReach({
    connections: () => connections,
    fence: "fence",
    slots: 1024,
    settle,
    writeDeadline: WRITE_DEADLINE,
    clock: createHighestClock(),
    check: async () => {},
    replay: async () => {},
    changed() {},
  });
  reach.update();
  await vi.advanceTimersByTimeAsync(0);
  return Object.assign(reach, { line });
}

/** Ms until `is`, counted in steps of one. */
async function msUntil(is: () => boolean): Promise<number> {
  let ms = 0;
  for (; !is() && ms < 5000; ms++) await vi.advanceTimersByTimeAsync(1);
  return ms;
}

describe("a sidecar that is new", () => {
  test("acknowledges nothing while others may still read a master that was replaced a moment ago, and settles meanwhile", async () => {
    const reach = await reached({ answers: [[100, 0, 50]] });
    expect(await msUntil(() => reach.mayWrite())).toBe(FRESH_MS - 50);
    expect((await msUntil(() => reach.isOk())) + FRESH_MS - 50).toBe(SETTLE);
  });

  test("waits for nothing where the master has been there for long", async () => {
    const reach = await reached({ answers: [[100, 0, FRESH_MS]] });
    expect(reach.mayWrite()).toBe(true);
    expect(await msUntil(() => reach.isOk())).toBe(SETTLE);
  });

  test("waits and then settles where it is the first to come to another master", async () => {
    const reach = await reached({ answers: [[100, 1, 0]] });
    expect(await msUntil(() => reach.mayWrite())).toBe(FRESH_MS);
    expect(await msUntil(() => reach.isOk())).toBe(SETTLE);
  });

  test("waits for nobody where it need not settle", async () => {
    const reach = await reached({ answers: [[100, 0, 0]], settle: 0 });
    expect(reach.mayWrite()).toBe(true);
  });
});

test("a sidecar that comes back to the master it knows acknowledges at once", async () => {
  const reach = await reached({
    answers: [
      [100, 0, FRESH_MS],
      [100, 0, 0],
    ],
  });
  await msUntil(() => reach.isOk());
  reach.distrust("it does not do what it must");
  expect(await msUntil(() => reach.mayWrite())).toBeLessThan(FRESH_MS);
});

test("connections that lead apart are made anew at once, and ever more rarely where that has mended nothing", async () => {
  const about = { ...whole(), subscribedAt: 8 };
  const reach = await reached({ answers: [[100, 0, FRESH_MS]], about });
  const leftIn = async (ms: number) => {
    const before = about.left;
    for (let beat = 0; beat < ms / 250; beat++) {
      await vi.advanceTimersByTimeAsync(250);
      reach.update();
    }
    return about.left - before;
  };
  expect([about.left, await leftIn(1000), await leftIn(9000)]).toEqual([1, 1, 3]);
  expect(reach.detail).toBe("the connections lead to different Redis processes");
  await leftIn(20_000);
  expect(await leftIn(60_000)).toBeLessThanOrEqual(6);
  about.subscribedAt = 7;
  await leftIn(2000);
  expect(reach.isOk()).toBe(true);
  about.subscribedAt = 8;
  reach.distrust("it does not do what it must");
  expect(await leftIn(500)).toBe(1);
});

describe("an invalidation that Redis cannot take", () => {
  /** One of whose connections some are lost after it was well. */
  async function cutOff(): Promise<{ reach: Reach & { line: Line }; about: About }> {
    const about = whole();
    const reach = await reached({ answers: [[100, 0, FRESH_MS]], about });
    await msUntil(() => reach.isOk());
    about.heardAt = performance.now();
    Object.assign(about, { isWhole: false, isFresh: false });
    reach.update();
    return { reach, about };
  }

  test("is waited for until all must know that Redis is away, and then no longer", async () => {
    const { reach } = await cutOff();
    expect(reach.patience()).toBe(WRITE_DEADLINE);
    await vi.advanceTimersByTimeAsync(400);
    expect(reach.patience()).toBe(WRITE_DEADLINE - 400);
    await vi.advanceTimersByTimeAsync(WRITE_DEADLINE);
    expect(reach.patience()).toBe(0);
  });

  test("is waited for as long as Redis goes on answering heartbeats: then others may still read", async () => {
    const { reach, about } = await cutOff();
    await vi.advanceTimersByTimeAsync(2 * WRITE_DEADLINE);
    about.heardAt = performance.now();
    expect(reach.patience()).toBe(WRITE_DEADLINE);
    await vi.advanceTimersByTimeAsync(WRITE_DEADLINE);
    expect(reach.patience()).toBe(0);
  });

  test("is not waited for longer where Redis answers and does not do what it must", async () => {
    const about = whole();
    const reach = await reached({ answers: [[100, 0, FRESH_MS]], about });
    await msUntil(() => reach.isOk());
    reach.distrust("the fence in Redis has changed its size");
    Object.assign(about, { isWhole: false, heardAt: performance.now() + 2 * WRITE_DEADLINE });
    await vi.advanceTimersByTimeAsync(2 * WRITE_DEADLINE);
    expect(reach.patience()).toBe(0);
    expect(reach.teller()).toBeUndefined();
  });

  test("is told all the same on a connection that was there before and is fresh, for as long as that takes", async () => {
    const { reach, about } = await cutOff();
    expect(reach.teller()).toBeUndefined();
    about.isFresh = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(reach.teller()).toBe(reach.line);
    expect(reach.patience()).toBe(WRITE_DEADLINE);
  });

  test("is told on none that was made since", async () => {
    const { reach, about } = await cutOff();
    Object.assign(about, { isFresh: true, openedAt: performance.now() + 1 });
    expect(reach.teller()).toBeUndefined();
  });

  test("is not told by one that is new", async () => {
    const about = { ...whole(), isWhole: false };
    const reach = await reached({ answers: [[100, 0, 0]], about });
    expect(reach.teller()).toBeUndefined();
  });
});
