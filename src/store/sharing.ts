// When is a question answered with the answer to another one's? When both ask the same, and nothing of the first has left
// when the second comes: then it is told nothing older than its question. A crowd that asks for one key in one turn of the
// event loop costs one look, not one each.

import { isSameList, type Key, type Question, type Reading } from "./store.ts";
import { within } from "./unavailable.ts";

type Looking = Pick<Question, "key" | "tags" | "limits" | "since">;

export interface SharingParts<V> {
  /** Asks, and calls `leaving` before anything of the question is sent. */
  readonly ask: (question: Looking, leaving?: () => void) => Promise<Reading<V>>;
  /** What throws where the answer to such a question may not be used at the moment. */
  readonly guardOf: (question: Looking) => () => void;
  /** What the variants of a primary key are believed to differ by; that is what they will be read by. */
  readonly namesOf: (primary: string) => readonly string[];
  /** Ms that a question may take. */
  readonly deadline: number;
}

interface Asked<V> {
  readonly question: Looking;
  readonly names: readonly string[];
  readonly reading: Promise<Reading<V>>;
  /** Made for the first who shares. */
  guard: (() => void) | undefined;
}

/** `ask` whose equal questions share an answer. Who is charged is asked about alone. Rejects as `ask` does. */
export function createSharing<V>(parts: SharingParts<V>): (question: Looking) => Promise<Reading<V>> {
  const { ask, guardOf, namesOf, deadline } = parts;
  /** What has not left yet, by primary key; where only the fence is asked, by the tags, known by identity. */
  const asked = new Map<unknown, Asked<V>>();

  function first(subject: unknown, question: Looking): Promise<Reading<V>> {
    let isWaiting = true;
    const over = () => {
      if (isWaiting) asked.delete(subject);
      isWaiting = false;
    };
    const reading = ask(question, over);
    const names = question.key ? namesOf(question.key.primary) : [];
    if (isWaiting) asked.set(subject, { question, names, reading, guard: undefined });
    reading.catch(over); // refused before anything was sent
    return reading;
  }

  async function shared(question: Looking, other: Asked<V>): Promise<Reading<V>> {
    const { question: first } = other;
    // This process may have stood still since the first one was asked.
    other.guard ??= guardOf(first);
    other.guard();
    const until = performance.now() + deadline;
    const given = await other.reading;
    // Read by other names than were believed: it may be the first one's variant, not this one's.
    const names = given.record?.names ?? [];
    if (isSameVariant(question.key, first.key, names)) return given;
    return within(ask(question), Math.max(0, Math.ceil(until - performance.now())));
  }

  return (question) => {
    const { key, tags, limits, since } = question;
    if (limits.length > 0) return ask(question);
    const subject = key?.primary ?? tags;
    const other = asked.get(subject);
    if (other === undefined) return first(subject, question);
    const isEqual =
      other.question.since === since &&
      isSameList(other.question.tags, tags) &&
      isSameVariant(key, other.question.key, other.names);
    return isEqual ? shared(question, other) : ask(question);
  };
}

function isSameVariant(one: Key | undefined, other: Key | undefined, names: readonly string[]): boolean {
  return names.length === 0 || one?.variant(names) === other?.variant(names);
}
