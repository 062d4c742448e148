// Towards the origin and back: what a gateway strips and adds on the way (http/forwarding.ts), and how long it took.

import type { Origin } from "./cache/fetching.ts";
import { has, without } from "./http/fields.ts";
import { towardsClient, towardsOrigin } from "./http/forwarding.ts";
import { type Fields, withFields } from "./http/message.ts";
import type { Clients } from "./limit/client.ts";
import type { Upstream } from "./upstream/upstream.ts";

export interface OutboundParts {
  readonly upstream: Pick<Upstream, "forward">;
  readonly clients: Pick<Clients, "trusts">;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
}

/** The origin's own, where this proxy limits: two answers to one question would contradict each other. */
const LIMIT_FIELDS: ReadonlySet<string> = new Set([
  ...["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
]);

/** How the proxy asks the origin. Rejects as the upstream does. */
export function createOrigin({ upstream, clients, elapsed }: OutboundParts): Origin {
  return async (request, { fields, signal, trace }) => {
    const { method, authority, target, content, upgrade, peer } = request;
    const outbound = fields === request.fields ? request : withFields(request, fields);
    const sent = towardsOrigin(outbound, { requestId: trace.requestId, trusted: clients.trusts(peer) });
    const began = elapsed();
    try {
      const response = await upstream.forward({ method, authority, target, fields: sent, content, signal, upgrade });
      const received = towardsClient(response.fields, response.status === 101 ? upgrade : undefined);
      const fields = trace.limit === "none" ? received : without(received, LIMIT_FIELDS);
      return { ...response, fields, endsAtClose: !isFramed(response.fields) };
    } finally {
      trace.msOrigin += elapsed() - began;
    }
  };
}

function isFramed(fields: Fields): boolean {
  return has(fields, "content-length") || has(fields, "transfer-encoding");
}
