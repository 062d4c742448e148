// How many tests of which kind passed?

import { type Kind, kindOf, type SuiteTest } from "./suite.ts";
import { isGood, type Verdict } from "./verdicts.ts";

export interface Count {
  readonly passed: number;
  readonly of: number;
}

export type Tally = Readonly<Record<Kind, Count>>;

/** Counts `tests`; one without a verdict did not pass. */
export function tally(tests: readonly SuiteTest[], verdicts: ReadonlyMap<string, Verdict>): Tally {
  const count = (kind: Kind): Count => {
    const meant = tests.filter((test) => kindOf(test) === kind);
    return { passed: meant.filter(({ id }) => isGood(verdicts.get(id))).length, of: meant.length };
  };
  return { required: count("required"), optimal: count("optimal"), check: count("check") };
}

/** "12/13", or "-" where there is nothing to count. */
export function inWords({ passed, of }: Count): string {
  return of === 0 ? "-" : `${passed}/${of}`;
}
