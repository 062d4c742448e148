// The types of what is used of http-cache-tests and of the node-fetch it brings: neither has any of its own.

declare module "http-cache-tests/tests/index.mjs" {
  const sections: readonly import("./suite.ts").Section[];
  export default sections;
}

declare module "http-cache-tests/tests/surrogate-control.mjs" {
  const section: import("./suite.ts").Section;
  export default section;
}

declare module "http-cache-tests/results/index.mjs" {
  const index: readonly {
    readonly file: string;
    readonly name: string;
    readonly type: string;
    readonly version: string;
  }[];
  export default index;
}

declare module "http-cache-tests/client/runner.mjs" {
  /** Runs the tests in chunks of a hundred; what they found is kept in the module. */
  export function runTests(
    sections: readonly import("./suite.ts").Section[],
    fetch: unknown,
    isBrowser: boolean,
    baseUrl: string,
  ): Promise<void>;
  export function getResults(): import("./verdicts.ts").Results;
}

declare module "node-fetch" {
  const fetch: unknown;
  export default fetch;
}
