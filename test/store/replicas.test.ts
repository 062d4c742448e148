// Who waits for the replicas, for how long, and what is said where they do not confirm.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createReplicas } from "../../src/store/replicas.ts";

let sent: string[];
let answers: ((reply: unknown) => void)[];
let line: { process: number | undefined; send(words: readonly (string | Buffer)[]): Promise<unknown> };
let told: [count: number, reason: string][];
let now: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  [sent, answers, told, now] = [[], [], [], 0];
  line = {
    process: 1,
    send(words) {
      sent.push(words.join(" "));
      return words[0] === "WAIT" ? new Promise((resolve) => void answers.push(resolve)) : Promise.resolve("OK");
    },
  };
});
afterEach(() => vi.useRealTimers());

function make(replicas = 1) {
  const tell = (count: number, reason: string) => void told.push([count, reason]);
  return createReplicas({ replicas, timeout: 100, line, key: "waited", tell, now: () => now });
}

/** Whether it is over, as of now. */
function followed(confirmed: Promise<void>): { isOver: boolean } {
  const state = { isOver: false };
  void confirmed.then(() => {
    state.isOver = true;
  });
  return state;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("who asks before it is sent shares it, and who asks while it is under way shares the next", async () => {
  const replicas = make();
  const first = [followed(replicas.confirm(1)), followed(replicas.confirm(1))];
  await turn();
  const later = [followed(replicas.confirm(1)), followed(replicas.confirm(1))];
  await turn();
  expect(sent).toEqual(["SET waited  PX 1000", "WAIT 1 100"]);
  answers[0]?.(1);
  await turn();
  expect([first, later].map((each) => each.map(({ isOver }) => isOver))).toEqual([
    [true, true],
    [false, false],
  ]);
  expect(answers).toHaveLength(2);
  answers[1]?.(1);
  await turn();
  expect(later.every(({ isOver }) => isOver)).toBe(true);
  expect([replicas.missed(), told]).toEqual([0, []]);
});

test("nobody waits longer than they may, behind whomever", async () => {
  const replicas = make();
  void replicas.confirm(1);
  await vi.advanceTimersByTimeAsync(50);
  const second = followed(replicas.confirm(1));
  await vi.advanceTimersByTimeAsync(99);
  expect(second.isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await turn(); // what has come by now is read first
  expect(second.isOver).toBe(true);
  answers[0]?.(0);
  await turn();
  expect(replicas.missed()).toBe(2);
});

test("too few are told of once a second, with how many it was", async () => {
  const replicas = make(2);
  for (const at of [0, 10, 20, 1000, 1010, 2000]) {
    now = at;
    const confirmed = replicas.confirm(1);
    await turn();
    answers.at(-1)?.(1);
    await confirmed;
  }
  const reason = "2 replicas did not confirm it within 100 ms";
  expect(told).toEqual([
    [1, reason],
    [3, reason],
    [2, reason],
  ]);
  expect(replicas.missed()).toBe(6);
});

test("another process than the one that took it, and a refusal, confirm nothing", async () => {
  const replicas = make();
  line.process = 2;
  const confirmed = replicas.confirm(1);
  await turn();
  answers[0]?.(1);
  await confirmed;
  line.send = async () => {
    throw new Error("NOPERM");
  };
  now = 5000;
  await replicas.confirm(2);
  expect(told.map(([, reason]) => reason)).toEqual(["it is another Redis by now", "NOPERM"]);
});
