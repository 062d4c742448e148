// One running Forebay, put together: what lasts as long as the process (storage, connections, listeners), and the generation
// (generation.ts) that its configuration makes of it, read once for each request. cli/commands.ts starts and ends it.

import manifest from "../package.json" with { type: "json" };
import { createAdmin } from "./admin/admin.ts";
import { createFlights } from "./cache/flights.ts";
import type { Config } from "./config/schema.ts";
import { createDifferences } from "./differences.ts";
import { createEndings } from "./endings.ts";
import { createFailureLog, createGeneration, type Generation, type Lasting } from "./generation.ts";
import { Abort } from "./http/abort.ts";
import type { Log } from "./log.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createTallies } from "./metrics/tallies.ts";
import { createPurges } from "./purges.ts";
import { type ConfigSource, createReloads } from "./reload.ts";
import { processFigures } from "./runtime.ts";
import { createListener } from "./server/server.ts";
import { openStorage } from "./storage.ts";
import { openTracer } from "./tracing.ts";
import { createUpstreams } from "./upstream/upstreams.ts";

export interface Sidecar {
  /** Where clients are served, and where health is told; as URLs. */
  readonly listen: string;
  readonly admin: string | null;
  /** Reads the configuration once more; a good one is put in use for the requests that come from then on. Never rejects. `why`
   * is for the log. */
  reload(why: string): Promise<void>;
  /** Not ready from now on; stops accepting, lets requests finish within the configured time, closes all. */
  close(): Promise<void>;
}

/** Starts to serve. Rejects where an address cannot be bound. `source`: where `config` is from, if it can be read again. */
export async function startSidecar(config: Config, log: Log, source?: ConfigSource): Promise<Sidecar> {
  const tallies = createTallies();
  const storage = await openStorage(config, log, tallies);
  const { store, events } = storage;
  const upstreams = createUpstreams(tallies.received);
  const now = Date.now;
  const elapsed = () => performance.now();
  const health = () => ({ store: store.health(), config: reloads.health() });
  const metrics = createMetrics({
    ...{ tallies, events, health, now, elapsed, version: manifest.version, figures: processFigures },
    showQuery: () => current.config.log.query,
    logDropped: log.dropped,
    compared: () => differences.status().routes,
  });
  const endings = createEndings({ told: () => current.ended, elapsed });
  const purges = createPurges({ ...storage, log });
  const originFailed = createFailureLog(log);
  const differences = createDifferences({ log, showQuery: () => current.config.log.query, now });
  const closing = new Abort();
  const tracer = await openTracer((request) => current.clients.bucket(request));
  const lasting: Lasting = {
    ...storage,
    ...{ upstreams, flights: createFlights(tallies.flights), limitTally: tallies.limit, forwarded: metrics.forwarded },
    // Where nobody can ask nothing is counted.
    metering: config.admin === false ? undefined : metrics.metering,
    ...{ endings, tracer, purges, originFailed, told: differences.told, closing, elapsed, log },
  };
  const adjustLog = ({ log: { query, ...wanted } }: Config) => log.adjust({ ...wanted, showQuery: query });
  const inUse = { current: (): Generation => current };
  let current: Generation = await createGeneration(config, lasting, { ...inUse, before: undefined });
  const reloads = createReloads({
    source,
    current: () => current.config,
    async replace(next) {
      adjustLog(next); // first: whether access lines are written at all is asked only once
      try {
        current = await createGeneration(next, lasting, { ...inUse, before: current });
      } catch (error) {
        adjustLog(current.config);
        throw error;
      }
    },
    log,
    now,
  });
  let isReady = false;
  const admin = createListener(
    createAdmin({
      health,
      isReady: () => isReady,
      gate: (request) => current.gate(request),
      purge: (what, isForAll) => purges.asked(what, isForAll, current.config),
      // Loaded when somebody asks.
      explain: async (asked) => {
        const { explain } = await import("./explain/answer.ts");
        const { config: used, era } = current;
        const said = await explain(asked, { config: used, era, store, sidecar: events.id, now });
        return said.kind === "mistake" ? said : { kind: "explanation", explanation: said.value };
      },
      events,
      config: reloads.status,
      stats: metrics.stats,
      metrics: metrics.exposed,
      hasToken: () => (current.config.adminToken ?? "") !== "",
      shadow: differences.status,
    }),
  );
  const listener = createListener((request) => current.handle(request), {
    log: { error: (context, message) => log.error(message, { ...context }) },
    get onFinished() {
      return current.ended && endings.onFinished;
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
      reload: reloads.reload,
      async close() {
        isReady = false;
        closing.abort();
        const until = performance.now() + current.config.drain;
        await listener.drain(current.config.drain);
        events.close();
        metrics.close();
        await Promise.all([store.close(), upstreams.close(Math.max(0, until - performance.now()))]);
        if (adminBound) await admin.drain(0);
      },
    };
  } catch (error) {
    events.close();
    metrics.close();
    await Promise.all([store.close(), upstreams.close(0), listener.drain(0), admin.drain(0)]);
    throw error;
  }
}
