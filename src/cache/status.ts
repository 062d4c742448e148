// What does Cache-Status say of a response (RFC 9211)? Our member only, `forebay`; one that the origin's side sent stays
// in its own line before ours. Texts are made by hand: a hit must not cost a serialiser.

import type { Forward } from "./reuse.ts";

export interface Forwarded {
  readonly reason: Forward;
  /** The origin's status, where it answered. */
  readonly status?: number | undefined;
  readonly stored?: boolean | undefined;
  /** This request waited for another one's fetch. */
  readonly collapsed?: boolean | undefined;
  /** A token (a reason of ours), or any text. */
  readonly detail?: string | undefined;
}

export const cacheStatus = {
  /** Answered from the store. `ttl`: whole seconds of freshness left, negative when stale. */
  hit(ttl: number, detail?: string): string {
    const text = `forebay; hit; ttl=${ttl}`;
    return detail === undefined ? text : `${text}; detail=${item(detail)}`;
  },

  /** Went towards the origin. */
  forwarded({ reason, status, stored, collapsed, detail }: Forwarded): string {
    let text = `forebay; fwd=${reason}`;
    if (status !== undefined) text += `; fwd-status=${status}`;
    if (stored === true) text += "; stored";
    if (collapsed === true) text += "; collapsed";
    return detail === undefined ? text : `${text}; detail=${item(detail)}`;
  },
};

const TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~\w:/]*$/;

/** A token, else a string (RFC 8941 §3.3.3), which has printable ASCII only. */
function item(text: string): string {
  return TOKEN.test(text) ? text : `"${text.replace(/[^ -~]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
