// Waiting for what other processes do. Not vitest's: the checker is run without it.

const PATIENCE_MS = 60_000;
const INTERVAL_MS = 20;

/** What `look` gives when that is something; rejects after a minute, saying that it waited for `what`. */
export async function found<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until; ) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await new Promise((next) => setTimeout(next, INTERVAL_MS));
  }
  throw new Error(`wait for ${what}: it did not come in ${PATIENCE_MS} ms`);
}
