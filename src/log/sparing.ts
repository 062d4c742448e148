// Lines about what may come and go a thousand times a minute: the first few are written, of the rest the last one, at the
// end of the time, saying how many more there were. So what was said last is true, if perhaps late; at level debug each is
// written as it comes.

import type { Details, Log } from "../log.ts";

export interface SparingOptions {
  /** So many lines in so many ms. */
  readonly lines: number;
  readonly windowMs: number;
}

/** A state that changes back and forth. */
const STATES: SparingOptions = { lines: 10, windowMs: 60_000 };

type Level = "info" | "warn";

interface Held {
  readonly level: Level;
  readonly message: string;
  readonly details: Details;
}

/** `log` for lines about one thing: of all that is said through it, info and warn together, only so much is written above
 * level debug. */
export function sparing(log: Pick<Log, Level | "debug">, { lines, windowMs } = STATES): Pick<Log, Level> {
  let written = 0;
  let held: Held | undefined;
  let more = 0;

  function say(level: Level, message: string, details: Details): void {
    if (written === 0) setTimeout(endWindow, windowMs).unref();
    if (written >= lines) {
      if (held !== undefined) more += 1;
      held = { level, message, details };
      log.debug(message, details);
      return;
    }
    written += 1;
    log[level](message, details);
  }

  function endWindow(): void {
    written = 0;
    if (held === undefined) return;
    const { level, message, details } = held;
    const last = more === 0 ? details : { ...details, more };
    held = undefined;
    more = 0;
    say(level, message, last);
  }

  return {
    info: (message, details = {}) => say("info", message, details),
    warn: (message, details = {}) => say("warn", message, details),
  };
}
