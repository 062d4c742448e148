// May what this process holds decoded be used without fetching it again from the shared store? Always by the fence: the
// store below is asked for the slots alone, a few bytes, each time or, where trustMs says so, at the least so often.
// What is held needs no such care in being put: it is used by its stamp, under an answer of the fence, and by nothing else.
//
// Trust counts from when a question was sent. An invalidation the answer could not know of came later, so it is either
// heard of in a notice (then its slot in `heard` is later than the stamp, in whatever order the two arrive) or, if the
// notice is lost, ends trust at most trustMs after it.

import { createLocalFence } from "./local-fence.ts";
import { createShelf, type ShelfTally } from "./shelf.ts";
import {
  andThen,
  type Codec,
  type FenceReading,
  joined,
  type Key,
  type KeyRecord,
  type Question,
  type Reading,
  type Soon,
  type Store,
  type Stored,
  type Verdict,
} from "./store.ts";

export interface TieredOptions<V> {
  readonly maxBytes: number;
  /** How long memory may answer after the fence was last asked; 0: never without asking. */
  readonly trustMs: number;
  /** For sizes: nothing is encoded. */
  readonly codec: Pick<Codec<V>, "size">;
  /** Numbers in the fence. */
  readonly slots: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Ms, of a clock that does not step back. */
  readonly monotonic?: () => number;
  /** Where what is held is counted. */
  readonly tally?: ShelfTally;
}

interface Held<V> {
  readonly stored: Stored<V>;
  /** Of its tags and of those asked about: a sidecar of another configuration may have stored it without some. */
  readonly slots: readonly number[];
  /** Of the key it was put under, or was last asked for under. */
  era: number | undefined;
  readonly bytes: number;
  /** By the monotonic clock, when the question was sent that last found it usable. */
  verifiedAt: number;
  hits: number;
}

interface Found<V> {
  readonly record: KeyRecord;
  readonly held: Held<V>;
}

const UNVERIFIED = Number.NEGATIVE_INFINITY;
const NO_VERDICTS: readonly Verdict[] = Object.freeze([]);
const ON_TRUST: FenceReading = Object.freeze({ shared: false, clock: 0, latest: Number.POSITIVE_INFINITY });

