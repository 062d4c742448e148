// How the results are told: on the console, in results.md, and from there in README.md between its markers.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { inColumns, inMarkdown, type Table } from "../../bench/table.ts";
import { deviations } from "./deviations.ts";
import type { Judgement, Run } from "./judgement.ts";
import { published } from "./published.ts";
import { httpSections, kindOf, type SuiteTest, sections, testsOf } from "./suite.ts";
import { inWords, type Tally, tally } from "./tally.ts";
import { isGood, messageOn } from "./verdicts.ts";

const file = fileURLToPath(new URL("results.md", import.meta.url));
const readme = fileURLToPath(new URL("../../README.md", import.meta.url));
const begin = "<!-- conformance:begin -->";
const end = "<!-- conformance:end -->";

export interface Counts {
  /** Required and optimal tests that passed. */
  readonly passed: number;
  /** Required tests that failed and are not listed, and one for each other fault. */
  readonly failed: number;
  readonly combinations: readonly {
    readonly name: string;
    readonly passed: number;
    readonly failed: number;
    /** Over the sections about HTTP. */
    readonly required: string;
    readonly optimal: string;
  }[];
}

/** What passed of each section in each run: of what is required, of what is optimal, of the checks. */
export function sectionTable(runs: readonly Run[]): string {
  return inColumns(sectionCells(runs));
}

/** What did not pass of what is required or optimal, with the suite's message, and whether that is meant so. */
export function failures(runs: readonly Run[]): string {
  const meant = testsOf(sections).filter((test) => kindOf(test) !== "check");
  return meant.map((test) => failure(test, runs)).join("");
}

/** The line that a run ends with, and what --json begins with. */
export function closing(runs: readonly Run[], { unlisted, faults }: Judgement): Counts {
  const combinations = runs.map((run) => {
    const every = tally(testsOf(sections), run.verdicts);
    const http = tally(testsOf(httpSections), run.verdicts);
    return {
      name: run.name,
      passed: every.required.passed + every.optimal.passed,
      failed: unlisted.filter((one) => one.run === run.name).length,
      required: inWords(http.required),
      optimal: inWords(http.optimal),
    };
  });
  const passed = combinations.reduce((sum, one) => sum + one.passed, 0);
  return { passed, failed: unlisted.length + faults.length, combinations };
}

/** Writes results.md. */
export async function writeReport(runs: readonly Run[]): Promise<void> {
  await writeFile(file, await markdown(runs));
}

