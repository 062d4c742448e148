// One look at Redis: mostly one trip, because what only the stored value knows (its own tags, what its variants differ
// by) is remembered from last time. Where that proves wrong the trip is made again with what is known now. Only what
// one trip found, value and slots of all its tags together, is ever called usable. The fence's second row, of soft purges,
// is asked only about what is older than the latest of them.

import { LRUCache } from "lru-cache";
import type { Answer, Ask, LeaseAsk } from "./batch.ts";
import { CLOCK_SLOT, FLOOR_SLOT, slotOf, softSlot } from "./fence.ts";
import { type HighestClock, isDamaged, isLost } from "./highest-clock.ts";
import { digestOf, type RedisKeys } from "./redis-keys.ts";
import {
  type Codec,
  type FenceReading,
  isSameList,
  type Key,
  type KeyRecord,
  type LimitQuestion,
  type Reading,
  type Verdict,
} from "./store.ts";
import { StoreUnavailable, unavailable, within } from "./unavailable.ts";

export interface Trips<V> {
  /** Where a primary key lives. */
  place(primary: string): Place;
  /** What its variants were found to differ by last: a look reads the variant that they name. */
  namesOf(primary: string): readonly string[];
  /** Rejects with StoreUnavailable; then the lease, if it was had, has been let go. */
  look(question: TripQuestion): Promise<Looked<V>>;
}

export interface Place {
  readonly digest: string;
  /** Which line its commands take, so that they are done in the order given. */
  readonly line: number;
}

export interface TripQuestion {
  readonly key: Key | undefined;
  readonly tags: readonly string[];
  readonly limits: readonly LimitQuestion[];
  readonly lease?: LeaseAsk;
  /** As in Question. */
  readonly since?: number | undefined;
  /** As in Ask, of the first trip. */
  readonly leaving?: (() => void) | undefined;
}

export interface Looked<V> {
  readonly reading: Reading<V>;
  /** 0: the lease is had, if one was asked for. */
  readonly leaseMs: number;
}

export interface TripsOptions<V> {
  readonly keys: RedisKeys;
  readonly slots: number;
  readonly codec: Codec<V>;
  /** How questions are put on each line; each keeps the deadline for itself. */
  readonly asking: readonly ((ask: Ask) => Promise<Answer>)[];
  /** Ms that all trips of a look may take together. */
  readonly deadline: number;
  readonly clock: HighestClock;
  /** The clock was lost. */
  lost(): void;
}

interface Hint extends Place {
  readonly names: readonly string[];
  /** Of all tags of the value seen last. */
  readonly slots: readonly number[];
  /** Its stamp. */
  readonly stamp: number;
  /** The record as it was written and as it was read. */
  readonly text: string;
  readonly record: KeyRecord;
}

const RECORD_VERSION = 1;
const MAX_HINTS = 10_000;
const LONGEST_HINTED = 1024;
// A third follows where the first found other names and the second tags of its own.
const MAX_TRIPS = 3;
const NO_NAMES: readonly string[] = Object.freeze([]);
const NO_LIMITS: readonly LimitQuestion[] = Object.freeze([]);
const UNREAD: FenceReading = Object.freeze({ shared: false, clock: 0, latest: Number.POSITIVE_INFINITY });

/** How a record is written. */
export function recordText({ names, passUntil }: KeyRecord): string {
  return JSON.stringify({ v: RECORD_VERSION, names, passUntil });
}

/** How its names stand in a record's text. */
export function namesText(names: readonly string[]): string {
  return `"names":${JSON.stringify(names)},`;
}

