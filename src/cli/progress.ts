// A bar on stderr for what takes longer than two seconds: on a terminal only, one line that is gone when it is over.

const PATIENCE_MS = 2000;
const BETWEEN_MS = 100;
const BAR_CHARS = 24;

export interface Progress {
  /** `done`: 0 to 1. `what`: our own words, one line. */
  tell(done: number, what: string): void;
  /** Takes the bar away. */
  end(): void;
}

interface ProgressOptions {
  readonly stream: Pick<NodeJS.WriteStream, "write" | "columns">;
  readonly isTerminal: boolean;
  /** How long it will take, as far as that is known: then a long one is shown from its beginning. */
  readonly expectedMs?: number;
  /** Monotonic, ms. */
  readonly now: () => number;
}

export function createProgress({ stream, isTerminal, expectedMs = 0, now }: ProgressOptions): Progress {
  const begunAt = now();
  let shownAt = Number.NEGATIVE_INFINITY;
  let isShown = false;
  return {
    tell(done, what) {
      const time = now();
      const isLong = expectedMs > PATIENCE_MS || time - begunAt > PATIENCE_MS;
      if (!isTerminal || !isLong || time - shownAt < BETWEEN_MS) return;
      shownAt = time;
      isShown = true;
      stream.write(`\r${barText(done, what).slice(0, (stream.columns ?? 80) - 1)}\x1b[K`);
    },
    end() {
      if (isShown) stream.write("\r\x1b[K");
      isShown = false;
    },
  };
}

function barText(done: number, what: string): string {
  const share = Math.min(1, Math.max(0, done));
  const full = Math.round(share * BAR_CHARS);
  return `${"█".repeat(full)}${"░".repeat(BAR_CHARS - full)} ${String(Math.round(share * 100)).padStart(3)} %  ${what}`;
}
