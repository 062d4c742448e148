// What a store promises. No HTTP words here: keys, tags and values are opaque. memory.ts and redis.ts keep these
// promises alike (test/store/contract.ts); tiered.ts and fail-open.ts wrap them.
//
// The fence. Every invalidation advances one clock and writes the new time into the slot of each tag it names. A
// stored value carries tags and the clock as it stood before its making began, its stamp. It is usable if neither
// the floor nor the slot of any of its tags is later than its stamp. Nothing is searched, nothing can be missed. Where
// processes of different configurations meet, the tags that a question asks about count as the value's own.
//
// A soft purge is the same with times of its own: what it overtakes stays usable, and is said to be stale from then on.
// It takes nothing back that an invalidation says.
//
// Answers that need no waiting (memory) are given without a promise, so that a hit costs no turn of the event loop.

/** Plain now, or later. */
export type Soon<T> = T | Promise<T>;

/** Continues at once with what is there at once. (Not `then`: an import of this module would be taken for a promise.) */
export function andThen<T, U>(soon: Soon<T>, next: (value: T) => Soon<U>): Soon<U> {
  return soon instanceof Promise ? soon.then(next) : next(soon);
}

/** Both lists' tags. Mostly the first names all that the second does, and is given as it is. */
export function joined(tags: readonly string[], others: readonly string[]): readonly string[] {
  return others.every((tag) => tags.includes(tag)) ? tags : [...new Set([...tags, ...others])];
}

/** The same texts in the same order. */
export function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one === other || (one.length === other.length && one.every((text, i) => text === other[i]));
}

/** How long a write is noted for without a sign of life, ms: then others invalidate for its process. */
export const JOURNAL_LEASE_MS = 10_000;

export interface Stored<V> {
  readonly value: V;
  /** The fence's clock before the making of the value began. */
  readonly stamp: number;
  readonly tags: readonly string[];
  /** Epoch ms after which a memory above the store asks the store again instead of answering by itself. */
  readonly freshUntil: number;
  /** Epoch ms at which the store forgets the value. */
  readonly keepUntil: number;
  /** The process that made it, by the name its events have (Event.from); undefined: nobody knows. */
  readonly by?: string | undefined;
}

/** Bytes for values. `decode` answers undefined for what it did not write itself or what was damaged. */
export interface Codec<V> {
  encode(stored: Stored<V>): Uint8Array;
  decode(bytes: Uint8Array): Stored<V> | undefined;
  /** Approximate bytes that a stored value takes in memory. */
  size(stored: Stored<V>): number;
  /** What a value is told apart by among the variants of its key: opaque text, short; undefined: nothing tells it apart. */
  label(value: V): string | undefined;
}

/** What is known of a primary key as a whole. */
export interface KeyRecord {
  /** What its variants differ by, sorted; opaque. */
  readonly names: readonly string[];
  /** Epoch ms until which requests for it do not queue for one another, because what comes is not storable; 0: none. */
  readonly passUntil: number;
}

/** For whom the store is asked: what the log says of it where that fails. */
export interface Asker {
  /** What the request is called towards the origin and in the log; may be made when first asked for. */
  readonly requestId: string;
  /** The id of its route; undefined: none matched. */
  readonly route: string | undefined;
  /** The trace it is part of; undefined: none. */
  readonly traceId: string | undefined;
}

export interface Key {
  /** Injective text of any length. */
  readonly primary: string;
  /** Which configuration of this process the tags are of that questions about this key ask about: those of one era are the
   * same each time. Left out: there is only one. */
  readonly era?: number;
  /** The variant of this key's request where variants differ by `names`; injective text. */
  variant(names: readonly string[]): string;
  readonly asker?: Asker | undefined;
}

/** A variant of a key that is not the one asked for. */
export interface Sibling {
  /** For `recall`. */
  readonly id: string;
  /** As the codec gave it. */
  readonly label: string;
}

/** Of one primary key; the oldest goes first. A client that can vary a request at will fills no more than these. */
export const MAX_VARIANTS = 64;

