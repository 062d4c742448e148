// A mutation that does nothing would prove nothing: each of its texts stands in the source that it names, exactly once.

import { describe, expect, test } from "vitest";
import { applied, mutationNamed, mutations } from "./mutations.ts";

describe.each(mutations)("the mutation $name", ({ edits }) => {
  test.each(edits)("finds its text in $file", (edit) => {
    expect(applied(edit)).toContain(edit.replace);
  });
});

test("a text that is missing, or there twice, is an error", () => {
  const edit = { file: "store/reach.ts", find: "one", replace: "other" };
  expect(() => applied(edit, "two")).toThrow('expected "one" once, found it 0 times');
  expect(() => applied(edit, "one one")).toThrow("found it 2 times");
  expect(applied(edit, "one")).toBe("other");
});

test("a name that there is none of is an error that tells the others", () => {
  expect(() => mutationNamed("nothing")).toThrow(/expected one of stamp, .*, or all, got "nothing"/);
});
