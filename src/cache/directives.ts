// Which cache directives hold for a response? Those of the targeted field for this cache, else of the one for CDNs, else of
// Cache-Control (RFC 9213 §2.2). And which of its fields do they keep from being stored (RFC 9111 §5.2.2.4, §5.2.2.7)?
//
// Surrogate-Control is left to the CDN that the origin speaks to with it.

import { type BareItem, type Item, parseDictionary } from "structured-headers";
import { type CacheControl, fieldNames, parseCacheControl } from "../http/cache-control.ts";
import { field } from "../http/fields.ts";
import type { Fields } from "../http/message.ts";

export interface Directives {
  readonly cc: CacheControl;
  /** True: a targeted field states them, and neither Cache-Control nor Expires counts. */
  readonly isTargeted: boolean;
}

/** @param response `targeted`: its Forebay-Cache-Control, which is not among its fields */
export function directivesOf(response: {
  readonly fields: Fields;
  readonly targeted?: string | undefined;
}): Directives {
  const cc = parseTargeted(response.targeted) ?? parseTargeted(field(response.fields, "cdn-cache-control"));
  if (cc !== undefined) return { cc, isTargeted: true };
  return { cc: parseCacheControl(field(response.fields, "cache-control")), isTargeted: false };
}

/**
 * The directives of a targeted field's value, all its lines joined: a Dictionary (RFC 9213 §2.1). undefined where it is
 * empty or none, so that it counts for nothing as a whole. Never throws.
 */
export function parseTargeted(value: string | undefined): CacheControl | undefined {
  if (value === undefined) return undefined;
  try {
    const members = parseDictionary(value);
    if (members.size === 0) return undefined;
    const decimals = decimalsIn(value);
    const directives = new Map<string, string | true>();
    // Parameters are ignored.
    for (const [name, [item]] of members) directives.set(name, decimals.get(name) ? GARBAGE : argumentOf(name, item));
    return directives;
  } catch {
    return undefined;
  }
}

/** Whether `private` or `no-cache` holds for the response as a whole. */
export function isForWhole(cc: CacheControl, name: "private" | "no-cache"): boolean {
  return cc.has(name) && dispensable(cc, name) === undefined;
}

/** The lower-case names of the fields that `private="…"` and `no-cache="…"` keep from the store; the rest may be stored. */
export function withheldNames(cc: CacheControl): readonly string[] {
  return [...(dispensable(cc, "private") ?? []), ...(dispensable(cc, "no-cache") ?? [])];
}

/**
 * Without one of these the rest is another response, or is stored and selected by other rules than the origin's: where
 * private or no-cache names one, it is taken to be about the whole.
 */
const INDISPENSABLE: ReadonlySet<string> = new Set([
  ...["cache-control", "cdn-cache-control", "forebay-cache-control", "expires", "vary", "cache-groups"],
  ...["content-encoding", "content-type", "location"],
]);

function dispensable(cc: CacheControl, name: "private" | "no-cache"): readonly string[] | undefined {
  const names = fieldNames(cc, name);
  return names?.some((each) => INDISPENSABLE.has(each)) ? undefined : names;
}

/** Present, with an argument that cannot be read: the same that http/cache-control.ts makes of such. */
const GARBAGE = "";
const STRING = /"(?:[^"\\]|\\.)*"/g;
const MEMBER = /(?:^|,)[ \t]*([a-z*][a-z\d_.*-]*)(=-?\d+\.)?/g;

/**
 * Of a Dictionary that has been parsed, which member's value, the last of its name, is a Decimal: the parser gives 1.0 as 1,
 * and a max-age of that must not pass for an Integer (RFC 9213 §2.1).
 */
function decimalsIn(value: string): ReadonlyMap<string | undefined, boolean> {
  const members = value.replace(STRING, '""').matchAll(MEMBER);
  return new Map(Array.from(members, ([, name, decimal]) => [name, decimal !== undefined]));
}

/** As Cache-Control would have it; what is not of the type its directive has is garbage: `max-age="60"`, `no-store=?0`. */
function argumentOf(name: string, item: BareItem | readonly Item[]): string | true {
  if (item === true) return true;
  if (typeof item === "number") return String(item);
  return typeof item === "string" && (name === "private" || name === "no-cache") ? item : GARBAGE;
}
