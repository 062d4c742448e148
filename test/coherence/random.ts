// Chance that can be had again: every choice of a run (who reads what where, which fault comes when) is drawn from its
// seed. What real processes make of the same choices differs from run to run; the seed repeats the plan, not the race.

export interface Random {
  /** From 0 to 1, without 1. */
  next(): number;
  /** A whole number from 0, below `end`. */
  below(end: number): number;
  /** From `from` to `to`. */
  between(from: number, to: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T;
  /** Another stream of its own, named so that more draws in one do not shift those of another. */
  fork(name: string): Random;
}

/** A stream of numbers drawn from `seed`, a whole number. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  // A counter stepped by an odd number near the golden ratio's, then mixed.
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x100000000;
  };
  const below = (end: number) => Math.floor(next() * end);
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    chance: (probability) => next() < probability,
    pick: <T>(choices: readonly T[]) => choices[below(choices.length)] as T,
    fork: (name) => createRandom([...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), seed)),
  };
}
