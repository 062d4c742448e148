// What a sidecar knows of itself in numbers: counted from its start (traffic.ts), lately (recent.ts), and told to whoever
// asks the admin listener. Put together here; sidecar.ts gives each part what it counts into.

import type { Events } from "../store/events.ts";
import type { Sources } from "./catalogue.ts";
import { createExposition } from "./exposition.ts";
import { countHappenings } from "./happened.ts";
import { Histogram } from "./histogram.ts";
import { createMetering } from "./metering.ts";
import { Recent, STEP_MS } from "./recent.ts";
import { type AskedFor, statsOf } from "./stats.ts";
import { TopKeys } from "./top-keys.ts";
import { Traffic } from "./traffic.ts";

interface MetricsParts extends Pick<Sources, "tallies" | "compared" | "logDropped" | "figures" | "version"> {
  readonly events: Pick<Events, "id" | "listen">;
  readonly health: Parameters<typeof statsOf>[0]["health"];
  /** Whether query values may be told. */
  readonly showQuery: () => boolean;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
}

const SECOND_MS = 1000;
/** Between two looks at how late the event loop is. */
const LOOK_MS = 100;
/** What was asked for most fades by half in so many seconds. */
const FADE_SECONDS = 30 * (STEP_MS / SECOND_MS);

/** Counts from now on; a timer of its own ten times a second, until it is closed. */
export function createMetrics(parts: MetricsParts) {
  const { tallies, events, health, showQuery, now, elapsed } = parts;
  const traffic = new Traffic();
  const recent = new Recent(traffic, now());
  const top = new TopKeys({ showQuery });
  const { limits, flights } = tallies;
  const startedAt = elapsed();
  const stats = statsOf({ ...parts, sidecar: events.id, traffic, recent, top, limits, flights, startedAt });
  const loopDelay = new Histogram();
  const isStoreOk = () => health().store?.state === "ok";
  const happened = countHappenings(events);
  const exposed = createExposition({ ...parts, traffic, happened, loopDelay, isStoreOk });
  let looks = 0;
  let requests = 0;
  let due = elapsed() + LOOK_MS;

  function second(): void {
    recent.tick(now());
    top.pace(traffic.all.requests - requests);
    requests = traffic.all.requests;
    if ((looks * LOOK_MS) % (FADE_SECONDS * SECOND_MS) === 0) top.fade();
  }

  // By a timer of our own: monitorEventLoopDelay of node:perf_hooks wakes the process five times as often.
  const timer = setInterval(() => {
    const at = elapsed();
    loopDelay.add(Math.max(0, at - due));
    due = at + LOOK_MS;
    looks += 1;
    if ((looks * LOOK_MS) % SECOND_MS === 0) second();
  }, LOOK_MS).unref();
  return {
    metering: createMetering({ traffic, top }),
    forwarded: (route: string | undefined, ms: number) => traffic.forwarded(route, ms),
    stats: (asked?: AskedFor) => stats(now(), asked),
    exposed,
    close: () => clearInterval(timer),
  };
}
