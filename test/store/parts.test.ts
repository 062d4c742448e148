// One look at several nodes: what it is made of, and what becomes of it where one of them fails.

import { beforeEach, expect, test, vi } from "vitest";
import type { Line } from "../../src/store/connections.ts";
import { createHighestClock } from "../../src/store/highest-clock.ts";
import { createPartedAsking } from "../../src/store/parts.ts";
import { createRedisKeys } from "../../src/store/redis-keys.ts";
import { createRedisTally } from "../../src/store/redis-tally.ts";
import type { LimitQuestion } from "../../src/store/store.ts";
import { refusal } from "./asking.ts";

const keys = createRedisKeys("forebay");
let sent: string[];
/** Words that begin so are refused. */
let refused: string[];

beforeEach(() => {
  [sent, refused] = [[], []];
});

/** Answers what a node would, and refuses what it is told to. */
async function send(words: readonly (string | Buffer)[]): Promise<unknown> {
  const text = words.map(String).join(" ");
  sent.push(text);
  if (refused.some((start) => text.startsWith(start))) throw new Error("LOADING");
  if (words[0] === "BITFIELD_RO") return words.filter((word) => word === "GET").map(() => 7);
  if (words[0] === "GET") return null;
  return words[2] === "1" && words.length === 6 ? 0 : [1, 1, 8, 0, 100, 100];
}

function make() {
  const line = { send, sendForBytes: send } as unknown as Line;
  // A key lives on the node that its second part says.
  const nodeOf = (key: string) => key.split(":")[1] ?? "";
  return createPartedAsking(line, {
    keys,
    deadline: 1000,
    clock: createHighestClock(),
    tally: createRedisTally(),
    nodeOf,
  });
}

const ask = (node: string) => ({ record: `r:${node}`, variant: `v:${node}`, slots: [9], limits: [] });
const limit = (client: string, late?: LimitQuestion["late"]): LimitQuestion => ({
  key: `l:${client}`,
  client,
  algorithm: "fixed-window",
  limit: 9,
  windowMs: 1000,
  ...(late ? { late } : {}),
});

test("all who ask in one turn share one reading of the fence", async () => {
  const put = make();
  const answers = await Promise.all([put(ask("a")), put(ask("b")), put({ ...ask("c"), slots: [10] })]);
  expect(sent.filter((text) => text.startsWith("BITFIELD_RO"))).toHaveLength(1);
  expect(answers.every(({ fence }) => fence.get(9) === 7)).toBe(true);
});

test("limits of one client are charged together, those of others apart, and verdicts keep their order", async () => {
  const put = make();
  const limits = [limit("one"), { ...limit("two"), limit: 5 }, { ...limit("one"), key: "m:one" }];
  const { verdicts } = await put({ ...ask("a"), limits });
  const charges = sent.filter((text) => text.startsWith("EVALSHA"));
  expect(charges.map((text) => text.split(" ")[2]).sort()).toEqual(["1", "2"]);
  expect(verdicts).toHaveLength(3);
});

test("where the fence fails all of it does, and the lease is let go", async () => {
  const put = make();
  refused = ["BITFIELD_RO"];
  const [late, told] = [vi.fn(), vi.fn()];
  const lease = { key: "lease:a", token: "t", ms: 1000, late };
  expect(await refusal(put({ ...ask("a"), lease, limits: [limit("one", told)] }))).toMatchObject({ isPartial: false });
  expect(late).toHaveBeenCalledTimes(1);
  expect(told).toHaveBeenCalledTimes(1);
});

test("where the value's node fails that is partial, and what the limits said is told", async () => {
  const put = make();
  refused = ["GET r:a"];
  const failed = await refusal(put({ ...ask("a"), limits: [limit("one")] }));
  expect(failed).toMatchObject({ isPartial: true, verdicts: [{ allowed: true, remaining: 8 }] });
});

test("a node that keeps failing is left alone, and the others are not", async () => {
  const put = make();
  refused = ["GET r:a"];
  for (let i = 0; i < 5; i++) await refusal(put(ask("a")));
  sent = [];
  expect(await refusal(put(ask("a")))).toMatchObject({
    isPartial: true,
    message: expect.stringContaining("left alone"),
  });
  expect(sent.some((text) => text.includes("r:a"))).toBe(false);
  expect((await put(ask("b"))).fence.get(9)).toBe(7);
});
