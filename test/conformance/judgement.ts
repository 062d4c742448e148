// Is a run as it should be? Everything that is required passes or is a deliberate deviation, the list of these says
// nothing that is no longer so, and no fewer optimal tests pass than were promised.

import type { Deviation } from "./deviations.ts";
import { kindOf, type SuiteTest } from "./suite.ts";
import { isGood, type Results, type Verdict } from "./verdicts.ts";

/** What one run of the suite found out. */
export interface Run {
  /** "node, memory". */
  readonly name: string;
  readonly results: Results;
  readonly verdicts: ReadonlyMap<string, Verdict>;
}

export interface Judgement {
  /** Required tests, by run, that neither passed nor are listed. */
  readonly unlisted: readonly { readonly run: string; readonly id: string }[];
  /** What else is wrong, a sentence each. */
  readonly faults: readonly string[];
  /** Tests that did not end alike in all runs, a line each. No fault as such. */
  readonly differences: readonly string[];
}

export interface Expected {
  /** All tests of the suite. */
  readonly tests: readonly SuiteTest[];
  readonly deviations: readonly Deviation[];
  /** How many of these optimal tests must pass in each run. */
  readonly optimal: { readonly tests: readonly SuiteTest[]; readonly atLeast: number };
}

export function judge(runs: readonly Run[], { tests, deviations, optimal }: Expected): Judgement {
  const listed = deviations.flatMap((deviation) => deviation.tests);
  const isListed = new Set(listed);
  const required = tests.filter((test) => kindOf(test) === "required" && !isListed.has(test.id));
  return {
    unlisted: runs.flatMap(({ name, verdicts }) =>
      required.filter(({ id }) => !isGood(verdicts.get(id))).map(({ id }) => ({ run: name, id })),
    ),
    faults: [...wrongEntries(listed, tests), ...staleEntries(listed, runs), ...tooFew(optimal, runs)],
    differences: runs.length < 2 ? [] : tests.flatMap(({ id }) => difference(id, runs)),
  };
}

function wrongEntries(listed: readonly string[], tests: readonly SuiteTest[]): string[] {
  const known = new Set(tests.map(({ id }) => id));
  const unknown = listed.filter((id) => !known.has(id)).map((id) => `the suite has no test "${id}" that is listed`);
  const twice = listed.filter((id, i) => listed.indexOf(id) !== i).map((id) => `"${id}" is listed twice`);
  return [...unknown, ...twice];
}

function staleEntries(listed: readonly string[], runs: readonly Run[]): string[] {
  return listed
    .filter((id) => runs.length > 0 && runs.every(({ verdicts }) => isGood(verdicts.get(id))))
    .map((id) => `"${id}" is listed as a deviation and passes everywhere: take it off the list`);
}

function tooFew({ tests, atLeast }: Expected["optimal"], runs: readonly Run[]): string[] {
  return runs.flatMap(({ name, verdicts }) => {
    const passed = tests.filter((test) => kindOf(test) === "optimal" && isGood(verdicts.get(test.id))).length;
    return passed < atLeast ? [`${name}: ${passed} optimal tests pass, ${atLeast} were promised`] : [];
  });
}

function difference(id: string, runs: readonly Run[]): string[] {
  const said = runs.map(({ name, verdicts }) => ({ name, verdict: verdicts.get(id) ?? "untested" }));
  if (said.every(({ verdict }) => verdict === said[0]?.verdict)) return [];
  return [`${id}: ${said.map(({ name, verdict }) => `${verdict} (${name})`).join(", ")}`];
}
