// The promises of src/store/store.ts as facts. Every store is held to them: memory.test.ts and redis.test.ts call
// storeContract with what they make. Where the state is shared, a second store plays the other process.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Codec, Key, Landing, LimitQuestion, Notice, Reading, Store, Stored } from "../../src/store/store.ts";
import { patient } from "./patient.ts";

export interface Fixture {
  readonly store: Store<string>;
  /** A further store on the same state; closed with the fixture. */
  another(): Promise<Store<string>>;
  close(): Promise<void>;
}

export interface Contract {
  /** A store on fresh state. */
  create(): Promise<Fixture>;
  /** Whether `another` is to be had. */
  readonly shared: boolean;
}

/** Text as JSON, for tests: no checksum, no version. A text that says so is its own label. */
export const textCodec: Codec<string> = {
  encode: (stored) => Buffer.from(JSON.stringify(stored)),
  decode(bytes) {
    try {
      return JSON.parse(Buffer.from(bytes).toString()) as Stored<string>;
    } catch {
      return undefined;
    }
  },
  size: (stored) => stored.value.length,
  label: (value) => /^label of .*$/.exec(value)?.[0],
};

/** A key whose variants differ by the values given for each name. */
export function keyOf(primary: string, values: Readonly<Record<string, string>> = {}): Key {
  return { primary, variant: (names) => names.map((name) => `${name}=${values[name] ?? ""};`).join("") };
}

/** A value kept for a minute, whatever is not said. */
export function storedOf(value: string, parts: Partial<Stored<string>> = {}): Stored<string> {
  const now = Date.now();
  return { value, stamp: 0, tags: [], freshUntil: now + 60_000, keepUntil: now + 60_000, ...parts };
}

let fixture: Fixture;
let store: Store<string>;

async function look(key: Key | undefined, tags: readonly string[] = []): Promise<Reading<string>> {
  return await store.look({ key, tags, limits: [] });
}

async function clock(): Promise<number> {
  return (await look(undefined)).fence.clock;
}

/** Stores `value` as made now. */
async function putNow(key: Key, value: string, { tags = [], names = [] }: { tags?: string[]; names?: string[] } = {}) {
  await store.put(key, names, storedOf(value, { stamp: await clock(), tags }));
}

async function invalidate(...tags: string[]): Promise<void> {
  await (await store.begin(tags)).commit();
}

function charge(on: Store<string>, ...limits: LimitQuestion[]) {
  return Promise.resolve(on.look({ key: undefined, tags: [], limits })).then((reading) => reading.verdicts ?? []);
}

/** Runs the suite as tests of the calling file. */
export function storeContract(name: string, contract: Contract): void {
  describe(name, () => {
    beforeEach(async () => {
      const made = await contract.create();
      fixture = contract.shared
        ? { ...made, store: patient(made.store), another: async () => patient(await made.another()) }
        : made;
      store = fixture.store;
    });
    afterEach(() => fixture.close());

    describe("fence", fenceTests);
    describe("keys and variants", variantTests);
    describe("limits", limitTests);
    describe("leases and watches of a store alone", soloTests);
    if (contract.shared) describe("shared by two processes", sharedTests);
  });
}