export function createTrips<V>(options: TripsOptions<V>): Trips<V> {
  const { keys, slots, codec, asking, lost } = options;
  const hints = new LRUCache<string, Hint>({ maxSize: MAX_HINTS, sizeCalculation: () => 1 }); // grows, unlike `max`
  const slotsOf = (tags: readonly string[]) => tags.map((tag) => slotOf(tag, slots));
  const softClockSlot = softSlot(CLOCK_SLOT, slots);
  const softFloorSlot = softSlot(FLOOR_SLOT, slots);
  const softOnes = (of: readonly number[]) => [FLOOR_SLOT, ...of].map((slot) => softSlot(slot, slots));
  /** The latest soft purge seen: what is older is asked about at once. */
  let softClock = 0;

  function place(primary: string): Place {
    return hints.get(primary) ?? placeOf(digestOf(primary), asking.length);
  }

  async function look({ key, tags, limits, lease, since, leaving }: TripQuestion): Promise<Looked<V>> {
    const at = key ? place(key.primary) : NOWHERE;
    const asked = slotsOf(tags);
    const go = (known: Known, extra: Pick<Ask, "limits" | "lease" | "leaving">) => {
      const variant = key && keys.variant(at.digest, key.variant(known.names));
      const record = key && keys.record(at.digest);
      const isOld = softClock > (key ? known.stamp : (since ?? Number.POSITIVE_INFINITY));
      const old = isOld ? softOnes(key ? [...asked, ...known.slots] : asked) : NO_SLOTS;
      return askOn(at, { record, variant, slots: [softClockSlot, ...asked, ...known.slots, ...old], ...extra });
    };
    const sentAt = performance.now();
    let known: Known = isHint(at) ? at : NOTHING_KNOWN;
    let answer = await go(known, lease ? { limits, lease } : { limits, leaving });
    const { verdicts, leaseMs } = answer;
    try {
      for (let trip = 1; ; trip++) {
        const found = find(answer, { asked, names: known.names, hint: isHint(at) ? at : undefined, since });
        if (!found.more || trip === MAX_TRIPS) {
          if (key && found.hint) remember(key.primary, { ...at, ...found.hint });
          return { reading: { ...found.reading, verdicts }, leaseMs };
        }
        known = found.more;
        const leftMs = options.deadline - (performance.now() - sentAt);
        answer = await within(go(known, { limits: NO_LIMITS }), Math.max(0, Math.ceil(leftMs)));
      }
    } catch (error) {
      if (leaseMs === 0) lease?.late();
      // The limits have been charged: what they said counts, whatever becomes of the rest.
      throw verdicts === undefined || limits.length === 0 ? error : withVerdicts(error, verdicts);
    }
  }

  function askOn({ line }: Place, ask: Ask): Promise<Answer> {
    const put = asking[line];
    if (put === undefined) throw new StoreUnavailable("no connection");
    return put(ask);
  }

  function find(answer: Answer, { asked, names, hint, since }: Context): Found<V> {
    const clock = answer.fence.get(CLOCK_SLOT) ?? 0;
    if (isLost(clock, answer.seen) || isDamaged(clock, answer.fence.get(FLOOR_SLOT) ?? 0)) {
      lost();
      return { reading: { fence: UNREAD, record: undefined, stored: undefined, usable: false } };
    }
    options.clock.see(clock);
    const soft = Math.min(answer.fence.get(softClockSlot) ?? 0, clock); // a later one is damaged
    softClock = Math.max(softClock, soft);
    const fence = { shared: true, clock, latest: latestOf(answer, asked), soft: softened(answer, asked, soft) };
    const text = answer.record;
    const record = text === undefined ? undefined : hint?.text === text ? hint.record : recordOf(text);
    const nothing = { fence, record, stored: undefined, usable: false };
    if (since !== undefined && soft > since && !hasSoft(answer, asked))
      return { reading: nothing, more: NOTHING_KNOWN };
    if (text === undefined || record === undefined) return { reading: nothing };
    if (!isSameList(record.names, names)) return { reading: nothing, more: { ...NOTHING_KNOWN, names: record.names } };
    const stored = answer.variant && codec.decode(detached(answer.variant));
    if (stored === undefined) return { reading: nothing };
    const { stamp } = stored;
    const own = slotsOf(stored.tags);
    const more = { names, slots: own, stamp };
    if (!own.every((slot) => answer.fence.has(slot))) return { reading: nothing, more };
    // A stamp later than the clock is damaged, or of a time that was lost. The tags asked about are those that it would
    // be stored with today: a sidecar of another configuration may have given it others.
    const latest = Math.max(fence.latest, latestOf(answer, own));
    const usable = stamp <= clock && latest <= stamp;
    const counted = soft > stamp ? [...asked, ...own] : own;
    if (usable && soft > stamp && !hasSoft(answer, counted)) return { reading: nothing, more };
    const softAt = soft > stamp ? softened(answer, counted, soft) : 0;
    const reading = { fence, record, stored, usable, softAt: softAt > stamp ? softAt : undefined };
    return { reading, hint: { names, slots: own, stamp, text, record } };
  }

  function hasSoft({ fence }: Answer, of: readonly number[]): boolean {
    return fence.has(softFloorSlot) && softOnes(of).every((slot) => fence.has(slot));
  }

  /** When any of `of` was purged softly last; at the most `latest`, and that where they were not asked about. */
  function softened(answer: Answer, of: readonly number[], latest: number): number {
    if (latest === 0 || !hasSoft(answer, of)) return latest;
    const times = softOnes(of).map((slot) => answer.fence.get(slot) ?? 0);
    return Math.min(latest, Math.max(...times));
  }

  function remember(primary: string, hint: Hint): void {
    if (primary.length <= LONGEST_HINTED) hints.set(primary, hint);
  }

  return { place, namesOf: (primary) => hints.get(primary)?.names ?? NO_NAMES, look };
}

