// The least proxy: a listener in front of an upstream, nothing between them but the fields' passage. For tests of the
// two edges together; also run as a process of its own (relay.ts ORIGIN), for an honest reading of its memory.

import { towardsClient, towardsOrigin } from "../../src/http/forwarding.ts";
import type { Request, Response } from "../../src/http/message.ts";
import { createListener, type Listener, type ListenerOptions } from "../../src/server/server.ts";
import { failureResponse } from "../../src/upstream/failure.ts";
import { createUpstream, type OriginConfig } from "../../src/upstream/upstream.ts";

export interface Relay {
  readonly url: string;
  readonly port: number;
  readonly listener: Listener;
  close(): Promise<void>;
}

export type RelayOptions = ListenerOptions & { readonly timeout?: Partial<OriginConfig["timeout"]> };

export async function startRelay(origin: string, { timeout, ...options }: RelayOptions = {}): Promise<Relay> {
  const upstream = createUpstream({
    url: [origin],
    connections: 64,
    timeout: { connect: 2000, headers: 15_000, body: 30_000, ...timeout },
  });
  const forward = async (request: Request): Promise<Response> => {
    const fields = towardsOrigin(request, { requestId: "relay", trusted: false });
    const { method, authority, target, content, upgrade, signal } = request;
    try {
      const response = await upstream.forward({ method, authority, target, fields, content, upgrade, signal });
      const protocol = response.tunnel === undefined ? undefined : upgrade;
      return { ...response, fields: towardsClient(response.fields, protocol) };
    } catch (error) {
      return failureResponse(error);
    }
  };
  const listener = createListener(forward, options);
  const bound = await listener.listen({ host: "127.0.0.1", port: 0 });
  const port = "port" in bound ? bound.port : 0;
  return {
    url: bound.url,
    port,
    listener,
    close: async () => {
      await listener.drain(0);
      await upstream.close(0);
    },
  };
}

if (process.argv[1] === import.meta.filename && process.argv[2] !== undefined) {
  const relay = await startRelay(process.argv[2]);
  process.on("message", () => process.send?.(memory()));
  process.send?.({ port: relay.port });
}

/** Bytes: now, and the most there ever were. */
function memory(): { rss: number; highest: number } {
  return { rss: process.memoryUsage.rss(), highest: process.resourceUsage().maxRSS * 1024 };
}
