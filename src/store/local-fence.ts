// The fence (store.ts) as one process sees it: when was each tag last invalidated? A row of numbers indexed as the
// shared one is (fence.ts); the pages of what is never invalidated are never touched. memory.ts keeps the whole truth
// in it, tiered.ts what it has been told.

import { CLOCK_SLOT, FLOOR_SLOT, slotOf } from "./fence.ts";

export interface LocalFence {
  /** The latest time given. */
  clock(): number;
  /** Where tags live; kept beside a value, so that asking again compares numbers only. */
  slotsOf(tags: readonly string[]): readonly number[];
  /** The latest of the floor and `slots`. */
  latest(slots: readonly number[]): number;
  /** Marks `tags` as invalidated at `clock`; tags undefined: everything was. Time never runs backwards. */
  raise(tags: readonly string[] | undefined, clock: number): void;
  /** The latest soft purge of any of `slots`, or of everything, where it is later than `stamp`. */
  softened(slots: readonly number[], stamp: number): number | undefined;
  /** Marks `tags` as purged softly at `clock`; tags undefined: everything was. */
  soften(tags: readonly string[] | undefined, clock: number): void;
}

/** A fence of `size` numbers (8 bytes each, taken when touched; as many again from the first soft purge on) whose clock and
 * floor begin at `clock`. */
export function createLocalFence(size: number, clock: number): LocalFence {
  const row = new Float64Array(size);
  row[CLOCK_SLOT] = clock;
  row[FLOOR_SLOT] = clock;
  let soft: Float64Array | undefined;
  const at = (slot: number) => row[slot] ?? 0;
  const raise = (on: Float64Array, tags: readonly string[] | undefined, to: number) => {
    lift(on, CLOCK_SLOT, to);
    if (tags === undefined) lift(on, FLOOR_SLOT, to);
    else for (const tag of tags) lift(on, slotOf(tag, size), to);
  };
  return {
    clock: () => at(CLOCK_SLOT),
    slotsOf: (tags) => tags.map((tag) => slotOf(tag, size)),
    latest(slots) {
      let latest = at(FLOOR_SLOT);
      for (const slot of slots) latest = Math.max(latest, at(slot));
      return latest;
    },
    raise: (tags, to) => raise(row, tags, to),
    softened(slots, stamp) {
      if (soft === undefined || (soft[CLOCK_SLOT] ?? 0) <= stamp) return undefined;
      let latest = soft[FLOOR_SLOT] ?? 0;
      for (const slot of slots) latest = Math.max(latest, soft[slot] ?? 0);
      return latest > stamp ? latest : undefined;
    },
    soften(tags, to) {
      soft ??= new Float64Array(size);
      raise(soft, tags, to);
      lift(row, CLOCK_SLOT, to);
    },
  };
}

function lift(row: Float64Array, slot: number, to: number): void {
  if (to > (row[slot] ?? 0)) row[slot] = to;
}
