import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createAnnouncingStore } from "../../src/store/announcing.ts";
import type { Bus } from "../../src/store/bus.ts";
import { createEvents, type Event, type Events } from "../../src/store/events.ts";
import { named, read } from "../../src/store/happenings.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createReceipts } from "../../src/store/receipts.ts";
import { keyOf, storedOf, textCodec } from "./contract.ts";

/** A bus in this process. */
class Wire implements Bus {
  readonly messages: { subject: string; message: string }[] = [];
  readonly #listeners = new Map<string, ((message: string) => void)[]>();
  isAway = false;
  /** What was published is heard, but its sender is told that it was not. */
  isDoubtful = false;

  async publish(subject: string, message: string): Promise<number> {
    if (this.isAway) throw new Error("away");
    this.messages.push({ subject, message });
    const listeners = this.#listeners.get(subject) ?? [];
    for (const hear of listeners) hear(message);
    if (this.isDoubtful) throw new Error("lost on the way back");
    return listeners.length;
  }

  listen(subject: string, hear: (message: string) => void): void {
    this.#listeners.set(subject, [...(this.#listeners.get(subject) ?? []), hear]);
  }
}

let bus: Wire;
let one: Events;
let two: Events;
let heard: Event[];

beforeEach(() => {
  vi.useFakeTimers();
  bus = new Wire();
  one = createEvents({ bus, now: () => 1000, id: "one" });
  two = createEvents({ bus, now: () => 2000, id: "two" });
  heard = [];
  two.listen((event) => heard.push(event));
});
afterEach(() => {
  one.close();
  two.close();
  vi.useRealTimers();
});

const STORED = { kind: "stored", count: 1 } as const;
const OPENED = { kind: "breaker", open: true, reason: "away" } as const;
const CLOSED = { kind: "breaker", open: false, reason: "" } as const;

