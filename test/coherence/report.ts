// How a run is told: figures, then each kind of violation with the shortest excerpt of the history that explains it.

import { inMarkdown } from "../../bench/table.ts";
import type { Outcome } from "./campaign.ts";
import type { Violation } from "./checking.ts";
import type { Application, FaultKind, History, Span } from "./history.ts";
import { isFetch } from "./resources.ts";

/** A run that does less proves nothing. */
const LEAST_PER_MINUTE = 20_000;
const LEAST_HIT_RATIO = 0.5;
const SHOWN = 5;

export function operations({ tally }: Outcome): number {
  return tally.reads + tally.writes + tally.purges;
}

export function hitRatio({ tally }: Outcome): number {
  return tally.reads === 0 ? 0 : tally.hits / tally.reads;
}

/** What is wrong with a run in which these faults were to happen, in words; none: it proves what it is to prove. */
export function complaints(outcome: Outcome, faults: readonly FaultKind[]): string[] {
  const { tally, violations, doubtful, failure, seconds } = outcome;
  const wrong: string[] = [];
  if (violations.length > 0) wrong.push(`${violations.length} reads were answered with something older than promised`);
  if (tally.errors > 0) wrong.push(`${tally.errors} requests got an error of a sidecar's own`);
  if (tally.torn.length > 0) wrong.push(`${tally.torn.length} contents were not whole, such as ${tally.torn[0]}`);
  if (failure !== undefined) wrong.push(failure);
  if (doubtful.length > 0) {
    wrong.push(`proves nothing: the machine stood still around ${doubtful.length} stale reads; use a quieter one`);
  }
  if (faults.length > 0 && Object.keys(outcome.survived).length === 0) {
    wrong.push(`proves nothing: it was over before a fault came (${faults.join(", ")}); give it more --seconds`);
  }
  if (tally.purges === 0) wrong.push("proves nothing: no purge got a receipt");
  const perMinute = (operations(outcome) / seconds) * 60;
  if (perMinute < LEAST_PER_MINUTE) wrong.push(`proves nothing: ${perMinute.toFixed(0)} operations a minute`);
  if (hitRatio(outcome) <= LEAST_HIT_RATIO) wrong.push(`proves nothing: hit ratio ${percent(hitRatio(outcome))}`);
  return wrong;
}

