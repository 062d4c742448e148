// What becomes of a store that fails, stalls and comes back: misses, a breaker, and invalidations that are not given up.

import { describe, expect, test, vi } from "vitest";
import { createFailOpenStore } from "../../src/store/fail-open.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { LimitQuestion, Reading, Soon, Write } from "../../src/store/store.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";
import { keyOf, storeContract, storedOf, textCodec } from "./contract.ts";
import { createScriptedStore, question, readingOf, type Scripted } from "./scripted.ts";

const KEY = keyOf("k");
const LIMIT: LimitQuestion = { key: "l", algorithm: "fixed-window", limit: 1, windowMs: 1000 };
const DOWN = new StoreUnavailable("connection lost");
/** One more failure, not the same one again. */
const down = () => new StoreUnavailable("connection lost");

function make() {
  const clock = { at: 0 };
  const below = createScriptedStore();
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn() };
  const breaker = { failures: 5, openMs: 1000 };
  const store = createFailOpenStore(below.store, { breaker, log, now: () => clock.at });
  const look = () => store.look(question(KEY));
  return { clock, below, log, store, look };
}

/** Opens the breaker with five failures. */
async function broken() {
  const parts = make();
  for (let i = 0; i < 5; i++) await failing(parts.below, parts.look());
  return parts;
}

async function failing<T>(below: Scripted, asked: Soon<T>): Promise<T> {
  below.only("look").fail(down());
  return await asked;
}

async function answered<T>(below: Scripted, asked: Soon<T>): Promise<T> {
  below.only("look").answer(readingOf(1, 1));
  return await asked;
}

const MISS: Reading<string> = {
  fence: { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY },
  record: undefined,
  stored: undefined,
  usable: false,
  verdicts: undefined,
};

storeContract("memory store behind fail-open", {
  shared: false,
  async create() {
    const memory = createMemoryStore({ maxBytes: 1e6, slots: 1 << 16, codec: textCodec, now: Date.now });
    const log = { debug() {}, info() {}, warn() {} };
    const store = createFailOpenStore(memory, { breaker: { failures: 5, openMs: 1000 }, log });
    return { store, another: () => Promise.reject(new Error("memory is not shared")), close: () => store.close() };
  },
});

describe("a failure", () => {
  test("of a look is a miss that tells nothing of the fence", async () => {
    const { below, look } = make();
    expect(await failing(below, look())).toEqual(MISS);
  });

  test("of a look by a throw is one like any other", async () => {
    const { below, store } = make();
    below.store.look = () => {
      throw DOWN;
    };
    expect(await store.look(question(KEY))).toEqual(MISS);
  });

  test("after the limits were charged keeps what they said", async () => {
    const { below, store } = make();
    const looked = store.look(question(KEY, { limits: [LIMIT] }));
    const verdicts = [{ allowed: false, remaining: 0, resetMs: 10 }];
    below.only("look").fail(new StoreUnavailable("no answer", { verdicts }));
    expect(await looked).toEqual({ ...MISS, verdicts });
  });

  test("of a lead is told apart from somebody else's lease by the fence", async () => {
    const { below, store } = make();
    const led = store.lead(KEY, [], [], 1000);
    below.only("lead").fail(DOWN);
    expect(await led).toEqual({ lease: undefined, retryMs: 0, reading: MISS });
  });

  test("of a watch is one that hears nothing, and does not wait for long", async () => {
    const { below, store } = make();
    const watched = store.watch(KEY, []);
    below.only("watch").fail(DOWN);
    const watch = await watched;
    expect(await watch.landed(60_000)).toBeUndefined();
    watch.close();
  });

  test("of a wait ends the wait", async () => {
    const { below, store } = make();
    const watched = store.watch(KEY, []);
    below.only("watch").answer({ landed: () => Promise.reject(DOWN), close() {} });
    expect(await (await watched).landed(60_000)).toBeUndefined();
  });

  test("of a question for variants is that there are none, and counts like any other", async () => {
    const { below, store, look } = make();
    for (let i = 0; i < 2; i++) {
      const siblings = store.siblings(KEY);
      below.only("siblings").fail(down());
      expect(await siblings).toEqual([]);
      const recalled = store.recall(KEY, "x");
      below.only("recall").fail(down());
      expect(await recalled).toBeUndefined();
    }
    await failing(below, look());
    expect([store.siblings(KEY), store.recall(KEY, "x")]).toEqual([[], undefined]);
    expect(below.taken("siblings")).toEqual([]);
  });

  test("of storing is dropped, with a line for who debugs", async () => {
    const { below, store, log } = make();
    const done = [store.put(KEY, [], storedOf("one")), store.pass(KEY, [], 1)];
    below.only("put").fail(DOWN);
    below.only("pass").fail(DOWN);
    await Promise.all(done);
    expect(log.debug).toHaveBeenCalledTimes(2);
    expect(log.warn).not.toHaveBeenCalled();
  });
});

