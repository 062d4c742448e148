// The store in this process alone: the embedded default, and the measure for what redis.ts promises (store.ts). All
// answers are plain. Nobody else shares it, so whoever asks may lead (flights in this process collapse above) and there
// is no landing of others to be told of.

import { createLimits } from "./limits.ts";
import { createLocalFence, type LocalFence } from "./local-fence.ts";
import { createShelf, type ShelfTally } from "./shelf.ts";
import {
  type Codec,
  type FenceReading,
  JOURNAL_LEASE_MS,
  joined,
  type Key,
  type Lease,
  type Notice,
  type PurgeOptions,
  type Question,
  type Reading,
  type Sibling,
  type Store,
  type Stored,
  type Verdict,
  type Watch,
} from "./store.ts";

export interface MemoryOptions<V> {
  readonly maxBytes: number;
  /** Numbers in the fence. */
  readonly slots: number;
  /** For sizes: nothing is encoded. */
  readonly codec: Pick<Codec<V>, "size" | "label">;
  /** Epoch ms. */
  readonly now: () => number;
  /** How many quotas are remembered; about 200 bytes each. */
  readonly maxQuotas?: number;
  /** Where what is held is counted. */
  readonly tally?: ShelfTally;
}

interface Held<V> {
  readonly stored: Stored<V>;
  /** Of its tags and, since it was asked for under another configuration, of those asked about then. */
  slots: readonly number[];
  /** Of the key that `slots` was last worked out for. */
  era: number | undefined;
  readonly bytes: number;
  hits: number;
}

const NO_VERDICTS: readonly Verdict[] = Object.freeze([]);
const LEASE: Lease = Object.freeze({ release() {} });

/** An empty store; what it holds is lost with the process. */
export function createMemoryStore<V>(options: MemoryOptions<V>): Store<V> {
  const { maxBytes, slots, codec, now, maxQuotas = 100_000, tally } = options;
  const fence = createLocalFence(slots, Math.floor(now() * 1000));
  const shelf = createShelf<V, Held<V>>(maxBytes, tally);
  const limits = createLimits({ now, max: maxQuotas });
  const listeners: ((notice: Notice) => void)[] = [];

  function look({ key, tags, limits: questions, apart = false }: Question): Reading<V> {
    const record = key && (apart ? shelf.peek(key)?.record : shelf.record(key));
    const held = key && record && (apart ? peek(key) : shelf.find(key, record.names, now()));
    if (held !== undefined && held.era !== key?.era) refit(held, key?.era, tags);
    const usable = held !== undefined && isUsable(held);
    if (usable && !apart) held.hits += 1;
    return {
      fence: new MemoryReading(fence, tags),
      record,
      stored: held?.stored,
      usable,
      softAt: held && fence.softened(held.slots, held.stored.stamp),
      verdicts: questions.length === 0 ? NO_VERDICTS : limits.charge(questions),
    };
  }

  // It was stored under another configuration: what it would carry now counts as well. Once, so that a plain hit works
  // nothing out. The fence has the slots of every invalidation since, whoever carried them.
  function refit(held: Held<V>, era: number | undefined, tags: readonly string[]): void {
    held.slots = fence.slotsOf(joined(held.stored.tags, tags));
    held.era = era;
  }

  function peek(key: Key): Held<V> | undefined {
    const held = shelf.peek(key)?.held;
    return held !== undefined && held.stored.keepUntil > now() ? held : undefined;
  }

  // A stamp later than the clock is nobody's.
  function isUsable({ stored, slots }: Held<V>): boolean {
    return stored.stamp <= fence.clock() && fence.latest(slots) <= stored.stamp;
  }

  function invalidate(tags: readonly string[] | undefined, { soft = false }: PurgeOptions = {}): number {
    const clock = Math.max(fence.clock() + 1, Math.floor(now() * 1000));
    if (soft) fence.soften(tags, clock);
    else fence.raise(tags, clock);
    for (const listener of listeners) listener(soft ? { clock, tags, soft } : { clock, tags });
    return clock;
  }

  return {
    look,
    lead: (key, _names, tags) => ({ lease: LEASE, retryMs: 0, reading: look({ key, tags, limits: [] }) }),
    watch: () => createSilentWatch(),
    put(key, names, stored) {
      const bytes = codec.size(stored) + 8 * stored.tags.length;
      shelf.put(key, names, { stored, slots: fence.slotsOf(stored.tags), era: key.era, bytes, hits: 0 });
    },
    siblings(key) {
      const labelled = shelf.variants(key, now()).map(([id, { stored }]) => ({ id, label: codec.label(stored.value) }));
      return labelled.filter((sibling) => sibling.label !== undefined) as Sibling[];
    },
    recall: (key, id) => shelf.variants(key, now()).find(([variant]) => variant === id)?.[1].stored,
    pass: (key, names, untilMs) => shelf.pass(key, names, untilMs),
    begin: (tags) => ({
      noted: true,
      async commit({ mayGoOn = false, also = [] } = {}) {
        invalidate([...tags, ...also]);
        if (mayGoOn) setTimeout(() => invalidate(tags), JOURNAL_LEASE_MS).unref();
      },
      discard() {},
    }),
    purge: async (tags, options) => ({ clock: invalidate(tags, options) }),
    onInvalidated: (listener) => void listeners.push(listener),
    held(key) {
      const held = peek(key);
      return held && { stamp: held.stored.stamp, hits: held.hits };
    },
    health: () => ({ state: "ok", detail: "in memory, this process alone" }),
    close: async () => shelf.clear(),
  };
}

// `latest` and `soft` are worked out when asked for: a fresh hit needs none. Later is safer: it may only have grown since.
class MemoryReading implements FenceReading {
  readonly shared = true;
  readonly clock: number;
  readonly #fence: LocalFence;
  readonly #tags: readonly string[];

  constructor(fence: LocalFence, tags: readonly string[]) {
    this.clock = fence.clock();
    this.#fence = fence;
    this.#tags = tags;
  }

  get latest(): number {
    return this.#fence.latest(this.#fence.slotsOf(this.#tags));
  }

  get soft(): number {
    return this.#fence.softened(this.#fence.slotsOf(this.#tags), 0) ?? 0;
  }
}

// A watch on which nothing is ever heard; closing it ends its waits.
function createSilentWatch(): Watch {
  const ends = new Set<() => void>();
  return {
    landed: (waitMs) =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          ends.delete(end);
          resolve(undefined);
        };
        const timer = setTimeout(end, waitMs);
        ends.add(end);
      }),
    close: () =>
      ends.forEach((end) => {
        end();
      }),
  };
}
