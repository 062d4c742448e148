// How much of a quota is left, for a store that keeps its limits in this process? The arithmetic is that of
// scripts/fixed-window.lua and scripts/sliding-window.lua, so that nothing changes for a client when Redis is added.

import { LRUCache } from "lru-cache";
import type { LimitQuestion, Verdict } from "./store.ts";

interface Quota {
  /** Epoch ms. */
  windowStart: number;
  current: number;
  /** Of the window before; sliding-window only. */
  previous: number;
}

export interface Limits {
  /** Takes over what is known from elsewhere: at least so many have been admitted in the window there is now. */
  note(question: LimitQuestion, admitted: number): void;
  /** Takes one of the quota, or none where none is left. */
  charge(question: LimitQuestion): Verdict;
}

/** Quotas of at most `max` keys; the one longest unasked is forgotten first. `now` gives epoch ms, whole ones. */
export function createLimits({ now, max }: { now: () => number; max: number }): Limits {
  const quotas = new LRUCache<string, Quota>({ max });
  function quotaOf({ key }: LimitQuestion): Quota {
    let quota = quotas.get(key);
    if (quota === undefined) {
      quota = { windowStart: Number.NEGATIVE_INFINITY, current: 0, previous: 0 };
      quotas.set(key, quota);
    }
    return quota;
  }

  return {
    charge(question) {
      const quota = quotaOf(question);
      return question.algorithm === "fixed-window" ? fixed(quota, question, now()) : sliding(quota, question, now());
    },
    note(question, admitted) {
      const quota = quotaOf(question);
      const at = now();
      if (question.algorithm === "sliding-window") roll(quota, at - (at % question.windowMs), question.windowMs);
      else if (at >= quota.windowStart + question.windowMs) Object.assign(quota, { windowStart: at, current: 0 });
      quota.current = Math.max(quota.current, admitted);
    },
  };
}

// A window begins with the first request admitted in it. If the clock steps back it begins anew, with what was taken.
function fixed(quota: Quota, { limit, windowMs }: LimitQuestion, now: number): Verdict {
  if (now >= quota.windowStart + windowMs) quota.current = 0;
  if (quota.current === 0 || now < quota.windowStart) quota.windowStart = now;
  const allowed = quota.current < limit;
  if (allowed) quota.current++;
  return { allowed, remaining: Math.max(0, limit - quota.current), resetMs: quota.windowStart + windowMs - now };
}

// Windows lie end to end from the epoch; the one before counts by the share of it that the last windowMs still cover.
// Everything is multiplied by windowMs, so that whole numbers stay whole: a division could admit one more or one less.
function sliding(quota: Quota, { limit, windowMs }: LimitQuestion, now: number): Verdict {
  const windowStart = now - (now % windowMs);
  roll(quota, windowStart, windowMs);
  const left = windowStart + windowMs - now;
  const free = (limit - quota.current) * windowMs - quota.previous * left;
  const allowed = free >= windowMs;
  if (allowed) quota.current++;
  return {
    allowed,
    remaining: Math.max(0, Math.floor(free / windowMs) - (allowed ? 1 : 0)),
    resetMs: allowed ? left : untilAdmitted(quota, { limit, windowMs, left }),
  };
}

function roll(quota: Quota, windowStart: number, windowMs: number): void {
  if (windowStart > quota.windowStart) {
    quota.previous = windowStart === quota.windowStart + windowMs ? quota.current : 0;
    quota.current = 0;
  }
  quota.windowStart = windowStart;
}

// Solves the estimate for time: in this window while only the one before is in the way, else in the next.
function untilAdmitted(
  quota: Quota,
  { limit, windowMs, left }: { limit: number; windowMs: number; left: number },
): number {
  const room = limit - 1 - quota.current;
  if (room >= 0) return left - Math.floor((room * windowMs) / quota.previous);
  if (quota.current === 0) return left; // a limit of none
  return left + windowMs - Math.floor((Math.max(0, limit - 1) * windowMs) / quota.current);
}
