// One run: a topology, readers and writers, faults, and the verdict on what was seen. It ends at its time, or, where it
// is to find something, with the first violation.

import { JOURNAL_LEASE_MS } from "../../src/store/store.ts";
import { check, lasting, type Violation } from "./checking.ts";
import type { Promises } from "./due.ts";
import { disturb, type PlanName } from "./faults.ts";
import type { FaultKind, History, Read } from "./history.ts";
import type { Mutation } from "./mutations.ts";
import { createRandom } from "./random.ts";
import type { Timing } from "./resources.ts";
import type { TopologyName } from "./shared-redis.ts";
import { startTopology, type Topology } from "./topology.ts";
import { createWorkload, type Pace, type Tally } from "./workload.ts";

export interface CampaignOptions {
  readonly seconds: number;
  readonly sidecars: number;
  readonly trustMs: number;
  readonly topology: TopologyName;
  readonly plans: readonly PlanName[];
  readonly seed: number;
  readonly mutation?: Mutation | undefined;
  /** Ends with the first violation. */
  readonly isHunt?: boolean;
  /** Between two faults, on average, ms. */
  readonly calmMs?: number;
}

export interface Outcome {
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly seconds: number;
  readonly tally: Tally;
  /** Faults that everybody came back from, by kind. */
  readonly survived: Readonly<Partial<Record<FaultKind, number>>>;
  readonly violations: readonly Violation[];
  /** Reads that would be, had not the machine itself stood still in the meantime. */
  readonly doubtful: readonly Violation[];
  /** Why the run could not go on; undefined: it did. */
  readonly failure: string | undefined;
  readonly history: History;
  /** Reads of the origin's. */
  readonly fetches: number;
}

const PACE = { readers: 24, writers: 4 } as const;
const TIMING = { deadlineMs: 250, writeDeadlineMs: 1000, settleMs: 1000 } as const;
/** How often reads are judged, and how old they are by then: a stall is told of when it is over. */
const JUDGE_MS = 5000;
const HUNT_JUDGE_MS = 500;
const REST_MS = 1500;
/** Judged reads are kept this long, to explain others by; and no read takes longer. */
const KEEP_MS = 30_000;
/** A stall that may have upset what is promised for the time of an outage. */
const STALL_MS = 400;
/** Between faults, on average: long enough for the cache to be worth having (a Cluster takes longer to fail over), or just for
 * the next fault to find it whole. */
const CALM_MS: Readonly<Record<TopologyName, number>> = { redis: 3500, sentinel: 3500, cluster: 6000 };
const HUNT_CALM_MS = 500;
const START_MS = 60_000;

export async function runCampaign(options: CampaignOptions): Promise<Outcome> {
  const { seconds, sidecars, trustMs, plans, seed, mutation, isHunt = false } = options;
  const pace: Pace = { ...PACE, isEverythingPurged: !isHunt };
  const calmMs = options.calmMs ?? (isHunt ? HUNT_CALM_MS : CALM_MS[options.topology]);
  const random = createRandom(seed);
  const timing: Timing = { ...TIMING, trustMs };
  const topology = await startTopology({ name: options.topology, sidecars, timing, mutation, random });
  try {
    await topology.well(START_MS);
    const workload = createWorkload(topology, random.fork("workload"), pace);
    const judge = createJudge(topology, { ...timing, journalMs: JOURNAL_LEASE_MS });
    const start = performance.now();
    const until = start + seconds * 1000;
    let failure: string | undefined;
    let isFound = false;
    const timer = setInterval(
      () => {
        isFound = judge.judge(performance.now() - REST_MS).length > 0;
      },
      isHunt ? HUNT_JUDGE_MS : JUDGE_MS,
    );
    const isOver = () => isHunt && isFound;
    const end = () => (isOver() ? 0 : until);
    const stage = { topology, workload, random: random.fork("faults"), calmMs, isFound: isOver };
    const faults = disturb(stage, plans, end).catch((error) => {
      failure = String(error);
    });
    const work = workload.run(end);
    await Promise.all([faults, work]).finally(() => clearInterval(timer));
    judge.judge(Number.POSITIVE_INFINITY);
    return {
      startedAt: start,
      seconds: (performance.now() - start) / 1000,
      tally: workload.tally,
      survived: survived(topology.recording),
      violations: judge.violations,
      doubtful: judge.doubtful,
      failure,
      history: topology.recording,
      fetches: topology.origin.reads,
    };
  } finally {
    await topology.close();
  }
}

interface Judge {
  readonly violations: Violation[];
  readonly doubtful: Violation[];
  /** Judges what began before `before`, of what was not judged yet; gives all violations so far. */
  judge(before: number): readonly Violation[];
}

function createJudge({ recording }: Topology, promises: Promises): Judge {
  let judged = 0;
  const violations: Violation[] = [];
  const doubtful: Violation[] = [];
  return {
    violations,
    doubtful,
    judge(before) {
      // In the order of their ends: what began earlier may end later, and is judged then.
      const end = recording.reads.findIndex((read, i) => i >= judged && read.end >= before);
      const due: Read[] = recording.reads.slice(judged, end < 0 ? undefined : end);
      judged += due.length;
      for (const found of check(recording, promises, due)) {
        (found.stalledMs >= STALL_MS ? doubtful : violations).push(found);
      }
      const old = recording.reads.findIndex((read, i) => i >= judged || read.end >= before - KEEP_MS);
      if (old > 0) judged -= recording.reads.splice(0, old).length;
      const needed = lasting(recording, promises, before - KEEP_MS);
      recording.writes.splice(0, recording.writes.length, ...needed);
      return violations;
    },
  };
}

function survived({ faults }: History): Outcome["survived"] {
  const counts: Partial<Record<FaultKind, number>> = {};
  for (const { kind } of faults) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
