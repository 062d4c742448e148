// Memory above a store: what is asked below, and when memory may answer. The store below says what the test says, and
// time is turned; that all promises hold on a real store is the contract's.

import { describe, expect, test } from "vitest";
import { createFailOpenStore } from "../../src/store/fail-open.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { LimitQuestion, Question, Reading, Soon, Store, Stored } from "../../src/store/store.ts";
import { createTieredStore } from "../../src/store/tiered.ts";
import { keyOf, storeContract, storedOf, textCodec } from "./contract.ts";
import { createScriptedStore, holding, question, readingOf } from "./scripted.ts";

const NOW = 1_700_000_000_000;
const KEY = keyOf("k");
const LIMIT: LimitQuestion = { key: "l", algorithm: "fixed-window", limit: 9, windowMs: 1000 };
const VERDICTS = [{ allowed: true, remaining: 8, resetMs: 1000 }];
const ONE: Stored<string> = {
  value: "one",
  stamp: 10,
  tags: ["a", "own"],
  freshUntil: NOW + 60_000,
  keepUntil: NOW + 90_000,
};
const AWAY = readingOf(0, Number.POSITIVE_INFINITY, {
  fence: { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY },
  verdicts: undefined,
});

function make(trustMs: number, maxBytes = 1e6) {
  const clock = { now: NOW, monotonic: 0 };
  const below = createScriptedStore();
  const store = createTieredStore(below.store, {
    maxBytes,
    trustMs,
    slots: 4096,
    codec: textCodec,
    now: () => clock.now,
    monotonic: () => clock.monotonic,
  });
  const look = (parts: Partial<Question> = {}) => store.look(question(KEY, { tags: ["a"], ...parts }));
  const turn = (ms: number) => {
    clock.now += ms;
    clock.monotonic += ms;
  };
  return { below, store, look, turn };
}

type Parts = ReturnType<typeof make>;

/** A store whose memory has just been given `stored` by the one below. */
async function warm(trustMs: number, stored = ONE): Promise<Parts> {
  const parts = make(trustMs);
  const looked = parts.look();
  parts.below.only("look").answer(holding(stored));
  await looked;
  return parts;
}

async function answered(parts: Parts, looked: Soon<Reading<string>>, reading: Reading<string>) {
  const asked = parts.below.only("look");
  asked.answer(reading);
  return { reading: await looked, asked: asked.args[0] };
}

for (const trustMs of [0, 1000]) {
  storeContract(`memory of trust ${trustMs} above a store`, {
    shared: false,
    async create() {
      const options = { maxBytes: 1e6, slots: 1 << 16, codec: textCodec, now: Date.now };
      const store = createTieredStore(createMemoryStore(options), { ...options, trustMs });
      return {
        store: certain(store),
        another: () => Promise.reject(new Error("memory is not shared")),
        close: () => store.close(),
      };
    },
  });
}

/** Asks for certainty, so that the fence's numbers may be looked at. */
function certain(store: Store<string>): Store<string> {
  return { ...store, look: (asked) => store.look({ certain: true, ...asked }) };
}

