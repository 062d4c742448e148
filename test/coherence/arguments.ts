// What `npm run check:coherence` is asked for.

import { parseArgs } from "node:util";
import parseDuration from "ms";
import { FAULTS_OF } from "./faults.ts";
import type { FaultKind } from "./history.ts";
import { type Mutation, mutationNamed, mutations } from "./mutations.ts";
import { TOPOLOGIES, type TopologyName } from "./shared-redis.ts";

export const usage = `npm run check:coherence -- [options]
  --seconds N      how long (60)
  --sidecars N     how many processes share the Redis (3)
  --trust D        store.memory.trust (0s)
  --topology T     redis; sentinel: a master and a replica, watched by three; or cluster: three masters with a replica
                   each (redis)
  --faults A,B     of ${FAULTS_OF.redis.join(", ")}; with sentinel of ${FAULTS_OF.sentinel.join(", ")};
                   with cluster also ${FAULTS_OF.cluster.filter((kind) => !FAULTS_OF.redis.includes(kind)).join(", ")} (all); none for none
  --seed S         a whole number, to draw the same choices again
  --mutation NAME  switch one mechanism off and expect a violation: ${mutations.map(({ name }) => name).join(", ")}
  --mutations all  each of them in turn, as a table`;

export interface Asked {
  readonly seconds: number;
  readonly sidecars: number;
  readonly trustMs: number;
  readonly topology: TopologyName;
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
      topology: { type: "string", default: "redis" },
      faults: { type: "string" },
      seed: { type: "string" },
      mutation: { type: "string" },
      mutations: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return "help";
  if (values.mutations !== undefined && values.mutations !== "all") throw wrong("mutations", "all", values.mutations);
  const topology = topologyOf(values.topology);
  const isHunt = values.mutations !== undefined || values.mutation !== undefined;
  if (isHunt && topology === "sentinel") {
    throw wrong("topology", "redis or cluster where something is switched off", topology);
  }
  return {
    seconds: whole("seconds", values.seconds, { from: 1, to: 86_400 }),
    sidecars: whole("sidecars", values.sidecars, { from: 1, to: 16 }),
    trustMs: duration(values.trust),
    topology,
    faults: values.faults === undefined ? FAULTS_OF[topology] : faultsOf(values.faults, topology),
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

function topologyOf(text: string): TopologyName {
  const name = TOPOLOGIES.find((each) => each === text);
  if (name) return name;
  throw wrong("topology", `one of ${TOPOLOGIES.join(", ")}`, text);
}

function faultsOf(text: string, topology: TopologyName): FaultKind[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const kind = FAULTS_OF[topology].find((each) => each === name);
    if (kind) return kind;
    throw wrong("faults", `some of ${FAULTS_OF[topology].join(", ")}, or none`, name);
  });
}

function wrong(flag: string, wanted: string, got: string): Error {
  return new Error(`Read --${flag}: expected ${wanted}, got "${got}"\n${usage}`);
}