export interface LimitQuestion {
  /** Whose quota of which limit: injective text. No two questions of one look have the same. */
  readonly key: string;
  /** The end of `key` that says whose quota it is: the quotas of one client lie together. undefined: all of it does. */
  readonly client?: string;
  readonly algorithm: "fixed-window" | "sliding-window" | "sliding-log" | "token-bucket";
  /** How many are admitted in a window; token-bucket: how many tokens come in one. */
  readonly limit: number;
  readonly windowMs: number;
  /** Token-bucket: how many it holds. The limit where left out. */
  readonly burst?: number;
  /** False: counted, and refuses nothing. */
  readonly enforced?: boolean;
  /** With one that is admitted so many more are taken, as far as there are any, to be spent without asking; memory.ts takes none. */
  readonly extra?: number;
  /** Told the verdict that came after the look had been given up: it was charged all the same. */
  readonly late?: (question: LimitQuestion, verdict: Verdict) => void;
}

export interface Verdict {
  /** Whether this limit has room. What any limit of the look refuses is charged to none of them, as far as they lie together. */
  readonly allowed: boolean;
  /** How many more would be admitted now, `taken` included. */
  readonly remaining: number;
  /** Ms until quota is available again (refused), or until the window has passed (allowed). */
  readonly resetMs: number;
  /** How many of `extra` were taken; they end with the window. */
  readonly taken?: number;
}

/** The processes that share a store. */
export interface Crowd {
  /** How many they are. */
  readonly size: number;
  /** Which of them this one is, from 0; another number in each. */
  readonly place: number;
}

export const ALONE: Crowd = Object.freeze({ size: 1, place: 0 });

export interface Question {
  /** undefined: only the fence and the limits are asked for. */
  readonly key: Key | undefined;
  /** Tags that a value of this key is known to carry; their slots are read. */
  readonly tags: readonly string[];
  /** Each is charged one, or none of them is, as far as they lie together: those of one client do, but while a Cluster moves them. */
  readonly limits: readonly LimitQuestion[];
  /** True: a memory above the store must not answer on trust. */
  readonly certain?: boolean;
  /** Where there is no key that says it. */
  readonly asker?: Asker;
  /** True: an operator looks, which is no use of what is stored: it neither counts nor keeps it, and memory above the store
   * does not answer. */
  readonly apart?: boolean;
  /** The stamp of what is asked about without a key: a soft purge of any of the tags is told exactly where it is later. */
  readonly since?: number;
}

/** One reading of the fence. */
export interface FenceReading {
  /** False: the fence could not be read (or memory answered on trust). The numbers mean nothing then: no flight may be joined, and what
   * is made after this reading must not be stored. */
  readonly shared: boolean;
  /** The clock: the stamp of whatever is begun after this reading. */
  readonly clock: number;
  /** The latest of the floor and the slots of the tags asked about. */
  readonly latest: number;
  /** Not earlier than the latest soft purge of any of the tags asked about; left out: there was none. */
  readonly soft?: number;
}

export interface Reading<V> {
  readonly fence: FenceReading;
  readonly record: KeyRecord | undefined;
  /** The stored value, usable or not: one that is not may still be validated. */
  readonly stored: Stored<V> | undefined;
  /** Neither the floor nor the slot of any of the value's tags is later than its stamp; nor, in a store that is shared, of
   * any tag asked about: it is what the value would carry now. */
  readonly usable: boolean;
  /** Where it was purged softly since its stamp: when, by the fence's clock, which counts µs of the epoch. */
  readonly softAt?: number | undefined;
  /** In the order of the question; undefined: the store could not be asked. */
  readonly verdicts: readonly Verdict[] | undefined;
}

/** What one process holds of a value. */
export interface InMemory {
  readonly stamp: number;
  /** How often it was looked at here, and usable. */
  readonly hits: number;
}

/** How a flight ended, for those who wait for it elsewhere. */
export type Landing = (typeof LANDINGS)[number];
export const LANDINGS = ["stored", "not-storable", "error", "failed"] as const;

export interface Lease {
  /** Ends the lease and wakes whoever waits, telling them how it ended. Never rejects. Renewal is the store's affair. */
  release(landing: Landing): void;
}

export interface Lead<V> {
  /** undefined: somebody else leads. */
  readonly lease: Lease | undefined;
  /** Ms after which the other's lease ends unless it is renewed; 0 with a lease. */
  readonly retryMs: number;
  /** A look taken after the lease was asked for. */
  readonly reading: Reading<V>;
}

