// How long does a client's leaving end the fetch made for it? Until it shows that what comes is of use to others, too.

import { Abort, type Signal } from "../http/abort.ts";

export interface Leash {
  readonly signal: Signal;
  /** From now on the client's leaving aborts nothing: what comes is stored. */
  letGo(): void;
}

/** A signal that follows the client's until it is let go; undefined for a fetch that outlives its client anyway. */
export function leashed(client: Signal | undefined): Leash | undefined {
  if (client === undefined) return undefined;
  const signal = new Abort();
  const abort = () => signal.abort();
  if (client.aborted) abort();
  else client.addEventListener("abort", abort);
  return { signal, letGo: () => client.removeEventListener("abort", abort) };
}
