import { describe, expect, test } from "vitest";
import { published } from "./published.ts";
import { httpSections, kindOf, type SuiteTest, testsOf } from "./suite.ts";
import { isGood, messageOn, type Results, verdictsOn } from "./verdicts.ts";

const required = (id: string, depends_on: string[] = []): SuiteTest => ({ id, name: id, depends_on });
const verdictOn = (test: SuiteTest, result: Results[string]) => verdictsOn([test], { [test.id]: result }).get(test.id);
const failed = ["Assertion", "Response 2 comes from cache"] as const;

describe("the verdict on a result of the suite", () => {
  test("is pass or fail where something is required, which it is where the test does not say", () => {
    expect(verdictOn(required("a"), true)).toBe("pass");
    expect(verdictOn(required("a"), failed)).toBe("fail");
    expect(verdictOn({ ...required("a"), kind: "required" }, ["FetchError", "socket hang up"])).toBe("fail");
  });

  test("is pass or optional-fail where it is optimal, yes or no for a check", () => {
    expect(verdictOn({ ...required("a"), kind: "optimal" }, failed)).toBe("optional-fail");
    expect(verdictOn({ ...required("a"), kind: "check" }, true)).toBe("yes");
    expect(verdictOn({ ...required("a"), kind: "check" }, failed)).toBe("no");
  });

  test("says that a test told nothing: its setup failed, a request was sent twice, the harness broke, it did not run", () => {
    expect(verdictOn(required("a"), ["Setup", "Response 1 status is 502, not 200"])).toBe("setup-fail");
    expect(verdictOn(required("a"), ["Setup", "retry"])).toBe("retry");
    expect(verdictOn(required("a"), false)).toBe("harness-fail");
    expect(verdictsOn([required("a")], {}).get("a")).toBe("untested");
  });

  test("is dependency-fail as long as anything it depends on, however far away, did not pass", () => {
    const tests = [required("a"), required("b", ["a"]), required("c", ["b"])];
    expect([...verdictsOn(tests, { a: failed, b: true, c: true }).values()]).toEqual([
      "fail",
      "dependency-fail",
      "dependency-fail",
    ]);
    expect([...verdictsOn(tests, { a: true, b: true, c: true }).values()].every(isGood)).toBe(true);
    expect(verdictsOn([required("b", ["a"])], { b: true }).get("b")).toBe("dependency-fail");
  });

  test("keeps the message of the suite", () => {
    expect(messageOn("a", { a: failed })).toBe("Assertion: Response 2 comes from cache");
    expect(messageOn("a", { a: true })).toBe("");
  });
});

describe("the suite", () => {
  test("has 157 required and 86 optimal tests about HTTP that are not for browsers alone", () => {
    const kinds = testsOf(httpSections).map(kindOf);
    expect(kinds.filter((kind) => kind === "required")).toHaveLength(157);
    expect(kinds.filter((kind) => kind === "optimal")).toHaveLength(86);
  });

  test("comes with the published results of proxies, read by the same rules", async () => {
    const all = await published();
    expect(all.map(({ name }) => name.split(" ")[0])).toEqual(
      expect.arrayContaining(["httpd", "nginx", "Squid", "ATS", "Varnish", "Fastly", "nuster"]),
    );
    for (const { tally } of all) expect(tally.required.of).toBe(157);
    expect(all.find(({ name }) => name.startsWith("Squid"))?.tally.required.passed).toBe(120);
  });
});
