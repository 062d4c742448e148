// An admin listener in the test's own hands: the real page, pages and counting of a sidecar, with made-up traffic and a
// clock that is turned, so that an hour takes a moment.

import { createAdmin } from "../../src/admin/admin.ts";
import { createGate } from "../../src/admin/gate.ts";
import { Recent } from "../../src/metrics/recent.ts";
import { statsOf } from "../../src/metrics/stats.ts";
import { TopKeys } from "../../src/metrics/top-keys.ts";
import { Traffic } from "../../src/metrics/traffic.ts";
import { createListener } from "../../src/server/server.ts";
import { createEvents } from "../../src/store/events.ts";

export type PanelOptions = Partial<
  Pick<Parameters<typeof createAdmin>[0], "explain" | "purge" | "health"> & { token: string; sidecar: string }
>;

/** How long it has been there before the hour that it remembers. */
const UP_MS = 188_000_000;

/** To be closed by `close`. */
export async function startPanel({ token = "", sidecar = "shop-7f3a", ...options }: PanelOptions = {}) {
  const begun = Date.now() - 3_600_000;
  const clock = { now: begun };
  const traffic = new Traffic();
  const recent = new Recent(traffic, begun);
  const top = new TopKeys({ showQuery: () => true });
  const limits = new Map<string, { allowed: number; refused: number }>();
  const flights = { underWay: 0, followers: 0 };
  const events = createEvents({ now: () => clock.now, id: sidecar });
  const health = options.health ?? (() => ({ store: { state: "ok", detail: "in memory" } }) as const);
  const stats = statsOf({
    ...{ sidecar, version: "0.1.0", traffic, recent, top, health, limits, flights },
    elapsed: () => clock.now,
    startedAt: begun - UP_MS,
  });
  let asked = 0;
  const admin = createListener(
    createAdmin({
      health,
      isReady: () => true,
      gate: createGate({ token, isLocal: true }),
      purge: options.purge ?? (async () => ({ kind: "mistake", text: "Nothing is purged here." })),
      explain: options.explain ?? (async () => ({ kind: "mistake", text: "nothing is explained here" })),
      events,
      stats(wanted) {
        asked += 1;
        return stats(clock.now, wanted);
      },
      metrics: async () => ({ status: 200, fields: [], content: undefined }),
      hasToken: () => token !== "",
      config: () => ({ generation: 1, since: "", file: null, needRestart: [], lastFailure: null, config: {} }),
      shadow: () => ({ since: "", routes: {}, differences: [] }),
    }),
  );
  const { url } = await admin.listen({ host: "127.0.0.1", port: 0 });
  return {
    ...{ url, clock, traffic, recent, top, limits, flights, events },
    /** How often /api/stats was asked. */
    asked: () => asked,
    close: async () => {
      events.close();
      await admin.drain(0);
    },
  };
}
