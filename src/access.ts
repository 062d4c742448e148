// One access line per request, written when its exchange with the client is over: what the proxy says of its way, and
// what the listener says of its end.

import type { Ending } from "./endings.ts";
import { field } from "./http/fields.ts";
import type { Request } from "./http/message.ts";
import { isSampled } from "./log/sampling.ts";
import type { Log } from "./log.ts";

interface AccessOptions {
  readonly log: Log;
  readonly wanted: {
    readonly access: boolean;
    /** The share of requests that get a line, 0 to 1. What went wrong always does, and what took `slow` ms. */
    readonly sample: number;
    readonly slow?: number | undefined;
    /** Request fields that are written, lower-case. */
    readonly headers: readonly string[];
  };
  readonly client: (request: Request) => string;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What writes the line of each request that ended; undefined: no lines are wanted. */
export function accessLog({ log, wanted, client, random }: AccessOptions): ((ending: Ending) => void) | undefined {
  if (!wanted.access || !log.accessEnabled) return undefined;
  const { headers: names, sample: share, slow = Number.POSITIVE_INFINITY } = wanted;

  return (ending) => {
    const { request, about, status, complete, ms } = ending;
    const sample = share === 1 || isNotable(ending, slow) ? undefined : share;
    if (sample !== undefined && !isKept(ending, sample, random)) return;
    const { cache, limit, msStore, msOrigin, requestId, route, traceId } = about;
    const { method, authority, target } = request;
    const headers = names.length === 0 ? undefined : picked(request, names);
    // One by one: this is made for every request, and spreading objects into it takes half of its time.
    log.access({
      method,
      authority,
      target,
      route,
      status,
      complete,
      cache,
      limit,
      ms,
      msStore,
      msOrigin,
      requestId,
      client: client(request),
      traceId,
      sample,
      headers,
    });
  };
}

/** What an operator looks for in the log: errors, refusals, responses that broke off, slow ones. */
function isNotable({ about, status, complete, ms }: Ending, slow: number): boolean {
  return status >= 500 || !complete || ms >= slow || about.own === "limited";
}

/** An id that nobody else knows is not made only to draw a lot from it. */
function isKept({ about: { knownId } }: Ending, share: number, random: () => number): boolean {
  return knownId === undefined ? random() < share : isSampled(knownId, share);
}

function picked({ fields }: Request, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = field(fields, name.toLowerCase());
    if (value !== undefined) found[name] = value;
  }
  return found;
}
