// npm run bench: which scenarios, how hard, in which order; states what each expects, runs it, says what came. Ends
// everything it started, however it ends itself.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { followers } from "./followers.ts";
import { frozen } from "./frozen.ts";
import { type Load, startLoad } from "./load/load.ts";
import { thisMachine } from "./machine.ts";
import { type Effort, measure } from "./measure.ts";
import type { Expectation, Outcome, Row } from "./outcome.ts";
import { page } from "./page.ts";
import { stopAll, tellAllToStop } from "./processes.ts";
import { profile } from "./profile.ts";
import { reload } from "./reload.ts";
import { intoReadme, resultsDir, verdictLine, write } from "./report.ts";
import { scenarios } from "./scenarios.ts";
import { crowd, stampede } from "./stampede.ts";
import { startup } from "./startup.ts";
import { inColumns, tableOf } from "./table.ts";

interface Job {
  readonly name: string;
  readonly title: string;
  readonly expects: readonly Expectation[];
  run(effort: Effort, load: Load): Promise<Row[]>;
}

const jobs: readonly Job[] = [
  ...scenarios.map((scenario) => ({
    ...scenario,
    run: (effort: Effort, load: Load) => measure(scenario, effort, load),
  })),
  stampede,
  crowd,
  followers,
  frozen,
  reload,
  page,
  startup,
];

const usage = `npm run bench [-- options]
  --scenario NAME,…   only these (${jobs.map(({ name }) => name).join(", ")})
  --seconds N         length of each run (3)
  --rounds N          how often the candidates alternate (5)
  --connections N     clients at once (50)
  --quick             a trial: 1 s, 2 rounds; results go to a temporary folder
  --out DIR           where results.json, results.md and chart.svg go (bench/results)
  --profile           Forebay alone under node --cpu-prof: its functions by self time
  --readme            measure nothing: put the table of the last results into README.md`;

const { values: flags } = parseArgs({
  options: {
    scenario: { type: "string" },
    seconds: { type: "string" },
    rounds: { type: "string" },
    connections: { type: "string" },
    out: { type: "string" },
    quick: { type: "boolean" },
    profile: { type: "boolean" },
    readme: { type: "boolean" },
    help: { type: "boolean" },
  },
});

let ending = false;
process.once("SIGINT", () => void end(130));
process.once("SIGTERM", () => void end(143));
process.once("exit", tellAllToStop);

main().then(
  (status) => end(status),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return end(1);
  },
);

async function main(): Promise<number> {
  if (flags.help) return say(usage);
  if (flags.readme) return intoReadme().then(() => say("README.md: table updated"));
  const effort = {
    seconds: positive("seconds", flags.quick ? 1 : 3),
    rounds: positive("rounds", flags.quick ? 2 : 5),
    connections: positive("connections", 50),
  };
  const chosen = choose(flags.scenario?.split(",") ?? jobs.map(({ name }) => name));
  endAfter(budgetMs(chosen.length, effort));
  const load = await startLoad();
  return flags.profile ? profileAll(chosen, effort, load) : runAll(chosen, effort, load);
}

async function runAll(chosen: readonly Job[], effort: Effort, load: Load): Promise<number> {
  const dir = flags.out ?? (flags.quick ? await mkdtemp(join(tmpdir(), "forebay-bench-results-")) : resultsDir);
  const machine = thisMachine();
  const outcomes: Outcome[] = [];
  for (const job of chosen) {
    outcomes.push(await runOne(job, effort, load));
    // After each one: what is interrupted later is not lost.
    await write({ machine, outcomes }, dir);
  }
  say(`Results: ${dir}`);
  return outcomes.some(({ verdicts }) => verdicts.some(({ reached }) => reached !== true)) ? 1 : 0;
}

async function runOne(job: Job, effort: Effort, load: Load): Promise<Outcome> {
  say(`\n${job.name}: ${job.title}`);
  for (const { claim } of job.expects) say(`  expected: ${claim}`);
  const rows = await job.run(effort, load).catch(notRun);
  const verdicts = job.expects.map(({ claim, judge }) => ({ claim, ...judge(rows) }));
  const ran = `${new Date().toISOString()}, ${effort.rounds} rounds of ${effort.seconds} s, ${effort.connections} connections`;
  say(inColumns(tableOf(rows)));
  for (const { note } of rows) if (note?.includes("\n")) say(note);
  for (const verdict of verdicts) say(`  ${verdictLine(verdict)}`);
  return { scenario: job.name, title: job.title, ran, rows, verdicts };
}

function notRun(error: unknown): Row[] {
  return [{ candidate: "all", note: `not run: ${error instanceof Error ? error.message : String(error)}` }];
}

async function profileAll(chosen: readonly Job[], effort: Effort, load: Load): Promise<number> {
  for (const { name } of chosen) {
    const scenario = scenarios.find((one) => one.name === name);
    if (scenario !== undefined) say(`\n${await profile(scenario, effort, load)}`);
  }
  return 0;
}

function choose(names: readonly string[]): Job[] {
  return names.map((name) => {
    const job = jobs.find((one) => one.name === name);
    if (job === undefined) throw new Error(`Choose scenarios: there is no "${name}"\n${usage}`);
    return job;
  });
}

function positive(flag: "seconds" | "rounds" | "connections", usual: number): number {
  const value = flags[flag] === undefined ? usual : Number(flags[flag]);
  if (!(value > 0)) throw new Error(`Read --${flag}: expected a number above 0, got "${flags[flag]}"`);
  return value;
}

/** No run may take longer than this: twice what it should, and a minute for starting and stopping. */
function budgetMs(scenarioCount: number, { seconds, rounds }: Effort): number {
  const runs = scenarioCount * 5 * (rounds + 1);
  const fault = 15_000 * rounds;
  return 2 * (runs * (seconds + 0.5) * 1000 + fault) + 60_000;
}

function endAfter(ms: number): void {
  const timeUp = () => {
    console.error(`Finish the bench: not done after ${(ms / 1000).toFixed(0)} s, giving up`);
    void end(1);
  };
  setTimeout(timeUp, ms).unref();
}

/** The first call decides the status: what is stopped may fail on its way out. */
async function end(status: number): Promise<void> {
  if (ending) return;
  ending = true;
  await stopAll();
  process.exit(status);
}

function say(text: string): 0 {
  console.log(text);
  return 0;
}
