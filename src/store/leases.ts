// Which leases does this process hold? Each is renewed at a third of its time while its fetch lives, and ends by itself
// when this process does. Asking for one is part of a look (trips.ts); ending one tells those who wait (landings.ts).

import { randomUUID } from "node:crypto";
import type { LeaseAsk } from "./batch.ts";
import type { Line } from "./connections.ts";
import { RELEASE, RENEW, run } from "./scripts.ts";
import type { Landing, Lease } from "./store.ts";

export interface Leases {
  /** `ask` is to be sent; `begin` is to be called if it was granted. */
  prepare(terms: Terms): { readonly ask: LeaseAsk; begin(): Lease };
  /** This process ends: the flights it leads have failed. Resolves when that has been told; never rejects. */
  releaseAll(): Promise<unknown>;
}

interface Terms {
  /** On which the value is stored, too: so that it is there before the others are woken. */
  readonly line: Line;
  /** Redis key. */
  readonly key: string;
  readonly channel: string;
  readonly ms: number;
}

export function createLeases(): Leases {
  const owner = randomUUID();
  const held = new Set<Lease>();
  /** Releases on their way. */
  const leaving = new Set<Promise<unknown>>();
  let count = 0;

  function begin(terms: Terms, token: string): Lease {
    const { line, key, ms } = terms;
    const renew = () => {
      run(line, RENEW, { keys: [key], args: [token, String(ms)] }).then(
        (mine) => mine === 0 && clearInterval(timer),
        () => {}, // an outage: tried again at the next third
      );
    };
    const timer = setInterval(renew, ms / 3);
    timer.unref();
    const lease: Lease = {
      release(landing) {
        if (!held.delete(lease)) return;
        clearInterval(timer);
        release(terms, token, landing);
      },
    };
    held.add(lease);
    return lease;
  }

  // Where Redis cannot be reached the lease ends by itself.
  function release({ line, key, channel }: Terms, token: string, landing: Landing): void {
    const released = run(line, RELEASE, { keys: [key], args: [token, channel, landing] }).catch(() => {});
    leaving.add(released);
    void released.then(() => leaving.delete(released));
  }

  return {
    prepare(terms) {
      const token = `${owner}.${count++}`;
      const late = () => release(terms, token, "failed");
      return { ask: { key: terms.key, token, ms: terms.ms, late }, begin: () => begin(terms, token) };
    },
    releaseAll() {
      for (const lease of [...held]) lease.release("failed");
      return Promise.all(leaving);
    },
  };
}
