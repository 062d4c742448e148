// What was published of other proxies: the results that the package http-cache-tests carries, each of the version named
// there. Nothing of it is measured here.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import index from "http-cache-tests/results/index.mjs";
import { httpSections, kindOf, testsOf } from "./suite.ts";
import { type Tally, tally } from "./tally.ts";
import { type Results, verdictsOn } from "./verdicts.ts";

export interface Published {
  /** With its version. */
  readonly name: string;
  /** Over the sections about HTTP. What a proxy was not tested for counts as not passed. */
  readonly tally: Tally;
  /** How many of those that are required or optimal. */
  readonly untested: number;
}

/** All but the browsers, the one that passes most of what is required first. */
export async function published(): Promise<readonly Published[]> {
  const proxies = index.filter(({ type }) => type !== "browser");
  const all = await Promise.all(
    proxies.map(async ({ file, name, version }) => tallied(`${name} ${version}`, await read(file))),
  );
  return all.sort((a, b) => b.tally.required.passed - a.tally.required.passed);
}

function tallied(name: string, results: Results): Published {
  const tests = testsOf(httpSections);
  const verdicts = verdictsOn(tests, results);
  const untested = tests.filter((test) => kindOf(test) !== "check" && verdicts.get(test.id) === "untested");
  return { name, tally: tally(tests, verdicts), untested: untested.length };
}

async function read(file: string): Promise<Results> {
  const path = fileURLToPath(import.meta.resolve(`http-cache-tests/results/${file}`));
  return JSON.parse(await readFile(path, "utf8")) as Results;
}