/** Puts results.md into README.md. Throws where there is none, or where the markers are missing. */
export async function intoReadme(): Promise<void> {
  const text = await readFile(readme, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Update README.md: the lines ${begin} and ${end} are missing`);
  const block = await readFile(file, "utf8");
  await writeFile(readme, `${text.slice(0, from + begin.length)}\n${block}${text.slice(to)}`);
}

async function markdown(runs: readonly Run[]): Promise<string> {
  const version = await packageVersion();
  return `${inMarkdown(await comparison(runs))}
The suite is the snapshot ${version} of the tests behind [cache-tests.fyi](https://cache-tests.fyi/), without those for browsers alone and
those of Surrogate-Control. Forebay was run against it with one route, \`cache: { heuristic: true }\`, and default settings (with Redis: \`deadline: 1s\`, so that a
slow machine does not look like an outage). **The figures of
the others are the published results that come with that snapshot, of the versions named; they were not measured here, and newer
versions may do better.**

Passed by section (a check asks a question that has no wrong answer):

${inMarkdown(sectionCells(grouped(runs)))}
What does not pass, on purpose:

${inMarkdown(deviationCells(runs))}${unexplained(runs)}`;
}

/** What does not pass without standing in the list, so that nobody takes the list for all of it. */
function unexplained(runs: readonly Run[]): string {
  const listed = new Set(deviations.flatMap(({ tests }) => tests));
  const meant = testsOf(sections).filter((test) => kindOf(test) !== "check" && !listed.has(test.id));
  const failed = meant.filter(({ id }) => runs.some(({ verdicts }) => !isGood(verdicts.get(id))));
  const told = failed.map((test) => `${test.id} (${kindOf(test)})`);
  return told.length === 0 ? "" : `\nAnd for no such reason: ${told.join(", ")}.\n`;
}

async function comparison(runs: readonly Run[]): Promise<Table> {
  const cells = (name: string, of: Tally) => [name, inWords(of.required), inWords(of.optimal)];
  const ours = grouped(runs).map((run) => cells(`Forebay (${run.name})`, tally(testsOf(httpSections), run.verdicts)));
  const theirs = (await published()).map((one) => {
    const note = one.untested === 0 ? "" : `, ${one.untested} tests not run`;
    return cells(`${one.name}${note}`, one.tally);
  });
  return [["", "required", "optimal"], ...ours, ...theirs];
}

function sectionCells(runs: readonly Run[]): Table {
  const others = sections.filter((section) => !httpSections.includes(section));
  const line = (name: string, tests: readonly SuiteTest[]) => [name, ...runs.flatMap((run) => counts(tests, run))];
  return [
    ["", ...runs.flatMap(({ name }) => [`${name}: required`, "optimal", "checks"])],
    ...httpSections.map(({ name, tests }) => line(name, tests)),
    line("All of these", testsOf(httpSections)),
    ...others.map(({ name, tests }) => line(name, tests)),
  ];
}

function counts(tests: readonly SuiteTest[], { verdicts }: Run): string[] {
  const { required, optimal, check } = tally(tests, verdicts);
  return [required, optimal, check].map(inWords);
}

function deviationCells(runs: readonly Run[]): Table {
  const fails = (id: string) => runs.some(({ verdicts }) => !isGood(verdicts.get(id)));
  const lines = deviations.map(({ tests, clause, reason }) => [tests.filter(fails).join(", "), clause, `${reason}.`]);
  return [["test", "clause", "why"], ...lines.filter(([tests]) => tests !== "")];
}

/** Runs that ended alike, test by test, as one. */
function grouped(runs: readonly Run[]): readonly Run[] {
  const alike = new Map<string, Run[]>();
  for (const run of runs) {
    const key = JSON.stringify([...run.verdicts]);
    alike.set(key, [...(alike.get(key) ?? []), run]);
  }
  return [...alike.values()].map((group) => ({
    ...(group[0] as Run),
    name: together(group.map(({ name }) => name)),
  }));
}

/** "node and deno, memory and redis" for all four of them. */
function together(names: readonly string[]): string {
  const part = (i: number) => [...new Set(names.map((name) => name.split(", ")[i]))];
  const [runtimes, stores] = [part(0), part(1)];
  if (runtimes.length * stores.length !== names.length) return names.join("; ");
  return `${runtimes.join(" and ")}, ${stores.join(" and ")}`;
}

function failure(test: SuiteTest, runs: readonly Run[]): string {
  const failed = runs.filter(({ verdicts }) => !isGood(verdicts.get(test.id)));
  if (failed.length === 0) return "";
  const deviation = deviations.find(({ tests }) => tests.includes(test.id));
  const where = failed.length === runs.length ? "" : ` [only ${failed.map(({ name }) => name).join("; ")}]`;
  const said = failed.map(({ results, verdicts }) => `${verdicts.get(test.id)} ${messageOn(test.id, results)}`.trim());
  return `${kindOf(test)} ${test.id}${where}: ${[...new Set(said)].join(" | ")} (${deviation?.clause ?? "not listed"})\n`;
}

async function packageVersion(): Promise<string> {
  const path = fileURLToPath(import.meta.resolve("http-cache-tests/package.json"));
  return `http-cache-tests ${JSON.parse(await readFile(path, "utf8")).version}`;
}
