// What is said of a request: plain data, as /api/explain and --json give it. cli/explain-text.ts says it in words.
// Durations are in seconds where RFC 9111 has them, else in ms; null: there is none, or it is not known.

import type { KeyParts } from "../cache/key-parts.ts";
import type { NearMisses } from "../config/near-misses.ts";
import type { TracedHop } from "../limit/client.ts";

/** Raised with every change that a reader of the JSON must know of. */
export const FORMAT = 1;

export interface Explanation {
  readonly format: number;
  readonly request: {
    readonly method: string;
    readonly authority: string;
    /** As sent. */
    readonly target: string;
    /** In the normal form that routes are compared with. */
    readonly path: string;
    /** Fields that the proxy takes away before it looks at any: the names that a peer may not speak under. */
    readonly removed: readonly string[];
  };
  /** What is done with it where the limits admit it. "shadow": the origin answers, and what a "read" would have is compared
   * (cache.mode). "purge": PURGE, where the configuration has `purge`; no limit counts it. "purge-refused": from where it may
   * not come, 403. "no-route": 404; "loop": 508. */
  readonly way: "read" | "shadow" | "write" | "pass" | "purge" | "purge-refused" | "no-route" | "loop";
  readonly route: RouteSaid | null;
  readonly otherRoutes: NearMisses;
  readonly client: {
    /** Whom the limits count by ip. */
    readonly counted: string;
    readonly hops: readonly TracedHop[];
  };
  /** null: nothing is stored on this route. */
  readonly key: KeySaid | null;
  readonly freshness: FreshnessSaid | null;
  /** Of what is stored for a GET of it. */
  readonly tags: readonly string[];
  /** By an unsafe method with this target. */
  readonly invalidates: { readonly tags: readonly string[]; readonly paths: readonly string[] };
  readonly limits: readonly LimitSaid[];
  /** Left out: the store was not asked. */
  readonly stored?: StoredSaid;
}

export interface RouteSaid {
  readonly id: string;
  readonly host: string | null;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly isCached: boolean;
}

export interface KeySaid {
  /** As it is; injective. */
  readonly text: string;
  readonly parts: KeyParts;
  /** What of the request makes no other response. */
  readonly ignored: {
    readonly query: readonly string[];
    readonly headers: readonly string[];
    readonly cookies: readonly string[];
  };
  /** What the variants of the key differ by (Vary), with what this request says; null: not known, or nothing. */
  readonly variant: KeyParts["headers"] | null;
}

export interface FreshnessSaid {
  /** The first that decides is followed; in the order in which they are. */
  readonly rules: readonly FreshnessRule[];
  /** Of the response that was given, or of what is stored; null where there is neither. */
  readonly response: ResponseSaid | null;
}

export interface FreshnessRule {
  readonly by:
    | "override"
    | "forebay-cache-control"
    | "cdn-cache-control"
    | "cache-control"
    | "expires"
    | "heuristic"
    | "ttl";
  /** What is stated there: "max-age=60", "ttl 300 s". */
  readonly says: string | null;
  /** Seconds of freshness that follow from it alone. */
  readonly lifetime: number | null;
  /** "silent": states nothing. "off": the route does not use it. "if-stated": there is no response to look at. "unreadable":
   * malformed, so as if it were not there. */
  readonly verdict: "decides" | "outranked" | "silent" | "off" | "if-stated" | "unreadable";
}

export interface ResponseSaid {
  readonly status: number;
  /** Why it would not be stored; null: it would. */
  readonly refused: string | null;
  /** Seconds. */
  readonly lifetime: number | null;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  /** no-cache: never used without asking the origin. */
  readonly alwaysValidate: boolean;
}

export interface LimitSaid {
  readonly name: string;
  readonly algorithm: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly burst: number;
  readonly by: readonly string[];
  /** Whose quota it is; null: this client is not counted. */
  readonly client: string | null;
  /** Of the quota. */
  readonly key: string | null;
  readonly enforced: boolean;
  readonly reserve: number;
  readonly onStoreFailure: string;
}

export interface StoredSaid {
  /** False: the store did not answer. */
  readonly answered: boolean;
  /** The route is in shadow mode: nothing of this answers anybody, and `decision` is what would be if it were not. */
  readonly isShadowed: boolean;
  /** What a request would get now: "fresh", "stale-while-revalidate", "validate", "forward", "unsatisfiable". */
  readonly decision: string;
  /** Why it would go forward (RFC 9211). */
  readonly reason: string | null;
  /** The fence's clock. */
  readonly clock: number | null;
  /** Requests for the key need not queue until then, for what comes is not storable; epoch ms. */
  readonly passUntil: number | null;
  /** How long the lease of a fetch under way lasts unless it is renewed, ms; null: there is none, or nobody to ask. */
  readonly leaseMs: number | null;
  readonly response: StoredResponseSaid | null;
}

export interface StoredResponseSaid {
  readonly status: number;
  /** null: of the content a digest is there, no more (shadow mode). */
  readonly bytes: number | null;
  /** Seconds. */
  readonly age: number;
  readonly lifetime: number;
  /** Seconds; negative: how long it has been stale. */
  readonly ttl: number;
  readonly etag: string | null;
  /** The fence's clock before its fetch began. */
  readonly stamp: number;
  readonly tags: readonly string[];
  /** Epoch ms. */
  readonly fetchedAt: number;
  readonly keptUntil: number;
  readonly state: "usable" | "soft-purged" | "invalidated";
  /** By which tags, or all of it ("floor"), and when by the fence's clock. Tags that share a slot cannot be told apart. */
  readonly because: readonly { readonly tag: string | "floor"; readonly clock: number }[];
  /** Which sidecar fetched it, or validated it last, by the name that it has in /api/stats, `forebay top` and events; null: not
   * known. */
  readonly storedBy: { readonly sidecar: string; readonly isThis: boolean } | null;
  /** "memory": this process holds it. */
  readonly tier: "memory" | "redis";
  /** How often this process has answered with it from memory; null: it is not in memory. */
  readonly hits: number | null;
}
