// Which faults there are, and on which topology: one after the other, drawn from the seed. Between two of them everybody
// comes back, so that each finds a whole system. What each does: cast.ts.

import { type Cast, createCast } from "./cast.ts";
import { type FaultKind, open } from "./history.ts";
import type { TopologyName } from "./shared-redis.ts";
import { RETURN_MS, type Stage } from "./stage.ts";

/** The ways in which each kind of fault comes. */
const PLANS = {
  kill: ["kill-in-write", "kill"],
  freeze: ["freeze", "freeze-apart"],
  flush: ["flush-in-fetch", "flush"],
  restart: ["restart", "restart-behind"],
  partition: ["partition", "partition-in-part"],
  failover: ["failover-killed", "failover-frozen", "failover-told", "failover-behind"],
  reshard: ["reshard-fence", "reshard"],
} as const satisfies Record<FaultKind, readonly (keyof Cast)[]>;

export type PlanName = (typeof PLANS)[FaultKind][number];

const FAULTS = Object.keys(PLANS) as readonly FaultKind[];

/** What can be done to which topology: with Sentinel a master that is away for long is replaced by another. */
export const FAULTS_OF: Readonly<Record<TopologyName, readonly FaultKind[]>> = {
  redis: ["kill", "freeze", "flush", "restart", "partition"],
  sentinel: ["kill", "flush", "failover"],
  cluster: ["kill", "freeze", "flush", "restart", "partition", "failover", "reshard"],
};

export function plansOf(kinds: readonly FaultKind[]): readonly PlanName[] {
  return kinds.flatMap((kind) => PLANS[kind]);
}

/** Faults until `until` (monotonic ms, asked each time); one that has begun is brought to its end. */
export async function disturb(stage: Stage, plans: readonly PlanName[], until: () => number): Promise<void> {
  const { topology, random, calmMs } = stage;
  const cast = createCast(stage);
  if (plans.length === 0) return;
  for (let turn = random.below(plans.length); ; turn++) {
    await pause(random.between(0.5, 1.5) * calmMs);
    if (performance.now() >= until()) return;
    const plan = plans[turn % plans.length] as PlanName;
    const kind = FAULTS.find((each) => (PLANS[each] as readonly string[]).includes(plan)) as FaultKind;
    const ended = open(topology.recording.faults, { kind, plan });
    try {
      await cast[plan]();
    } finally {
      ended();
    }
    if (stage.isFound()) return;
    await topology.well(RETURN_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
