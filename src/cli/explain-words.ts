// What do the words mean that Cache-Status and the log say why with? For somebody who reads them for the first time.

import type { Refusal } from "../cache/judging.ts";
import type { Forward } from "../cache/reuse.ts";

/** Why a response is not stored. */
export const REFUSALS: Readonly<Record<string, string>> = {
  method: "only answers to GET are",
  "request-content": "the request has content, which is in no key",
  request: "the request says no-store",
  partial: "it is of use only to who asked for that part",
  status: "no response with this status is",
  "no-store": "Cache-Control says no-store",
  private: "Cache-Control says private",
  authorization: "the request has Authorization, and the response says neither public, s-maxage nor must-revalidate",
  "set-cookie": "it sets a cookie, and the route's setCookie is refuse",
  "vary-star": "it says Vary: *, which no request matches",
  "vary-forwarded": "it varies by what this proxy says of each client",
  "too-many-vary-names": "it varies by too many fields",
  "content-coding": "it varies by Accept-Encoding, and is in a coding that is not known",
  "no-freshness": "nobody states how long it is fresh, and it is of no use stale",
  oversize: "it is larger than maxBody",
  incomplete: "it broke off",
  "store-away": "the store cannot be reached",
  "event-stream": "it does not end",
  "too-many-groups": "it names too many Cache-Groups",
  "too-many-tags": "it names too many tags",
} satisfies Record<Refusal, string>;

/** Why a request goes to the origin. */
export const REASONS: Readonly<Record<string, string>> = {
  bypass: "nothing is stored here",
  method: "its method is not answered from what is stored",
  "uri-miss": "nothing is stored under its key",
  "vary-miss": "what is stored under its key is another variant",
  request: "the request insists",
  stale: "what is stored may not be used as it is",
} satisfies Record<Forward, string>;
