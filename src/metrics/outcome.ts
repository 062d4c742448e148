// How did a request end, in one word? Those of Cache-Status (RFC 9211 §2.2) where the cache had a say, and ours where it
// had none. The labels `outcome` and `status` of the metrics: nothing else can become one.

import type { About } from "../passage.ts";

/** In the order in which they are counted. The first two were answered with what is stored, without waiting for the origin, or
 * in the place of its error. */
export const OUTCOMES = [
  "hit",
  "stale",
  "collapsed",
  "validated",
  "expired",
  "uri-miss",
  "vary-miss",
  "request",
  "bypass",
  "method",
  "would-hit",
  "would-stale",
  "would-miss",
  "limited",
  "failed",
  "none",
] as const;

type OutcomeWord = (typeof OUTCOMES)[number];

/** Of a response; the last one: its client left before there was any. */
export const STATUSES = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"] as const;

/** The place of a word among OUTCOMES. */
export const PLACE = Object.freeze(Object.fromEntries(OUTCOMES.map((word, i) => [word, i]))) as Readonly<
  Record<OutcomeWord, number>
>;

const PLACES: ReadonlyMap<string, number> = new Map(Object.entries(PLACE));

/** Among OUTCOMES. */
export function outcomeOf({ own, cache }: Pick<About, "own" | "cache">): number {
  return PLACES.get(own ?? cache) ?? PLACE.none;
}

/** Among STATUSES. */
export function statusOf(status: number): number {
  const hundreds = Math.floor(status / 100);
  return hundreds >= 1 && hundreds <= 5 ? hundreds - 1 : STATUSES.length - 1;
}
