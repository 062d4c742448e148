// When is a question answered with the answer to another one's? When both ask the same, and nothing of the first has left
// when the second comes: then it is told nothing older than its question. A crowd that asks for one key in one turn of the
// event loop costs one look, not one each.

import type { Key, Question, Reading } from "./store.ts";

type Looking = Pick<Question, "key" | "tags" | "limits" | "since">;

export interface SharingParts<V> {
  /** Asks, and calls `leaving` before anything of the question leaves. */
  readonly ask: (question: Looking, leaving: () => void) => Promise<Reading<V>>;
  /** What the variants of a primary key are believed to differ by; that is what they will be read by. */
  readonly namesOf: (primary: string) => readonly string[];
}

interface Asked<V> {
  readonly question: Looking;
  readonly names: readonly string[];
  readonly reading: Promise<Reading<V>>;
}

/** `ask` whose equal questions share an answer. Who is charged is asked about alone. */
export function createSharing<V>({ ask, namesOf }: SharingParts<V>): (question: Looking) => Promise<Reading<V>> {
  /** What has not left yet, by primary key; where only the fence is asked, by the tags, known by identity. */
  const asked = new Map<unknown, Asked<V>>();

  async function shared(question: Looking, { reading, question: first }: Asked<V>): Promise<Reading<V>> {
    const given = await reading;
    // Read by other names than were believed: it may be the first one's variant, not this one's.
    const names = given.record?.names ?? [];
    return isSameVariant(question.key, first.key, names) ? given : ask(question, () => {});
  }

  return (question) => {
    const { key, tags, limits, since } = question;
    if (limits.length > 0) return ask(question, () => {});
    const subject = key?.primary ?? tags;
    const other = asked.get(subject);
    if (other === undefined) {
      const names = key ? namesOf(key.primary) : [];
      const reading = ask(question, () => {
        if (asked.get(subject)?.question === question) asked.delete(subject);
      });
      asked.set(subject, { question, names, reading });
      return reading;
    }
    const isEqual =
      other.question.since === since &&
      isSameList(other.question.tags, tags) &&
      isSameVariant(key, other.question.key, other.names);
    return isEqual ? shared(question, other) : ask(question, () => {});
  };
}

function isSameVariant(one: Key | undefined, other: Key | undefined, names: readonly string[]): boolean {
  return names.length === 0 || one?.variant(names) === other?.variant(names);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one === other || (one.length === other.length && one.every((text, i) => text === other[i]));
}
