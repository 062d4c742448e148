// How much of a quota is left, for a store that keeps its limits in this process, and for a sidecar whose store is
// silent? Who is refused by one of several limits takes nothing of the others, as in scripts/charge.lua.
//
// Of the processes that share a silent store each admits its share: it charges for all of them what it admits itself.
// With `size` of them, of which this is number `place`, it admits one more while more than `place` are free; together
// these shares are the limit exactly, and of a limit smaller than `size` the last ones get nothing.

import { LRUCache } from "lru-cache";
import { createQuota, type Quota } from "./quotas.ts";
import { ALONE, type Crowd, type LimitQuestion, type Verdict } from "./store.ts";

export interface Limits {
  /** Takes over what is known from elsewhere: what the store said of this quota just now. */
  note(question: LimitQuestion, verdict: Verdict): void;
  /** Takes one of each quota, or of none where one that is enforced has none left. Verdicts in the order of the questions. */
  charge(questions: readonly LimitQuestion[], crowd?: Crowd): Verdict[];
}

/** Quotas of at most `max` keys, fewer where sliding-log has much to remember (Quota.weight): then the one longest unasked
 * is forgotten first. `now` gives epoch ms, whole ones. */
export function createLimits({ now, max }: { now: () => number; max: number }): Limits {
  // By size, not `max`, for which all places would be set aside at once: 16 bytes each, used or not.
  const quotas = new LRUCache<string, Quota>({ maxSize: max, sizeCalculation: ({ weight }) => Math.min(max, weight) });

  function quotaOf(question: LimitQuestion, at: number): Quota {
    const { key, algorithm } = question;
    let quota = quotas.get(key);
    if (quota?.algorithm !== algorithm) {
      quota = createQuota(algorithm);
      quotas.set(key, quota);
    }
    const before = quota.weight;
    quota.turn(question, at);
    weigh(key, quota, before);
    return quota;
  }

  function weigh(key: string, quota: Quota, before: number): void {
    if (quota.weight === before) return;
    quotas.delete(key); // the LRU weighs what is new to it
    quotas.set(key, quota);
  }

  return {
    charge(questions, { size, place } = ALONE) {
      const at = now();
      const asked = questions.map((question) => {
        const quota = quotaOf(question, at);
        return { question, quota, allowed: quota.free(question) > place };
      });
      const isAdmitted = asked.every(({ question, allowed }) => allowed || question.enforced === false);
      return asked.map(({ question, quota, allowed }) => {
        const before = quota.weight;
        if (isAdmitted && allowed) quota.take(size);
        weigh(question.key, quota, before);
        const remaining = Math.max(0, Math.ceil((quota.free(question) - place) / size));
        if (allowed) return { allowed, remaining, resetMs: quota.passedMs(question) };
        return { allowed, remaining: 0, resetMs: Math.max(1, quota.waitMs(question, place + 1)) };
      });
    },
    note(question, { allowed, remaining, resetMs, taken = 0 }) {
      const { algorithm, limit, burst = limit } = question;
      const size = algorithm === "token-bucket" ? burst : limit;
      const quota = quotaOf(question, now());
      const before = quota.weight;
      quota.note(question, allowed ? size - remaining + taken : size, resetMs);
      weigh(question.key, quota, before);
    },
  };
}
