// Which trace is a request part of? What `traceparent` says (W3C Trace Context, §3.2), where it is one that counts. Both
// of its fields go on to the origin as they came; only a tracer (tracing.ts) puts its own in their place.

import { field } from "./fields.ts";
import type { Fields } from "./message.ts";

export const TRACEPARENT = "traceparent";
export const TRACESTATE = "tracestate";

export interface TraceParent {
  /** 32 hexadecimal digits in lower case, not all of them 0. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  /** §3.2.2.5: the bit of value 1 says that whoever sent this records its part. */
  readonly flags: number;
}

const FORM = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;
const OF_VERSION_00 = 55;
const NONE = /^0+$/;

/** undefined: there is none, or one that must be ignored (§3.2.2, §4.3): malformed, sent twice, of version ff, all zeroes. */
export function traceParent(fields: Fields): TraceParent | undefined {
  const value = field(fields, TRACEPARENT);
  return value === undefined ? undefined : read(value);
}

function read(value: string): TraceParent | undefined {
  const [, version, traceId = "", spanId = "", flags = ""] = FORM.exec(value) ?? [];
  if (version === undefined || version === "ff" || NONE.test(traceId) || NONE.test(spanId)) return undefined;
  // Later versions may say more; this one says all that there is.
  if (version === "00" && value.length !== OF_VERSION_00) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}
