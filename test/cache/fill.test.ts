import { afterEach, expect, test, vi } from "vitest";
import { createFill, type Fill, type Filled } from "../../src/cache/fill.ts";
import type { Fields, Flow, Sink, Source } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (filled: Filled) => (filled.kind === "whole" ? new TextDecoder().decode(filled.body) : filled.kind);
const settled = () => new Promise((resolve) => setImmediate(resolve));

afterEach(() => void vi.useRealTimers());

/** Content that the test feeds, and what it was told. */
function scripted() {
  const script = {
    sink: undefined as Sink | undefined,
    told: [] as string[],
    source: {
      start(sink: Sink): Flow {
        script.sink = sink;
        return { resume: () => void script.told.push("resume"), cancel: () => void script.told.push("cancel") };
      },
    } satisfies Source,
    write: (piece: string) => script.sink?.write(bytes(piece)),
    end: (trailers: Fields = []) => script.sink?.end(trailers),
    fail: () => script.sink?.fail(new Error("cut")),
  };
  return script;
}

/** A fill that has begun, with one reader that has not. */
function begun(maxBytes: number) {
  const content = scripted();
  const fill = createFill(content.source, maxBytes);
  const own = reserved(fill);
  fill.begin();
  return { content, fill, own };
}

/** A fill that has begun, without readers. */
function unread(maxBytes: number) {
  const content = scripted();
  const fill = createFill(content.source, maxBytes);
  fill.begin();
  return { content, fill };
}

function reserved(fill: Fill): Source {
  const source = fill.reader();
  if (source === undefined) throw new Error("the fill takes no more readers");
  return source;
}

/** A reader that takes `capacity` pieces before it says that it is full. */
function reading(source: Source, capacity = Number.POSITIVE_INFINITY) {
  const got = { text: "", ended: "", room: capacity, pieces: [] as Uint8Array[], trailers: [] as Fields };
  const flow = source.start({
    write(piece) {
      got.text += new TextDecoder().decode(piece);
      got.pieces.push(piece);
      got.room -= 1;
      return got.room > 0;
    },
    end(trailers) {
      got.ended = "end";
      got.trailers = trailers;
    },
    fail: () => {
      got.ended = "fail";
    },
  });
  const takes = (room: number) => {
    got.room = room;
    flow.resume();
  };
  return { got, flow, takes };
}

test("a reader reads along while the content is buffered", async () => {
  const { content, fill, own } = begun(100);
  content.write("one ");
  const { got } = reading(own);
  expect(got.text).toBe("one ");
  content.write("two");
  expect(got.text).toBe("one two");
  content.end();
  expect([got.ended, text(await fill.filled)]).toEqual(["end", "one two"]);
});

test("a slow reader does not slow the buffering, and gets everything in the end", async () => {
  const { content, fill, own } = begun(100);
  const { got, takes } = reading(own, 1);
  for (const piece of ["a", "b", "c"]) expect(content.write(piece)).toBe(true);
  content.end();
  expect([got.text, got.ended, text(await fill.filled)]).toEqual(["a", "", "abc"]);
  takes(10);
  expect([got.text, got.ended]).toEqual(["abc", "end"]);
});

test("whoever comes while it is buffered reads from the first byte, out of the same pieces, to the same end", () => {
  const { content, fill, own } = begun(100);
  const first = reading(own);
  content.write("one ");
  const second = reading(reserved(fill));
  content.write("two");
  const third = reading(reserved(fill));
  content.end(["Digest", "x"]);
  for (const { got } of [first, second, third]) {
    expect(got).toMatchObject({ text: "one two", ended: "end", trailers: ["Digest", "x"] });
    expect(got.pieces[0]).toBe(first.got.pieces[0]);
  }
});

test("a slow reader does not slow the others", () => {
  const { content, fill, own } = begun(100);
  const slow = reading(own, 1);
  const fast = reading(reserved(fill));
  for (const piece of ["a", "b", "c"]) expect(content.write(piece)).toBe(true);
  content.end();
  expect([slow.got.text, fast.got.text, fast.got.ended]).toEqual(["a", "abc", "end"]);
  slow.takes(10);
  expect([slow.got.text, slow.got.ended]).toEqual(["abc", "end"]);
});

test("past the size nothing is kept, and the source goes at its one reader's pace", async () => {
  const { content, fill, own } = begun(3);
  const { got, takes } = reading(own, 2);
  expect(content.write("ab")).toBe(true);
  expect(content.write("cd")).toBe(false);
  expect(text(await fill.filled)).toBe("oversize");
  expect(content.write("ef")).toBe(false);
  takes(10);
  expect([got.text, content.told]).toEqual(["abcdef", ["resume"]]);
  content.end();
  expect(got.ended).toBe("end");
});

test("past the size nobody may begin to read, and those who do go on to the end", () => {
  const { content, fill, own } = begun(3);
  const first = reading(own);
  const second = reading(reserved(fill));
  expect(content.write("abcd")).toBe(true);
  expect(fill.reader()).toBeUndefined();
  expect(content.write("ef")).toBe(true);
  content.end();
  for (const { got } of [first, second]) expect(got).toMatchObject({ text: "abcdef", ended: "end" });
});