describe("the breaker", () => {
  test("after five failures in a row answers at once, asking nothing", async () => {
    const { below, store, look } = await broken();
    expect(look()).toEqual(MISS);
    expect(store.lead(KEY, [], [], 1000)).toEqual({ lease: undefined, retryMs: 0, reading: MISS });
    expect(store.watch(KEY, [])).not.toBeInstanceOf(Promise);
    expect(store.put(KEY, [], storedOf("one"))).toBeUndefined();
    expect(store.pass(KEY, [], 1)).toBeUndefined();
    expect((["look", "lead", "watch", "put", "pass"] as const).flatMap((name) => below.taken(name))).toEqual([]);
  });

  test("counts one failure that many were waiting for as one", async () => {
    const { below, look } = make();
    const asked = Array.from({ length: 20 }, () => look());
    for (const each of below.taken("look")) each.fail(DOWN);
    await Promise.all(asked);
    expect(await answered(below, look())).toMatchObject({ fence: { shared: true } });
  });

  test("counts only failures in a row", async () => {
    const { below, look } = make();
    for (let i = 0; i < 12; i++) await (i % 4 === 3 ? answered(below, look()) : failing(below, look()));
    expect(await answered(below, look())).toMatchObject({ fence: { shared: true } });
  });

  test("after its time lets one trial through, and no second beside it", async () => {
    const { below, look, clock } = await broken();
    clock.at += 999;
    expect(look()).toEqual(MISS);
    clock.at += 1;
    const trial = look();
    expect(look()).toEqual(MISS);
    expect(await answered(below, trial)).toMatchObject({ fence: { shared: true } });
    expect(await answered(below, look())).toMatchObject({ fence: { shared: true } });
  });

  test("stays open for as long again when the trial fails", async () => {
    const { below, look, clock } = await broken();
    clock.at += 1000;
    await failing(below, look());
    clock.at += 999;
    expect(look()).toEqual(MISS);
    clock.at += 1;
    await answered(below, look());
    expect(look()).toBeInstanceOf(Promise);
  });

  test("tries again when a trial is never answered", async () => {
    const { below, look, clock } = await broken();
    clock.at += 1000;
    void look();
    below.only("look");
    clock.at += 1000;
    await answered(below, look());
    expect(look()).toBeInstanceOf(Promise);
  });

  test("once closed takes five failures again", async () => {
    const { below, look, clock } = await broken();
    clock.at += 1000;
    await answered(below, look());
    for (let i = 0; i < 4; i++) await failing(below, look());
    expect(look()).toBeInstanceOf(Promise);
    await failing(below, undefined);
    expect(look()).toEqual(MISS);
  });

  test("is neither opened nor kept open by a store that only charges limits for the time being", async () => {
    const { below, look, clock } = await broken();
    const settling = new StoreUnavailable("settling", { verdicts: [] });
    clock.at += 1000;
    for (let i = 0; i < 9; i++) {
      const looked = look();
      below.only("look").fail(settling);
      expect(await looked).toEqual({ ...MISS, verdicts: [] });
    }
  });

  test("is neither opened nor kept open by a node of many that is away", async () => {
    const { below, look, clock } = await broken();
    clock.at += 1000;
    for (let i = 0; i < 9; i++) {
      const looked = look();
      below.only("look").fail(new StoreUnavailable("a node is away", { isPartial: true }));
      expect(await looked).toEqual(MISS);
    }
  });

  test("is not closed by an answer to what was asked before it opened", async () => {
    const { below, look } = make();
    const slow = look();
    const early = below.only("look");
    for (let i = 0; i < 5; i++) await failing(below, look());
    early.answer(readingOf(1, 1));
    await slow;
    expect(look()).toEqual(MISS);
  });

  test("is not opened again by failures of what was asked before it closed", async () => {
    const { below, look, clock } = make();
    const slow = Array.from({ length: 10 }, look);
    const early = below.taken("look");
    for (const each of early.slice(0, 5)) each.fail(down());
    await Promise.all(slow.slice(0, 5));
    clock.at += 1000;
    await answered(below, look());
    for (const each of early.slice(5)) each.fail(down());
    await Promise.all(slow);
    expect(look()).toBeInstanceOf(Promise);
  });

  test("says once that it opened and once that it closed, and health says why", async () => {
    const { below, look, clock, log, store } = await broken();
    expect(store.health()).toEqual({ state: "degraded", detail: "scripted; left alone for now: connection lost" });
    expect(log.warn).toHaveBeenCalledTimes(1);
    clock.at += 1000;
    await failing(below, look());
    expect(log.warn).toHaveBeenCalledTimes(1);
    expect(log.info).not.toHaveBeenCalled();
    clock.at += 1000;
    await answered(below, look());
    expect(log.info).toHaveBeenCalledTimes(1);
    expect(store.health()).toEqual({ state: "ok", detail: "scripted" });
  });
});

