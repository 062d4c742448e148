// May what has just come from the origin be stored? What RFC 9111 says of it is storing.ts' answer; the rest shows only in
// the fetch that brought it: whether the fence was read, how much comes, and whether an invalidation would find it.

import { field } from "../http/fields.ts";
import type { Response } from "../http/message.ts";
import { groupTags } from "./groups.ts";
import { responseTags } from "./own-tags.ts";
import { type NotStorable, type Storing, type StoringAsk, storing } from "./storing.ts";
import type { Found, Visit } from "./visit.ts";

/** "store-away": there is no stamp to store it under. "event-stream": it does not end, and nobody is to wait for it.
 * "too-many-groups", "too-many-tags": a later invalidation of one of them might not find it (RFC 9875; own-tags.ts). */
export type Refusal = NotStorable | "store-away" | "event-stream" | "too-many-groups" | "too-many-tags";
export type Judgement =
  | Extract<Storing, { kind: "storable" }>
  | { readonly kind: "not-storable"; readonly reason: Refusal };

const OF_THE_REQUEST: ReadonlySet<Refusal> = new Set<Refusal>([
  "store-away",
  "method",
  "request-content",
  "request",
  "partial",
  "authorization",
]);

/** Whether the reason lies in the request: the next one for the key may well be storable. */
export function isOfTheRequest(reason: Refusal): boolean {
  return OF_THE_REQUEST.has(reason);
}

/** Decides once the head is there. `isFollowed`: others share it even where it cannot be stored. */
export function judged(
  visit: Visit,
  { reading, decision }: Found,
  arrived: Pick<StoringAsk, "requestTime" | "responseTime" | "random"> & { response: Response; isFollowed: boolean },
): Judgement {
  const { request, policy } = visit;
  const verdict = storing({ request, policy, ...arrived });
  if (verdict.kind === "not-storable") return verdict;
  const refused = (reason: Refusal): Judgement => ({ kind: "not-storable", reason });
  if (!reading.fence.shared && !arrived.isFollowed) return refused("store-away");
  if (arrived.response.endsAtClose) return refused("incomplete");
  // A condition of the client's went along: what came may be true for it alone.
  if (decision.kind === "forward" && decision.reason === "bypass") return refused("request");
  if (field(arrived.response.fields, "content-type")?.startsWith("text/event-stream")) return refused("event-stream");
  if (knownLength(arrived.response) > policy.maxBody) return refused("oversize");
  if (groupTags(request, verdict.stored.fields) === undefined) return refused("too-many-groups");
  if (responseTags(request, verdict.stored) === undefined) return refused("too-many-tags");
  return verdict;
}

/** Bytes; 0 where its length will show when it has arrived (fill.ts). */
function knownLength({ content, fields }: Response): number {
  return content instanceof Uint8Array ? content.length : Number(field(fields, "content-length") ?? 0);
}
