// Under which tags, names and stamp is a response stored (store/store.ts), as which of its key's variants
// (RFC 9111 §4.1), and for how long?

import type { Stored } from "../store/store.ts";
import { currentAge, keepSeconds } from "./freshness.ts";
import { responseTags } from "./own-tags.ts";
import type { StoredHead, StoredResponse } from "./stored-response.ts";
import { type Found, namesOf, type Visit } from "./visit.ts";

/** More names than this would make every request a variant of its own. */
const MAX_NAMES = 10;

/** What a response with this head is stored under, and what tells whether it may answer somebody else. */
export function marks({ key, request, ...visit }: Visit, { reading }: Found, head: StoredHead) {
  const names = namesWith(namesOf(reading), head.names);
  const tags = [...visit.tags, ...(responseTags(request, head) ?? [])];
  return { stamp: reading.fence.clock, tags, names, variant: key.variant(names) };
}

/** `value` as it is put into the store at `now` (epoch ms). */
export function kept(visit: Visit, found: Found, { value, now }: { value: StoredResponse; now: number }) {
  const { stamp, tags, names, variant } = marks(visit, found, value);
  const freshUntil = value.alwaysValidate ? now : now + (value.lifetime - currentAge(value, now)) * 1000;
  const keepUntil = Math.max(now, freshUntil) + keepSeconds(value) * 1000;
  const stored: Stored<StoredResponse> = { value, stamp, tags, freshUntil, keepUntil };
  return { names, variant, stored };
}

/**
 * What the variants of a key are told apart by once `own` is one of their Vary's: by the names of all. So a response
 * without Vary, or with less of it, takes no other's place, but stands in for its own request's variant alone. Where all
 * together are too many, by the latest response's: the others are gone then.
 */
function namesWith(known: readonly string[], own: readonly string[]): readonly string[] {
  if (own.every((name) => known.includes(name))) return known;
  const all = [...new Set([...known, ...own])].sort();
  return all.length > MAX_NAMES ? own : all;
}
