// For tests of how long something takes: did this process stand still meanwhile? What a round shows then is of the machine.

const EVERY_MS = 20;
const STALL_MS = 100;
const ROUNDS = 10;

/** Plays `round`. One that fails counts, unless this process was seen to stand still in it: then it is played again. */
export async function unstalled(round: () => Promise<void>): Promise<void> {
  for (let played = 1; ; played++) {
    const stalled = watch();
    try {
      return await round();
    } catch (error) {
      if (!stalled() || played === ROUNDS) throw error;
    } finally {
      stalled();
    }
  }
}

/** What is returned says whether a timer came late since, and ends the watch. */
function watch(): () => boolean {
  let isStalled = false;
  let before = performance.now();
  const look = () => {
    const now = performance.now();
    isStalled ||= now - before > EVERY_MS + STALL_MS;
    before = now;
  };
  const timer = setInterval(look, EVERY_MS);
  return () => {
    clearInterval(timer);
    look(); // what is awaited may come before the timer that is late
    return isStalled;
  };
}
