// The highest clock of the fence that this process has seen. A fence that is behind it has lost something (DESIGN,
// "The fence": Loss). Compare an answer only with what was seen before its question was sent: answers of several
// connections overtake one another.

export interface HighestClock {
  value(): number;
  see(clock: number): void;
}

export function createHighestClock(): HighestClock {
  let highest = 0;
  return {
    value: () => highest,
    see(clock) {
      if (clock > highest && Number.isSafeInteger(clock)) highest = clock;
    },
  };
}

/** Whether a fence that answers `clock` lost something that `before`, seen before it was asked, tells of. */
export function isLost(clock: number, before: number): boolean {
  return clock === 0 || clock < before || !Number.isSafeInteger(clock);
}

/** Whether a fence was written by somebody else: no floor of ours is none, or later than the clock it was read with. */
export function isDamaged(clock: number, floor: number): boolean {
  return floor === 0 || floor > clock;
}
