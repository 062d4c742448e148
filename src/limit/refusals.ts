// Who is known to be over a limit, and until when? Such a client is refused from memory, without a trip to the store.

import { LRUCache } from "lru-cache";
import type { LimitQuestion, Verdict } from "../store/store.ts";

interface Refusal {
  /** Epoch ms. A clock that was set back ends the refusal. */
  readonly since: number;
  readonly until: number;
}

const MAX_REFUSALS = 65_536;

export interface Refusals {
  /** What is known without the store, undefined where nothing is: for each quota its refusal or undefined. */
  recall(keys: readonly string[], at: number): (Verdict | undefined)[] | undefined;
  /** A refusal of a limit that is enforced; `at`: epoch ms at which it was asked for. */
  remember(question: Pick<LimitQuestion, "key" | "windowMs">, verdict: Verdict, at: number): void;
}

/** Bounded: what is forgotten is asked of the store again. */
export function createRefusals(): Refusals {
  // By size, not `max`, for which all places would be set aside at once: 16 bytes each, used or not.
  const known = new LRUCache<string, Refusal>({ maxSize: MAX_REFUSALS, sizeCalculation: () => 1 });

  function recalled(key: string, at: number): Verdict | undefined {
    const refusal = known.get(key);
    if (refusal === undefined) return undefined;
    if (at < refusal.until && at >= refusal.since) return { allowed: false, remaining: 0, resetMs: refusal.until - at };
    known.delete(key);
    return undefined;
  }

  return {
    recall(keys, at) {
      if (known.size === 0) return undefined;
      const verdicts = keys.map((key) => recalled(key, at));
      return verdicts.some((verdict) => verdict !== undefined) ? verdicts : undefined;
    },
    // From when it was asked, not from when the answer came: the memory ends no later than the store's refusal. And for
    // a window at the most: what a damaged quota says is asked about again.
    remember({ key, windowMs }, { resetMs }, at) {
      known.set(key, { since: at, until: at + Math.min(resetMs, windowMs) });
    },
  };
}
