// The memory store beyond the contract: its bounds, and that it answers without a promise.

import { describe, expect, test } from "vitest";
import { DEFAULT_SLOTS } from "../../src/store/fence.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Reading, Store } from "../../src/store/store.ts";
import { keyOf, storeContract, storedOf, textCodec } from "./contract.ts";

storeContract("memory store", {
  shared: false,
  async create() {
    const store = createMemoryStore({ maxBytes: 1e6, slots: DEFAULT_SLOTS, codec: textCodec, now: Date.now });
    return {
      store,
      another: () => Promise.reject(new Error("memory is not shared")),
      close: () => store.close(),
    };
  },
});

describe("memory store", () => {
  let time = 1_700_000_000_000;
  const now = () => time;
  const make = (maxBytes: number) => createMemoryStore({ maxBytes, slots: 1024, codec: textCodec, now });
  const KEPT = { freshUntil: Number.MAX_VALUE, keepUntil: Number.MAX_VALUE };

  function read(store: Store<string>, primary: string, values: Record<string, string> = {}): Reading<string> {
    const reading = store.look({ key: keyOf(primary, values), tags: [], limits: [] });
    if (reading instanceof Promise) throw new Error("look: a promise");
    return reading;
  }

  test("a memory of nothing holds nothing", async () => {
    const store = make(0);
    await store.put(keyOf("k"), [], storedOf("one"));
    expect(await store.look({ key: keyOf("k"), tags: [], limits: [] })).toMatchObject({ stored: undefined });
  });

  test("nothing it answers is a promise", () => {
    const store = make(1e6);
    const limits = [{ key: "l", algorithm: "fixed-window" as const, limit: 1, windowMs: 1000 }];
    const answers = [
      store.put(keyOf("k"), [], storedOf("one", KEPT)),
      store.pass(keyOf("k"), [], 0),
      store.look({ key: keyOf("k"), tags: ["a"], limits }),
      store.lead(keyOf("k"), [], ["a"], 1000),
      store.begin(["a"]),
      store.watch(keyOf("k"), []),
    ];
    expect(answers.filter((answer) => answer instanceof Promise)).toEqual([]);
  });

  test("the least recently used keys make room", () => {
    const store = make(10_000);
    for (const key of "abcd") store.put(keyOf(key), [], storedOf("x".repeat(2000), KEPT));
    expect([..."abcd"].filter((key) => read(store, key).stored)).toEqual(["b", "c", "d"]);
    read(store, "b");
    store.put(keyOf("e"), [], storedOf("x".repeat(2000), KEPT));
    expect([..."bcde"].filter((key) => read(store, key).stored)).toEqual(["b", "d", "e"]);
  });

  test("a variant larger than all room costs none of those that are there", () => {
    const store = make(10_000);
    store.put(keyOf("k", { lang: "de" }), ["lang"], storedOf("small", KEPT));
    store.put(keyOf("k", { lang: "en" }), ["lang"], storedOf("x".repeat(10_000), KEPT));
    expect(read(store, "k", { lang: "de" }).stored?.value).toBe("small");
  });

  test("a value larger than all room is not stored, and costs nothing that is", () => {
    const store = make(10_000);
    store.put(keyOf("a"), [], storedOf("small", KEPT));
    store.put(keyOf("b"), [], storedOf("x".repeat(10_000), KEPT));
    expect(read(store, "b").stored).toBeUndefined();
    expect(read(store, "a").stored?.value).toBe("small");
  });

  test("long keys are counted", () => {
    const store = make(10_000);
    store.put(keyOf("k".repeat(20_000)), [], storedOf("small", KEPT));
    expect(read(store, "k".repeat(20_000)).stored).toBeUndefined();
    store.pass(keyOf("k".repeat(20_000)), [], time + 1000);
    expect(read(store, "k".repeat(20_000)).record).toBeUndefined();
  });

  test("the oldest of 65 variants is evicted", () => {
    const store = make(1e6);
    for (let i = 0; i < 65; i++) store.put(keyOf("k", { lang: `${i}` }), ["lang"], storedOf(`${i}`, KEPT));
    expect(read(store, "k", { lang: "0" }).stored).toBeUndefined();
    expect(read(store, "k", { lang: "1" }).stored?.value).toBe("1");
    expect(read(store, "k", { lang: "64" }).stored?.value).toBe("64");
  });

  test("variants that together exceed all room make room among themselves", () => {
    const store = make(10_000);
    for (let i = 0; i < 9; i++) store.put(keyOf("k", { lang: `${i}` }), ["lang"], storedOf("x".repeat(3000), KEPT));
    const held = () => [..."0123456789"].filter((lang) => read(store, "k", { lang }).stored);
    expect(held()).toEqual(["7", "8"]);
    store.put(keyOf("k", { lang: "7" }), ["lang"], storedOf("x".repeat(3000), KEPT)); // becomes the youngest
    store.put(keyOf("k", { lang: "9" }), ["lang"], storedOf("x".repeat(3000), KEPT));
    expect(held()).toEqual(["7", "9"]);
  });

  test("what is over by the clock given is not found", () => {
    const store = make(10_000);
    store.put(keyOf("k"), [], storedOf("one", { ...KEPT, keepUntil: time + 1000 }));
    time += 999;
    expect(read(store, "k").stored?.value).toBe("one");
    time += 1;
    expect(read(store, "k").stored).toBeUndefined();
  });

  test("a fetch that began earlier does not replace one that began later", () => {
    const store = make(10_000);
    const { clock } = read(store, "k").fence;
    store.put(keyOf("k"), [], storedOf("later", { ...KEPT, stamp: clock + 1 }));
    store.put(keyOf("k"), [], storedOf("earlier", { ...KEPT, stamp: clock }));
    expect(read(store, "k").stored?.value).toBe("later");
  });

  test("the clock goes on while the time stands still or falls back", async () => {
    const store = make(10_000);
    const clocks: number[] = [];
    store.onInvalidated(({ clock }) => clocks.push(clock));
    for (const step of [0, 0, -5000, 10_000]) {
      time += step;
      await (await store.begin(["a"])).commit();
    }
    expect(clocks).toEqual([...new Set(clocks)].sort((a, b) => a - b));
    expect(clocks.at(-1)).toBe(time * 1000);
  });
});