describe("events", () => {
  it("reach their own process at once, and the others in one message after a while", () => {
    const own: Event[] = [];
    one.listen((event) => own.push(event));
    one.tell(STORED);
    one.tell(OPENED);
    expect(own.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(heard).toEqual([]);
    vi.advanceTimersByTime(250);
    expect(heard).toEqual(own);
    expect(own[1]).toEqual({ from: "one", seq: 2, at: 1000, what: OPENED });
    expect(bus.messages).toHaveLength(1);
  });

  it("do no harm where a listener fails: it hears no more", () => {
    const failing = vi.fn(() => {
      throw new Error("gone");
    });
    one.listen(failing);
    expect([one.tell(STORED), one.tell(STORED)]).toEqual([1, 2]);
    expect(failing).toHaveBeenCalledOnce();
  });

  it("that are frequent are counted, and told once a second", () => {
    for (let i = 0; i < 5000; i++) {
      one.count("stored");
      one.count("refused", i % 2 ? "/a" : "/b");
    }
    vi.advanceTimersByTime(999);
    expect(bus.messages).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(heard.map(({ what }) => what)).toEqual([
      { kind: "stored", count: 5000 },
      { kind: "refused", route: "/b", count: 2500 },
      { kind: "refused", route: "/a", count: 2500 },
    ]);
    expect(bus.messages).toHaveLength(1);
  });

  it("are bounded: more than a batch holds are lost, and counted by those who listen", () => {
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    for (let i = 0; i < 500; i++) one.tell(STORED);
    vi.advanceTimersByTime(250);
    expect(heard).toHaveLength(101);
    expect(two.lost()).toBe(0);
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    expect(heard.at(-1)?.seq).toBe(502);
    expect(two.lost()).toBe(400);
  });

  it("told while the bus is away are lost without harm, and counted afterwards", async () => {
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    bus.isAway = true;
    one.tell(STORED);
    one.tell(STORED);
    expect(await one.flush()).toBe(0);
    bus.isAway = false;
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    expect(heard.map(({ seq }) => seq)).toEqual([1, 4]);
    expect(two.lost()).toBe(2);
  });

  it("of the breaker are told again until somebody hears, in order, between them what was lost", async () => {
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    bus.isAway = true;
    for (const what of [STORED, OPENED, STORED]) one.tell(what);
    await vi.advanceTimersByTimeAsync(5000);
    bus.isAway = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard.map(({ seq }) => seq)).toEqual([1, 3]);
    one.tell(CLOSED);
    await vi.advanceTimersByTimeAsync(5000);
    expect(heard.map(({ seq, what }) => [seq, what])).toEqual([
      [1, STORED],
      [3, OPENED],
      [5, CLOSED],
    ]);
    expect(two.lost()).toBe(2);
    expect(bus.messages).toHaveLength(3);
  });

  it("of the breaker are told again in their order where several batches fail", async () => {
    const first = Promise.withResolvers<number>();
    const second = Promise.withResolvers<number>();
    vi.spyOn(bus, "publish").mockReturnValueOnce(first.promise).mockReturnValueOnce(second.promise);
    for (const what of [OPENED, CLOSED]) {
      one.tell(what);
      void one.flush();
    }
    first.reject(new Error("away"));
    await vi.advanceTimersByTimeAsync(0);
    second.reject(new Error("away"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard.map(({ what }) => what)).toEqual([OPENED, CLOSED]);
  });

  it("of the breaker that were heard without their sender knowing are heard once", async () => {
    bus.isDoubtful = true;
    one.tell(OPENED);
    await vi.advanceTimersByTimeAsync(3000);
    bus.isDoubtful = false;
    one.tell(CLOSED);
    await vi.advanceTimersByTimeAsync(3000);
    expect(heard.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(two.lost()).toBe(0);
  });

  it("of the breaker are kept to the last two, and make no batch longer than others read", async () => {
    bus.isAway = true;
    for (const what of [OPENED, CLOSED, OPENED, CLOSED]) one.tell(what);
    const told = one.flush();
    for (let i = 0; i < 100; i++) one.tell(STORED);
    await told;
    bus.isAway = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard.slice(0, 3).map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect(heard).toHaveLength(100);
  });

  it("of the breaker are told in a flood of writes, too", () => {
    for (let i = 0; i < 500; i++) one.tell(STORED);
    one.tell(OPENED);
    vi.advanceTimersByTime(250);
    expect(heard).toHaveLength(101);
    expect(heard.at(-1)?.what).toEqual(OPENED);
  });

  it("that nobody heard leave no timer when all is closed", async () => {
    bus.isAway = true;
    one.tell(OPENED);
    const told = one.flush();
    one.close();
    expect(await told).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of a sidecar not heard of before begin wherever they begin", () => {
    for (let i = 0; i < 5; i++) one.tell(STORED);
    vi.advanceTimersByTime(250);
    const three = createEvents({ bus, now: () => 0, id: "three" });
    one.tell(STORED);
    vi.advanceTimersByTime(250);
    expect(three.lost()).toBe(0);
  });

  it("that nobody of ours told are passed over", () => {
    const batch = (events: unknown, from: unknown = "x") => JSON.stringify({ from, events });
    const good = { seq: 1, at: 1, what: STORED };
    for (const message of [
      "",
      "null",
      "[]",
      batch(null),
      batch([good], "a b"),
      batch([good], 7),
      batch([null]),
      batch([{ ...good, seq: "1" }]),
      batch(Array(101).fill(good)),
      `${batch([good])}${" ".repeat(2 ** 20)}`,
    ]) {
      void bus.publish("events", message);
    }
    expect(heard).toEqual([]);
    void bus.publish(
      "events",
      batch([
        { ...good, what: { kind: "of tomorrow" } },
        { ...good, seq: 2 },
      ]),
    );
    expect(heard.map(({ seq }) => seq)).toEqual([2]);
    expect(two.lost()).toBe(0);
  });

  it("tell of many tags the first, and how many more there are", () => {
    const tags = Array.from({ length: 12 }, (_, i) => `${i}`.padEnd(300, "x"));
    const told = named(tags);
    expect([told.tags?.length, told.tags?.[0]?.length, told.more]).toEqual([10, 256, 2]);
    expect(read({ kind: "invalidated", ...told })).toEqual({ kind: "invalidated", ...told });
    expect(named(undefined)).toEqual({ tags: undefined, more: 0 });
    for (const what of [
      { kind: "invalidated", tags: [1] },
      { kind: "stored", count: -1 },
      { kind: "purged", tags: [] },
    ]) {
      expect(read(what)).toBeUndefined();
    }
  });
});

describe("a store that announces", () => {
  it("tells of what is put, and of what a write has invalidated once it has", async () => {
    const memory = createMemoryStore({ maxBytes: 1 << 20, slots: 1024, codec: textCodec, now: () => 1000 });
    const store = createAnnouncingStore(memory, one);
    await store.put(keyOf("k"), [], storedOf("v"));
    const write = await store.begin(["a"]);
    (await store.begin(["never"])).discard();
    vi.advanceTimersByTime(250);
    expect(heard).toEqual([]);
    await write.commit({ also: ["b"] });
    vi.advanceTimersByTime(2000);
    expect(heard.map(({ what }) => what)).toEqual([
      { kind: "invalidated", tags: ["a", "b"], more: 0 },
      { kind: "stored", count: 1 },
    ]);
    expect(store.look).toBe(memory.look);
  });

  it("puts its name on what is put, but for what bears one already", async () => {
    const memory = createMemoryStore({ maxBytes: 1 << 20, slots: 1024, codec: textCodec, now: Date.now });
    const [first, second] = [createAnnouncingStore(memory, one), createAnnouncingStore(memory, two)];
    const by = async () => (await second.look({ key: keyOf("k"), tags: [], limits: [] })).stored?.by;
    const v = storedOf("v");
    await first.put(keyOf("k"), [], v);
    expect([await by(), v.by]).toEqual(["one", undefined]);
    await second.put(keyOf("k"), [], storedOf("w"));
    expect(await by()).toBe("two");
    await second.put(keyOf("k"), [], storedOf("w", { by: "one" }));
    expect(await by()).toBe("one");
  });
});

describe("a receipt", () => {
  const purging = { purge: async () => ({ clock: 7 as number | undefined }) };
  const elapsed = () => 0;

  it("counts who has heard, and does not wait longer than for the last of them", async () => {
    createReceipts({ store: purging, events: two, bus, elapsed });
    const receipts = createReceipts({
      store: purging,
      events: one,
      bus,
      crowd: () => ({ size: 1, place: 0 }),
      elapsed,
    });
    expect(await receipts.purge(["a"], 5000)).toEqual({ clock: 7, tags: ["a"], sidecars: 2, seen: 2, ms: 0 });
    expect(heard.map(({ what }) => what)).toEqual([{ kind: "purged", clock: 7, tags: ["a"], more: 0 }]);
    expect(await receipts.purge(undefined, 5000)).toMatchObject({ tags: null, seen: 2 });
    expect(await receipts.purge(["a"], 5000, { soft: true })).toMatchObject({ soft: true, tags: ["a"], seen: 2 });
    expect(heard.at(-1)?.what).toEqual({ kind: "purged", clock: 7, soft: true, tags: ["a"], more: 0 });
  });

  it("waits for one that was told and answers late, though nobody knew of it", async () => {
    createReceipts({ store: purging, events: two, bus, elapsed });
    bus.listen("events", () => {}); // a sidecar that has just started
    const receipts = createReceipts({
      store: purging,
      events: one,
      bus,
      crowd: () => ({ size: 1, place: 0 }),
      elapsed,
    });
    const receipt = receipts.purge(["a"], 5000);
    await vi.advanceTimersByTimeAsync(100);
    await bus.publish("seen:one", "1 three");
    expect(await receipt).toMatchObject({ sidecars: 3, seen: 3 });
  });

  it("waits no longer than it is told for one that lives and does not answer", async () => {
    createReceipts({ store: purging, events: two, bus, elapsed });
    const receipts = createReceipts({
      store: purging,
      events: one,
      bus,
      crowd: () => ({ size: 3, place: 0 }),
      elapsed,
    });
    const receipt = receipts.purge(["a"], 250);
    await vi.advanceTimersByTimeAsync(250);
    expect(await receipt).toMatchObject({ sidecars: 3, seen: 2 });
  });

  it("counts each once, and nobody who answers something else", async () => {
    const receipts = createReceipts({
      store: purging,
      events: one,
      bus,
      crowd: () => ({ size: 4, place: 0 }),
      elapsed,
    });
    const receipt = receipts.purge(["a"], 250);
    await vi.advanceTimersByTimeAsync(0);
    for (const message of ["1 three", "1 three", "1 one", "2 four", "1", "", "1 a b"])
      void bus.publish("seen:one", message);
    await vi.advanceTimersByTimeAsync(250);
    expect(await receipt).toMatchObject({ sidecars: 4, seen: 2 });
  });

  it("is told of to the others in a flood of writes, too", async () => {
    createReceipts({ store: purging, events: two, bus, elapsed });
    const receipts = createReceipts({ store: purging, events: one, bus, elapsed });
    for (let i = 0; i < 500; i++) one.tell({ kind: "invalidated", ...named([`${i}`]) });
    const receipt = receipts.purge(["a"], 250);
    await vi.advanceTimersByTimeAsync(250);
    expect(await receipt).toMatchObject({ sidecars: 2, seen: 2 });
    expect(heard.at(-1)?.what).toMatchObject({ kind: "purged" });
    expect(heard).toHaveLength(101);
    expect(two.lost()).toBe(400);
  });

  it("of a purge that the store has not taken says so, and asks nobody", async () => {
    const receipts = createReceipts({
      store: { purge: async () => ({ clock: undefined }) },
      events: one,
      bus,
      elapsed,
    });
    expect(await receipts.purge(["a"], 5000)).toMatchObject({ clock: null, seen: 1 });
    expect(bus.messages).toEqual([]);
  });

  it("of one sidecar alone is there at once", async () => {
    const alone = createEvents({ now: () => 0, id: "alone" });
    const receipts = createReceipts({ store: purging, events: alone, elapsed });
    expect(await receipts.purge(undefined, 5000)).toEqual({ clock: 7, tags: null, sidecars: 1, seen: 1, ms: 0 });
  });
});
