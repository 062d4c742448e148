// Which values does a memory hold, and which go first when it is full? Primary keys, least recently used first, each
// with its record and its variants. Bounded three ways: bytes over all, variants per primary key, and keepUntil.
// It knows nothing of the fence: whether what is held may be used is asked elsewhere.

import { LRUCache } from "lru-cache";
import { type Key, type KeyRecord, MAX_VARIANTS, type Stored } from "./store.ts";

/** What a row and a variant take beside their texts and values; measured to the nearest hundred bytes. */
const ROW_BYTES = 400;
const VARIANT_BYTES = 300;

interface Held<V> {
  readonly stored: Stored<V>;
  /** Approximate, with everything that is kept beside the value. */
  readonly bytes: number;
}

interface Row<H> {
  readonly record: KeyRecord;
  /** Oldest first. */
  readonly variants: Map<string, H>;
  readonly bytes: number;
}

/** What is held, for whoever wants to know. */
export interface ShelfTally {
  entries: number;
  bytes: number;
  /** Keys that had to go for others. */
  evictions: number;
}

export interface Shelf<V, H extends Held<V>> {
  /** Marks the primary key as used. */
  record(key: Key): KeyRecord | undefined;
  /** What is held for `key` in its variant under `names`, unless its time is over at `now` (epoch ms). */
  find(key: Key, names: readonly string[], now: number): H | undefined;
  /** What is held for `key`, its record with it; counts as no use. */
  peek(key: Key): { readonly record: KeyRecord; readonly held: H | undefined } | undefined;
  /** Lets go of `held`, unless something else stands in its place by now. */
  drop(key: Key, names: readonly string[], held: H): void;
  /** What takes more room than there is in all is not kept; nor is what began before that which is held already. */
  put(key: Key, names: readonly string[], held: H): void;
  pass(key: Key, names: readonly string[], untilMs: number): void;
  /** All that is held for `key`, by the text of its variant, latest first, but for what is over at `now` (epoch ms). */
  variants(key: Key, now: number): [variant: string, held: H][];
  clear(): void;
}

export function createShelf<V, H extends Held<V>>(maxBytes: number, tally?: ShelfTally): Shelf<V, H> {
  // A memory of nothing holds nothing; the LRU would take 0 for a mistake.
  const rows = new LRUCache<string, Row<H>>({
    maxSize: Math.max(1, maxBytes),
    ...(tally ? { dispose: (_row, _key, reason) => void (reason === "evict" && tally.evictions++) } : {}),
  });

  function note(): void {
    if (tally === undefined) return;
    tally.entries = rows.size;
    tally.bytes = rows.calculatedSize;
  }

  // A row is replaced, never changed: the LRU takes note of sizes only when it is given something new.
  function replace(primary: string, record: KeyRecord, variants: Map<string, H>): void {
    let bytes = ROW_BYTES + 2 * primary.length;
    for (const [variant, held] of variants) bytes += bytesOf(variant, held);
    for (const [variant, held] of variants) {
      if (bytes <= maxBytes && variants.size <= MAX_VARIANTS) break;
      variants.delete(variant);
      bytes -= bytesOf(variant, held);
    }
    rows.set(primary, { record, variants, bytes }, { size: bytes });
    note();
  }

  // Under other names all keys of variants are others: what was held can be found no more, until the names come back and
  // it would come back with them, older than what was stored meanwhile.
  function variantsUnder(names: readonly string[], { primary }: Key): Map<string, H> {
    const row = rows.get(primary);
    return row !== undefined && isSame(row.record.names, names) ? row.variants : new Map();
  }

  function drop(key: Key, names: readonly string[], held: H): void {
    const row = rows.get(key.primary);
    const variant = key.variant(names);
    if (row?.variants.get(variant) !== held) return;
    row.variants.delete(variant);
    replace(key.primary, row.record, row.variants);
  }

  return {
    record: (key) => rows.get(key.primary)?.record,
    find(key, names, now) {
      const held = rows.get(key.primary)?.variants.get(key.variant(names));
      if (held === undefined || held.stored.keepUntil > now) return held;
      drop(key, names, held);
      return undefined;
    },
    peek(key) {
      const row = rows.peek(key.primary);
      return row && { record: row.record, held: row.variants.get(key.variant(row.record.names)) };
    },
    drop,
    put(key, names, held) {
      const variant = key.variant(names);
      if (ROW_BYTES + 2 * key.primary.length + bytesOf(variant, held) > maxBytes) return;
      const variants = variantsUnder(names, key);
      if ((variants.get(variant)?.stored.stamp ?? 0) > held.stored.stamp) return;
      variants.delete(variant); // so that it becomes the youngest
      replace(key.primary, { names, passUntil: 0 }, variants.set(variant, held));
    },
    pass(key, names, untilMs) {
      replace(key.primary, { names, passUntil: untilMs }, variantsUnder(names, key));
    },
    variants(key, now) {
      const held = [...(rows.get(key.primary)?.variants ?? [])];
      return held.filter(([, { stored }]) => stored.keepUntil > now).reverse();
    },
    clear() {
      rows.clear();
      note();
    },
  };
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, i) => name === right[i]);
}

function bytesOf(variant: string, held: { readonly bytes: number }): number {
  return VARIANT_BYTES + 2 * variant.length + held.bytes;
}