test("past the size the source waits for a reader that is a whole buffer behind, and not before", () => {
  const { content, fill, own } = begun(3);
  const slow = reading(own, 1);
  const fast = reading(reserved(fill));
  expect(content.write("ab")).toBe(true);
  expect(content.write("cd")).toBe(true);
  expect(content.write("e")).toBe(true);
  expect(content.write("f")).toBe(false);
  expect([slow.got.text, fast.got.text]).toEqual(["ab", "abcdef"]);
  slow.takes(1);
  expect(content.told).toEqual(["resume"]);
  expect(content.write("gh")).toBe(false);
});

test("past the size a reader that takes nothing while the others wait for it is given up alone", () => {
  vi.useFakeTimers();
  const { content, fill, own } = begun(3);
  const stuck = reading(own, 1);
  const fast = reading(reserved(fill));
  content.write("ab");
  expect(content.write("cdef")).toBe(false);
  vi.advanceTimersByTime(29_999);
  expect(stuck.got.ended).toBe("");
  vi.advanceTimersByTime(1);
  expect([stuck.got.ended, fast.got.ended, content.told]).toEqual(["fail", "", ["resume"]]);
  content.write("gh");
  content.end();
  expect(fast.got).toMatchObject({ text: "abcdefgh", ended: "end" });
});

test("past the size a slow reader that takes half a buffer in time is waited for", () => {
  vi.useFakeTimers();
  const { content, fill, own } = begun(3);
  const slow = reading(own, 1);
  reading(reserved(fill));
  for (const piece of ["ab", "cd", "efgh"]) content.write(piece);
  for (let i = 0; i < 2; i++) {
    vi.advanceTimersByTime(29_999);
    slow.takes(1);
  }
  expect([slow.got.text, slow.got.ended, content.told]).toEqual(["abcdefgh", "", ["resume"]]);
});

test("past the size one that takes a piece now and then, to hold up the others, is given up all the same", () => {
  vi.useFakeTimers();
  const { content, fill, own } = begun(100);
  const slow = reading(own, 1);
  const fast = reading(reserved(fill));
  for (let i = 0; i < 11; i++) content.write("x".repeat(10));
  expect(content.write("x".repeat(10))).toBe(false);
  for (let i = 0; i < 3; i++) {
    vi.advanceTimersByTime(9999);
    slow.takes(1);
    content.write("x".repeat(10));
  }
  vi.advanceTimersByTime(3);
  expect([slow.got.ended, fast.got.ended]).toEqual(["fail", ""]);
});

test("nobody begins to read what has stood still for a second", () => {
  vi.useFakeTimers();
  const { content, fill } = begun(100);
  content.write("ab");
  vi.advanceTimersByTime(1000);
  expect(fill.reader()).toBeDefined();
  vi.advanceTimersByTime(1);
  expect(fill.reader()).toBeUndefined();
  content.write("cd");
  expect(fill.reader()).toBeDefined();
});

test("a reader that holds nobody up may take its time", () => {
  vi.useFakeTimers();
  const { content, fill, own } = begun(3);
  const slow = reading(own, 1);
  const fast = reading(reserved(fill));
  content.write("ab");
  content.write("cdef");
  fast.flow.cancel();
  vi.advanceTimersByTime(3_600_000);
  slow.takes(10);
  content.end();
  expect(slow.got).toMatchObject({ text: "abcdef", ended: "end" });
});

test("a reader given up before it began is told when it begins", () => {
  vi.useFakeTimers();
  const { content, fill, own } = begun(3);
  reading(reserved(fill));
  content.write("abcd");
  vi.advanceTimersByTime(30_000);
  expect(reading(own).got).toMatchObject({ text: "", ended: "fail" });
});

test("what broke off is broken for the store and for every reader, however slow", async () => {
  const { content, fill, own } = begun(100);
  const first = reading(own);
  const slow = reading(reserved(fill), 1);
  const late = reserved(fill);
  content.write("ha");
  content.write("lf");
  content.fail();
  expect([first.got.text, first.got.ended, text(await fill.filled)]).toEqual(["half", "fail", "broken"]);
  expect(slow.got).toMatchObject({ text: "ha", ended: "" });
  slow.takes(10);
  for (const { got } of [slow, reading(late)]) expect(got).toMatchObject({ text: "half", ended: "fail" });
  expect(fill.reader()).toBeUndefined();
});

test("what breaks off past the size is broken for every reader", () => {
  const { content, fill, own } = begun(3);
  const both = [reading(own), reading(reserved(fill))];
  content.write("abcd");
  content.fail();
  for (const { got } of both) expect(got).toMatchObject({ text: "abcd", ended: "fail" });
});

