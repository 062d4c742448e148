// Short runs with fixed seeds: three sidecars on one Redis stay coherent under faults, and what is switched off is found.
// The long ones: npm run check:coherence.

import process from "node:process";
import { expect, test } from "vitest";
import { type CampaignOptions, type Outcome, runCampaign } from "./campaign.ts";
import { mutationNamed } from "./mutations.ts";
import { operations, report } from "./report.ts";

/** A machine that stood still for long proves nothing; another attempt may. */
const ATTEMPTS = 3;
/** Operations beyond which a run says something. */
const ENOUGH = 100;

test("three sidecars stay coherent while one is killed or cut off and Redis is restarted, flushed and frozen", {
  timeout: 300_000,
}, async () => {
  const plans = ["kill-in-write", "restart", "flush-in-fetch", "freeze-apart", "partition"] as const;
  await staysCoherent({ seconds: 16, sidecars: 3, trustMs: 200, topology: "redis", plans, seed: 10, calmMs: 300 });
});

test("two sidecars stay coherent while sentinels make another Redis the master", { timeout: 300_000 }, async () => {
  const plans = ["failover-told"] as const;
  await staysCoherent({ seconds: 2, sidecars: 2, trustMs: 0, topology: "sentinel", plans, seed: 6, calmMs: 300 });
});

// Elsewhere there is but one loopback address (shared-redis.ts).
test.runIf(process.platform === "linux")(
  "three sidecars stay coherent on a Redis Cluster that fails over and whose slots move",
  { timeout: 300_000 },
  async () => {
    const plans = ["reshard-fence", "failover-killed", "reshard"] as const;
    await staysCoherent({ seconds: 4, sidecars: 3, trustMs: 0, topology: "cluster", plans, seed: 3, calmMs: 300 });
  },
);

test.for(["stamp", "trust"])("two sidecars without %s are found guilty", { timeout: 120_000 }, async (name) => {
  const mutation = mutationNamed(name);
  const { plans, trustMs = 0 } = mutation;
  const outcome = await runCampaign({
    seconds: 45,
    sidecars: 2,
    trustMs,
    topology: "redis",
    plans,
    seed: 1,
    mutation,
    isHunt: true,
  });
  expect(outcome.violations.length, report(outcome, 1)).toBeGreaterThan(0);
});

async function staysCoherent(options: CampaignOptions): Promise<void> {
  let outcome: Outcome | undefined;
  for (let attempt = 0; attempt < ATTEMPTS && provesNothing(outcome); attempt++) outcome = await runCampaign(options);
  expect(outcome?.violations.length, outcome && report(outcome, options.seed)).toBe(0);
  expect(outcome).toMatchObject({ failure: undefined, doubtful: [], tally: { torn: [], errors: 0 } });
  expect(outcome && operations(outcome)).toBeGreaterThan(ENOUGH);
  expect(outcome?.tally.hits).toBeGreaterThan(0);
  expect(outcome?.history.faults.length).toBeGreaterThan(0);
}

/** Where the machine stood still, a read may be doubtful, or hardly any were done. */
function provesNothing(outcome: Outcome | undefined): boolean {
  if (outcome === undefined) return true;
  const { violations, doubtful, tally, failure } = outcome;
  if (violations.length > 0 || tally.torn.length > 0 || tally.errors > 0) return false;
  const isScant = tally.hits === 0 || operations(outcome) <= ENOUGH;
  return doubtful.length > 0 || (isScant && failure === undefined);
}
