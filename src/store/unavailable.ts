// Why a shared store did not answer. It is thrown by redis.ts and caught in one place, fail-open.ts.

import type { Verdict } from "./store.ts";

interface Unavailability {
  readonly cause?: unknown;
  readonly verdicts?: readonly Verdict[] | undefined;
  readonly isPartial?: boolean;
}

/** The store cannot be asked now, or did not answer in time: never the client's problem. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
  /** What the limits said where only the stored responses could not be read; undefined: they were not asked. */
  readonly verdicts: readonly Verdict[] | undefined;
  /** The fence answers: only what was asked about lies where nothing answers (a node of a Redis Cluster). */
  readonly isPartial: boolean;

  constructor(message: string, options: Unavailability = {}) {
    super(message, { cause: options.cause });
    this.verdicts = options.verdicts;
    this.isPartial = options.isPartial ?? false;
  }
}

/** `promise`, or StoreUnavailable after `ms`. What comes later is dropped. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const heard = unlessHeard(ms, () => reject(new StoreUnavailable(`Redis did not answer within ${ms} ms`)));
    const settle = (settled: () => void) => {
      heard();
      settled();
    };
    promise.then(
      (value) => settle(() => resolve(value)),
      (cause) => settle(() => reject(unavailable(cause))),
    );
  });
}

/**
 * Calls `late` after `ms`, unless what it returns was called before. Where this process itself stood still, the reply may be
 * here already: timers run before sockets are read, so they are read once more.
 */
export function unlessHeard(ms: number, late: () => void): () => void {
  let last: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    last = setImmediate(late);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
}

/** Whatever went wrong, as StoreUnavailable. */
export function unavailable(cause: unknown): StoreUnavailable {
  if (cause instanceof StoreUnavailable) return cause;
  return new StoreUnavailable(cause instanceof Error ? cause.message : "Redis refused", { cause });
}

export function notConnected(): Promise<never> {
  return Promise.reject(new StoreUnavailable("not connected to Redis"));
}

/** Of an error, in words: those of sockets may have no message. */
export function textOf(reason: unknown): string {
  return reason instanceof Error ? reason.message || String((reason as { code?: string }).code) : String(reason);
}
