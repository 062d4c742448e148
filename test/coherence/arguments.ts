// What `npm run check:coherence` is asked for.

import { parseArgs } from "node:util";
import parseDuration from "ms";
import { FAULTS } from "./faults.ts";
import type { FaultKind } from "./history.ts";
import { type Mutation, mutationNamed, mutations } from "./mutations.ts";

export const usage = `npm run check:coherence -- [options]
  --seconds N      how long (60)
  --sidecars N     how many processes share the Redis (3)
  --trust D        store.memory.trust (0s)
  --faults A,B     of ${FAULTS.join(", ")} (all); none for none
  --seed S         a whole number, to draw the same choices again
  --mutation NAME  switch one mechanism off and expect a violation: ${mutations.map(({ name }) => name).join(", ")}
  --mutations all  each of them in turn, as a table`;

export interface Asked {
  readonly seconds: number;
  readonly sidecars: number;
  readonly trustMs: number;
  readonly faults: readonly FaultKind[];
  readonly seed: number;
  /** To be found; none: nothing is to be found. */
  readonly mutations: readonly Mutation[];
}

/** Throws with what is wrong. "help": the usage was asked for. `freshSeed` where none is named. */
export function parseArguments(argv: readonly string[], freshSeed: () => number): Asked | "help" {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seconds: { type: "string", default: "60" },
      sidecars: { type: "string", default: "3" },
      trust: { type: "string", default: "0s" },
      faults: { type: "string", default: FAULTS.join(",") },
      seed: { type: "string" },
      mutation: { type: "string" },
      mutations: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  if (values.mutations !== undefined && values.mutations !== "all") throw wrong("mutations", "all", values.mutations);
  return {
    seconds: whole("seconds", values.seconds, { from: 1, to: 86_400 }),
    sidecars: whole("sidecars", values.sidecars, { from: 1, to: 16 }),
    trustMs: duration(values.trust),
    faults: faultsOf(values.faults),
    seed: values.seed === undefined ? freshSeed() : whole("seed", values.seed, { from: 0, to: 2 ** 31 }),
    mutations: values.mutations ? mutations : values.mutation ? [mutationNamed(values.mutation)] : [],
  };
}

function whole(flag: string, text: string, { from, to }: { from: number; to: number }): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= from && value <= to) return value;
  throw wrong(flag, `a whole number from ${from} to ${to}`, text);
}

function duration(text: string): number {
  const value = /^\d+(?:\.\d+)?(?:ms|s|m)$/.test(text) ? parseDuration(text as parseDuration.StringValue) : undefined;
  if (value !== undefined) return value;
  throw wrong("trust", "a duration such as 0s or 500ms", text);
}

function faultsOf(text: string): FaultKind[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const kind = FAULTS.find((each) => each === name);
    if (kind) return kind;
    throw wrong("faults", `some of ${FAULTS.join(", ")}, or none`, name);
  });
}

function wrong(flag: string, wanted: string, got: string): Error {
  return new Error(`Read --${flag}: expected ${wanted}, got "${got}"\n${usage}`);
}