describe("a write", () => {
  const written = () => ({ noted: true, commit: vi.fn(async () => {}), discard: vi.fn(() => {}) });

  test("that is noted is the store's own", async () => {
    const { below, store } = make();
    const begun = store.begin(["a"]);
    const write = written();
    below.only("begin").answer(write);
    expect(await begun).toBe(write);
  });

  test("that could not be noted still invalidates", async () => {
    const { below, store } = make();
    const begun = store.begin(["a"]);
    below.only("begin").fail(DOWN);
    const write = await begun;
    expect(write.noted).toBe(false);
    const committed = write.commit();
    const second = written();
    await vi.waitFor(
      () => {
        const again = below.only("begin");
        expect(again.args).toEqual([["a"]]);
        again.answer(second);
      },
      { timeout: 20_000 },
    );
    await committed;
    expect(second.commit).toHaveBeenCalledTimes(1);
  });

  test("with the breaker open waits for no note, and its invalidation goes to the store", async () => {
    const { below, store } = await broken();
    const begun = store.begin(["a"]);
    expect(begun).toMatchObject({ noted: false });
    const committed = (begun as Write).commit();
    const write = written();
    below.only("begin").answer(write);
    await committed;
    expect(write.commit).toHaveBeenCalledTimes(1);
  });

  test("that did not happen is taken back when its note arrives late", async () => {
    const { below, store } = await broken();
    const begun = (await store.begin(["a"])) as Write;
    begun.discard();
    const write = written();
    below.only("begin").answer(write);
    await vi.waitFor(() => expect(write.discard).toHaveBeenCalledTimes(1), { timeout: 10_000 });
    expect(write.commit).not.toHaveBeenCalled();
  });

  test("whose invalidation nobody takes resolves, and is warned of", async () => {
    const { below, store, log } = make();
    const begun = store.begin(["a"]);
    below.only("begin").fail(DOWN);
    const committed = (await begun).commit();
    await vi.waitFor(() => below.only("begin").fail(DOWN), { timeout: 10_000 });
    await committed;
    expect(log.warn).toHaveBeenCalledTimes(1);
  });
});

describe("a line about a failure", () => {
  const asker = { requestId: "r-1", route: "/a", traceId: "4bf92f3577b34da6a3ce929d0e0e4736" };
  const said = { id: "r-1", route: "/a", trace: asker.traceId };

  test("says for which request the store was asked", async () => {
    const { below, store, log } = make();
    await failing(below, store.look(question({ ...KEY, asker })));
    await failing(below, store.look({ key: undefined, tags: [], limits: [], asker }));
    expect(log.debug.mock.calls).toEqual([
      ["store failed", { question: "look", ...said, error: expect.any(Error) }],
      ["store failed", { question: "look", ...said, error: expect.any(Error) }],
    ]);
  });

  test("says whose invalidation was lost", async () => {
    const { below, store, log } = make();
    const begun = store.begin(["a"], asker);
    below.only("begin").fail(DOWN);
    const committed = (await begun).commit();
    await vi.waitFor(() => below.only("begin").fail(DOWN), { timeout: 10_000 });
    await committed;
    expect(log.warn).toHaveBeenCalledWith(expect.stringMatching(/^invalidation lost/), expect.objectContaining(said));
  });

  test("is one of a few, however often the store comes and goes", async () => {
    const { clock, below, log, look } = make();
    for (let i = 0; i < 30; i++) {
      for (let failures = 0; failures < 5; failures++) await failing(below, look());
      clock.at += 1001;
      await answered(below, look());
    }
    expect(log.warn.mock.calls.length + log.info.mock.calls.length).toBe(10);
  });
});
