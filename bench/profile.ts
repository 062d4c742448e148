// Where Forebay spends its time in a scenario: runs it under node --cpu-prof and lists the functions by self time. For
// finding hot spots, not for figures: the profiler itself costs some.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ForebaySetup, startForebay } from "./candidates/forebay.ts";
import { onStage } from "./candidates/stage.ts";
import type { Load } from "./load/load.ts";
import { type Effort, fault, pathsOf } from "./measure.ts";
import { rounded } from "./outcome.ts";
import type { Scenario } from "./scenarios.ts";

const shown = 30;

/** Prints the functions with the most self time, as shares of the time the process was busy. */
export function profile(scenario: Scenario, effort: Effort, load: Load): Promise<string> {
  return onStage(async (stage) => {
    const name = scenario.candidates.find((candidate) => candidate.startsWith("forebay"));
    if (name === undefined) return `${scenario.name}: Forebay takes no part in it`;
    const redis = { trust: "0s", memory: "64mb" };
    const nodeArguments = ["--cpu-prof", "--cpu-prof-interval", "250", "--cpu-prof-dir", stage.dir];
    const setup: ForebaySetup = name === "forebay, memory" ? { name, nodeArguments } : { name, redis, nodeArguments };
    const { running, url } = await startForebay(stage, setup);
    const wrong = await fault(scenario, name, url);
    if (wrong !== undefined) return `${scenario.name}: not profiled: ${wrong}`;
    const ask = { url, paths: pathsOf(scenario), connections: effort.connections, pids: [] };
    await load.steady({ ...ask, seconds: 1 });
    const before = await stage.originRequests();
    const from = monotonicMicros();
    const { requests } = await load.steady({ ...ask, seconds: effort.seconds });
    const span = { from, to: monotonicMicros() };
    const forwarded = ((await stage.originRequests()) - before) / Math.max(1, requests);
    await running.stop();
    const file = (await readdir(stage.dir)).find((entry) => entry.endsWith(".cpuprofile"));
    if (file === undefined) return `${scenario.name}: no profile was written; did SIGTERM end the process cleanly?`;
    const recorded = JSON.parse(await readFile(join(stage.dir, file), "utf8")) as Profile;
    const what = `${scenario.name}, ${name}: ${requests} requests, ${rounded(forwarded * 100)} % went to the origin`;
    return `${what}, ${listing(within(recorded, span))}`;
  });
}

/** What is used of a .cpuprofile: a tree of calls, and which of its nodes was running at each sample. */
interface Profile {
  /** Microseconds of the monotonic clock, the same for all processes. */
  readonly startTime: number;
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

const root = pathToFileURL(join(import.meta.dirname, "..", "/")).href;

/** Self time by frame in a span of time, microseconds, without that when nothing was to be done. */
function within(profile: Profile, span: { from: number; to: number }): Map<Frame, number> {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const selfMicros = new Map<Frame, number>();
  let at = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    const micros = profile.timeDeltas[index] ?? 0;
    const frame = frames.get(id);
    at += micros;
    if (frame === undefined || frame.functionName === "(idle)" || at < span.from || at > span.to) continue;
    selfMicros.set(frame, (selfMicros.get(frame) ?? 0) + micros);
  }
  return selfMicros;
}

function listing(selfMicros: ReadonlyMap<Frame, number>): string {
  const busy = [...selfMicros.values()].reduce((sum, micros) => sum + micros, 0);
  const files = ranking(selfMicros, busy, placeOf);
  const functions = ranking(selfMicros, busy, nameOf);
  return `${(busy / 1e6).toFixed(1)} s busy; self time by file\n${files}\n\nand by function\n${functions}`;
}

function ranking(selfMicros: ReadonlyMap<Frame, number>, busy: number, name: (frame: Frame) => string): string {
  const sums = new Map<string, number>();
  for (const [frame, micros] of selfMicros) sums.set(name(frame), (sums.get(name(frame)) ?? 0) + micros);
  const top = [...sums].toSorted((a, b) => b[1] - a[1]).slice(0, shown);
  return top.map(([what, micros]) => `${((micros / busy) * 100).toFixed(1).padStart(6)} %  ${what}`).join("\n");
}

/** A file of ours, a package, a module of Node's, or "native". */
function placeOf({ url }: Frame): string {
  if (url === "") return "native";
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.replace(root, "");
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name}  ${url.replace(root, "")}:${lineNumber + 1}`;
}

function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
