// What of a key is written to Redis, and which variants does it have? A key without names has one value, and nothing but
// that and its record is written. Where its variants differ, an index bounds how many there are and tells of them.

import type { Line } from "./connections.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { KEEP, REMEMBER, run } from "./scripts.ts";
import { type Codec, type Key, type KeyRecord, MAX_VARIANTS, type Sibling, type Stored } from "./store.ts";
import { detached, namesText, recordText } from "./trips.ts";

/** Where a key lives. */
export interface At {
  readonly line: Line;
  readonly digest: string;
}

export interface Kept<V> {
  readonly key: Key;
  readonly names: readonly string[];
  readonly stored: Stored<V>;
  /** `stored`, encoded. */
  readonly bytes: Buffer;
  /** For how long. */
  readonly ms: number;
}

/** All reject as Line.send does. */
export interface Variants<V> {
  put(at: At, kept: Kept<V>): Promise<unknown>;
  /** Writes the record alone, for `ms` at the least. */
  pass(at: At, record: KeyRecord & { readonly ms: number }): Promise<unknown>;
  siblings(at: At): Promise<readonly Sibling[]>;
  recall(at: At, id: string): Promise<Stored<V> | undefined>;
}

export function createVariants<V>({ keys, codec }: { keys: RedisKeys; codec: Codec<V> }): Variants<V> {
  const { stem, id } = keys.variants;

  function putPlain({ line, digest }: At, { key, names, bytes, ms }: Kept<V>): Promise<unknown> {
    const variant = keys.variant(digest, key.variant(names));
    const record = recordText({ names, passUntil: 0 });
    return Promise.all([
      line.send(["SET", variant, bytes, "PX", String(ms)]),
      line.send(["SET", keys.record(digest), record, "PX", String(ms)]),
    ]);
  }

  function putIndexed({ line, digest }: At, { key, names, stored, bytes, ms }: Kept<V>): Promise<unknown> {
    const variant = id(key.variant(names));
    return run(line, KEEP, {
      keys: [keys.record(digest), stem(digest) + variant, keys.index(digest), keys.variant(digest, key.variant([]))],
      args: [
        ...[recordText({ names, passUntil: 0 }), namesText(names), bytes, String(ms)],
        ...[variant, codec.label(stored.value) ?? "", stem(digest), String(MAX_VARIANTS)],
      ],
    });
  }

  return {
    put: (at, kept) => (kept.names.length === 0 ? putPlain(at, kept) : putIndexed(at, kept)),
    pass({ line, digest }, { ms, ...record }) {
      return run(line, REMEMBER, { keys: [keys.record(digest)], args: [recordText(record), String(ms)] });
    },
    async siblings({ line, digest }) {
      return siblingsIn(await line.send(["HGETALL", keys.index(digest)]).catch(wrongType));
    },
    async recall({ line, digest }, id) {
      const bytes = await line.sendForBytes(["GET", stem(digest) + id]).catch(wrongType);
      return Buffer.isBuffer(bytes) ? codec.decode(detached(bytes)) : undefined;
    },
  };
}

const VARIANT_ID = /^[\w-]{32}$/;
const ENTRY = /^(\d+) \d+ (.+)$/;

/** The labelled variants in an index that scripts/keep.lua wrote, latest first. What it did not write is passed over. */
function siblingsIn(index: unknown): readonly Sibling[] {
  const found: (Sibling & { readonly written: number })[] = [];
  for (const [id, entry] of pairsIn(index)) {
    const [, written, label] = (VARIANT_ID.test(id) && ENTRY.exec(String(entry))) || [];
    if (label !== undefined) found.push({ id, label, written: Number(written) });
  }
  found.sort((a, b) => b.written - a.written);
  return found.slice(0, MAX_VARIANTS).map(({ id, label }) => ({ id, label }));
}

/** Of a map, which RESP2 tells as a list. */
function pairsIn(map: unknown): [string, unknown][] {
  if (!Array.isArray(map)) return Object.entries(map ?? {});
  return map.flatMap((name, i) => (i % 2 === 0 ? [[String(name), map[i + 1]] satisfies [string, unknown]] : []));
}

// What somebody else wrote under our keys reads as nothing.
function wrongType(error: unknown): undefined {
  if (!(error instanceof Error && error.message.startsWith("WRONGTYPE"))) throw error;
}
