// For how long did this process stand still? A timer that comes late says so.

const EVERY_MS = 50;
/** Heartbeats are 250 ms apart; what is shorter upsets nothing. */
const STALL_MS = 250;

/** Calls `stalled` with the ms that the timer was late, whenever they were many; the function returned ends it. */
export function watchStalls(stalled: (ms: number) => void): () => void {
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - before > EVERY_MS + STALL_MS) stalled(now - before);
    before = now;
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
