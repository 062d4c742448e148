// Where the figures go: bench/results/results.json (all of it), results.md (a table per scenario) and chart.svg, and
// the same Markdown into README.md between its markers.

import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Outcome, Verdict } from "./outcome.ts";
import { inMarkdown, type Table, tableOf } from "./table.ts";

/** Everything a run found out. */
export interface Results {
  readonly machine: Machine;
  readonly outcomes: readonly Outcome[];
}

/** Where results are kept. */
export const resultsDir = fileURLToPath(new URL("results", import.meta.url));
const readme = fileURLToPath(new URL("../README.md", import.meta.url));
const begin = "<!-- bench:begin -->";
const end = "<!-- bench:end -->";

/** Writes the three files. Scenarios that were not run this time keep the figures they had. */
export async function write(results: Results, dir: string): Promise<void> {
  const merged = { ...results, outcomes: merge((await readResults(dir))?.outcomes ?? [], results.outcomes) };
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "results.json"), `${JSON.stringify(merged, null, 2)}\n`);
  await writeFile(join(dir, "results.md"), markdown(merged));
  await writeFile(join(dir, "chart.svg"), chart(merged.outcomes));
}

/** What is kept in a folder; undefined: nothing. Throws where it is damaged. */
async function readResults(dir: string): Promise<Results | undefined> {
  const file = join(dir, "results.json");
  return existsSync(file) ? (JSON.parse(await readFile(file, "utf8")) as Results) : undefined;
}

/** Puts chart and tables into README.md. Throws where there are no results or no markers. */
export async function intoReadme(): Promise<void> {
  const results = await readResults(resultsDir);
  if (results === undefined) throw new Error("Update README.md: no results yet; run `npm run bench` first");
  const text = await readFile(readme, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Update README.md: the lines ${begin} and ${end} are missing`);
  const block = `![CPU time per request](bench/results/chart.svg)\n\n${markdown(results)}`;
  await writeFile(readme, `${text.slice(0, from + begin.length)}\n${block}${text.slice(to)}`);
}

/** The results as Markdown: one table of figures per scenario, one of expectations, a legend. */
function markdown({ machine, outcomes }: Results): string {
  const sections = outcomes.map(({ title, rows }) => `**${title}**\n\n${inMarkdown(tableOf(rows))}\n`);
  return `${sections.join("")}**What was expected**\n\n${inMarkdown(expectations(outcomes))}\n${legend(machine)}`;
}

/** A verdict in one line, for the console. */
export function verdictLine({ claim, came, reached }: Verdict): string {
  return `${mark(reached)} ${claim}: ${came}`;
}

function expectations(outcomes: readonly Outcome[]): Table {
  const head = ["scenario", "expected", "came", ""];
  const lines = outcomes.flatMap(({ scenario, verdicts }) =>
    verdicts.map(({ claim, came, reached }) => [scenario, claim, came, mark(reached)]),
  );
  return [head, ...lines];
}

function legend(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return `${machine.date}; ${machine.cpu}, ${machine.cores} cores; ${machine.pinned}. ${versions.join(", ")}.
Responses of 1 KB over loopback, plain HTTP/1.1. Candidates alternate within one run; figures are medians over the rounds,
"relative" is the median of the ratios per round to the first line. CPU time is that of all processes of the candidate${
    machine.cpuTimes ? "" : " (not measured: this system has no /proc)"
  }; "busy" is its share of one core: below 100 % the load generator was the bottleneck, and requests/s say little.
Nobody writes access logs: Forebay runs with \`--log-level warn\`, nginx with \`access_log off\`, Varnish without a log reader.
`;
}

function mark(reached: boolean | undefined): string {
  return reached === undefined ? "not told" : reached ? "reached" : "MISSED";
}

function merge(before: readonly Outcome[], now: readonly Outcome[]): Outcome[] {
  const fresh = new Map(now.map((outcome) => [outcome.scenario, outcome]));
  const kept = before.map((outcome) => fresh.get(outcome.scenario) ?? outcome);
  return [...kept, ...now.filter(({ scenario }) => !before.some((outcome) => outcome.scenario === scenario))];
}
