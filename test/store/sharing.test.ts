import { expect, test } from "vitest";
import { createSharing } from "../../src/store/sharing.ts";
import type { Key, Question, Reading } from "../../src/store/store.ts";

const LIMIT = { key: "a", algorithm: "fixed-window", limit: 1, windowMs: 1000 } as const;

/** A key whose variant is told by what this request says of each name. */
const key = (primary: string, says: Readonly<Record<string, string>> = {}): Key => ({
  primary,
  variant: (names) => names.map((name) => `${name}=${says[name] ?? ""}`).join(),
});

/** What is asked stays unanswered until it is told what to say; `leave` is the end of a turn. */
function createAsked(believed: readonly string[] = []) {
  let refusal: Error | undefined;
  const asked: {
    question: Pick<Question, "key">;
    leaving: () => void;
    answer: PromiseWithResolvers<Reading<string>>;
  }[] = [];
  const refuse = () => {
    if (refusal !== undefined) throw refusal;
  };
  const look = createSharing<string>({
    // As the store does: refused before anything is asked of anybody.
    async ask(question, leaving = () => {}) {
      refuse();
      const answer = Promise.withResolvers<Reading<string>>();
      asked.push({ question, leaving, answer });
      return answer.promise;
    },
    guardOf: () => refuse,
    namesOf: () => believed,
    deadline: 1000,
  });
  return {
    asked,
    look: (of: Key | undefined, more: Partial<Question> = {}) => look({ key: of, tags: ["t"], limits: [], ...more }),
    leave: () => asked.forEach(({ leaving }) => void leaving()),
    refuseFor(reason: Error | undefined) {
      refusal = reason;
    },
  };
}

const reading = (stored: string | undefined, names: readonly string[] = []): Reading<string> => ({
  fence: { shared: true, clock: 1, latest: 0 },
  record: stored === undefined ? undefined : { names, passUntil: 0 },
  stored: stored === undefined ? undefined : { value: stored, stamp: 1, tags: [], freshUntil: 9, keepUntil: 9 },
  usable: stored !== undefined,
  verdicts: [],
});

test("equal questions share one answer until the first of them leaves", async () => {
  const { asked, look, leave } = createAsked();
  const [one, two] = [look(key("/a")), look(key("/a"))];
  expect(asked).toHaveLength(1);
  leave();
  const late = look(key("/a"));
  expect(asked).toHaveLength(2);
  asked[0]?.answer.resolve(reading("before"));
  asked[1]?.answer.resolve(reading("after"));
  expect((await Promise.all([one, two, late])).map(({ stored }) => stored?.value)).toEqual([
    "before",
    "before",
    "after",
  ]);
});

test("a question that leaves late ends only its own sharing", () => {
  const { asked, look, leave } = createAsked();
  void look(key("/a"));
  leave();
  void look(key("/a"));
  asked[0]?.leaving();
  void look(key("/a"));
  expect(asked).toHaveLength(2);
});

test.each([
  ["another key", key("/b"), {}],
  ["other tags", key("/a"), { tags: ["u"] }],
  ["more tags", key("/a"), { tags: ["t", "u"] }],
  ["somebody to be charged", key("/a"), { limits: [LIMIT] }],
  ["another time since when", key("/a"), { since: 7 }],
] as const)("%s is asked about alone", (_, of, more) => {
  const { asked, look } = createAsked();
  void look(key("/a"));
  void look(of, more);
  expect(asked).toHaveLength(2);
});

test("who is charged shares with nobody, not even with who asks the same", () => {
  const { asked, look } = createAsked();
  for (let i = 0; i < 3; i++) void look(key("/a"), { limits: [LIMIT] });
  expect(asked).toHaveLength(3);
});

test("where only the fence is asked, the same list of tags is one question", () => {
  const { asked, look } = createAsked();
  const tags = ["t", "u"];
  void look(undefined, { tags, since: 5 });
  void look(undefined, { tags, since: 5 });
  expect(asked).toHaveLength(1);
});

test("variants are told apart by what they are believed to differ by", () => {
  const { asked, look } = createAsked(["language"]);
  void look(key("/a", { language: "de" }));
  void look(key("/a", { language: "fr" }));
  void look(key("/a", { language: "de" }));
  expect(asked).toHaveLength(2);
});

test("who turns out to be of another variant asks for itself", async () => {
  const { asked, look, leave } = createAsked();
  const [de, fr, again] = ["de", "fr", "de"].map((language) => look(key("/a", { language })));
  leave();
  asked[0]?.answer.resolve(reading("Guten Tag", ["language"]));
  expect((await de)?.stored?.value).toBe("Guten Tag");
  expect((await again)?.stored?.value).toBe("Guten Tag");
  expect(asked).toHaveLength(2);
  expect(asked[1]?.question.key?.variant(["language"])).toBe("language=fr");
  asked[1]?.answer.resolve(reading("Bonjour", ["language"]));
  expect((await fr)?.stored?.value).toBe("Bonjour");
});

test("a failure is everybody's, and the next one asks again", async () => {
  const { asked, look, leave } = createAsked();
  const both = [look(key("/a")), look(key("/a"))];
  leave();
  const failure = new Error("away");
  asked[0]?.answer.reject(failure);
  expect(await Promise.allSettled(both)).toEqual([
    { status: "rejected", reason: failure },
    { status: "rejected", reason: failure },
  ]);
  void look(key("/a"));
  expect(asked).toHaveLength(2);
});

test("a question that was refused is nobody else's, and is forgotten", async () => {
  const { asked, look, refuseFor } = createAsked();
  refuseFor(new Error("away"));
  await expect(look(key("/a"))).rejects.toThrow("away");
  refuseFor(undefined);
  void look(key("/a"));
  expect(asked).toHaveLength(1);
});

test("who asks when nothing may be read any more is refused, though an answer is on its way", async () => {
  const { asked, look, leave, refuseFor } = createAsked();
  const early = look(key("/a"));
  refuseFor(new Error("stood still for too long"));
  const late = look(key("/a"));
  leave();
  asked[0]?.answer.resolve(reading("old"));
  await expect(late).rejects.toThrow("stood still");
  expect((await early).stored?.value).toBe("old");
});

test("what leaves while it is asked is shared with nobody", () => {
  let asked = 0;
  const look = createSharing<string>({
    ask(_question, leaving = () => {}) {
      asked += 1;
      leaving();
      return new Promise(() => {});
    },
    guardOf: () => () => {},
    namesOf: () => [],
    deadline: 1000,
  });
  for (let i = 0; i < 2; i++) void look({ key: key("/a"), tags: [], limits: [] });
  expect(asked).toBe(2);
});
