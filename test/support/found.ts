// Waiting for what other processes do. Not vitest's: the checker is run without it.

const PATIENCE_MS = 60_000;
const INTERVAL_MS = 20;

/** What `look` gives when that is something; rejects after `patienceMs`, a minute where left out, saying that it waited for `what`. */
export async function found<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  for (const until = performance.now() + patienceMs; performance.now() < until; ) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await new Promise((next) => setTimeout(next, INTERVAL_MS));
  }
  throw new Error(`wait for ${what}: it did not come in ${patienceMs} ms`);
}
