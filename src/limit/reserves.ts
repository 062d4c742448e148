// What this process has taken of a quota in advance (`reserve`), to admit requests without a trip. It was charged to the
// window in which it was taken, and ends with that: never one more is admitted than the limit, possibly fewer, by as many
// as end unspent.

import { LRUCache } from "lru-cache";
import type { LimitQuestion, Verdict } from "../store/store.ts";

/** Of one quota. All times in epoch ms; a clock that was set back ends what is held. */
interface Held {
  tokens: number;
  /** What the store had left beside them. */
  left: number;
  since: number;
  until: number;
  /** When somebody was last sent for more and has not come back. */
  sentAt: number | undefined;
}

/** Bounded: what is forgotten ends unspent. */
const MAX_HELD = 10_000;
/** How long one who has been sent for more is waited for: meanwhile others take for themselves alone. */
const ERRAND_MS = 1000;

export interface Reserves {
  /** Takes one; undefined: there is none. */
  spend(key: string, at: number): Verdict | undefined;
  /** Puts back one that was spent at `at`, as `spend` said it. */
  restore(key: string, spent: Verdict, at: number): void;
  /** Whether whoever asks now is to bring some: one at a time. */
  mayBring(key: string, at: number): boolean;
  /** Keeps what a verdict asked for at `at` (epoch ms) has brought. */
  keep(question: Pick<LimitQuestion, "key" | "windowMs">, verdict: Verdict, at: number): void;
}

export function createReserves(): Reserves {
  const held = new LRUCache<string, Held>({ maxSize: MAX_HELD, sizeCalculation: () => 1 }); // grows, unlike `max`

  function of(key: string): Held {
    let found = held.get(key);
    if (found === undefined) {
      found = { tokens: 0, left: 0, since: 0, until: 0, sentAt: undefined };
      held.set(key, found);
    }
    return found;
  }

  return {
    spend(key, at) {
      const found = of(key);
      if (found.tokens === 0 || !isLive(found, at)) return undefined;
      found.tokens--;
      return { allowed: true, remaining: found.left + found.tokens, resetMs: found.until - at };
    },
    // Not among those of a later window, to which it was not charged.
    restore(key, { resetMs }, at) {
      const found = of(key);
      if (at + resetMs === found.until) found.tokens++;
    },
    mayBring(key, at) {
      const found = of(key);
      if (found.sentAt !== undefined && at >= found.sentAt && at - found.sentAt < ERRAND_MS) return false;
      found.sentAt = at;
      return true;
    },
    // The window ends no earlier than so long after the question was asked. Where some are left, the earlier end counts.
    keep({ key, windowMs }, { allowed, remaining, resetMs, taken = 0 }, at) {
      const found = of(key);
      found.sentAt = undefined;
      if (!allowed || taken === 0) return;
      const until = at + Math.min(resetMs, windowMs);
      const isMore = found.tokens > 0 && isLive(found, at);
      found.until = isMore ? Math.min(until, found.until) : until;
      found.tokens = isMore ? found.tokens + taken : taken;
      found.left = remaining - taken;
      found.since = at;
    },
  };
}

function isLive({ since, until }: Held, at: number): boolean {
  return at >= since && at < until;
}
