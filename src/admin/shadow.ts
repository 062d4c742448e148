// Is it safe to cache these routes? GET /api/shadow: what the cache would have done where it is in shadow mode, and which
// answers of the origin were not those that it gave, or would have given.

/** Of one route, since the process began. */
export interface WatchTally {
  /** In shadow mode: what would have been answered fresh, stale with a validation behind it, or asked for at the origin. */
  readonly wouldHit: number;
  readonly wouldStale: number;
  readonly wouldMiss: number;
  /** In shadow mode: why answers of the origin would not have been stored, and how many. */
  readonly notStored: Readonly<Record<string, number>>;
  /** Answers compared: as many as were the same, and as were not. */
  readonly same: number;
  readonly different: number;
  /** Why others were not: failed, partial, overtaken (by an invalidation, say), busy. */
  readonly unjudged: Readonly<Record<string, number>>;
}

/** Whose doing a difference is. "clients": the origin gave different clients different answers at the same time. "origin": no
 * field of the requests accounts for it, or others got the new answer too; it changed while it was fresh. "unclear": either. */
export type Verdict = "clients" | "origin" | "unclear";

/** A key that differed. Times are ISO 8601. */
export interface ShownDifference {
  readonly route: string;
  /** Host and path; the query as "?..." unless the log may show it. */
  readonly key: string;
  readonly by: "shadow" | "verify";
  readonly verdict: Verdict;
  readonly count: number;
  /** "status", "content", or names of response fields. */
  readonly aspects: readonly string[];
  /** What the clients' requests said differently: names of fields, cookie:NAME, ip; the one that did most often first. */
  readonly requestFields: readonly string[];
  /** The last time. */
  readonly status: { readonly stored: number; readonly origin: number };
  /** How old the stored answer was the last time. */
  readonly afterMs: number;
  readonly since: string;
  readonly last: string;
}

export interface ShadowStatus {
  readonly since: string;
  readonly routes: Readonly<Record<string, WatchTally>>;
  /** The last hundred keys, those of late first. */
  readonly differences: readonly ShownDifference[];
}
