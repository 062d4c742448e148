// May a stale response stand in for an error (RFC 9111 §4.2.4, RFC 5861 §4)? Where response or route permit it and the
// client does not insist on the origin, which reuse.ts has decided; here it is only made.

import type { Response } from "../http/message.ts";
import { deliver } from "./delivery.ts";
import { staleness } from "./freshness.ts";
import { cacheStatus } from "./status.ts";
import { type Found, secondsSincePurge, type Visit } from "./visit.ts";

interface OriginError {
  /** Epoch ms. */
  readonly now: number;
  /** The origin's, where it answered. */
  readonly status?: number | undefined;
  /** Another request's fetch met it. */
  readonly collapsed?: boolean;
}

/** The stale response in place of the error; undefined where it may not be. */
export function insteadOfError(visit: Visit, { decision, reading }: Found, error: OriginError): Response | undefined {
  if (decision.kind !== "validate" || !decision.staleIfError) return undefined;
  visit.trace.cache = "stale";
  const { now, ...rest } = error;
  const { stored, reason } = decision;
  const detail = "stale-if-error";
  // fwd without fwd-status would say that the origin answered with what is sent (RFC 9211 §2.1, §2.3).
  const status =
    rest.status === undefined
      ? cacheStatus.hit(Math.floor(0 - staleness(stored, { now, endedFor: secondsSincePurge(reading, now) })), detail)
      : cacheStatus.forwarded({ reason, detail, ...rest });
  return deliver(visit, stored, { now, status });
}
