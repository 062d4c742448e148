// One running Forebay, put together: what lasts as long as the process (storage, connections, listeners), and the generation
// (generation.ts) that its configuration makes of it, read once for each request. cli/commands.ts starts and ends it.

import { createAccessLog } from "./access.ts";
import { createAdmin } from "./admin/admin.ts";
import type { Config } from "./config/schema.ts";
import { createFailureLog, createGeneration } from "./generation.ts";
import type { Log } from "./log.ts";
import { createPurges } from "./purges.ts";
import { createListener } from "./server/server.ts";
import { openStorage } from "./storage.ts";
import { createUpstream } from "./upstream/upstream.ts";

export interface Sidecar {
  /** Where clients are served, and where health is told; as URLs. */
  readonly listen: string;
  readonly admin: string | null;
  /** Not ready from now on; stops accepting, lets requests finish within the configured time, closes all. */
  close(): Promise<void>;
}

/** Starts to serve. Rejects where an address cannot be bound. */
export async function startSidecar(config: Config, log: Log): Promise<Sidecar> {
  const storage = await openStorage(config, log);
  const { store, events } = storage;
  const upstream = createUpstream(config.origin);
  const access = createAccessLog(log);
  const purges = createPurges({ ...storage, log });
  const lasting = { ...storage, upstream, access, purges, originFailed: createFailureLog(log), log };
  const current = createGeneration(config, lasting);
  let isReady = false;
  const admin = createListener(
    createAdmin({
      health: () => ({ store: store.health() }),
      isReady: () => isReady,
      gate: (request) => current.gate(request),
      purge: (what, isForAll) => purges.asked(what, isForAll, current.config),
      events,
    }),
  );
  const listener = createListener((request) => current.handle(request), {
    log: { error: (context, message) => log.error(message, { ...context }) },
    get onFinished() {
      return access.onFinished;
    },
  });
  try {
    const [bound, adminBound] = await Promise.all([
      listener.listen(config.listen),
      config.admin && admin.listen(config.admin),
    ]);
    isReady = true;
    return {
      listen: bound.url,
      admin: adminBound ? adminBound.url : null,
      async close() {
        isReady = false;
        const until = performance.now() + current.config.drain;
        await listener.drain(current.config.drain);
        events.close();
        await Promise.all([store.close(), upstream.close(Math.max(0, until - performance.now()))]);
        if (adminBound) await admin.drain(0);
      },
    };
  } catch (error) {
    events.close();
    await Promise.all([store.close(), upstream.close(0), listener.drain(0), admin.drain(0)]);
    throw error;
  }
}
