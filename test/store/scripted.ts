// A store below the one under test that answers what the test says, when the test says it: every question is kept until
// it is answered, and its arguments can be looked at.

import type {
  Lead,
  Notice,
  Purged,
  Question,
  Reading,
  Sibling,
  Store,
  Stored,
  Watch,
  Write,
} from "../../src/store/store.ts";

interface Answers {
  look: Reading<string>;
  lead: Lead<string>;
  watch: Watch;
  put: undefined;
  siblings: readonly Sibling[];
  recall: Stored<string> | undefined;
  pass: undefined;
  begin: Write;
  purge: Purged;
}

export interface Asked<Name extends keyof Answers> {
  readonly args: Parameters<Store<string>[Name]>;
  answer(value: Answers[Name]): void;
  fail(error: unknown): void;
}

export interface Scripted {
  readonly store: Store<string>;
  /** The questions of that kind not yet taken, first to last; taking them forgets them. */
  taken<Name extends keyof Answers>(name: Name): Asked<Name>[];
  /** The one question of that kind not yet taken. */
  only<Name extends keyof Answers>(name: Name): Asked<Name>;
  notify(notice: Notice): void;
}

export function createScriptedStore(): Scripted {
  const asked: { name: string; question: unknown }[] = [];
  const listeners: ((notice: Notice) => void)[] = [];

  function ask<Name extends keyof Answers>(name: Name) {
    return (...args: Parameters<Store<string>[Name]>): Promise<Answers[Name]> => {
      const { promise, resolve, reject } = Promise.withResolvers<Answers[Name]>();
      const question: Asked<Name> = { args, answer: resolve, fail: reject };
      asked.push({ name, question });
      return promise;
    };
  }

  function taken<Name extends keyof Answers>(name: Name): Asked<Name>[] {
    const ofName = asked.filter((each) => each.name === name);
    for (const each of ofName) asked.splice(asked.indexOf(each), 1);
    return ofName.map((each) => each.question as Asked<Name>);
  }

  return {
    store: {
      look: ask("look"),
      lead: ask("lead"),
      watch: ask("watch"),
      put: ask("put"),
      siblings: ask("siblings"),
      recall: ask("recall"),
      pass: ask("pass"),
      begin: ask("begin"),
      purge: ask("purge"),
      onInvalidated: (listener) => void listeners.push(listener),
      health: () => ({ state: "ok", detail: "scripted" }),
      close: async () => {},
    },
    taken,
    only(name) {
      const [first, ...rest] = taken(name);
      if (!first || rest.length > 0)
        throw new Error(`${name}: wanted one question, got ${first ? rest.length + 1 : 0}`);
      return first;
    },
    notify: (notice) => {
      for (const listener of listeners) listener(notice);
    },
  };
}

/** What a store answers that reads its fence at `clock`, of whose tags asked about the latest is `latest`. */
export function readingOf(clock: number, latest: number, parts: Partial<Reading<string>> = {}): Reading<string> {
  return {
    fence: { shared: true, clock, latest },
    record: undefined,
    stored: undefined,
    usable: false,
    verdicts: [],
    ...parts,
  };
}

/** What a store answers that holds `stored`, and can use it. */
export function holding(stored: Stored<string>, clock = stored.stamp): Reading<string> {
  return readingOf(clock, stored.stamp, { record: { names: [], passUntil: 0 }, stored, usable: true });
}

/** A question about `key` as most are asked. */
export function question(key: Question["key"], parts: Partial<Question> = {}): Question {
  return { key, tags: [], limits: [], ...parts };
}
