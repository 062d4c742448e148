import { expect, test } from "vitest";
import { deviations } from "./deviations.ts";
import { type Expected, judge, type Run } from "./judgement.ts";
import { type SuiteTest, sections, testsOf } from "./suite.ts";
import type { Verdict } from "./verdicts.ts";

const must: SuiteTest = { id: "must", name: "must" };
const should: SuiteTest = { id: "should", name: "should", kind: "optimal" };
const tests = [must, should];
const listing = (...ids: string[]) => [{ tests: ids, clause: "RFC 9111 §4", reason: "because" }];
const expected = (over: Partial<Expected> = {}): Expected => ({
  tests,
  deviations: [],
  optimal: { tests, atLeast: 1 },
  ...over,
});
const run = (name: string, verdicts: Record<string, Verdict>): Run => ({
  name,
  results: {},
  verdicts: new Map(Object.entries(verdicts)),
});
const good = run("node", { must: "pass", should: "pass" });
const bad = run("deno", { must: "fail", should: "pass" });

test("a run in which all passes is as it should be", () => {
  expect(judge([good], expected())).toEqual({ unlisted: [], faults: [], differences: [] });
});

test("a required test that fails and is not listed is wrong, for whatever reason it did not pass", () => {
  expect(judge([good, bad], expected()).unlisted).toEqual([{ run: "deno", id: "must" }]);
  for (const verdict of ["setup-fail", "dependency-fail", "retry", "untested"] as const) {
    expect(judge([run("node", { must: verdict, should: "pass" })], expected()).unlisted).toHaveLength(1);
  }
});

test("one that is listed is not", () => {
  const judgement = judge([bad], expected({ deviations: listing("must") }));
  expect(judgement).toMatchObject({ unlisted: [], faults: [] });
});

test("a listed test that passes everywhere is a fault; one that passes somewhere is not", () => {
  expect(judge([good], expected({ deviations: listing("must") })).faults).toEqual([
    '"must" is listed as a deviation and passes everywhere: take it off the list',
  ]);
  expect(judge([good, bad], expected({ deviations: listing("must") })).faults).toEqual([]);
});

test("a list that names a test the suite does not have, or one twice, is a fault", () => {
  expect(judge([bad], expected({ deviations: listing("must", "mst") })).faults).toHaveLength(1);
  expect(judge([bad], expected({ deviations: listing("must", "must") })).faults).toHaveLength(1);
});

test("fewer optimal tests than promised are a fault of the run", () => {
  const poor = run("node", { must: "pass", should: "optional-fail" });
  expect(judge([poor], expected()).faults).toEqual(["node: 0 optimal tests pass, 1 were promised"]);
});

test("what does not end alike in all runs is told", () => {
  expect(judge([good, bad], expected()).differences).toEqual(["must: pass (node), fail (deno)"]);
});

test("each deviation names tests of the suite, once, with a clause and a reason", () => {
  const listed = deviations.flatMap((deviation) => deviation.tests);
  const known = testsOf(sections).map(({ id }) => id);
  expect(listed.filter((id) => !known.includes(id))).toEqual([]);
  expect(new Set(listed).size).toBe(listed.length);
  for (const { clause, reason } of deviations) {
    expect(clause).toMatch(/^RFC \d+ §/);
    expect(reason).not.toMatch(/\.$/);
  }
});
