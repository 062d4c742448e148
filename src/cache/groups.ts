// Which groups does a stored response belong to, and which does the response to a write invalidate (RFC 9875)? Each is
// a tag. Groups of one name are told apart by authority alone, as paths are (invalidation.ts): that http and https of one
// authority share them costs a fetch at the most. One group's invalidation never leads to another's (§2.2.1).

import { parseList } from "structured-headers";
import { field } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";
import { groupTag } from "./invalidation.ts";

/**
 * The tags of the groups that a response belongs to. A field that is no list of strings counts as absent, as RFC 9651 has
 * it. undefined: they are more than are remembered, or longer, and an invalidation of one might not find the response.
 */
export function groupTags({ authority }: Pick<Request, "authority">, fields: Fields): readonly string[] | undefined {
  const groups = strings(field(fields, "cache-groups"));
  const isTooMany = groups.length > MAX_GROUPS || groups.some((group) => group.length > MAX_GROUP_LENGTH);
  return isTooMany ? undefined : groups.map((group) => groupTag(authority, group));
}

/** The tags of the groups that the response to an unsafe request invalidates (§3), as many as it names. */
export function invalidatedGroupTags({ authority }: Request, fields: Fields): readonly string[] {
  const groups = strings(field(fields, "cache-group-invalidation"));
  // Nothing is stored that belongs to a longer one.
  return groups.filter(({ length }) => length <= MAX_GROUP_LENGTH).map((group) => groupTag(authority, group));
}

/** Of one response, each a slot to be read with it. At least 32 groups of 32 characters are to be supported (§2). */
const MAX_GROUPS = 128;
export const MAX_GROUP_LENGTH = 256;
const NONE: readonly string[] = Object.freeze([]);

/** The members of a list of strings, each once, their parameters ignored; none where it is malformed in any part. */
function strings(value: string | undefined): readonly string[] {
  if (value === undefined) return NONE;
  try {
    const members = parseList(value).map(([member]) => member);
    return members.every((member) => typeof member === "string") ? [...new Set(members)] : NONE;
  } catch {
    return NONE;
  }
}
