// The command: many sidecars on one Redis, under faults, and is what they answer coherent? Exit code 1: it is not, or the
// run proves nothing. With --mutation it is the other way round: what was switched off has to be found.

import process from "node:process";
import { parseArguments, usage } from "./arguments.ts";
import { type CampaignOptions, type Outcome, runCampaign } from "./campaign.ts";
import { plansOf } from "./faults.ts";
import type { Mutation } from "./mutations.ts";
import { complaints, type Finding, foundAfter, mutationTable, report } from "./report.ts";

// An ordinary exit ends every process of the run; what a signal does by itself would leave them.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  const asked = parseArguments(process.argv.slice(2), () => Math.floor(Math.random() * 1_000_000));
  if (asked === "help") return say(usage);
  const { mutations, faults, ...common } = asked;
  if (mutations.length > 0) return hunt(mutations, common);
  const outcome = await runCampaign({ ...common, plans: plansOf(faults) });
  say(report(outcome, asked.seed));
  const wrong = complaints(outcome, faults);
  for (const each of wrong) say(`WRONG: ${each}`);
  return wrong.length > 0 ? 1 : 0;
}

async function hunt(mutations: readonly Mutation[], common: Omit<CampaignOptions, "plans">): Promise<number> {
  const findings: Finding[] = [];
  for (const mutation of mutations) {
    const { name, mechanism, plansOnCluster = mutation.plans } = mutation;
    const plans = common.topology === "cluster" ? plansOnCluster : mutation.plans;
    const trustMs = mutation.trustMs ?? common.trustMs;
    const outcome: Outcome = await runCampaign({ ...common, trustMs, plans, mutation, isHunt: true });
    findings.push({ name, mechanism, seed: common.seed, outcome });
    say(`${name}: ${outcome.violations.length > 0 ? `found after ${foundAfter(outcome)} s` : "NOT FOUND"}`);
    if (mutations.length === 1) say(report(outcome, common.seed));
  }
  say(`\n${mutationTable(findings)}`);
  return findings.every(({ outcome }) => outcome.violations.length > 0) ? 0 : 1;
}

function say(text: string): 0 {
  console.log(text);
  return 0;
}
