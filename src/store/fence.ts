// Where a tag lives in the fence: one row of numbers, of which the first four are the fence's own and the rest belong
// to tags by hash. Behind it lies a second row of the same order, for soft purges: it takes no room until there is one. Every process on every runtime must agree on this, so it is arithmetic alone: no seed drawn at
// start, no platform hash. Two tags may share a slot; that costs a needless fetch, never a stale answer.

/** The latest time any invalidation was given. 0: the fence was lost. */
export const CLOCK_SLOT = 0;
/** Whatever is stamped earlier than this was invalidated, whatever its tags. Never later than the clock. */
export const FLOOR_SLOT = 1;
// Slot 2: which Redis process has been vouched for (scripts/vouch.lua).
/** How many slots there are, for those who count with that number; 0: nobody has said so yet. */
export const SIZE_SLOT = 3;
const FIRST_TAG_SLOT = 4;

/** 8 MB of Redis; two of a million tags seldom meet. */
export const DEFAULT_SLOTS = 1 << 20;

// Part of the protocol: changing it is changing the meaning of every slot in every Redis.
const SALT = 0x46424159;

/**
 * The slot of `tag` in a fence of `slots` numbers: in [4, slots). Equal text gives an equal slot in every process.
 * Mixes UTF-16 code units at a few ns each, so nothing need be remembered; then scales, which is cheaper than a modulo.
 */
export function slotOf(tag: string, slots: number): number {
  let hash = SALT ^ tag.length;
  for (let i = 0; i < tag.length; i++) {
    hash = Math.imul(hash ^ tag.charCodeAt(i), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return FIRST_TAG_SLOT + Math.floor((avalanche(hash) / 0x100000000) * (slots - FIRST_TAG_SLOT));
}

/**
 * Where the second row has what the first has at `slot`, in a fence of twice `slots` numbers: the latest time of a soft
 * purge at that of the clock, of one of everything at that of the floor. Who knows of no second row never reads so far.
 */
export function softSlot(slot: number, slots: number): number {
  return slots + slot;
}

// The finishing step of a 32-bit mixing hash: each bit of the input turns about half of the output's. Unsigned.
function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