test("a fill goes on when its reader leaves, until it is whole", async () => {
  const { content, fill, own } = begun(100);
  const { flow } = reading(own);
  content.write("a");
  flow.cancel();
  content.write("b");
  content.end();
  await settled();
  expect([text(await fill.filled), content.told]).toEqual(["ab", []]);
});

test("a fill that nobody reads and that does not end is given up after a minute, unless somebody comes", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { content, fill } = unread(100);
  content.write("a");
  vi.advanceTimersByTime(59_999);
  const { got, flow } = reading(reserved(fill));
  vi.advanceTimersByTime(60_000);
  expect([got.text, got.ended]).toEqual(["a", ""]);
  flow.cancel();
  vi.advanceTimersByTime(60_000);
  await settled();
  expect([text(await fill.filled), content.told]).toEqual(["broken", ["cancel"]]);
  expect(content.write("b")).toBe(false);
});

test("an oversize content that nobody reads any more is cancelled", async () => {
  const { content, fill, own } = begun(3);
  reading(own).flow.cancel();
  content.write("abcd");
  await settled();
  expect([text(await fill.filled), content.told]).toEqual(["oversize", ["cancel"]]);
});

test("past the size the source is cancelled when the last reader leaves, and not before", async () => {
  const { content, fill, own } = begun(3);
  const first = reading(own);
  const second = reading(reserved(fill));
  content.write("abcd");
  first.flow.cancel();
  content.write("ef");
  await settled();
  expect([second.got.text, content.told]).toEqual(["abcdef", []]);
  second.flow.cancel();
  await settled();
  expect(content.told).toEqual(["cancel"]);
});

test("a fill without a reader is only buffered", async () => {
  const { content, fill } = unread(100);
  content.write("a");
  content.end();
  expect(text(await fill.filled)).toBe("a");
});

test("a small piece of a large buffer is copied, so that it does not keep the whole", async () => {
  const { content, fill } = unread(100);
  content.sink?.write(new Uint8Array(65_536).subarray(10, 12));
  content.end();
  const filled = await fill.filled;
  expect(filled.kind === "whole" && filled.body.buffer.byteLength).toBeLessThan(65_536);
});

const LONGEST = 6;

/** What may happen to a fill; `nth` picks one of the readers there are. */
type Happening =
  | { readonly kind: "write"; readonly length: number }
  | { readonly kind: "attach"; readonly room: number }
  | { readonly kind: "take"; readonly nth: number; readonly room: number }
  | { readonly kind: "leave"; readonly nth: number }
  | { readonly kind: "end" | "fail" };

const kind = <Kind extends Happening["kind"]>(...kinds: Kind[]) => fc.constantFrom(...kinds);
const room = fc.integer({ min: 1, max: 4 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: kind("write"), length: fc.nat(LONGEST) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("attach"), room }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("take"), nth: fc.nat(), room }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("leave"), nth: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("end", "fail") }) },
);

/** Plays what happens as an origin and clients would: nothing comes while the source is told to wait, or after its end. */
function played(happenings: readonly Happening[], maxBytes: number) {
  const { content, fill, own } = begun(maxBytes);
  const readers = [reading(own, 1)];
  let sent = "";
  let over: "end" | "fail" | undefined;
  const staying = () => readers.filter(({ got }) => got.ended === "");
  const mayWrite = () => over === undefined && content.told.at(-1) !== "wait" && !content.told.includes("cancel");
  for (const each of happenings) {
    const picked = "nth" in each ? staying()[each.nth % Math.max(1, staying().length)] : undefined;
    if (each.kind === "write" && mayWrite()) {
      const piece = "abcdef".slice(0, each.length);
      sent += piece;
      if (content.write(piece) === false) content.told.push("wait");
    } else if (each.kind === "attach") {
      const source = fill.reader();
      if (source !== undefined) readers.push(reading(source, each.room));
    } else if (each.kind === "take") picked?.takes(each.room);
    else if (each.kind === "leave" && picked !== undefined) {
      picked.flow.cancel();
      picked.got.ended = "left";
    } else if ((each.kind === "end" || each.kind === "fail") && over === undefined) {
      over = each.kind;
      content[each.kind]();
    }
    for (const { got } of staying()) expect(sent.length - got.text.length).toBeLessThanOrEqual(maxBytes + LONGEST);
  }
  for (const { takes } of staying()) takes(Number.POSITIVE_INFINITY);
  return { fill, readers, sent, over };
}

test("whatever happens, a reader gets a prefix of the content, and all of it if it stays; the end only where there is one", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 60 }), fc.nat(20), async (happenings, maxBytes) => {
      const { fill, readers, sent, over } = played(happenings, maxBytes);
      for (const { got } of readers) {
        if (got.ended === "left") expect(sent.startsWith(got.text)).toBe(true);
        else expect([got.text, got.ended]).toEqual([sent, over ?? ""]);
      }
      if (over === undefined) return;
      const whole = over === "end" ? sent : "broken";
      expect(text(await fill.filled)).toBe(sent.length > maxBytes ? "oversize" : whole);
    }),
    { numRuns: 1000 },
  );
});