/** A wait for somebody else's flight. */
export interface Watch {
  /** The next landing told since the watch began; undefined after `waitMs` without one. May be called again. */
  landed(waitMs: number): Promise<Landing | undefined>;
  close(): void;
}

/** What is known of a write when it has ended. */
export interface WriteEnd {
  /** The write was given up before it had ended, so it may yet happen: everything it named is invalidated once more when the
   * journal's lease for it has passed, by whoever lives by then. */
  readonly mayGoOn?: boolean;
  /** Tags that only its outcome named: invalidated together with the others. If this process dies before, nobody else knows them. */
  readonly also?: readonly string[];
}

/** A write under way, noted in the journal before it is forwarded. */
export interface Write {
  /** False: it could not be noted where the others see it; if this process dies now, nobody invalidates for it. */
  readonly noted: boolean;
  /** The write happened, or nobody knows: invalidates. Resolves when no store user can be answered with what was
   * overtaken, or when `writeDeadline` has passed and the invalidation is kept for replay. Never rejects. */
  commit(end?: WriteEnd): Promise<void>;
  /** The write did not happen. Never rejects. */
  discard(): void;
}

/** What became of a purge. */
export interface Purged {
  /** Its time; undefined: the store did not take it by `writeDeadline`, and it is kept for replay. */
  readonly clock: number | undefined;
}

/** Tells that `tags` were invalidated at `clock`; tags undefined: everything was. */
export interface Notice {
  readonly clock: number;
  readonly tags: readonly string[] | undefined;
  /** True: they were purged softly. */
  readonly soft?: boolean;
}

export interface PurgeOptions {
  /** What is purged stays usable, as something that has been stale since the purge. */
  readonly soft?: boolean;
}

export interface Store<V> {
  /** Reads and charges, in one round trip; a second one only where the memory of names and tags proves wrong. */
  look(question: Question): Soon<Reading<V>>;
  /** Asks for the lease of `key` in the variant it has under `names`, and looks, in one round trip. */
  lead(key: Key, names: readonly string[], tags: readonly string[], leaseMs: number): Soon<Lead<V>>;
  /** Resolves once landings of `key` under `names` will be heard. */
  watch(key: Key, names: readonly string[]): Soon<Watch>;
  /** Stores. `names` are what the variants of the key differ by from now on: where they were others, what was stored under those
   * is gone for good, so that nothing old comes back when they return. */
  put(key: Key, names: readonly string[], stored: Stored<V>): Soon<void>;
  /** The labelled variants stored for `key`, usable or not, latest first, MAX_VARIANTS at the most. */
  siblings(key: Key): Soon<readonly Sibling[]>;
  /** What is stored as the sibling `id` of `key`, usable or not. */
  recall(key: Key, id: string): Soon<Stored<V> | undefined>;
  /** Notes that requests for `key` need not queue for one another until `untilMs` (epoch). */
  pass(key: Key, names: readonly string[], untilMs: number): Soon<void>;
  /** Notes a write that will invalidate `tags`, before it is forwarded. */
  begin(tags: readonly string[], asker?: Asker): Soon<Write>;
  /** Invalidates `tags` (undefined: everything) because an operator says so; resolves as a write's commit does. Never rejects. */
  purge(tags: readonly string[] | undefined, options?: PurgeOptions): Promise<Purged>;
  /** Hears of every invalidation and soft purge, this process's own ones before their commit resolves, the others' as they are told. */
  onInvalidated(listener: (notice: Notice) => void): void;
  /** What this process itself holds for `key`, for an operator; left out: it holds nothing itself. Counts as no use. */
  held?(key: Key): InMemory | undefined;
  /** For how long, ms, somebody has the lease of `key` under `names` unless it is renewed; 0: nobody. Left out: there are no leases. */
  leased?(key: Key, names: readonly string[]): Soon<number>;
  /** For /readyz and the log. */
  health(): Health;
  close(): Promise<void>;
}

export interface Health {
  readonly state: "ok" | "degraded";
  /** In words, for a person: what is wrong, or what is used. */
  readonly detail: string;
}
