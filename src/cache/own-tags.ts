// Which tags does a response name itself, besides those that its request tells? Surrogate-Key and Cache-Tag, as origins
// write them for the caches in front of them, name tags of the same kind as `cache.tags` of a route; Cache-Groups names
// groups of one authority (groups.ts). The first two end here unless the route passes them on: what an origin says to
// its cache is of no use to a client, and tells it how the origin is built.

import { Buffer } from "node:buffer";
import { field, has, lines, members, without } from "../http/fields.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { groupTags } from "./groups.ts";
import { namedTag } from "./invalidation.ts";
import type { CachePolicy } from "./policy.ts";
import type { StoredHead } from "./stored-response.ts";

/** Of one response, each a slot to be read with it; longer than any that can be written in a configuration. */
const MAX_OWN_TAGS = 256;
export const MAX_TAG_LENGTH = 256;

const NONE: readonly string[] = Object.freeze([]);
const FIELDS: ReadonlySet<string> = new Set(["surrogate-key", "cache-tag"]);

/** `response` as it goes on: what Surrogate-Key and Cache-Tag named is in `ownTags`, and in its fields only where `exposeTags` says so. */
export function withOwnTags(response: Response, { exposeTags }: Pick<CachePolicy, "exposeTags">): Response {
  const { fields } = response;
  if (!has(fields, "surrogate-key") && !has(fields, "cache-tag")) return response;
  return { ...response, ownTags: ownTags(fields), fields: exposeTags ? fields : without(fields, FIELDS) };
}

/**
 * The tags that only the response knows. undefined: they are more than are remembered, or longer, and an invalidation
 * of one might not find the response.
 */
export function responseTags(
  { authority }: Pick<Request, "authority">,
  { fields, ownTags }: Pick<StoredHead, "fields" | "ownTags">,
): readonly string[] | undefined {
  const groups = groupTags({ authority }, fields);
  if (groups === undefined || ownTags.length === 0) return groups;
  if (ownTags.length > MAX_OWN_TAGS || ownTags.some(({ length }) => length > MAX_TAG_LENGTH)) return undefined;
  return [...groups, ...ownTags.map(namedTag)];
}

/** Surrogate-Key separates by blanks, Cache-Tag by commas. Each tag once. */
function ownTags(fields: Fields): readonly string[] {
  const keys = lines(fields, "surrogate-key").flatMap((line) => line.split(/[ \t]+/));
  const tags = members(field(fields, "cache-tag") ?? "");
  const named = [...keys, ...tags].filter((tag) => tag !== "").map(asText);
  return named.length === 0 ? NONE : [...new Set(named)];
}

const BEYOND_ASCII = /[\x80-\xff]/;

/** A configuration and an operator write a tag as text: so is what was sent in UTF-8, of which a field value holds the bytes. */
function asText(tag: string): string {
  if (!BEYOND_ASCII.test(tag)) return tag;
  const bytes = Buffer.from(tag, "latin1");
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : tag;
}
