// What an operator purges, by the admin listener or by PURGE on the public one: what is meant (cache/purge.ts) is given to
// the store, and how far it has got is told (store/receipts.ts).

import { type Purged, withPurgeMethod } from "./admin/purging.ts";
import { type Purge as Asked, purgeOf, purgeOfTarget } from "./cache/purge.ts";
import type { Config } from "./config/schema.ts";
import { createClients } from "./limit/client.ts";
import type { Log } from "./log.ts";
import type { Handler } from "./server/server.ts";
import type { Storage } from "./storage.ts";
import { createReceipts } from "./store/receipts.ts";

/** How long a receipt waits for the other sidecars to say that they have heard, ms; and where all are to be waited for. */
const RECEIPT_MS = 250;
const RECEIPT_OF_ALL_MS = 5000;

export interface Purges {
  /** POST /api/purge. */
  asked(what: unknown, isForAll: boolean, { routes }: Pick<Config, "routes">): Promise<Purged>;
  /** `handler` with PURGE answered before it, where the configuration allows that. */
  byMethod(handler: Handler, { purge }: Pick<Config, "purge">): Handler;
}

/** Outlives configurations: what they say of it is given with each question. */
export function createPurges({ log, store, events, bus, crowd }: Omit<Storage, "local"> & { log: Log }): Purges {
  const receipts = createReceipts({ store, events, bus, crowd, elapsed: () => performance.now() });
  async function purged(asked: Asked, waitMs: number): Promise<Purged> {
    if (asked.kind === "mistake") return asked;
    const receipt = await receipts.purge(asked.tags, waitMs, { soft: asked.soft });
    log.info("purged", { ...receipt });
    return { kind: "receipt", receipt };
  }
  return {
    asked: (what, isForAll, { routes }) => purged(purgeOf(what, routes), isForAll ? RECEIPT_OF_ALL_MS : RECEIPT_MS),
    byMethod: (handler, { purge }) =>
      purge === undefined
        ? handler
        : withPurgeMethod(handler, {
            allows: createClients(purge.allow).trusts,
            purge: (authority, target) => purged(purgeOfTarget(authority, target), RECEIPT_MS),
          }),
  };
}