function fenceTests(): void {
  const key = keyOf("k");

  test("what is stored under the clock read before its making is usable", async () => {
    await putNow(key, "one", { tags: ["a", "b"] });
    expect(await look(key, ["a"])).toMatchObject({ usable: true, stored: { value: "one" }, fence: { shared: true } });
  });

  test("a value comes back as it was stored", async () => {
    const stored = storedOf("one", { stamp: await clock(), tags: ["a", "b"] });
    await store.put(key, [], stored);
    expect((await look(key)).stored).toEqual(stored);
  });

  test("a value with an invalidated tag is still there, and not usable", async () => {
    await putNow(key, "one", { tags: ["a", "b"] });
    await invalidate("b");
    expect(await look(key, ["a", "b"])).toMatchObject({ usable: false, stored: { value: "one" } });
  });

  test("a tag that only the value names makes it unusable as well", async () => {
    await putNow(key, "one", { tags: ["a", "own"] });
    await look(key, ["a"]);
    await invalidate("own");
    expect((await look(key, ["a"])).usable).toBe(false);
    expect((await look(key, [])).usable).toBe(false);
  });

  test("an invalidation of another tag leaves a value usable", async () => {
    await putNow(key, "one", { tags: ["a"] });
    await invalidate("z");
    expect((await look(key, ["a"])).usable).toBe(true);
  });

  test("one invalidation reaches every tag it names and every key that carries one", async () => {
    await putNow(key, "one", { tags: ["a"] });
    await putNow(keyOf("other"), "two", { tags: ["b"] });
    await invalidate("a", "b");
    expect((await look(key)).usable).toBe(false);
    expect((await look(keyOf("other"))).usable).toBe(false);
  });

  test("what began before an invalidation is not usable though stored after it", async () => {
    const stamp = await clock();
    await invalidate("a");
    await store.put(key, [], storedOf("late", { stamp, tags: ["a"] }));
    expect((await look(key, ["a"])).usable).toBe(false);
  });

  test("what began after an invalidation is usable", async () => {
    await putNow(key, "one", { tags: ["a"] });
    await invalidate("a");
    await putNow(key, "two", { tags: ["a"] });
    expect(await look(key, ["a"])).toMatchObject({ usable: true, stored: { value: "two" } });
  });

  test("what is stamped earlier than the fence remembers is not usable", async () => {
    await clock();
    await store.put(key, [], storedOf("ancient", { stamp: 1 }));
    expect((await look(key)).usable).toBe(false);
  });

  test("what is stamped later than the clock is not usable", async () => {
    await store.put(key, [], storedOf("ahead", { stamp: (await clock()) + 1e9 }));
    expect((await look(key)).usable).toBe(false);
  });

  test("a write that did not happen invalidates nothing", async () => {
    await putNow(key, "one", { tags: ["a"] });
    (await store.begin(["a"])).discard();
    expect((await look(key, ["a"])).usable).toBe(true);
  });

  test("what only the outcome of a write names is invalidated together with the rest", async () => {
    await putNow(key, "one", { tags: ["a"] });
    await putNow(keyOf("other"), "two", { tags: ["group"] });
    await putNow(keyOf("third"), "three", { tags: ["c"] });
    const heard: Notice[] = [];
    store.onInvalidated((notice) => heard.push(notice));
    await (await store.begin(["a"])).commit({ also: ["group"] });
    expect((await look(key)).usable).toBe(false);
    expect((await look(keyOf("other"))).usable).toBe(false);
    expect((await look(keyOf("third"))).usable).toBe(true);
    expect(heard[0]?.tags).toEqual(["a", "group"]);
  });

  test("a write that is only begun invalidates nothing", async () => {
    await putNow(key, "one", { tags: ["a"] });
    expect(await store.begin(["a"])).toMatchObject({ noted: true });
    expect((await look(key, ["a"])).usable).toBe(true);
  });

  test("every invalidation has a later clock, and none is earlier than this one's time", async () => {
    const clocks = [await clock()];
    for (let i = 0; i < 3; i++) {
      await invalidate("a");
      clocks.push(await clock());
    }
    expect(clocks).toEqual([...new Set(clocks)].sort((a, b) => a - b));
    expect(clocks.at(-1)).toBeGreaterThan((Date.now() - 60_000) * 1000);
  });

  test("a purge invalidates what it names, or everything, at the time that it gives", async () => {
    await putNow(key, "one", { tags: ["a"] });
    await putNow(keyOf("other"), "two", { tags: ["b"] });
    const first = await store.purge(["a"]);
    expect(await look(key)).toMatchObject({ usable: false, stored: { value: "one" } });
    expect(await look(keyOf("other"), ["b"])).toMatchObject({ usable: true });
    expect((await look(undefined, ["a"])).fence).toMatchObject({ clock: first.clock, latest: first.clock });
    const second = await store.purge(undefined);
    expect(second.clock).toBeGreaterThan(first.clock ?? Number.POSITIVE_INFINITY);
    expect((await look(keyOf("other"))).usable).toBe(false);
  });

  describe("a soft purge", () => {
    const soften = async (...tags: string[]) => (await store.purge(tags, { soft: true })).clock as number;

    test("leaves what it names usable, and tells since when that is stale", async () => {
      await putNow(key, "one", { tags: ["a"] });
      await putNow(keyOf("other"), "two", { tags: ["b"] });
      const at = await soften("a");
      expect(await look(key, ["a"])).toMatchObject({ usable: true, stored: { value: "one" }, softAt: at });
      expect(await clock()).toBe(at);
      const apart = await look(keyOf("other"), ["b"]);
      expect([apart.usable, apart.softAt]).toEqual([true, undefined]);
      const later = await soften("a");
      expect(await look(key)).toMatchObject({ usable: true, softAt: later });
      await putNow(key, "three", { tags: ["a"] });
      const anew = await look(key, ["a"]);
      expect([anew.stored?.value, anew.usable, anew.softAt]).toEqual(["three", true, undefined]);
    });

    test("of everything is of what no tag names", async () => {
      await putNow(key, "one");
      const { clock } = await store.purge(undefined, { soft: true });
      expect(await look(key)).toMatchObject({ usable: true, softAt: clock });
    });

    test("of a tag that only the value names is told as well, whatever was known of it before", async () => {
      for (const [primary, isKnown] of [["known", true] as const, ["unknown", false] as const]) {
        await putNow(keyOf(primary), "one", { tags: ["a", "own"], names: ["lang"] });
        if (isKnown) await look(keyOf(primary), ["a"]);
      }
      const at = await soften("own");
      for (const primary of ["known", "unknown"]) {
        expect(await look(keyOf(primary), ["a"])).toMatchObject({ usable: true, softAt: at });
      }
    });

    test("takes nothing back that a write or another purge has said, before or after", async () => {
      await putNow(key, "one", { tags: ["a", "b"] });
      await invalidate("a");
      await soften("a");
      await soften("b");
      expect((await look(key, ["a"])).usable).toBe(false);
      await putNow(key, "two", { tags: ["a", "b"] });
      await store.purge(undefined, { soft: true });
      await store.purge(["b"]);
      expect((await look(key, ["a"])).usable).toBe(false);
    });

    test("is told exactly of tags alone, to whoever says how old what they ask about is", async () => {
      const since = await clock();
      const soft = async (tag: string) =>
        (await store.look({ key: undefined, tags: [tag], limits: [], since })).fence.soft;
      expect(Number((await soft("a")) ?? 0)).toBe(0);
      const at = await soften("a");
      expect([await soft("a"), (await soft("b")) ?? 0]).toEqual([at, 0]);
      expect((await look(undefined, ["a"])).fence.soft).toBeGreaterThanOrEqual(at);
    });

    test("is heard of as one", async () => {
      const heard: Notice[] = [];
      store.onInvalidated((notice) => heard.push(notice));
      const clock = await soften("a", "b");
      expect(heard.at(0)).toEqual({ clock, tags: ["a", "b"], soft: true });
    });
  });

  test("latest is that of the tags asked about", async () => {
    const before = await clock();
    await invalidate("a");
    const { fence } = await look(key, ["a"]);
    expect(fence.latest).toBeGreaterThan(before);
    expect(fence.latest).toBeLessThanOrEqual(fence.clock);
    expect((await look(key, ["b", "c"])).fence.latest).toBeLessThanOrEqual(before);
  });

  test("an invalidation is told before its commit resolves", async () => {
    const heard: Notice[] = [];
    store.onInvalidated((notice) => heard.push(notice));
    await invalidate("a", "b");
    expect(heard.at(0)?.tags).toEqual(["a", "b"]);
    expect(heard.at(0)?.clock).toBe(await clock());
  });
}