/** `below` with a memory of decoded values above it. `below` never rejects: it is a fail-open store, or memory. */
export function createTieredStore<V>(below: Store<V>, options: TieredOptions<V>): Store<V> {
  const { maxBytes, trustMs, codec, slots, now, monotonic = () => performance.now() } = options;
  const shelf = createShelf<V, Held<V>>(maxBytes, options.tally);
  const heard = createLocalFence(slots, 0);

  below.onInvalidated(({ tags, clock, soft }) => {
    if (soft) return heard.soften(tags, clock);
    heard.raise(tags, clock);
    if (tags === undefined) shelf.clear(); // usable no more, so it is only in the way
  });

  function look(question: Question): Soon<Reading<V>> {
    if (question.apart === true) return below.look(question);
    const found = question.key && find(question.key, question.tags);
    if (!question.key || !found) return lookBelow(question);
    return !question.certain && isTrusted(found.held)
      ? onTrust(found, question)
      : verified(question.key, found, question);
  }

  function find(key: Key, tags: readonly string[]): Found<V> | undefined {
    const record = shelf.record(key);
    const at = now();
    const held = record && shelf.find(key, record.names, at);
    if (held !== undefined && held.era !== key.era && !isOfEra(held, key, tags)) {
      shelf.drop(key, record?.names ?? [], held);
      return undefined;
    }
    if (!record || !held || held.stored.freshUntil <= at || isOvertaken(held)) return undefined;
    return { record, held };
  }

  // Under another configuration of this process it would carry other tags, of which nothing was asked when it was verified:
  // then the store below is asked for all of it.
  function isOfEra(held: Held<V>, { era }: Key, tags: readonly string[]): boolean {
    if (!tags.every((tag) => held.stored.tags.includes(tag))) return false;
    held.era = era;
    return true;
  }

  // What was purged softly is left to the store below, as what is stale: another process may have validated it.
  function isOvertaken({ slots, stored }: Held<V>): boolean {
    return heard.latest(slots) > stored.stamp || heard.softened(slots, stored.stamp) !== undefined;
  }

  function isTrusted({ verifiedAt }: Held<V>): boolean {
    return monotonic() - verifiedAt < trustMs;
  }

  function onTrust({ record, held }: Found<V>, { limits }: Question): Soon<Reading<V>> {
    const answer = (verdicts: Reading<V>["verdicts"]): Reading<V> => {
      return { fence: ON_TRUST, record, stored: held.stored, usable: true, verdicts };
    };
    held.hits += 1;
    if (limits.length === 0) return answer(NO_VERDICTS);
    return andThen(below.look({ key: undefined, tags: [], limits }), ({ verdicts }) => answer(verdicts));
  }

  // The limits are charged with the first question; a second one only fetches.
  function verified(key: Key, { record, held }: Found<V>, question: Question): Soon<Reading<V>> {
    const { stored } = held;
    // Whoever asks may go on to join a flight: the answer must cover the tags asked about.
    if (!question.tags.every((tag) => stored.tags.includes(tag))) return lookBelow(question);
    const sentAt = monotonic();
    const asked = { key: undefined, tags: stored.tags, limits: question.limits, since: stored.stamp };
    return andThen(below.look(asked), (reading) => {
      const { fence, verdicts } = reading;
      if (!fence.shared) return reading;
      const latest = Math.max(fence.latest, fence.soft ?? 0);
      if (latest <= stored.stamp && stored.stamp <= fence.clock && !isOvertaken(held)) {
        held.verifiedAt = Math.max(held.verifiedAt, sentAt);
        held.hits += 1;
        return { fence, record, stored, usable: true, verdicts };
      }
      shelf.drop(key, record.names, held);
      return andThen(lookBelow({ ...question, limits: [] }), (full) => ({ ...full, verdicts }));
    });
  }

  function lookBelow(question: Question): Soon<Reading<V>> {
    const sentAt = monotonic();
    return andThen(below.look(question), (reading) => hold(question, reading, sentAt));
  }

  function hold({ key, tags }: Pick<Question, "key" | "tags">, reading: Reading<V>, sentAt: number): Reading<V> {
    const { record, stored, usable, softAt, fence } = reading;
    const isHeld = key && record && stored && usable && fence.shared && softAt === undefined;
    if (isHeld) put(key, record.names, { stored, tags, verifiedAt: sentAt });
    return reading;
  }

  function put(
    key: Key,
    names: readonly string[],
    { stored, tags, verifiedAt }: Pick<Held<V>, "stored" | "verifiedAt"> & Pick<Question, "tags">,
  ): void {
    if (stored.freshUntil <= now()) displace(key, names, stored);
    else {
      const slots = heard.slotsOf(joined(stored.tags, tags));
      const bytes = codec.size(stored) + 8 * slots.length;
      shelf.put(key, names, { stored, slots, era: key.era, bytes, verifiedAt, hits: 0 });
    }
  }

  /** What is stale from the start is not held, and not hidden either by what it took the place of below. */
  function displace(key: Key, names: readonly string[], { stamp }: Stored<V>): void {
    const held = shelf.find(key, names, now());
    if (held !== undefined && held.stored.stamp <= stamp) shelf.drop(key, names, held);
  }

  return {
    look,
    lead(key, names, tags, leaseMs) {
      const sentAt = monotonic();
      return andThen(below.lead(key, names, tags, leaseMs), (lead) => {
        hold({ key, tags }, lead.reading, sentAt);
        return lead;
      });
    },
    watch: (key, names) => below.watch(key, names),
    put(key, names, stored) {
      put(key, names, { stored, tags: stored.tags, verifiedAt: UNVERIFIED });
      return below.put(key, names, stored);
    },
    siblings: (key) => below.siblings(key),
    recall: (key, id) => below.recall(key, id),
    pass: (key, names, untilMs) => below.pass(key, names, untilMs),
    begin: (tags, asker) => below.begin(tags, asker),
    purge: (...what) => below.purge(...what),
    onInvalidated: (listener) => below.onInvalidated(listener),
    held(key) {
      const held = shelf.peek(key)?.held;
      return held && { stamp: held.stored.stamp, hits: held.hits };
    },
    ...(below.leased && { leased: (key, names) => below.leased?.(key, names) ?? 0 }),
    health: () => below.health(),
    close() {
      shelf.clear();
      return below.close();
    },
  };
}
