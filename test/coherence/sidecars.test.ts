// Does the checker hear of every outage that a sidecar sees? What it does not hear of excuses nothing, and what it hears of
// late excuses too much.

import { onTestFinished, test } from "vitest";
import { found } from "../support/found.ts";
import { createRandom } from "./random.ts";
import type { Place } from "./sidecars.ts";
import { startTopology } from "./topology.ts";

const OUTAGES = 8;
/** Far less than the time for which a log that is spared holds its lines. */
const SOON_MS = 10_000;

test("a sidecar that loses its store again and again is known to be without it, and to have it", async () => {
  const timing = { deadlineMs: 250, writeDeadlineMs: 1000, settleMs: 1000, trustMs: 0 };
  const options = { name: "redis", sidecars: 1, timing, mutation: undefined, random: createRandom(1) } as const;
  const { places, recording, well, close } = await startTopology(options);
  onTestFinished(close);
  const [place] = places as readonly [Place];
  await well(SOON_MS);
  recording.outages.splice(0); // its start counts as one
  for (let outage = 0; outage < OUTAGES; outage++) {
    for (const { relay } of place.wires) relay.cut();
    await found("an outage", async () => recording.outages.length > outage);
    await well(SOON_MS);
  }
}, 120_000);