describe("what memory does not hold", () => {
  test("is asked below as it was asked, and answered as below", async () => {
    const parts = make(1000);
    const looked = parts.look({ limits: [LIMIT] });
    const full = { ...holding(ONE), verdicts: VERDICTS };
    const { reading, asked } = await answered(parts, looked, full);
    expect(reading).toEqual(full);
    expect(asked).toEqual({ key: KEY, tags: ["a"], limits: [LIMIT] });
  });

  test("is anything without a key", async () => {
    const parts = await warm(1000);
    const looked = parts.store.look(question(undefined, { limits: [LIMIT] }));
    expect((await answered(parts, looked, readingOf(10, 10))).asked.key).toBeUndefined();
  });

  test("is a value that below says is not usable", async () => {
    const parts = make(1000);
    await answered(parts, parts.look(), { ...holding(ONE), usable: false });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("is a value whose freshness is over", async () => {
    const parts = await warm(1000);
    parts.turn(60_000);
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("is another variant", async () => {
    const parts = make(1000);
    const german = keyOf("k", { lang: "de" });
    const full = { ...holding(ONE), record: { names: ["lang"], passUntil: 0 } };
    await answered(parts, parts.store.look(question(german)), full);
    const looked = parts.store.look(question(keyOf("k", { lang: "en" })));
    expect((await answered(parts, looked, readingOf(10, 10))).asked.key).toBeDefined();
    expect(parts.store.look(question(german))).toMatchObject({ stored: ONE });
  });

  test("is what there is no room for", async () => {
    const parts = make(1000, 2000);
    await answered(parts, parts.look(), holding({ ...ONE, value: "x".repeat(3000) }));
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });
});

describe("with trust 0", () => {
  test("each use asks for the slots of the value's own tags, not for the value", async () => {
    const parts = await warm(0);
    for (let i = 0; i < 3; i++) {
      const { reading, asked } = await answered(
        parts,
        parts.look({ limits: [LIMIT] }),
        readingOf(12, 10, { verdicts: VERDICTS }),
      );
      expect(asked).toEqual({ key: undefined, tags: ["a", "own"], limits: [LIMIT], since: ONE.stamp });
      expect(reading).toEqual({
        fence: { shared: true, clock: 12, latest: 10 },
        record: { names: [], passUntil: 0 },
        stored: ONE,
        usable: true,
        verdicts: VERDICTS,
      });
    }
  });

  test("a slot later than the stamp makes it ask for the value, charging nothing twice", async () => {
    const parts = await warm(0);
    const looked = parts.look({ limits: [LIMIT] });
    parts.below.only("look").answer(readingOf(12, 11, { verdicts: VERDICTS }));
    const two = { ...ONE, value: "two", stamp: 12 };
    const second = await nextLook(parts);
    expect(second.args[0]).toEqual({ key: KEY, tags: ["a"], limits: [] });
    second.answer(holding(two));
    expect(await looked).toEqual({ ...holding(two), verdicts: VERDICTS });
    expect((await answered(parts, parts.look(), readingOf(12, 12))).reading.stored).toEqual(two);
  });

  test("what was found overtaken is not held any longer", async () => {
    const parts = await warm(0);
    const looked = parts.look();
    parts.below.only("look").answer(readingOf(12, 11));
    (await nextLook(parts)).answer({ ...holding(ONE), usable: false });
    await looked;
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("what was purged softly is left to the store below, and not held, until there is a later one", async () => {
    const parts = await warm(0);
    const soft = { ...holding(ONE, 12), softAt: 11 };
    const looked = parts.look();
    parts.below.only("look").answer(readingOf(12, 10, { fence: { shared: true, clock: 12, latest: 10, soft: 11 } }));
    (await nextLook(parts)).answer(soft);
    expect(await looked).toEqual({ ...soft, verdicts: [] });
    const two = { ...ONE, value: "two", stamp: 12 };
    expect((await answered(parts, parts.look(), holding(two))).asked.key).toBe(KEY);
    expect((await answered(parts, parts.look(), readingOf(12, 10))).reading.stored).toEqual(two);
  });

  test("a value from a later time than the fence's is not used", async () => {
    const parts = await warm(0);
    const looked = parts.look();
    parts.below.only("look").answer(readingOf(9, 3));
    (await nextLook(parts)).answer(readingOf(9, 3));
    expect(await looked).toMatchObject({ stored: undefined, usable: false });
  });

  test("nothing is used while the store below is away, and nothing more is asked for it", async () => {
    const parts = await warm(0);
    expect((await answered(parts, parts.look(), AWAY)).reading).toEqual(AWAY);
    expect(parts.below.taken("look")).toEqual([]);
    expect((await answered(parts, parts.look(), readingOf(12, 10))).reading.usable).toBe(true);
  });

  test("tags asked about that the value does not carry are answered for as well", async () => {
    const parts = await warm(0);
    const { asked } = await answered(parts, parts.look({ tags: ["a", "new"] }), holding(ONE, 12));
    expect(asked).toMatchObject({ key: KEY, tags: ["a", "new"] });
  });
});

describe("with trust", () => {
  test("memory answers at once, and says that it has not read the fence", async () => {
    const parts = await warm(1000);
    parts.turn(999);
    expect(parts.look()).toEqual({
      fence: { shared: false, clock: 0, latest: Number.POSITIVE_INFINITY },
      record: { names: [], passUntil: 0 },
      stored: ONE,
      usable: true,
      verdicts: [],
    });
    expect(parts.below.taken("look")).toEqual([]);
  });

  test("limits are charged below, and nothing else is asked", async () => {
    const parts = await warm(1000);
    const { reading, asked } = await answered(
      parts,
      parts.look({ limits: [LIMIT] }),
      readingOf(12, 12, { verdicts: VERDICTS }),
    );
    expect(asked).toEqual({ key: undefined, tags: [], limits: [LIMIT] });
    expect(reading).toMatchObject({ fence: { shared: false }, stored: ONE, usable: true, verdicts: VERDICTS });
  });

  test("a value is used without verdicts where only the limits could not be asked", async () => {
    const parts = await warm(1000);
    const { reading } = await answered(parts, parts.look({ limits: [LIMIT] }), AWAY);
    expect(reading).toMatchObject({ stored: ONE, usable: true, verdicts: undefined });
  });

  test("trust counts from when the question was sent", async () => {
    const parts = make(1000);
    const looked = parts.look();
    parts.turn(600);
    await answered(parts, looked, holding(ONE));
    parts.turn(399);
    expect(parts.look()).not.toBeInstanceOf(Promise);
    parts.turn(1);
    const verified = parts.look();
    parts.turn(600);
    await answered(parts, verified, readingOf(12, 10));
    parts.turn(399);
    expect(parts.look()).not.toBeInstanceOf(Promise);
    parts.turn(1);
    expect(parts.look()).toBeInstanceOf(Promise);
  });

  test("of two questions under way the one sent later counts, whichever is answered last", async () => {
    const parts = await warm(1000);
    parts.turn(1000);
    const looks = [parts.look()];
    parts.turn(500);
    looks.push(parts.look());
    const [first, second] = parts.below.taken("look");
    second?.answer(readingOf(12, 10));
    await looks[1];
    first?.answer(readingOf(12, 10));
    await looks[0];
    parts.turn(999);
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("who wants certainty is given it, and others profit", async () => {
    const parts = await warm(1000);
    parts.turn(900);
    const { reading, asked } = await answered(parts, parts.look({ certain: true }), readingOf(12, 10));
    expect(asked).toMatchObject({ key: undefined, tags: ["a", "own"] });
    expect(reading.fence).toEqual({ shared: true, clock: 12, latest: 10 });
    parts.turn(900);
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("ends while the store below is away, and is won anew only by its answer", async () => {
    const parts = await warm(1000);
    parts.turn(1000);
    for (let i = 0; i < 2; i++) expect((await answered(parts, parts.look(), AWAY)).reading).toEqual(AWAY);
    expect((await answered(parts, parts.look(), readingOf(12, 10))).reading.usable).toBe(true);
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });
});

describe("a notice", () => {
  test("of a tag asked about ends trust at once, though another configuration stored the value without it", async () => {
    const parts = make(1000);
    const asked = { tags: ["a", "new"] };
    await answered(parts, parts.look(asked), holding(ONE));
    expect(parts.look(asked)).toMatchObject({ usable: true });
    parts.below.notify({ clock: 11, tags: ["new"] });
    expect((await answered(parts, parts.look(asked), AWAY)).asked).toMatchObject({ key: KEY });
  });

  test("of a tag of the value ends trust at once", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 11, tags: ["own"] });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("of a soft purge does as well, and keeps what it is not of", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 11, tags: ["b"], soft: true });
    parts.below.notify({ clock: 10, tags: undefined, soft: true });
    expect(parts.look()).not.toBeInstanceOf(Promise);
    parts.below.notify({ clock: 11, tags: ["own"], soft: true });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("of another tag does not", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 11, tags: ["b"] });
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("that comes after a later one of the same tag does not undo it", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 12, tags: ["own"] });
    parts.below.notify({ clock: 10, tags: ["own"] });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("older than the stamp does not: it was told late", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 10, tags: ["own"] });
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("of everything drops everything", async () => {
    const parts = await warm(1000);
    parts.below.notify({ clock: 11, tags: undefined });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("heard while the value was being verified wins over the answer", async () => {
    const parts = await warm(1000);
    parts.turn(1000);
    const looked = parts.look();
    const asked = parts.below.only("look");
    parts.below.notify({ clock: 11, tags: ["own"] });
    asked.answer(readingOf(10, 10));
    (await nextLook(parts)).answer({ ...holding(ONE, 11), usable: false });
    expect((await looked).usable).toBe(false);
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test.each([
    ["a tag", ["own"]],
    ["everything", undefined],
  ])("of %s heard while the value was being fetched keeps it from being trusted", async (_, tags) => {
    const parts = make(1000);
    const looked = parts.look();
    parts.below.notify({ clock: 11, tags });
    await answered(parts, looked, holding(ONE));
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("of a tag heard before a value made before it is put keeps that from being used", async () => {
    const parts = make(1000);
    parts.below.notify({ clock: 11, tags: ["own"] });
    void parts.store.put(KEY, [], ONE);
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("reaches memory before anyone else above", async () => {
    const parts = await warm(1000);
    const trusted: boolean[] = [];
    parts.store.onInvalidated(() => trusted.push(!(parts.look() instanceof Promise)));
    parts.below.notify({ clock: 11, tags: ["own"] });
    expect(trusted).toEqual([false]);
  });
});

describe("what is put", () => {
  test("goes below and into memory, and is verified before its first use", async () => {
    const parts = make(1000);
    void parts.store.put(KEY, [], ONE);
    expect(parts.below.only("put").args).toEqual([KEY, [], ONE]);
    const { reading, asked } = await answered(parts, parts.look(), readingOf(12, 10));
    expect(asked).toMatchObject({ key: undefined, tags: ["a", "own"] });
    expect(reading).toMatchObject({ stored: ONE, usable: true });
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("is not kept where it is stale from the start", async () => {
    const parts = make(1000);
    void parts.store.put(KEY, [], { ...ONE, freshUntil: NOW });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("and stale from the start is not hidden by a fresh value that it took the place of", async () => {
    const parts = await warm(1000);
    void parts.store.put(KEY, [], { ...ONE, value: "two", freshUntil: NOW });
    expect((await answered(parts, parts.look(), AWAY)).asked.key).toBe(KEY);
  });

  test("and made before what is held leaves that where it is", async () => {
    const parts = await warm(1000);
    void parts.store.put(KEY, [], { ...ONE, value: "older", stamp: 9, freshUntil: NOW });
    expect(await parts.look()).toMatchObject({ usable: true, stored: { value: "one" } });
  });

  test("and stale costs no room that fresh values have", async () => {
    const parts = make(1000, 2000);
    await answered(parts, parts.look(), holding(ONE));
    void parts.store.put(keyOf("stale"), [], { ...ONE, value: "x".repeat(1000), freshUntil: NOW });
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });

  test("while what was there is found overtaken stays", async () => {
    const parts = await warm(0);
    const looked = parts.look();
    const two = { ...ONE, value: "two", stamp: 12 };
    void parts.store.put(KEY, [], two);
    parts.below.only("look").answer(readingOf(12, 11));
    (await nextLook(parts)).answer({ ...holding(ONE), usable: false });
    await looked;
    expect((await answered(parts, parts.look(), readingOf(12, 12))).reading.stored).toEqual(two);
  });

  test("and what comes with a lead is held from then on", async () => {
    const parts = make(1000);
    const led = parts.store.lead(KEY, [], ["a"], 500);
    const asked = parts.below.only("lead");
    expect(asked.args).toEqual([KEY, [], ["a"], 500]);
    const lead = { lease: undefined, retryMs: 400, reading: holding(ONE) };
    asked.answer(lead);
    expect(await led).toEqual(lead);
    expect(parts.look()).not.toBeInstanceOf(Promise);
  });
});

test("an own write ends trust before its commit resolves", async () => {
  const options = { maxBytes: 1e6, trustMs: 60_000, slots: 4096, codec: textCodec, now: Date.now };
  const store = createTieredStore(createMemoryStore(options), options);
  const look = async () => await store.look(question(KEY, { tags: ["a"] }));
  const { clock } = (await look()).fence;
  await store.put(KEY, [], storedOf("one", { stamp: clock, tags: ["a"] }));
  await look();
  expect(await look()).toMatchObject({ usable: true, fence: { shared: false } });
  await (await store.begin(["a"])).commit();
  expect(await look()).toMatchObject({ usable: false, fence: { shared: true } });
});

test("behind a breaker that is open nothing waits and nothing old is used", async () => {
  const clock = { at: 0 };
  const below = createScriptedStore();
  const log = { debug() {}, info() {}, warn() {} };
  const open = createFailOpenStore(below.store, { breaker: { failures: 1, openMs: 1000 }, log, now: () => clock.at });
  const options = { maxBytes: 1e6, trustMs: 0, slots: 4096, codec: textCodec, now: Date.now };
  const store = createTieredStore(open, options);
  void store.put(KEY, [], storedOf("one", { stamp: 10, tags: ["a"] }));
  const failing = store.look(question(KEY, { tags: ["a"] }));
  below.only("look").fail(new Error("connection lost"));
  await failing;
  expect(store.look(question(KEY, { tags: ["a"] }))).toMatchObject({
    fence: { shared: false },
    stored: undefined,
    usable: false,
  });
  clock.at += 1000;
  const trial = store.look(question(KEY, { tags: ["a"] }));
  below.only("look").answer(readingOf(12, 10));
  expect(await trial).toMatchObject({ fence: { shared: true }, stored: { value: "one" }, usable: true });
});

/** The next question below, which is asked once the answer before has been heard. */
async function nextLook({ below }: Parts) {
  for (let turns = 0; turns < 10; turns++) {
    const [asked] = below.taken("look");
    if (asked) return asked;
    await Promise.resolve();
  }
  throw new Error("look: no further question");
}
