// Which tests does the suite behind cache-tests.fyi have, and of what kind? Read from the package http-cache-tests.

import tests from "http-cache-tests/tests/index.mjs";
import surrogateControl from "http-cache-tests/tests/surrogate-control.mjs";

/** What a failure means: a rule of the RFC broken, an optimisation left out, or no more than the answer to a question. */
export type Kind = "required" | "optimal" | "check";

/** A test as the package defines it; the package's own runner reads more of it. */
export interface SuiteTest {
  readonly id: string;
  readonly name: string;
  /** Left out: required. */
  readonly kind?: Kind;
  /** Tests that must pass for this one to say anything. */
  readonly depends_on?: readonly string[];
  /** Asks something of a browser's cache that no proxy can do. */
  readonly browser_only?: boolean;
}

/** A page of the suite. */
export interface Section {
  readonly id: string;
  readonly name: string;
  readonly tests: readonly SuiteTest[];
}

/** All that the suite asks of a proxy, in its own order. Its runner changes what it has run: one run per process. */
export const sections: readonly Section[] = [...tests, surrogateControl].map((section) => ({
  ...section,
  tests: section.tests.filter(({ browser_only }) => browser_only !== true),
}));

/** The sections about HTTP. Surrogate-Control is a W3C note of 2001, and is left to the origin's own CDN. */
export const httpSections: readonly Section[] = sections.filter(({ id }) => id !== surrogateControl.id);

export function testsOf(some: readonly Section[]): readonly SuiteTest[] {
  return some.flatMap((section) => section.tests);
}

export function kindOf({ kind = "required" }: SuiteTest): Kind {
  return kind;
}
