// Many clients ask a few sidecars for one path nobody has asked for yet, and the origin is slow: how often is it asked,
// and how long do those wait who did not fetch it themselves?

import { startForebay, untilHit } from "./candidates/forebay.ts";
import { startNginx } from "./candidates/nginx.ts";
import { type Candidate, onStage, orSkipped, type Skipped, type Stage } from "./candidates/stage.ts";
import { startVarnish } from "./candidates/varnish.ts";
import type { Load } from "./load/load.ts";
import type { Effort } from "./measure.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import type { Core } from "./processes.ts";
import { median, quantileOf } from "./statistics.ts";

const warmUps = 10;
const candidate = "forebay, redis";

export const stampede = {
  name: "stampede",
  title: "Stampede: 100 clients, one cold path, two sidecars, an origin that takes 200 ms",
  expects: expectations(250),
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      const run = { stage, effort, load, clients: 100, originMs: 200 };
      return [
        await stampedeOn(await orSkipped(candidate, () => startSidecars(stage, 2)), run),
        await stampedeOn(await orSkipped("nginx", () => startNginx(stage, 2)), run),
        await stampedeOn(await orSkipped("varnish", () => startVarnish(stage, 2)), run),
      ];
    }),
};

export const crowd = {
  name: "crowd",
  title: "Crowd: 600 clients, one cold path, three sidecars on both cores, an origin that takes 300 ms",
  expects: expectations(320),
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      const sidecars = await orSkipped(candidate, () => startSidecars(stage, 3, "any"));
      return [await stampedeOn(sidecars, { stage, effort, load, clients: 600, originMs: 300 })];
    }),
};

function expectations(p99Ms: number) {
  return [
    figureAtMost(candidate, "origin requests per path, worst", 1),
    figureAtMost(candidate, "p99 ms", p99Ms),
    figureAtMost(candidate, "failed", 0),
  ];
}

interface Run {
  readonly stage: Stage;
  readonly effort: Effort;
  readonly load: Load;
  readonly clients: number;
  readonly originMs: number;
}

/** Three on one core would wait for one another. */
async function startSidecars(stage: Stage, count: number, core?: Core): Promise<Candidate | Skipped> {
  if (stage.redis === undefined) return { name: candidate, skipped: "no redis-server found" };
  const setup = { name: candidate, redis: { trust: "0s", memory: "64mb" }, ...(core === undefined ? {} : { core }) };
  const sidecars = [];
  for (let i = 0; i < count; i++) sidecars.push(await startForebay(stage, setup));
  for (const { url } of sidecars) await untilHit(`${url}/hit/ready`);
  return { name: candidate, urls: sidecars.map(({ url }) => url), roots: sidecars.map(({ running }) => running.pid) };
}

async function stampedeOn(found: Candidate | Skipped, run: Run): Promise<Row> {
  if ("skipped" in found) return { candidate: found.name, note: `skipped: ${found.skipped}` };
  const p50s: number[] = [];
  const p99s: number[] = [];
  let worst = 0;
  let failed = 0;
  // The first ones warm up connections and code and are not counted.
  for (let round = -warmUps; round < run.effort.rounds * 2; round += 1) {
    const before = await run.stage.originRequests();
    const urls = found.urls.map((url) => `${url}/cold/${run.originMs}/${round}`);
    const answers = await run.load.burst({ urls, count: run.clients });
    if (round < 0) continue;
    worst = Math.max(worst, (await run.stage.originRequests()) - before);
    failed += answers.filter(({ status, bytes }) => status !== 200 || bytes !== 1024).length;
    const latencies = answers.map(({ ms }) => ms);
    p50s.push(quantileOf(latencies, 0.5));
    p99s.push(quantileOf(latencies, 0.99));
  }
  const p99Ms = median(p99s) ?? Number.NaN;
  const figures = { "origin requests per path, worst": worst, "p99 ms": p99Ms, failed };
  return { candidate: found.name, p50Ms: median(p50s) ?? Number.NaN, p99Ms, figures };
}
