// The stored variants of a key, when none matches the request: the origin is told which there are (If-None-Match with their
// entity tags, RFC 9111 §4.1, §4.3.1), and where its 304 names one, that variant's content is this request's, too (§4.3.4).
//
// Only strong entity tags tell variants apart: two of them are equal only where every byte is, which also holds for what
// was invalidated meanwhile. And no content in a coding that the request does not accept: some origins give the compressed
// and the plain response one strong tag. Nor where responses vary by more than what the client reads (Cookie, say): a 304
// repeats no more than a few fields, so one client's other ones would go to the next.

import { field, has } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";
import type { Sibling } from "../store/store.ts";
import { isPartial, type Reuse } from "./reuse.ts";
import type { StoredResponse } from "./stored-response.ts";
import { KNOWN_CODINGS, normalised } from "./vary.ts";

/** A sibling by the entity tag that the origin is told. */
export interface Offer {
  readonly id: string;
  readonly etag: string;
}

/** What `offers` goes by, in the store's keeping: its strong entity tag and its content coding; undefined where it is not to be offered. */
export function labelOf({
  status,
  etag,
  fields,
  names,
}: Pick<StoredResponse, "status" | "etag" | "fields" | "names">): string | undefined {
  if (has(fields, "set-cookie") || !names.every((name) => name.startsWith("accept"))) return undefined;
  if (status !== 200 || etag === undefined || etag.length > LONGEST_TAG || !STRONG.test(etag)) return undefined;
  const coding = (field(fields, "content-encoding") ?? "identity").toLowerCase().replace(/^x-/, "");
  return coding === "identity" || KNOWN_CODINGS.includes(coding) ? `${coding} ${etag}` : undefined;
}

/** Whether the origin may be told of other variants: it is asked for a whole, and none that is stored matches. */
export function mayOffer(request: Request, decision: Reuse): boolean {
  if (request.method !== "GET" || isPartial(request)) return false;
  return decision.kind === "forward" && decision.reason === "vary-miss";
}

/** Those of `siblings` whose content this client could read, each entity tag once, a few at the most. */
export function offers({ fields }: Pick<Request, "fields">, siblings: readonly Sibling[]): Offer[] {
  // Where the client does not say, RFC 9110 §12.5.3 would let it have any; it is likelier to read none.
  const accepted = (normalised("accept-encoding", fields) ?? "identity").split(", ");
  const found = new Map<string, Offer>();
  for (const { id, label } of siblings) {
    const [, coding = "", etag = ""] = LABEL.exec(label) ?? [];
    const isReadable = coding === "identity" ? !accepted.includes("!identity") : accepted.includes(coding);
    if (isReadable && !found.has(etag)) found.set(etag, { id, etag });
    if (found.size === MAX_OFFERS) break;
  }
  return [...found.values()];
}

/** The one that a 304 names, by strong comparison (RFC 9110 §8.8.3.2). */
export function named(offered: readonly Offer[], notModified: Fields): Offer | undefined {
  const etag = field(notModified, "etag");
  return offered.find((offer) => offer.etag === etag);
}

/** More would make the request long for little: the latest are the likeliest. */
const MAX_OFFERS = 8;
const LONGEST_TAG = 128;
const STRONG = /^"[!\x23-\x7e]*"$/;
const LABEL = /^([a-z]+) ("[!\x23-\x7e]*")$/;
