// What does a result of the suite mean? Read as cache-tests.fyi reads it (lib/display.mjs of the package), so that our
// figures and the published ones can stand in one table.

import { type Kind, kindOf, type SuiteTest } from "./suite.ts";

/** What the suite's client found, by the id of the test: true, or what kind of error ended it and its message. */
export type Results = Readonly<Record<string, boolean | readonly [error: string, message: string]>>;

/**
 * `pass` or `fail` where something is required, `pass` or `optional-fail` where it is optimal, `yes` or `no` for a check. The
 * others say that a test told nothing: what it builds on went wrong (`setup-fail`, `dependency-fail`, `harness-fail`), a
 * request reached the origin twice (`retry`), it did not run (`untested`).
 */
export type Verdict =
  | "pass"
  | "fail"
  | "optional-fail"
  | "yes"
  | "no"
  | "setup-fail"
  | "dependency-fail"
  | "harness-fail"
  | "retry"
  | "untested";

/** The verdict on each of `tests`, by id, in their order. A dependency on a test that is none of them is not met. */
export function verdictsOn(tests: readonly SuiteTest[], results: Results): ReadonlyMap<string, Verdict> {
  const byId = new Map(tests.map((test) => [test.id, test]));
  const verdictOf = (test: SuiteTest): Verdict => {
    const result = results[test.id];
    if (result === undefined) return "untested";
    const isMet = (id: string) => isGood(verdictOf(byId.get(id) ?? { id, name: id }));
    return (test.depends_on ?? []).every(isMet) ? ownVerdict(test, result) : "dependency-fail";
  };
  return new Map(tests.map((test) => [test.id, verdictOf(test)]));
}

/** Whether a verdict counts as passed. */
export function isGood(verdict: Verdict | undefined): boolean {
  return verdict === "pass" || verdict === "yes";
}

/** What the suite says of a test that did not pass; "" where it says nothing. */
export function messageOn(id: string, results: Results): string {
  const result = results[id];
  return typeof result === "object" ? `${result[0]}: ${result[1]}` : "";
}

const OWN: Readonly<Record<Kind, readonly [good: Verdict, bad: Verdict]>> = {
  required: ["pass", "fail"],
  optimal: ["pass", "optional-fail"],
  check: ["yes", "no"],
};

function ownVerdict(test: SuiteTest, result: Results[string]): Verdict {
  const [good, bad] = OWN[kindOf(test)];
  if (result === true) return good;
  if (result === false) return "harness-fail";
  if (result?.[0] !== "Setup") return bad;
  return result[1] === "retry" ? "retry" : "setup-fail";
}
