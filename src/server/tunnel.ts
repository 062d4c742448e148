// Two connections made one (RFC 9110 §7.8): whatever comes out of either goes into the other, as fast as it is taken.
// What bounds an idle tunnel is TCP: either end that is gone is found out by keep-alive probes.

import type { Duplex } from "node:stream";

const PROBE_MS = 60_000;
// How long one end may take to read what the other, gone already, has sent.
const FLUSH_MS = 60_000;

/** A socket, as far as the runtime's duplex is one. */
interface End extends Duplex {
  setKeepAlive?(enable: boolean, delayMs: number): unknown;
  setNoDelay?(on: boolean): unknown;
  setTimeout?(ms: number, listener?: () => void): unknown;
}

/** Joins the two until both are closed. `head`: what the client has sent already. Never throws. */
export function join(client: End, origin: End, head: Uint8Array): void {
  for (const end of [client, origin]) {
    end.on("error", () => end.destroy());
    end.setTimeout?.(0);
    end.setNoDelay?.(true);
    end.setKeepAlive?.(true, PROBE_MS);
  }
  if (head.length > 0) origin.write(head);
  // pipe() hands on backpressure and the end of one direction; the other goes on.
  client.pipe(origin);
  origin.pipe(client);
  client.once("close", () => finish(origin));
  origin.once("close", () => finish(client));
  if (client.destroyed) finish(origin);
  if (origin.destroyed) finish(client);
}

/** The other end is closed: nothing more will come, but what has come is still delivered. */
function finish(end: End): void {
  if (end.destroyed) return;
  if (end.writableFinished) {
    end.destroy();
    return;
  }
  end.setTimeout?.(FLUSH_MS, () => end.destroy());
  end.once("finish", () => end.destroy());
  end.end();
}
