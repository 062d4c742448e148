// The arithmetic of the limits, for those that are counted in this process: one class per algorithm, each the twin of
// scripts/<algorithm>.lua, so that nothing changes for a client when Redis is added. Whole numbers throughout: what is
// divided is multiplied by windowMs first, because a rounded quotient could admit one more or one less.
//
// Before anything else a quota is brought to the time there is: `turn`. A clock that was set back gives no quota, and
// holds nobody for longer than a window.

import type { LimitQuestion } from "./store.ts";

/** How a limit counts. */
type Rule = Pick<LimitQuestion, "algorithm" | "limit" | "windowMs" | "burst">;

export interface Quota {
  readonly algorithm: LimitQuestion["algorithm"];
  /** How much memory it takes: 1 for what takes little, one more for each half KB. */
  readonly weight: number;
  /** Brings it to `now`, epoch ms. */
  turn(rule: Rule, now: number): void;
  /** How many more it admits; below 1: none. */
  free(rule: Rule): number;
  take(count: number): void;
  /** Ms until the window has passed. */
  passedMs(rule: Rule): number;
  /** Ms until `free` is at least `wanted`, if nothing is taken meanwhile. */
  waitMs(rule: Rule, wanted: number): number;
  /** At least so many have been taken, says somebody else, and the window ends after so many ms. */
  note(rule: Rule, used: number, resetMs: number): void;
}

/** An untouched one. */
export function createQuota(algorithm: LimitQuestion["algorithm"]): Quota {
  return new QUOTAS[algorithm]();
}

/** A window begins with the first request admitted in it. */
class FixedWindow implements Quota {
  readonly algorithm = "fixed-window";
  readonly weight = 1;
  #used = 0;
  #ends = 0;
  #now = 0;

  turn({ windowMs }: Rule, now: number): void {
    if (this.#ends <= now || this.#used === 0) this.#used = 0;
    if (this.#used === 0 || this.#ends > now + windowMs) this.#ends = now + windowMs;
    this.#now = now;
  }

  free({ limit }: Rule): number {
    return limit - this.#used;
  }

  take(count: number): void {
    this.#used += count;
  }

  passedMs(): number {
    return this.#ends - this.#now;
  }

  waitMs(): number {
    return this.#ends - this.#now;
  }

  note({ windowMs }: Rule, used: number, resetMs: number): void {
    if (used <= this.#used) return;
    this.#used = used;
    this.#ends = this.#now + Math.min(windowMs, Math.max(1, resetMs));
  }
}

/** Windows lie end to end from the epoch; the one before counts by the share of it that the last windowMs still cover. */
class SlidingWindow implements Quota {
  readonly algorithm = "sliding-window";
  readonly weight = 1;
  #number = 0;
  #current = 0;
  #previous = 0;
  /** Ms until the window ends. */
  #rest = 0;

  turn({ windowMs }: Rule, now: number): void {
    const number = Math.floor(now / windowMs);
    if (number > this.#number) {
      this.#previous = number === this.#number + 1 ? this.#current : 0;
      this.#current = 0;
    }
    this.#number = number;
    this.#rest = windowMs - (now % windowMs);
  }

  free({ limit, windowMs }: Rule): number {
    return Math.floor(((limit - this.#current) * windowMs - this.#previous * this.#rest) / windowMs);
  }

  take(count: number): void {
    this.#current += count;
  }

  passedMs(): number {
    return this.#rest;
  }

  // Solves the estimate for time: in this window while only the one before is in the way, else in the next.
  waitMs({ limit, windowMs }: Rule, wanted: number): number {
    const room = limit - wanted - this.#current;
    if (room >= 0 && this.#previous > 0) return this.#rest - Math.floor((room * windowMs) / this.#previous);
    if (room >= 0 || this.#current === 0) return this.#rest;
    return this.#rest + windowMs - Math.floor((Math.max(0, limit - wanted) * windowMs) / this.#current);
  }

  // What the window before counts for is in `used` already.
  note({ windowMs }: Rule, used: number): void {
    const before = Math.floor((this.#previous * this.#rest) / windowMs);
    this.#current = Math.max(this.#current, used - before);
  }
}

const NUMBERS_PER_WEIGHT = 64;

/** Every request admitted is remembered for a window. */
class SlidingLog implements Quota {
  readonly algorithm = "sliding-log";
  /** When requests were admitted and how many in that ms, the oldest first: at, count, at, count. */
  #log: number[] = [];
  #count = 0;
  #now = 0;

  get weight(): number {
    return 1 + Math.floor(this.#log.length / NUMBERS_PER_WEIGHT);
  }

  turn({ windowMs }: Rule, now: number): void {
    const log = this.#log;
    let gone = 0;
    for (; gone < log.length && at(log, gone) <= now - windowMs; gone += 2) this.#count -= at(log, gone + 1);
    if (gone > 0) log.splice(0, gone);
    if (now < this.#now) for (let i = 0; i < log.length; i += 2) log[i] = Math.min(at(log, i), now);
    this.#now = now;
  }

  free({ limit }: Rule): number {
    return limit - this.#count;
  }

  take(count: number): void {
    const log = this.#log;
    if (log.at(-2) === this.#now) log[log.length - 1] = at(log, log.length - 1) + count;
    else log.push(this.#now, count);
    this.#count += count;
  }

  passedMs({ windowMs }: Rule): number {
    const last = this.#log.at(-2);
    return last === undefined ? 0 : last + windowMs - this.#now;
  }

  waitMs({ limit, windowMs }: Rule, wanted: number): number {
    let over = this.#count - (limit - wanted);
    for (let i = 0; i < this.#log.length; i += 2) {
      over -= at(this.#log, i + 1);
      if (over <= 0) return at(this.#log, i) + windowMs - this.#now;
    }
    return windowMs;
  }

  // When they were admitted is not said: they are taken for the latest.
  note(_: Rule, used: number): void {
    if (used > this.#count) this.take(used - this.#count);
  }
}

function at(log: readonly number[], index: number): number {
  return log[index] ?? 0;
}

/** GCRA, as a bucket that fills by one with each request admitted and leaks `limit` in a window; `burst` is its size. */
class TokenBucket implements Quota {
  readonly algorithm = "token-bucket";
  readonly weight = 1;
  /** In 1/windowMs of a request. */
  #level = 0;
  #at = 0;
  #windowMs = 1;

  turn({ limit, windowMs }: Rule, now: number): void {
    if (now > this.#at) this.#level = Math.max(0, this.#level - (now - this.#at) * limit);
    this.#at = now;
    this.#windowMs = windowMs;
  }

  free({ windowMs, limit, burst = limit }: Rule): number {
    return Math.floor((burst * windowMs - this.#level) / windowMs);
  }

  take(count: number): void {
    this.#level += count * this.#windowMs;
  }

  passedMs({ limit, windowMs }: Rule): number {
    return limit === 0 ? windowMs : Math.ceil(this.#level / limit);
  }

  waitMs({ limit, windowMs, burst = limit }: Rule, wanted: number): number {
    if (limit === 0) return windowMs;
    return Math.ceil(Math.max(0, this.#level - (burst - wanted) * windowMs) / limit);
  }

  note({ windowMs }: Rule, used: number): void {
    this.#level = Math.max(this.#level, used * windowMs);
  }
}

const QUOTAS = {
  "fixed-window": FixedWindow,
  "sliding-window": SlidingWindow,
  "sliding-log": SlidingLog,
  "token-bucket": TokenBucket,
} as const;
