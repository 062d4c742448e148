// What is found out by watching a route instead of trusting it (shadow.ts, verifying.ts), in the words of the report
// (differences.ts). And when may a difference be believed?

import type { Store } from "../store/store.ts";
import type { Aspect } from "./comparing.ts";
import type { Refusal } from "./judging.ts";
import type { StoredResponse } from "./stored-response.ts";
import type { Visit } from "./visit.ts";

export type Finding =
  /** What the cache would have done: answered fresh, stale with a validation behind, or asked the origin. */
  | { readonly kind: "would-hit" | "would-stale" | "would-miss" }
  /** The origin's answer would not have been stored. */
  | { readonly kind: "not-stored"; readonly reason: Refusal | "status" }
  /** The origin, asked at `askedAt`, gave the answer that has been stored since `storedAt` (epoch ms). */
  | { readonly kind: "same"; readonly storedAt: number; readonly askedAt: number }
  | Difference
  /** No answer to compare; invalidated, replaced or gone meanwhile, so that the difference proves nothing; or too much at once. */
  | { readonly kind: "unjudged"; readonly why: "failed" | "partial" | "overtaken" | "busy" };

export interface Difference {
  readonly kind: "different";
  readonly by: "shadow" | "verify";
  readonly aspects: readonly Aspect[];
  readonly status: { readonly stored: number; readonly origin: number };
  /** Epoch ms: the stored answer came; the other one did. */
  readonly storedAt: number;
  readonly at: number;
  /** What the two requests said differently (sketch.ts); undefined: nobody knows. */
  readonly apart: readonly string[] | undefined;
  /** The origin gave another client the stored answer at the same time. */
  readonly isProven: boolean;
}

/** Hears what was found about the route and the key of a visit. Never throws. */
export type Told = (visit: Visit, finding: Finding) => void;

export interface Judge {
  /** Tells of a difference once it is sure that no invalidation explains it. Never rejects. */
  judge(visit: Visit, difference: Difference): Promise<void>;
}

export interface JudgeParts {
  readonly store: Store<StoredResponse>;
  readonly told: Told;
  /** Resolves after so many ms. */
  readonly wait: (ms: number) => Promise<void>;
}

/** How long a write may still take that the origin's answer shows already, ms: until it ends a cache may answer as before. */
const SETTLE_MS = 1000;
const MAX_PENDING = 100;

export function createJudge({ store, told, wait }: JudgeParts): Judge {
  let pending = 0;

  async function judged(visit: Visit, { storedAt }: Difference): Promise<boolean> {
    await wait(SETTLE_MS);
    const reading = await store.look({ key: visit.key, tags: visit.tags, limits: [], certain: true });
    const isAsItWas = reading.usable && reading.softAt === undefined && reading.fence.shared;
    return isAsItWas && reading.stored?.value.responseTime === storedAt;
  }

  return {
    async judge(visit, difference) {
      if (pending >= MAX_PENDING) return told(visit, { kind: "unjudged", why: "busy" });
      pending += 1;
      const isStanding = await judged(visit, difference).catch(() => false);
      pending -= 1;
      told(visit, isStanding ? difference : { kind: "unjudged", why: "overtaken" });
    },
  };
}
