// `forebay try`: what would Forebay do for a service of one's own? Asks it with and without Forebay in front, predicts by an
// access log, or both. Says first what it will ask of whom; Ctrl-C ends everything that was started.

import { randomBytes } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { isatty } from "node:tty";
import { createProgress } from "../progress.ts";
import type { LoadResult } from "./load.ts";
import { linesOf } from "./log-file.ts";
import { type LoggedRequest, parseLogLine } from "./log-line.ts";
import { type Plan, planOf } from "./plan.ts";
import { nameText, reportText } from "./report.ts";
import type { LogCounts, TryResult } from "./result.ts";
import { type Column, createSimulation, type Prediction } from "./simulation.ts";

const TTLS: readonly [string, number][] = [
  ["1s", 1],
  ["10s", 10],
  ["1m", 60],
  ["10m", 600],
  ["1h", 3600],
];
/** Of a log that are asked for again. */
const MAX_TARGETS = 10_000;
const ANSWER_MS = 10_000;

/** Resolves with the exit code; throws ConfigError where what was asked for is wrong. */
export async function tryOut(given: ReadonlyMap<string, readonly string[]>): Promise<number> {
  const plan = planOf({ given, env: process.env, prefix: `forebay-try-${randomBytes(6).toString("hex")}` });
  const ending = new AbortController();
  const end = () => {
    // A second one does not wait; what was started ends when this process has.
    if (ending.signal.aborted) process.exit(STOPPED);
    ending.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  try {
    return await attempt(plan, ending.signal);
  } catch (error) {
    if (!ending.signal.aborted) process.stderr.write(`try: ${(error as Error).message}\n`);
    return ending.signal.aborted ? STOPPED : 1;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
  }
}

/** As shells say of who was ended by Ctrl-C. */
const STOPPED = 130;

async function attempt(plan: Plan, signal: AbortSignal): Promise<number> {
  const about = announcement(plan);
  (plan.json ? process.stderr : process.stdout).write(`${about}\n\n`);
  const read = plan.accessLog === undefined ? undefined : await readLog(plan, plan.accessLog, signal);
  const targets = read?.targets ?? plan.paths;
  if (plan.origin !== undefined && targets.length === 0) throw new Error("the log has no GET that could be asked for");
  const load = plan.origin === undefined ? undefined : await underLoad(plan, plan.origin, { targets, signal });
  if (signal.aborted) return STOPPED;
  const result: TryResult = { load, log: read?.log, prediction: read?.prediction };
  process.stdout.write(plan.json ? `${JSON.stringify(result)}\n` : `${reportText(result)}\n`);
  if (plan.svg !== undefined || plan.html !== undefined) {
    const { page, picture } = await import("./picture.ts");
    if (plan.svg !== undefined) await writeFile(plan.svg, picture(result, about));
    if (plan.html !== undefined) await writeFile(plan.html, page(result, about));
  }
  return 0;
}

/** What will be asked, how often, of whom. */
function announcement(plan: Plan): string {
  const { origin, accessLog, paths, seconds, connections, ttl, isOwnConfig, usesRedis } = plan;
  const parts: string[] = [];
  if (accessLog !== undefined)
    parts.push(`Reads ${nameText(accessLog)} and predicts what Forebay would do with its requests.`);
  if (origin === undefined) return [...parts, "Nobody is asked for anything."].join(" ");
  const shown = paths.slice(0, 3).map(nameText).join(" ");
  const what =
    accessLog === undefined
      ? `GET ${shown}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`
      : `the log's GETs (the first ${MAX_TARGETS.toLocaleString("en-GB")}, again and again)`;
  const rules = isOwnConfig
    ? "your rules (limits are counted, not enforced)"
    : `a TTL of ${ttl.text} where it states none`;
  parts.push(
    `Asks ${origin} for ${what}, as fast as ${connections} ${connections === 1 ? "connection allows" : "connections allow"}: ${seconds / 2} s directly and ${seconds / 2} s through Forebay (${usesRedis ? "Redis" : "memory"}, ${rules}), in turns.`,
  );
  return parts.join(" ");
}

interface ReadLog {
  readonly log: LogCounts;
  readonly prediction: Prediction;
  readonly targets: readonly string[];
}

async function readLog(plan: Plan, file: string, signal: AbortSignal): Promise<ReadLog> {
  const { size } = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${nameText(file)} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : (error.code ?? "")}`,
    );
  });
  const progress = progressOnTerminal();
  const simulation = createSimulation({
    routes: plan.config.routes,
    columns: columnsOf(plan),
    authority: plan.origin === undefined ? "localhost" : new URL(plan.origin).host,
    rowOf: plan.isOwnConfig ? (routeId) => routeId : (_, target) => firstSegment(target),
  });
  const log = { requests: 0, other: 0, malformed: 0, firstMalformed: 0 };
  const targets: string[] = [];
  const take = (request: LoggedRequest) => {
    log.requests += 1;
    simulation.add(request);
    const { method, target, hidesQuery } = request;
    if (method === "GET" && !hidesQuery && target.startsWith("/") && targets.length < MAX_TARGETS) targets.push(target);
  };
  let number = 0;
  try {
    for await (const { lines, read } of linesOf(file, signal)) {
      for (const line of lines) {
        number += 1;
        const parsed = parseLogLine(line);
        if (typeof parsed === "object") take(parsed);
        else log[parsed] += 1;
        if (parsed === "malformed" && log.firstMalformed === 0) log.firstMalformed = number;
      }
      progress.tell(size === 0 ? 0 : read / size, `${number.toLocaleString("en-GB")} lines read`);
    }
  } finally {
    progress.end();
  }
  return { log, prediction: simulation.result(), targets };
}

/** The TTLs that are compared: the rules' own where they are the user's, and that of --ttl. */
function columnsOf({ isOwnConfig, isTtlGiven, ttl }: Plan): Column[] {
  const all = new Map(TTLS);
  if (isTtlGiven) all.set(ttl.text, ttl.seconds);
  const sorted = [...all].toSorted((one, other) => one[1] - other[1]);
  const columns = sorted.map(([name, seconds]): Column => ({ name, ttl: seconds }));
  return isOwnConfig ? [{ name: "as configured", ttl: undefined }, ...columns] : columns;
}

/** Without routes of the user's own, requests are told apart by it: "/products/*". */
function firstSegment(target: string): string {
  const [, first = ""] = /^\/([^/?]*)/.exec(target) ?? [];
  const rest = target.charAt(first.length + 1) === "/" ? "/*" : "";
  return `/${first}${rest}`;
}

async function underLoad(
  plan: Plan,
  origin: string,
  { targets, signal }: { targets: readonly string[]; signal: AbortSignal },
): Promise<LoadResult> {
  const first = origin + (targets[0] ?? "/");
  await fetch(first, { redirect: "manual", signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) }).then(
    ({ body }) => body?.cancel(),
    (error: Error) => {
      throw new Error(
        `${origin} does not answer: ${String((error.cause as { code?: unknown } | undefined)?.code ?? error.name)}`,
      );
    },
  );
  // Loaded by those who use them: autocannon alone takes 15 MB.
  const [{ compareUnderLoad }, { startServing }] = await Promise.all([import("./load.ts"), import("./serving.ts")]);
  const serving = await startServing(plan.config);
  const progress = progressOnTerminal(plan.seconds * 1000);
  try {
    const { seconds, connections } = plan;
    const progressed = (done: number, what: string) => progress.tell(done, what);
    const result = await compareUnderLoad({ origin, targets, seconds, connections, signal, progressed }, serving);
    progress.end();
    for (const [message, times] of serving.warnings) process.stderr.write(`Forebay says, ${times} times: ${message}\n`);
    return result;
  } finally {
    progress.end();
    await serving.stop();
  }
}

function progressOnTerminal(expectedMs = 0) {
  const now = () => performance.now();
  return createProgress({ stream: process.stderr, isTerminal: isatty(2), expectedMs, now });
}
