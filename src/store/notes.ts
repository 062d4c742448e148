// Which writes are under way, for others to know? The journal in Redis has a line for each of them, with a deadline. The
// lines of this process are renewed as long as they live; of those whose process is dead whoever finds them sweeps them:
// invalidates for it. So is a write that was given up and may go on: its line is left behind.

import type { Line } from "./connections.ts";
import type { HighestClock } from "./highest-clock.ts";
import type { Reach } from "./reach.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { NOTE, run, SWEEP } from "./scripts.ts";

export interface Notes {
  /** Resolves when Redis has the line of a write that is about to go out, on the connection given, rejects where it does not take it;
   * undefined: there are too many. */
  add(line: string, on: Line): Promise<unknown> | undefined;
  /** Its invalidation is given to Redis, with the line. */
  drop(line: string): void;
  /** The write did not happen. */
  discard(line: string): void;
  /** To be swept when its deadline has passed, which begins when Redis has been told so. */
  leave(line: string): void;
  /** To be called often: tells what was left, renews lines, and once a second sweeps. */
  tick(): void;
}

interface NotesOptions {
  /** For sweeps; the rest goes where an invalidation would be told, which is the same line but in an outage. */
  readonly line: Line;
  readonly reach: Pick<Reach, "mayWrite" | "teller">;
  readonly keys: Pick<RedisKeys, "fence" | "journal" | "invalidated">;
  /** Ms after which others invalidate for a process that does not come back. */
  readonly leaseMs: number;
  /** Writes under way that are noted; and lines left that Redis has not heard of. */
  readonly maxOwed: number;
  readonly clock: HighestClock;
}

const SWEEP_MS = 1000;
const SWEPT_AT_ONCE = 100;
const LINES_PER_COMMAND = 500;

export function createNotes(options: NotesOptions): Notes {
  return new Noting(options);
}

class Noting implements Notes {
  readonly #options: NotesOptions;
  readonly #underWay = new Set<string>();
  /** Redis has not been told that these were left. */
  readonly #left = new Set<string>();
  #isTelling = false;
  #sweptAt = 0;
  #renewedAt = 0;

  constructor(options: NotesOptions) {
    this.#options = options;
  }

  add(line: string, on: Line): Promise<unknown> | undefined {
    if (this.#underWay.size >= this.#options.maxOwed) return undefined;
    this.#underWay.add(line);
    return this.#note([line], on);
  }

  drop(line: string): void {
    this.#underWay.delete(line);
  }

  discard(line: string): void {
    this.#underWay.delete(line);
    const { reach, keys, line: first } = this.#options;
    const discarded = (reach.teller() ?? first).send(["ZREM", keys.journal, line]);
    discarded.catch(() => {}); // then others sweep it, which costs a fetch
  }

  leave(line: string): void {
    this.#underWay.delete(line);
    const isTooMuch = this.#left.size >= this.#options.maxOwed;
    if (isTooMuch) this.#left.clear();
    this.#left.add(isTooMuch ? idOf(line) : line);
    this.#tellLeft();
  }

  tick(): void {
    const { reach, leaseMs } = this.#options;
    this.#tellLeft();
    const on = reach.teller();
    if (on === undefined) return;
    const now = performance.now();
    if (now - this.#renewedAt >= leaseMs / 3) {
      this.#renewedAt = now;
      this.#renew(on);
    }
    if (!reach.mayWrite()) return;
    if (now - this.#sweptAt >= SWEEP_MS) {
      this.#sweptAt = now;
      this.#sweep();
    }
  }

  /** On a connection that is there, like an invalidation: it is one, for later. */
  #tellLeft(): void {
    const on = this.#left.size > 0 && !this.#isTelling ? this.#options.reach.teller() : undefined;
    if (on === undefined) return;
    const lines = [...this.#left].slice(0, LINES_PER_COMMAND);
    this.#isTelling = true;
    this.#note(lines, on)
      .then(
        () => lines.forEach((each) => void this.#left.delete(each)),
        () => {}, // tried again at the next tick
      )
      .finally(() => {
        this.#isTelling = false;
      });
  }

  #renew(on: Line): void {
    const all = [...this.#underWay];
    for (let i = 0; i < all.length; i += LINES_PER_COMMAND) {
      // Tried again well before their deadline.
      this.#note(all.slice(i, i + LINES_PER_COMMAND), on).catch(() => {});
    }
  }

  #note(lines: readonly string[], on: Line): Promise<unknown> {
    const { keys, leaseMs } = this.#options;
    return run(on, NOTE, { keys: [keys.journal], args: [String(leaseMs), ...lines] });
  }

  #sweep(): void {
    const { keys, clock, line } = this.#options;
    const args = [String(clock.value()), keys.invalidated, String(SWEPT_AT_ONCE)];
    run(line, SWEEP, { keys: [keys.fence, keys.journal], args }).then(
      (count) => {
        if (count === SWEPT_AT_ONCE) this.#sweptAt = 0; // there may be more
      },
      () => {},
    );
  }
}

/** A line that names nothing else counts as one of everything. */
function idOf(line: string): string {
  return line.slice(0, line.indexOf("|"));
}