function variantTests(): void {
  test("nothing is known of a key never stored", async () => {
    expect(await look(keyOf("k"), ["a"])).toMatchObject({ record: undefined, stored: undefined, usable: false });
  });

  test("keys are told apart by their whole text", async () => {
    const long = "k".repeat(4000);
    await putNow(keyOf(`${long}1`), "one");
    await putNow(keyOf(`${long}2`), "two");
    expect((await look(keyOf(`${long}1`))).stored?.value).toBe("one");
    expect((await look(keyOf(`${long}2`))).stored?.value).toBe("two");
    expect((await look(keyOf(long))).stored).toBeUndefined();
  });

  test("variants of a key are told apart by what its names select", async () => {
    await putNow(keyOf("k", { lang: "de" }), "hallo", { names: ["lang"] });
    await putNow(keyOf("k", { lang: "en" }), "hello", { names: ["lang"] });
    expect((await look(keyOf("k", { lang: "de" }))).stored?.value).toBe("hallo");
    expect((await look(keyOf("k", { lang: "en", other: "x" }))).stored?.value).toBe("hello");
    expect(await look(keyOf("k", { lang: "fr" }))).toMatchObject({ record: { names: ["lang"] }, stored: undefined });
  });

  test("names are those of the last value stored", async () => {
    await putNow(keyOf("k"), "plain");
    await putNow(keyOf("k", { lang: "de" }), "hallo", { names: ["lang"] });
    expect(await look(keyOf("k", { lang: "de" }))).toMatchObject({
      record: { names: ["lang"] },
      stored: { value: "hallo" },
    });
    expect((await look(keyOf("k", { lang: "en" }))).stored).toBeUndefined();
  });

  test("what was stored under other names does not come back with them", async () => {
    const [de, en] = [keyOf("k", { lang: "de" }), keyOf("k", { lang: "en" })];
    await putNow(de, "before", { names: ["lang"] });
    await putNow(de, "plain");
    await putNow(en, "after", { names: ["lang"] });
    expect((await look(de)).stored).toBeUndefined();
    expect((await look(en)).stored?.value).toBe("after");
    await putNow(de, "both", { names: ["color", "lang"] });
    await putNow(en, "again", { names: ["lang"] });
    expect((await look(de)).stored).toBeUndefined();
    expect(await store.siblings(de)).toEqual([]);
  });

  test("a value without names does not come back either", async () => {
    await putNow(keyOf("k"), "plain");
    await putNow(keyOf("k", { lang: "de" }), "hallo", { names: ["lang"] });
    await store.pass(keyOf("k"), [], Date.now() + 10_000);
    expect((await look(keyOf("k"))).stored).toBeUndefined();
  });

  test("a value without names is found when requests need to queue again", async () => {
    await putNow(keyOf("k"), "plain");
    const untilMs = Date.now() + 100;
    await store.pass(keyOf("k"), [], untilMs);
    await vi.waitUntil(() => Date.now() > untilMs + 50, { timeout: 5000, interval: 20 });
    expect(await look(keyOf("k"))).toMatchObject({ usable: true, stored: { value: "plain" } });
  });

  test("a variant that ends early, or is not storable any more, takes none of the others along", async () => {
    const [de, en] = [keyOf("k", { lang: "de" }), keyOf("k", { lang: "en" })];
    await putNow(de, "hallo", { names: ["lang"] });
    const keepUntil = Date.now() + 100;
    await store.put(en, ["lang"], storedOf("brief", { stamp: await clock(), keepUntil, freshUntil: keepUntil }));
    await store.pass(keyOf("k", { lang: "fr" }), ["lang"], keepUntil);
    const brief = { timeout: 5000, interval: 20 };
    await vi.waitFor(async () => expect((await look(en)).stored).toBeUndefined(), brief);
    await vi.waitUntil(() => Date.now() > keepUntil + 50, brief);
    expect(await look(de)).toMatchObject({ usable: true, stored: { value: "hallo" } });
  });

  test("of more than 64 variants the oldest are evicted", async () => {
    const variant = (i: number) => keyOf("k", { n: `${i}` });
    for (let i = 0; i < 64; i++) await putNow(variant(i), `label of ${i}`, { names: ["n"] });
    await putNow(variant(0), "label of 0", { names: ["n"] }); // becomes the youngest
    for (let i = 64; i < 70; i++) await putNow(variant(i), `label of ${i}`, { names: ["n"] });
    const held = await Promise.all(Array.from({ length: 70 }, async (_, i) => (await look(variant(i))).stored?.value));
    expect(held.flatMap((value, i) => (value === undefined ? [i] : []))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await store.siblings(keyOf("k"))).toHaveLength(64);
  });

  test("the variants of a key are told by their labels, latest first, usable or not, and may be recalled", async () => {
    const names = ["lang"];
    await putNow(keyOf("k", { lang: "de" }), "label of de", { names, tags: ["a"] });
    await putNow(keyOf("k", { lang: "fr" }), "without", { names });
    await putNow(keyOf("k", { lang: "en" }), "label of en", { names, tags: ["b"] });
    await invalidate("b");
    const siblings = await store.siblings(keyOf("k", { lang: "es" }));
    expect(siblings.map(({ label }) => label)).toEqual(["label of en", "label of de"]);
    const recalled = siblings.map(async ({ id }) => (await store.recall(keyOf("k"), id))?.value);
    expect(await Promise.all(recalled)).toEqual(["label of en", "label of de"]);
  });

  test("a variant stored again has its latest label alone", async () => {
    const de = keyOf("k", { lang: "de" });
    await putNow(de, "label of 1", { names: ["lang"] });
    await putNow(de, "label of 2", { names: ["lang"] });
    expect((await store.siblings(de)).map(({ label }) => label)).toEqual(["label of 2"]);
    await putNow(de, "without", { names: ["lang"] });
    expect(await store.siblings(de)).toEqual([]);
  });

  test("a key of which nothing is stored has no variants, and nothing to recall", async () => {
    expect(await store.siblings(keyOf("k"))).toEqual([]);
    expect(await store.recall(keyOf("k"), "x")).toBeUndefined();
    await putNow(keyOf("k", { lang: "de" }), "label of de", { names: ["lang"] });
    expect(await store.siblings(keyOf("other"))).toEqual([]);
  });

  test("a value stored again replaces the first", async () => {
    await putNow(keyOf("k"), "one");
    await putNow(keyOf("k"), "two");
    expect((await look(keyOf("k"))).stored?.value).toBe("two");
  });

  test("that requests need not queue is told with its end and its names", async () => {
    const untilMs = Date.now() + 30_000;
    await store.pass(keyOf("k"), ["lang"], untilMs);
    expect(await look(keyOf("k"))).toMatchObject({
      record: { names: ["lang"], passUntil: untilMs },
      stored: undefined,
    });
  });

  test("a value is gone when its time is over", async () => {
    const keepUntil = Date.now() + 100;
    await store.put(keyOf("k"), [], storedOf("brief", { stamp: await clock(), keepUntil, freshUntil: keepUntil }));
    await vi.waitFor(async () => expect((await look(keyOf("k"))).stored).toBeUndefined(), {
      timeout: 5000,
      interval: 20,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(keepUntil - 20);
  });

  test("a value whose time is over already is not stored", async () => {
    await store.put(keyOf("k"), [], storedOf("past", { stamp: await clock(), keepUntil: Date.now() - 1 }));
    expect((await look(keyOf("k"))).stored).toBeUndefined();
  });
}

const ALGORITHMS = ["fixed-window", "sliding-window", "sliding-log", "token-bucket"] as const;

function limitTests(): void {
  const minute = { limit: 5, windowMs: 60_000 };

  for (const algorithm of ALGORITHMS) {
    test(`${algorithm}: of many at once exactly the limit are admitted`, async () => {
      const asked = await Promise.all(
        Array.from({ length: 40 }, () => charge(store, { key: "l", algorithm, ...minute })),
      );
      expect(asked.filter(([verdict]) => verdict?.allowed)).toHaveLength(5);
    });

    test(`${algorithm}: what is left is counted down`, async () => {
      const left: (number | undefined)[] = [];
      for (let i = 0; i < 7; i++) left.push((await charge(store, { key: "l", algorithm, ...minute }))[0]?.remaining);
      expect(left).toEqual([4, 3, 2, 1, 0, 0, 0]);
    });

    test(`${algorithm}: who waits as long as told is admitted, and hardly anyone before`, async () => {
      const question: LimitQuestion = { key: "l", algorithm, limit: 2, windowMs: 300 };
      const verdicts = [];
      do verdicts.push((await charge(store, question))[0]);
      while (verdicts.at(-1)?.allowed);
      const { resetMs } = verdicts.at(-1) ?? { resetMs: 0 };
      expect(resetMs).toBeGreaterThan(0);
      expect(resetMs).toBeLessThanOrEqual(600);
      const admittedAt = performance.now() + resetMs + 20;
      await vi.waitUntil(() => performance.now() > admittedAt, { timeout: 20_000, interval: 10 });
      expect(await charge(store, question)).toMatchObject([{ allowed: true }]);
    });

    test(`${algorithm}: the time until the window has passed comes with leave`, async () => {
      const [verdict] = await charge(store, { key: "l", algorithm, ...minute });
      expect(verdict).toMatchObject({ allowed: true });
      expect(verdict?.resetMs).toBeGreaterThan(0);
      expect(verdict?.resetMs).toBeLessThanOrEqual(60_000);
    });
  }

  test("quotas of different keys do not touch each other, and verdicts keep the order of the questions", async () => {
    const [client, windowMs] = ["c", 60_000];
    const few: LimitQuestion = { key: "few:c", client, algorithm: "fixed-window", limit: 1, windowMs };
    const many: LimitQuestion = { key: "many:c", client, algorithm: "sliding-window", limit: 9, windowMs };
    await charge(store, few, many);
    expect(await charge(store, few, many)).toMatchObject([
      { allowed: false, remaining: 0 },
      { allowed: true, remaining: 8 },
    ]);
    expect(await charge(store, many, few)).toMatchObject([{ remaining: 8 }, { allowed: false }]);
  });

  test("who is refused by one of their limits takes nothing of the others", async () => {
    for (const algorithm of ALGORITHMS) {
      const common = { client: algorithm, windowMs: 60_000 };
      const few: LimitQuestion = { key: `few:${algorithm}`, algorithm: "fixed-window", limit: 2, ...common };
      const many: LimitQuestion = { key: `many:${algorithm}`, algorithm, limit: 100, ...common };
      const asked = await Promise.all(Array.from({ length: 9 }, () => charge(store, many, few)));
      expect(asked.filter((verdicts) => verdicts.every(({ allowed }) => allowed))).toHaveLength(2);
      expect(await charge(store, many)).toMatchObject([{ allowed: true, remaining: 97 }]);
    }
  });

  test("a limit that is not enforced counts, and refuses nothing", async () => {
    const dry: LimitQuestion = { key: "dry", algorithm: "fixed-window", limit: 1, windowMs: 60_000, enforced: false };
    const real: LimitQuestion = { key: "real", algorithm: "fixed-window", limit: 3, windowMs: 60_000 };
    const asked = await Promise.all(Array.from({ length: 4 }, () => charge(store, dry, real)));
    expect(asked.map((verdicts) => verdicts.map(({ allowed }) => allowed))).toEqual([
      [true, true],
      [false, true],
      [false, true],
      [false, false],
    ]);
  });

  test("a bucket holds as many tokens as it is told, whatever comes in a window", async () => {
    const question: LimitQuestion = { key: "l", algorithm: "token-bucket", limit: 5, windowMs: 60_000, burst: 3 };
    const asked = await Promise.all(Array.from({ length: 9 }, () => charge(store, question)));
    expect(asked.filter(([verdict]) => verdict?.allowed)).toHaveLength(3);
    expect(asked.at(-1)?.[0]?.resetMs).toBeGreaterThan(11_000);
    expect(asked.at(-1)?.[0]?.resetMs).toBeLessThanOrEqual(12_000);
  });

  test("a look with a key charges too, once", async () => {
    await putNow(keyOf("k"), "one", { tags: ["own"] });
    const limits: LimitQuestion[] = [{ key: "l", algorithm: "fixed-window", ...minute }];
    const reading = await store.look({ key: keyOf("k"), tags: [], limits });
    expect(reading).toMatchObject({ usable: true, verdicts: [{ allowed: true, remaining: 4 }] });
  });

  test("a look without limits has no verdicts", async () => {
    expect((await look(keyOf("k"))).verdicts).toEqual([]);
  });
}

function soloTests(): void {
  test("the lease is given to who asks first, with a look", async () => {
    await putNow(keyOf("k"), "one", { tags: ["a"] });
    const lead = await store.lead(keyOf("k"), [], ["a"], 5000);
    expect(lead).toMatchObject({
      retryMs: 0,
      reading: { stored: { value: "one" }, usable: true, fence: { shared: true } },
    });
    expect(lead.reading.fence.latest).toBeLessThanOrEqual(lead.reading.fence.clock);
    lead.lease?.release("stored");
    expect(lead.lease).toBeDefined();
  });

  test("a lease may be had again after it was released", async () => {
    (await store.lead(keyOf("k"), [], [], 5000)).lease?.release("failed");
    const again = await vi.waitUntil(async () => (await store.lead(keyOf("k"), [], [], 5000)).lease, {
      timeout: 20_000,
    });
    again.release("failed");
  });

  test("a watch that hears nothing ends with its wait, and may be asked again", async () => {
    const watch = await store.watch(keyOf("k"), []);
    expect(await watch.landed(20)).toBeUndefined();
    expect(await watch.landed(20)).toBeUndefined();
    watch.close();
  });

  test("closing a watch ends its wait", async () => {
    const watch = await store.watch(keyOf("k"), []);
    const landed = watch.landed(60_000);
    watch.close();
    expect(await landed).toBeUndefined();
  });
}

function sharedTests(): void {
  const key = keyOf("k", { lang: "de" });
  let other: Store<string>;

  beforeEach(async () => {
    other = await fixture.another();
  });

  test("what one stores the other finds usable, own tags and variants included", async () => {
    await putNow(key, "hallo", { tags: ["a", "own"], names: ["lang"] });
    const reading = await other.look({ key, tags: ["a"], limits: [] });
    expect(reading).toMatchObject({ usable: true, stored: { value: "hallo", tags: ["a", "own"] } });
  });

  test("a tag asked about counts against a value that another configuration stored without it", async () => {
    await putNow(key, "one", { tags: ["route:/old"] });
    const lookThere = () => other.look({ key, tags: ["route:/new"], limits: [] });
    expect((await lookThere()).usable).toBe(true);
    await invalidate("route:/new");
    expect(await lookThere()).toMatchObject({ usable: false, stored: { value: "one" } });
  });

  test("a soft purge of a tag asked about counts for a value that another configuration stored without it", async () => {
    await putNow(key, "one", { tags: ["route:/old"] });
    const lookThere = () => other.look({ key, tags: ["route:/new"], limits: [] });
    expect((await lookThere()).softAt).toBeUndefined();
    const { clock: at } = await store.purge(["route:/new"], { soft: true });
    for (const _ of ["not known yet", "known"]) expect(await lookThere()).toMatchObject({ usable: true, softAt: at });
  });

  test("the variants that one stores the other is told of, and may recall", async () => {
    await putNow(key, "label of de", { names: ["lang"] });
    const [sibling] = await other.siblings(keyOf("k"));
    expect(sibling?.label).toBe("label of de");
    expect((await other.recall(keyOf("k"), sibling?.id ?? ""))?.value).toBe("label of de");
  });

  test("what one invalidates the other cannot use once the commit has resolved", async () => {
    await putNow(key, "one", { tags: ["a", "own"] });
    expect((await other.look({ key, tags: ["a"], limits: [] })).usable).toBe(true);
    await invalidate("own");
    expect((await other.look({ key, tags: ["a"], limits: [] })).usable).toBe(false);
  });

  test("what one purges the other cannot use", async () => {
    await putNow(keyOf("k"), "one", { tags: ["a"] });
    await (await fixture.another()).purge(undefined);
    expect((await look(keyOf("k"), ["a"])).usable).toBe(false);
  });

  test("of what one purges softly the other is told, and hears of it", async () => {
    const heard: Notice[] = [];
    other.onInvalidated((notice) => heard.push(notice));
    await putNow(key, "one", { tags: ["a", "own"] });
    expect((await other.look({ key, tags: ["a"], limits: [] })).softAt).toBeUndefined();
    const since = await clock();
    const { clock: at } = await store.purge(["own"], { soft: true });
    const apart = await other.look({ key: undefined, tags: ["b"], limits: [], since });
    expect(apart.fence.soft).toBe(0);
    expect(await other.look({ key, tags: ["a"], limits: [] })).toMatchObject({ usable: true, softAt: at });
    const notice = { clock: at, tags: ["own"], soft: true };
    await vi.waitFor(() => expect(heard).toContainEqual(notice), { timeout: 10_000 });
  });

  test("the other hears of an invalidation", async () => {
    const heard: Notice[] = [];
    other.onInvalidated((notice) => heard.push(notice));
    await invalidate("a", "b");
    await vi.waitFor(() => expect(heard.map(({ tags }) => tags)).toContainEqual(["a", "b"]), { timeout: 10_000 });
    expect(heard.find(({ tags }) => tags?.includes("a"))?.clock).toBe(await clock());
  });

  for (const algorithm of ALGORITHMS) {
    test(`${algorithm}: both together admit exactly the limit`, async () => {
      const question: LimitQuestion = { key: "l", algorithm, limit: 7, windowMs: 60_000 };
      const asked = await Promise.all(Array.from({ length: 40 }, (_, i) => charge(i % 2 ? store : other, question)));
      expect(asked.filter(([verdict]) => verdict?.allowed)).toHaveLength(7);
    });
  }

  test("of many who ask for a lease at once one gets it, and the others are told for how long", async () => {
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 ? store : other).lead(key, [], [], 2000)),
    );
    const leading = asked.filter(({ lease }) => lease);
    expect(leading).toHaveLength(1);
    for (const { retryMs } of asked.filter(({ lease }) => !lease)) {
      expect(retryMs).toBeGreaterThan(0);
      expect(retryMs).toBeLessThanOrEqual(2000);
    }
    leading[0]?.lease?.release("failed");
  });

  test("variants and keys are led apart", async () => {
    const leads = await Promise.all([
      store.lead(keyOf("k", { lang: "de" }), ["lang"], [], 2000),
      other.lead(keyOf("k", { lang: "en" }), ["lang"], [], 2000),
      other.lead(keyOf("j", { lang: "de" }), ["lang"], [], 2000),
    ]);
    expect(leads.every(({ lease }) => lease)).toBe(true);
    for (const { lease } of leads) lease?.release("failed");
  });

  test("who is refused the lease sees what was stored before it asked", async () => {
    const { lease } = await store.lead(key, [], [], 2000);
    await putNow(key, "one");
    expect((await other.lead(key, [], [], 2000)).reading).toMatchObject({ usable: true, stored: { value: "one" } });
    lease?.release("stored");
  });

  test("a lease outlives its time while its holder lives", async () => {
    // Renewed every 200 ms. It ends all the same where this process or Redis stands still: with a gap it proves nothing, and
    // another one is watched.
    for (let round = 1; ; round++) {
      const { isTaken, gapMs } = await watchedLease(keyOf(`k${round}`));
      if (!isTaken) break;
      expect(gapMs).toBeGreaterThan(300);
      expect(round).toBeLessThan(10);
    }
  });

  /** Whether the other got a lease of 600 ms within 1.5 s, and the longest time between two of its answers until then. */
  async function watchedLease(key: Key): Promise<{ isTaken: boolean; gapMs: number }> {
    let last = performance.now();
    const end = last + 1500;
    let gapMs = 0;
    const { lease } = await store.lead(key, [], [], 600);
    expect(lease).toBeDefined();
    return vi.waitUntil(
      async () => {
        const taken = (await other.lead(key, [], [], 600)).lease;
        const now = performance.now();
        gapMs = Math.max(gapMs, now - last);
        last = now;
        if (!taken && now < end) return undefined;
        taken?.release("failed");
        lease?.release("failed");
        return { isTaken: taken !== undefined, gapMs };
      },
      { timeout: 20_000, interval: 40 },
    );
  }

  test("the lease of a holder that is gone is had within its time", async () => {
    const gone = await fixture.another();
    await gone.lead(key, [], [], 300);
    await gone.close();
    const { lease } = await vi.waitUntil(
      async () => {
        const lead = await store.lead(key, [], [], 300);
        if (lead.lease) return lead;
        expect(lead.retryMs).toBeLessThanOrEqual(300);
        return false;
      },
      { timeout: 20_000, interval: 20 },
    );
    lease?.release("failed");
  });

  test("a lease that was released twice ends nobody else's", async () => {
    const first = await store.lead(key, [], [], 2000);
    first.lease?.release("failed");
    const second = await vi.waitUntil(async () => (await other.lead(key, [], [], 2000)).lease, { timeout: 20_000 });
    first.lease?.release("failed");
    await clock(); // behind the release on its way
    expect((await store.lead(key, [], [], 2000)).lease).toBeUndefined();
    second.release("failed");
  });

  for (const landing of ["stored", "not-storable", "failed"] satisfies Landing[]) {
    test(`a watch is woken by a flight that ended ${landing}`, async () => {
      const { lease } = await store.lead(key, ["lang"], [], 5000);
      const watch = await other.watch(key, ["lang"]);
      const landed = watch.landed(10_000);
      lease?.release(landing);
      expect(await landed).toBe(landing);
      watch.close();
    });
  }

  test("a landing told after the watch began and before its wait is not lost", async () => {
    const { lease } = await store.lead(key, [], [], 5000);
    const watch = await other.watch(key, []);
    const second = await other.watch(key, []);
    lease?.release("stored");
    expect(await second.landed(10_000)).toBe("stored"); // by now the first was told, too
    expect(await watch.landed(10_000)).toBe("stored");
    watch.close();
    second.close();
  });

  test("a watch hears nothing of another variant", async () => {
    const { lease } = await store.lead(keyOf("k", { lang: "en" }), ["lang"], [], 5000);
    const mine = await store.lead(key, ["lang"], [], 5000);
    const watch = await other.watch(key, ["lang"]);
    lease?.release("stored");
    mine.lease?.release("failed");
    expect(await watch.landed(10_000)).toBe("failed");
    watch.close();
  });

  test("that requests need not queue is known to both", async () => {
    const untilMs = Date.now() + 30_000;
    await store.pass(key, ["lang"], untilMs);
    expect((await other.look({ key, tags: [], limits: [] })).record).toEqual({ names: ["lang"], passUntil: untilMs });
  });
}
