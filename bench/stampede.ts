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
import { startProgram } from "./programs/program.ts";
import { median, quantileOf } from "./statistics.ts";

const warmUps = 10;
const candidate = "forebay, redis";
const unproxied = "origins, no proxy";
const beyond = "p99 ms beyond the origins'";

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
  expects: [...expectations(320), figureAtMost(candidate, beyond, 20)],
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      const run = { stage, effort, load, clients: 600, originMs: 300 };
      const sidecars = await orSkipped(candidate, () => startSidecars(stage, 3, "any"));
      return inTurns([sidecars, await orSkipped(unproxied, () => startOrigins(3, "any"))], run);
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

/** The yardstick: as many processes of bare node:http, each of which answers every request by itself after that time. */
async function startOrigins(count: number, core: Core): Promise<Candidate> {
  const origins = [];
  for (let i = 0; i < count; i++) origins.push(await startProgram("origin", "origin.ts", { core }));
  return {
    name: unproxied,
    urls: origins.map(({ port }) => `http://127.0.0.1:${port}`),
    roots: origins.map(({ running }) => running.pid),
  };
}

async function stampedeOn(found: Candidate | Skipped, run: Run): Promise<Row> {
  const [row] = await inTurns([found], run);
  return row as Row;
}

/** A burst on each in every round, so that they are measured on the same machine, however busy it is. */
async function inTurns(candidates: readonly (Candidate | Skipped)[], run: Run): Promise<Row[]> {
  const all = candidates.map((found) => new Stampede(found, run));
  // The first ones warm up connections and code and are not counted.
  for (let round = -warmUps; round < run.effort.rounds * 2; round += 1) {
    for (const each of round % 2 === 0 ? all : all.toReversed()) await each.burst(round);
  }
  const yardstick = all.find(({ name }) => name === unproxied);
  return all.map((each) => each.row(each === yardstick ? undefined : yardstick));
}

class Stampede {
  readonly #found: Candidate | Skipped;
  readonly #run: Run;
  readonly #p50s: number[] = [];
  readonly #p99s: number[] = [];
  #worst = 0;
  #failed = 0;

  constructor(found: Candidate | Skipped, run: Run) {
    this.#found = found;
    this.#run = run;
  }

  get name(): string {
    return this.#found.name;
  }

  async burst(round: number): Promise<void> {
    const { stage, load, clients, originMs } = this.#run;
    if ("skipped" in this.#found) return;
    const before = await stage.originRequests();
    const urls = this.#found.urls.map((url) => `${url}/cold/${originMs}/${round}`);
    const answers = await load.burst({ urls, count: clients });
    if (round < 0) return;
    this.#worst = Math.max(this.#worst, (await stage.originRequests()) - before);
    this.#failed += answers.filter(({ status, bytes }) => status !== 200 || bytes !== 1024).length;
    const latencies = answers.map(({ ms }) => ms);
    this.#p50s.push(quantileOf(latencies, 0.5));
    this.#p99s.push(quantileOf(latencies, 0.99));
  }

  row(yardstick: Stampede | undefined): Row {
    const { name: candidate } = this.#found;
    if ("skipped" in this.#found) return { candidate, note: `skipped: ${this.#found.skipped}` };
    const p99Ms = median(this.#p99s) ?? Number.NaN;
    const asked = candidate === unproxied ? {} : { "origin requests per path, worst": this.#worst };
    const figures = { ...asked, "p99 ms": p99Ms, ...this.#beyond(yardstick), failed: this.#failed };
    return { candidate, p50Ms: median(this.#p50s) ?? Number.NaN, p99Ms, figures };
  }

  /** The difference round by round: both were asked on the same machine, however busy it was. */
  #beyond(yardstick: Stampede | undefined): Record<string, number> {
    if (yardstick === undefined) return {};
    const differences = this.#p99s.map((p99, i) => p99 - (yardstick.#p99s[i] ?? Number.NaN));
    const ms = median(differences.filter((each) => !Number.isNaN(each)));
    return ms === undefined ? {} : { [beyond]: ms };
  }
}
