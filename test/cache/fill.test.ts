import { expect, test } from "vitest";
import { createFill, type Filled } from "../../src/cache/fill.ts";
import type { Flow, Sink, Source } from "../../src/http/message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (filled: Filled) => (filled.kind === "whole" ? new TextDecoder().decode(filled.body) : filled.kind);
const settled = () => new Promise((resolve) => setImmediate(resolve));

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
    end: () => script.sink?.end([]),
    fail: () => script.sink?.fail(new Error("cut")),
  };
  return script;
}

/** A reader that takes `capacity` pieces before it says that it is full. */
function reading(source: Source, capacity = Number.POSITIVE_INFINITY) {
  const got = { text: "", ended: "", room: capacity };
  const flow = source.start({
    write(piece) {
      got.text += new TextDecoder().decode(piece);
      got.room -= 1;
      return got.room > 0;
    },
    end: () => {
      got.ended = "end";
    },
    fail: () => {
      got.ended = "fail";
    },
  });
  return { got, flow };
}

test("a reader reads along while the content is buffered", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, true);
  content.write("one ");
  const { got } = reading(fill.reader());
  expect(got.text).toBe("one ");
  content.write("two");
  expect(got.text).toBe("one two");
  content.end();
  expect([got.ended, text(await fill.filled)]).toEqual(["end", "one two"]);
});

test("a slow reader does not slow the buffering, and gets everything in the end", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, true);
  const { got, flow } = reading(fill.reader(), 1);
  for (const piece of ["a", "b", "c"]) expect(content.write(piece)).toBe(true);
  content.end();
  expect([got.text, got.ended, text(await fill.filled)]).toEqual(["a", "", "abc"]);
  got.room = 10;
  flow.resume();
  expect([got.text, got.ended]).toEqual(["abc", "end"]);
});

test("past the size nothing is kept, and the source goes at its reader's pace", async () => {
  const content = scripted();
  const fill = createFill(content.source, 3, true);
  const { got, flow } = reading(fill.reader(), 2);
  expect(content.write("ab")).toBe(true);
  expect(content.write("cd")).toBe(false);
  expect(text(await fill.filled)).toBe("oversize");
  expect(content.write("ef")).toBe(false);
  got.room = 10;
  flow.resume();
  expect([got.text, content.told]).toEqual(["abcdef", ["resume"]]);
  content.end();
  expect(got.ended).toBe("end");
});

test("what broke off is broken for the store and for its reader", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, true);
  const { got } = reading(fill.reader());
  content.write("half");
  content.fail();
  expect([got.text, got.ended, text(await fill.filled)]).toEqual(["half", "fail", "broken"]);
});

test("a fill goes on when its reader leaves, until it is whole", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, true);
  const { flow } = reading(fill.reader());
  content.write("a");
  flow.cancel();
  content.write("b");
  content.end();
  await settled();
  expect([text(await fill.filled), content.told]).toEqual(["ab", []]);
});

test("an oversize content that nobody reads any more is cancelled", async () => {
  const content = scripted();
  const fill = createFill(content.source, 3, true);
  reading(fill.reader()).flow.cancel();
  content.write("abcd");
  await settled();
  expect([text(await fill.filled), content.told]).toEqual(["oversize", ["cancel"]]);
});

test("a fill without a reader is only buffered", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, false);
  content.write("a");
  content.end();
  expect(text(await fill.filled)).toBe("a");
});

test("a small piece of a large buffer is copied, so that it does not keep the whole", async () => {
  const content = scripted();
  const fill = createFill(content.source, 100, false);
  content.sink?.write(new Uint8Array(65_536).subarray(10, 12));
  content.end();
  const filled = await fill.filled;
  expect(filled.kind === "whole" && filled.body.buffer.byteLength).toBeLessThan(65_536);
});
