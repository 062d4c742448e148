// Runs one throughput scenario: starts its candidates, checks each one's answers, warms it up, then alternates between
// them (A B C, A B C, …), so that whatever else the machine does falls on all of them alike.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type CandidateName, startCandidate } from "./candidates/candidates.ts";
import { type Candidate, onStage, type Skipped, type Stage } from "./candidates/stage.ts";
import { ask } from "./load/asking.ts";
import type { Load } from "./load/load.ts";
import type { Steady } from "./load/steady.ts";
import { cpuOf, type Round, type Row, rounded } from "./outcome.ts";
import { treeOf } from "./procfs.ts";
import type { Scenario } from "./scenarios.ts";
import { median, pairedRatio } from "./statistics.ts";

/** How long a candidate may take, once it answers, until it answers as the scenario wants. */
const settleMs = 5000;

/** How long, how often, how hard. */
export interface Effort {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
}

interface Entrant {
  readonly name: CandidateName;
  readonly candidate: Candidate | undefined;
  readonly note: string | undefined;
  readonly rounds: Round[];
}

/** Measures every candidate of a scenario; one row each, those skipped included. */
export function measure(scenario: Scenario, effort: Effort, load: Load): Promise<Row[]> {
  return onStage(async (stage) => {
    const entrants: Entrant[] = [];
    for (const name of scenario.candidates) entrants.push(await enter(name, scenario, stage));
    const run = { scenario, effort, load, stage };
    await warmUp(entrants, run);
    for (let round = 0; round < effort.rounds; round += 1) await runRound(entrants, run);
    return rowsOf(entrants, scenario);
  });
}

/** The paths a scenario asks for. */
export function pathsOf(scenario: Scenario): string[] {
  if (scenario.keys === "unique") return [`/${scenario.area}/[<id>]`];
  return Array.from({ length: scenario.keys }, (_, index) => `/${scenario.area}/${index}`);
}

/** What is still wrong with a candidate's answers in this scenario after some seconds; undefined: nothing. */
export async function fault(scenario: Scenario, name: CandidateName, url: string): Promise<string | undefined> {
  const deadline = performance.now() + settleMs;
  let wrong = await faultNow(scenario, name, url);
  while (wrong !== undefined && performance.now() < deadline) {
    await pause(100);
    wrong = await faultNow(scenario, name, url);
  }
  return wrong;
}

async function faultNow(scenario: Scenario, name: CandidateName, url: string): Promise<string | undefined> {
  const paths = pathsOf(scenario);
  const unique = scenario.keys === "unique";
  for (const path of paths) if (!unique) await ask(url + path);
  for (const path of paths) {
    const answer = await ask(url + path.replace("[<id>]", `check-${randomUUID()}`));
    if (answer.status !== scenario.status && name !== "bare node:http") {
      return `status ${answer.status}, not ${scenario.status}`;
    }
    if (answer.status === 200 && answer.bytes !== 1024) return `${answer.bytes} bytes, not 1024`;
    const wrong = scenario.wrong(answer.fields, name);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

async function enter(name: CandidateName, scenario: Scenario, stage: Stage): Promise<Entrant> {
  const found: Candidate | Skipped = await startCandidate(name, stage);
  if ("skipped" in found) return { name, candidate: undefined, note: `skipped: ${found.skipped}`, rounds: [] };
  const wrong = await fault(scenario, name, found.urls[0] ?? "");
  if (wrong !== undefined) return { name, candidate: undefined, note: `not measured: ${wrong}`, rounds: [] };
  return { name, candidate: found, note: undefined, rounds: [] };
}

interface Run {
  readonly stage: Stage;
  readonly scenario: Scenario;
  readonly effort: Effort;
  readonly load: Load;
}

async function warmUp(entrants: readonly Entrant[], run: Run): Promise<void> {
  for (const { candidate } of entrants) {
    if (candidate !== undefined) await shoot(candidate, run, Math.min(2, run.effort.seconds));
  }
}

async function runRound(entrants: readonly Entrant[], run: Run): Promise<void> {
  for (const { name, candidate, rounds } of entrants) {
    if (candidate === undefined) continue;
    const status = name === "bare node:http" ? 200 : run.scenario.status;
    // What the candidate before this one still had under way at the origin is not counted here.
    await pause(100);
    const before = await run.stage.originRequests();
    const steady = await shoot(candidate, run, run.effort.seconds);
    const forwarded = ((await run.stage.originRequests()) - before) / Math.max(1, steady.requests);
    rounds.push({ ...roundOf(steady, status), forwarded });
  }
}

function shoot(candidate: Candidate, { scenario, effort, load }: Run, seconds: number): Promise<Steady> {
  const pids = candidate.roots.flatMap(treeOf);
  const url = candidate.urls[0] ?? "";
  return load.steady({ url, paths: pathsOf(scenario), seconds, connections: effort.connections, pids });
}

function roundOf(steady: Steady, status: number): Omit<Round, "forwarded"> {
  const cpu = steady.cpuMicros;
  return {
    requestsPerSecond: steady.requests / steady.seconds,
    p50Ms: steady.p50Ms,
    p99Ms: steady.p99Ms,
    cpuMicros: cpu === undefined || steady.requests === 0 ? undefined : cpu / steady.requests,
    busy: cpu === undefined ? undefined : cpu / 1e6 / steady.seconds,
    failed: steady.requests - (steady.statuses[status] ?? 0) + steady.errors,
  };
}

function rowsOf(entrants: readonly Entrant[], scenario: Scenario): Row[] {
  const rows = entrants.map((entrant) => rowOf(entrant, scenario));
  const reference = cpuOf(rows, entrants[0]?.name ?? "");
  return rows.map((row) => ({ ...row, cpuRatio: pairedRatio(cpuOf(rows, row.candidate), reference) }));
}

function rowOf({ name, note, rounds }: Entrant, scenario: Scenario): Row {
  if (rounds.length === 0) return { candidate: name, note };
  return {
    candidate: name,
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    cpuMicros: median(rounds.flatMap((round) => round.cpuMicros ?? [])),
    busy: median(rounds.flatMap((round) => round.busy ?? [])),
    note: noteOn(rounds, scenario),
    rounds,
  };
}

/** What makes figures worth less than they seem: failures, and answers that should not have needed the origin. */
function noteOn(rounds: readonly Round[], { area }: Scenario): string | undefined {
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  const forwarded = median(rounds.map((round) => round.forwarded)) ?? 0;
  const notes = failed > 0 ? [`${failed} failed`] : [];
  if (forwarded > 0 && (area === "hit" || area === "over"))
    notes.push(`${rounded(forwarded * 100)} % went to the origin`);
  return notes.length > 0 ? notes.join(", ") : undefined;
}
