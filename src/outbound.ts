// Towards the origin and back: what a gateway strips and adds on the way (http/forwarding.ts), and how long it took.

import type { Origin } from "./cache/fetching.ts";
import type { Trace } from "./cache/visit.ts";
import { field, has, without } from "./http/fields.ts";
import { towardsClient, towardsOrigin } from "./http/forwarding.ts";
import { type Request, type Response, withFields } from "./http/message.ts";
import type { Clients } from "./limit/client.ts";
import type { Upstream } from "./upstream/upstream.ts";

export interface OutboundParts {
  readonly upstream: Pick<Upstream, "forward">;
  readonly clients: Pick<Clients, "trusts">;
  /** Hears of each request that got no answer. */
  readonly unanswered?: (error: unknown, request: Request, trace: Trace) => void;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  /** Hears of each request to the origin: of which route, and how long it took until the head of the response, or its failure, ms. */
  readonly forwarded?: (routeId: string | undefined, ms: number) => void;
}

/**
 * Cache directives for this proxy alone (RFC 9213 §2.2). They end here: what an origin tells the cache that hears of its
 * writes must not reach one further out that does not, be it another Forebay. CDN-Cache-Control goes on.
 */
const TARGETED = "forebay-cache-control";
const ENDING_HERE: ReadonlySet<string> = new Set([TARGETED]);
/** Where this proxy limits, the origin's own limits too: two answers to one question would contradict each other. */
const LIMITED: ReadonlySet<string> = new Set([
  TARGETED,
  ...["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
]);

/** How the proxy asks the origin. Rejects as the upstream does. */
export function createOrigin({ upstream, clients, unanswered, forwarded, elapsed }: OutboundParts): Origin {
  return async (request, { fields, signal, trace }) => {
    const { method, authority, target, content, upgrade, peer } = request;
    const outbound = fields === request.fields ? request : withFields(request, fields);
    const own = towardsOrigin(outbound, { requestId: trace.requestId, trusted: clients.trusts(peer) });
    const step = trace.span?.origin(request, own);
    const sent = step === undefined ? own : step.fields;
    const began = elapsed();
    try {
      const response = await upstream.forward({ method, authority, target, fields: sent, content, signal, upgrade });
      step?.end(response.status);
      return asReceived(response, { upgrade, isUnlimited: trace.limit === "none" });
    } catch (error) {
      step?.end(undefined, error);
      unanswered?.(error, request, trace);
      throw error;
    } finally {
      const ms = elapsed() - began;
      trace.msOrigin += ms;
      forwarded?.(trace.route, ms);
    }
  };
}

/** The origin's `response` as everything here is to see it. */
export function asReceived(
  response: Response,
  { upgrade, isUnlimited }: { upgrade: string | undefined; isUnlimited: boolean },
): Response {
  const received = towardsClient(response.fields, response.status === 101 ? upgrade : undefined);
  const targeted = field(received, TARGETED);
  const fields =
    isUnlimited && targeted === undefined ? received : without(received, isUnlimited ? ENDING_HERE : LIMITED);
  return { ...response, fields, targeted, endsAtClose: !isFramed(response) };
}

/** RFC 9112 §6.3. A 204 ends with its head. */
function isFramed({ status, fields }: Response): boolean {
  return status === 204 || has(fields, "content-length") || has(fields, "transfer-encoding");
}
