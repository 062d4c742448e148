// npm run test:conformance: the suite behind cache-tests.fyi against Forebay, for each store on each runtime, one after the
// other. Says what passed, what did not and whether that is meant so. Exit code 1: something is not as it should be.

import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Outcome } from "./combination.ts";
import { deviations } from "./deviations.ts";
import { type Judgement, judge, type Run } from "./judgement.ts";
import { closing, failures, intoReadme, sectionTable, writeReport } from "./report.ts";
import { httpSections, sections, testsOf } from "./suite.ts";
import { isGood, messageOn, type Results, verdictsOn } from "./verdicts.ts";

const usage = `npm run test:conformance [-- options]
  --runtime NAME,…  only these (node, deno)
  --store NAME,…    only these (memory, redis)
  --id TEST_ID      this test alone, showing what goes over the wire; nothing is compared
  --json FILE       all results and the counts, as JSON
  --write           the tables to test/conformance/results.md, of all four runs only
  --readme          run nothing: put test/conformance/results.md into README.md`;

const RUNTIMES = ["node", "deno"] as const;
const STORES = ["memory", "redis"] as const;
/** Of the 86 about HTTP that are not for browsers alone: all but those that deviations.ts speaks of. */
const OPTIMAL = 71;
/** One run takes about 20 s, most of them pauses of the suite's. */
const LIMIT_MS = 120_000;
/** Where a stalled machine made Redis look lost. */
const ATTEMPTS = 6;

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string" },
    store: { type: "string" },
    id: { type: "string" },
    json: { type: "string" },
    write: { type: "boolean" },
    readme: { type: "boolean" },
    help: { type: "boolean" },
  },
});

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  if (flags.help) return say(usage);
  if (flags.readme) return intoReadme().then(() => say("README.md: tables updated"));
  const stores = choose("store", STORES);
  const combinations = choose("runtime", RUNTIMES).flatMap((runtime) => stores.map((store) => ({ runtime, store })));
  if (flags.write && (flags.id !== undefined || combinations.length < RUNTIMES.length * STORES.length)) {
    throw new Error(`Write results.md: expected a run of everything, got a choice\n${usage}`);
  }
  return flags.id === undefined ? all(combinations) : one(flags.id, combinations);
}

interface Combination {
  readonly runtime: (typeof RUNTIMES)[number];
  readonly store: (typeof STORES)[number];
}

async function all(combinations: readonly Combination[]): Promise<number> {
  const runs: Run[] = [];
  for (const combination of combinations) {
    const began = performance.now();
    const results = await resultsOf(combination);
    runs.push({ name: nameOf(combination), results, verdicts: verdictsOn(testsOf(sections), results) });
    say(`${nameOf(combination)}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  const judgement = judge(runs, {
    tests: testsOf(sections),
    deviations,
    optimal: { tests: testsOf(httpSections), atLeast: OPTIMAL },
  });
  say(`\n${sectionTable(runs)}\n${failures(runs)}`);
  for (const line of judgement.differences) say(`differs: ${line}`);
  return end(runs, judgement);
}

async function end(runs: readonly Run[], judgement: Judgement): Promise<number> {
  for (const { name } of runs) {
    const ids = judgement.unlisted.filter(({ run }) => run === name).map(({ id }) => id);
    if (ids.length > 0) say(`WRONG: ${name}: required, failed and not listed: ${ids.join(", ")}`);
  }
  for (const fault of judgement.faults) say(`WRONG: ${fault}`);
  const counts = closing(runs, judgement);
  if (flags.write) await writeReport(runs);
  if (flags.json !== undefined) {
    const results = Object.fromEntries(runs.map((run) => [run.name, run.results]));
    await writeFile(flags.json, `${JSON.stringify({ ...counts, ...judgement, results }, null, 2)}\n`);
  }
  say(JSON.stringify(counts));
  return counts.failed > 0 ? 1 : 0;
}

async function one(id: string, combinations: readonly Combination[]): Promise<number> {
  // By itself: what it depends on does not run.
  const alone = testsOf(sections).flatMap((test) => (test.id === id ? [{ ...test, depends_on: [] }] : []));
  if (alone.length === 0) throw new Error(`Read --id: the suite has no test "${id}"`);
  let status = 0;
  for (const combination of combinations) {
    const results = await resultsOf(combination, id);
    const verdict = verdictsOn(alone, results).get(id);
    say(`${nameOf(combination)}: ${verdict} ${messageOn(id, results)}`);
    if (!isGood(verdict)) status = 1;
  }
  return status;
}

/** Runs the suite, again where the store was away meanwhile. */
async function resultsOf(combination: Combination, ...ids: string[]): Promise<Results> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { results, wasStoreAway } = await outcomeOf(combination, ids);
    if (!wasStoreAway) return results;
    say(`${nameOf(combination)}: the machine stood still and Redis counted as lost; attempt ${attempt} says nothing`);
  }
  throw new Error(`Run the suite: Redis counted as lost in each of ${ATTEMPTS} attempts; use a quieter machine`);
}

/** One run in a process of its own. Throws where that ends without an outcome, or does not end in time. */
async function outcomeOf(combination: Combination, ids: readonly string[]): Promise<Outcome> {
  const program = fileURLToPath(new URL("combination.ts", import.meta.url));
  const env = { ...process.env, FOREBAY_RUNTIME: combination.runtime };
  const child = fork(program, [combination.store, ...ids], { env });
  let outcome: Outcome | undefined;
  child.once("message", (message) => {
    outcome = message as Outcome;
  });
  // It ends what it has started when it finds the channel closed.
  const limit = setTimeout(() => child.connected && child.disconnect(), LIMIT_MS);
  const atLast = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS + 20_000);
  await once(child, "exit");
  clearTimeout(limit);
  clearTimeout(atLast);
  if (outcome === undefined) throw new Error(`Run the suite: no results for ${nameOf(combination)}`);
  return outcome;
}

function nameOf({ runtime, store }: Combination): string {
  return `${runtime}, ${store}`;
}

function choose<T extends string>(flag: "runtime" | "store", known: readonly T[]): T[] {
  return (flags[flag]?.split(",") ?? known).map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`Read --${flag}: there is no "${name}"\n${usage}`);
    return found;
  });
}

function say(text: string): 0 {
  console.log(text);
  return 0;
}