/** The figures of a run, and its violations. */
export function report(outcome: Outcome, seed: number): string {
  const { tally, survived, violations, doubtful, history, seconds, fetches } = outcome;
  const faults = Object.entries(survived).map(([kind, count]) => `${kind} ${count}`);
  const rows = [
    ["seed", String(seed)],
    ["operations", `${operations(outcome)} in ${seconds.toFixed(0)} s`],
    ["of these", `${tally.reads} reads, ${tally.writes} writes, ${tally.purges} purges`],
    ["hit ratio", `${percent(hitRatio(outcome))} (${tally.collapsed} collapsed, ${fetches} asked of the origin)`],
    ["faults survived", faults.join(", ") || "none"],
    [
      "errors of our own",
      `${tally.errors}; connections broken: ${tally.broken} ${tally.lastBroken && `(last: ${tally.lastBroken})`}`,
    ],
    ["stalls of the machine", String(history.stalls.length)],
    ["violations", `${violations.length}${doubtful.length > 0 ? `, and ${doubtful.length} doubtful ones` : ""}`],
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const figures = rows.map(([name = "", value]) => `  ${name.padEnd(width)}  ${value}\n`).join("");
  const shown = firstOfEach([...violations, ...doubtful]).slice(0, SHOWN);
  return figures + shown.map((violation) => `\n${explain(violation, history)}`).join("");
}

/** The shortest part of the history that shows what was broken: the write, the read, and what lay between. */
export function explain({ read, write, missed, dueAt, got, stalledMs }: Violation, history: History): string {
  const zero = write.start;
  const words = wordsFor(missed, got);
  const at = (time: number) => (Number.isFinite(time) ? `${(time - zero).toFixed(0)} ms` : "never").padStart(10);
  const lines: [number, string][] = [
    [write.start, `sidecar ${write.sidecar}: ${write.target} begins`],
    [missed.at, words.changed],
    [write.end, `sidecar ${write.sidecar}: the write's client knows: ${write.ending}`],
    [dueAt, `from here on ${words.wanted} was due`],
    [read.start, `sidecar ${read.sidecar}: ${read.target} begins`],
    [read.end, `sidecar ${read.sidecar}: answers with ${words.got} (${read.status})`],
  ];
  const isBetween = ({ from, to }: Span) => from <= read.end && to >= write.start;
  for (const fault of history.faults.filter(isBetween)) {
    lines.push([fault.from, `fault ${fault.plan} begins`], [fault.to, `fault ${fault.plan} is over`]);
  }
  for (const { sidecar, from, to } of history.partitions.filter(isBetween)) {
    lines.push([from, `sidecar ${sidecar} cannot reach Redis`], [to, `sidecar ${sidecar} can reach Redis again`]);
  }
  for (const { sidecar, from, to, why } of history.outages.filter(isBetween)) {
    lines.push([from, `sidecar ${sidecar} says: store degraded (${why})`]);
    if (to < (history.kills.get(sidecar) ?? Number.POSITIVE_INFINITY))
      lines.push([to, `sidecar ${sidecar} says: store ok`]);
  }
  for (const { from, to } of history.redisAway.filter(isBetween)) {
    lines.push([from, "Redis is away"], [to, "Redis is back"]);
  }
  for (const [sidecar, killedAt] of history.kills) {
    if (killedAt >= write.start && killedAt <= read.end) lines.push([killedAt, `sidecar ${sidecar} is killed`]);
  }
  const culprit = storing(history, read, got, missed.subject);
  if (culprit)
    lines.push([culprit.start, `sidecar ${culprit.sidecar}: ${culprit.target} stored it (${culprit.status})`]);
  const within = lines.filter(([time]) => time <= read.end || !Number.isFinite(time));
  const told = within.filter(([time]) => Number.isFinite(time)).sort(([one], [other]) => one - other);
  const doubt =
    stalledMs > 0
      ? `  (a process of the run stood still for ${stalledMs.toFixed(0)} ms meanwhile, or when the write's sidecar lost its store)\n`
      : "";
  return `STALE ${read.target}: ${missed.subject}: ${words.got}, not ${words.wanted}\n${told
    .map(([time, text]) => `  ${at(time)}  ${text}\n`)
    .join("")}${doubt}`;
}

/** Of a fetch the version is a time. */
function wordsFor({ subject, version }: Application, got: number): { changed: string; wanted: string; got: string } {
  if (!isFetch(subject)) {
    const wanted = `version ${version}`;
    return { changed: `origin: ${subject} becomes ${wanted}`, wanted, got: `version ${got}` };
  }
  const early = (version - got).toFixed(0);
  return {
    changed: `the ${subject} before this is overtaken`,
    wanted: "a later fetch",
    got: `one of ${early} ms before`,
  };
}

/** What was found of each mutation. */
export interface Finding {
  readonly name: string;
  readonly mechanism: string;
  readonly seed: number;
  readonly outcome: Outcome;
}

/** The table of `--mutations all`, as the README has it. */
export function mutationTable(findings: readonly Finding[]): string {
  const head = ["switched off", "--mutation", "found after", "operations of the run", "seed"];
  const rows = findings.map(({ name, mechanism, seed, outcome }) => {
    const isFound = outcome.violations.length > 0;
    return [
      mechanism,
      `\`${name}\``,
      isFound ? `${foundAfter(outcome)} s` : "NOT FOUND",
      String(operations(outcome)),
      String(seed),
    ];
  });
  return inMarkdown([head, ...rows]);
}

/** Seconds from the first operation to the end of the first violation's read. */
export function foundAfter({ violations, startedAt }: Outcome): string {
  const first = violations[0];
  return first === undefined ? "-" : ((first.read.end - startedAt) / 1000).toFixed(1);
}

/** The read that brought the stale version into the cache, as far as its client could see. */
function storing({ reads }: History, { target, start }: Violation["read"], got: number, subject: string) {
  const path = target.split(" ")[1];
  return reads.findLast(
    (each) =>
      each.start < start &&
      each.status.includes("stored") &&
      each.target.split(" ")[1] === path &&
      each.versions.some(([name, version]) => name === subject && version === got),
  );
}

/** The first read of each write that was missed. */
function firstOfEach(violations: readonly Violation[]): Violation[] {
  const seen = new Set<string>();
  return violations.filter(({ missed }) => {
    const name = `${missed.subject} ${missed.version}`;
    return !seen.has(name) && seen.add(name);
  });
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