/** What the next trip goes by. */
interface Known {
  readonly names: readonly string[];
  readonly slots: readonly number[];
  /** Of the value; infinite where none is known of: then nothing is asked about soft purges. */
  readonly stamp: number;
}

interface Context {
  /** Slots of the tags asked about. */
  readonly asked: readonly number[];
  /** That the variant was read under. */
  readonly names: readonly string[];
  readonly hint: Hint | undefined;
  readonly since: number | undefined;
}

interface Found<V> {
  readonly reading: Omit<Reading<V>, "verdicts">;
  /** Something else must be read as well before this is all. */
  readonly more?: Known;
  readonly hint?: Omit<Hint, keyof Place>;
}

const NO_SLOTS: readonly number[] = Object.freeze([]);
const NOTHING_KNOWN: Known = Object.freeze({ names: NO_NAMES, slots: NO_SLOTS, stamp: Number.POSITIVE_INFINITY });
const NOWHERE: Place = Object.freeze({ digest: "", line: 0 });

function placeOf(digest: string, lines: number): Place {
  return { digest, line: (digest.charCodeAt(0) + digest.charCodeAt(1)) % lines };
}

function withVerdicts(cause: unknown, verdicts: readonly Verdict[]): StoreUnavailable {
  return new StoreUnavailable(unavailable(cause).message, { cause, verdicts });
}

function isHint(place: Place): place is Hint {
  return "record" in place;
}

function latestOf({ fence }: Answer, slots: readonly number[]): number {
  let latest = fence.get(FLOOR_SLOT) ?? Number.POSITIVE_INFINITY;
  for (const slot of slots) latest = Math.max(latest, fence.get(slot) ?? Number.POSITIVE_INFINITY);
  return latest;
}

// A record that another version wrote, or that was damaged, is none.
function recordOf(text: string): KeyRecord | undefined {
  try {
    const { v, names, passUntil } = JSON.parse(text) ?? {};
    const isOurs = v === RECORD_VERSION && Array.isArray(names) && names.every((name) => typeof name === "string");
    return isOurs && typeof passUntil === "number" ? { names, passUntil } : undefined;
  } catch {
    return undefined;
  }
}

/** A copy where the bytes are a small window on what arrived together with them, which would stay in memory as long. */
export function detached(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength > 2 * bytes.byteLength ? Buffer.from(bytes) : bytes;
}
