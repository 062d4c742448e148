// How long from starting the process to the first answer, and how much memory an idle sidecar holds.

import { setTimeout as pause } from "node:timers/promises";
import { type ForebaySetup, startForebay, untilHit } from "./candidates/forebay.ts";
import { onStage, type Stage } from "./candidates/stage.ts";
import type { Effort } from "./measure.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import { residentBytes } from "./procfs.ts";
import { median } from "./statistics.ts";

const idleMs = 1000;
const setups: readonly ForebaySetup[] = [
  { name: "forebay, memory" },
  { name: "forebay, redis", redis: { trust: "0s", memory: "64mb" } },
];

export const startup = {
  name: "start",
  title: "Start to first answer, and memory when idle",
  expects: setups.flatMap(({ name }) => [
    figureAtMost(name, "start to first answer, ms", 1000),
    figureAtMost(name, "idle RSS, MB", 120),
  ]),
  run: (effort: Effort): Promise<Row[]> =>
    onStage(async (stage) => {
      const rows: Row[] = [];
      for (const setup of setups) rows.push(await startsOf(setup, stage, effort));
      return rows;
    }),
};

async function startsOf(setup: ForebaySetup, stage: Stage, effort: Effort): Promise<Row> {
  const readyMs: number[] = [];
  const hitMs: number[] = [];
  const megabytes: number[] = [];
  if (setup.redis && stage.redis === undefined)
    return { candidate: setup.name, note: "skipped: no redis-server found" };
  for (let round = 0; round < effort.rounds; round += 1) {
    const startedAt = performance.now();
    const sidecar = await startForebay(stage, setup);
    await untilHit(`${sidecar.url}/hit/start-${round}`);
    hitMs.push(performance.now() - startedAt);
    await pause(idleMs);
    const resident = residentBytes(sidecar.running.pid);
    if (resident !== undefined) megabytes.push(resident / 2 ** 20);
    readyMs.push(sidecar.readyMs);
    await sidecar.running.stop();
  }
  const idle = median(megabytes);
  const ready = {
    "start to first answer, ms": median(readyMs) ?? Number.NaN,
    "start to first hit, ms": median(hitMs) ?? Number.NaN,
  };
  return { candidate: setup.name, figures: idle === undefined ? ready : { ...ready, "idle RSS, MB": idle } };
}
