// What is a stored response (RFC 9111 §3)? Plain data, decided once when storing, so that answering from it computes
// nothing but its age. Its stamp and tags are the store's affair and stand around it (store/store.ts).

import type { Fields } from "../http/message.ts";

export interface StoredResponse {
  readonly status: number;
  /** Ready to be written, but for Age and our member of Cache-Status: hop-by-hop fields are gone, Date is there. */
  readonly fields: Fields;
  readonly body: Uint8Array;
  /** Epoch ms at which the request that brought it (or last validated it) was sent, and its response's head received. */
  readonly requestTime: number;
  readonly responseTime: number;
  /** corrected_initial_age (§4.2.3), seconds. */
  readonly initialAge: number;
  /** freshness_lifetime (§4.2.1), seconds. */
  readonly lifetime: number;
  /** Seconds past the lifetime, merged of response and route; 0 where `mustRevalidate` or `alwaysValidate` holds. */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  /** no-cache (§5.2.2.4): not used without successful validation, fresh or not. */
  readonly alwaysValidate: boolean;
  /** must-revalidate, proxy-revalidate, s-maxage (§4.2.4): never used stale, whatever client or route say. */
  readonly mustRevalidate: boolean;
  /** Its Forebay-Cache-Control (RFC 9213), which is for this cache alone and not among `fields`. */
  readonly targeted: string | undefined;
  /** The tags that its origin named, each once, as text (own-tags.ts): perhaps not among `fields`. */
  readonly ownTags: readonly string[];
  /** As sent. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** The field names of its own Vary, lower-case, sorted. */
  readonly names: readonly string[];
}

/** All that is known of a stored response when its head has arrived. */
export type StoredHead = Omit<StoredResponse, "body">;

/** Whether the origin can be asked if it still holds (§4.3.1). */
export function hasValidator(stored: StoredHead): boolean {
  return stored.etag !== undefined || stored.lastModified !== undefined;
}
