// Is a history coherent? Each read must have been answered with all that was due (due.ts) when it began. Pure.

import { due, type Given, lostDuring, type Promises, timedUntil } from "./due.ts";
import type { Application, History, Read, Span, Write } from "./history.ts";

/** A read that was answered with something older than what was due. */
export interface Violation {
  readonly read: Read;
  /** The latest one that it should have known. */
  readonly write: Write;
  readonly missed: Application;
  readonly dueAt: number;
  /** The version that it was answered with. */
  readonly got: number;
  /** For how long at once a process of the run stood still between that write's beginning, or what made its sidecar lose its
   * store before it, and this read, ms, where that may be why: what is promised while Redis is away is promised of processes
   * that run. 0: it is not. */
  readonly stalledMs: number;
}

/** All reads that break a promise, in the order in which they began. `reads` left out: those of `history`. */
export function check(history: History, promises: Promises, reads: readonly Read[] = history.reads): Violation[] {
  const given = { history, promises };
  const requirements = requirementsOf(given);
  const violations: Violation[] = [];
  for (const read of reads) {
    const found = read.versions.flatMap(([subject, got]) => {
      if (requirements.version(subject, read) <= got) return [];
      const missed = requirements.all(subject, read).filter(({ application }) => application.version > got);
      return missed.map((each) => violationOf(read, { ...each, got }, given));
    });
    // The latest one; but one that nothing excuses, if there is one.
    const worst = found.findLast(({ stalledMs }) => stalledMs === 0) ?? found.at(-1);
    if (worst) violations.push(worst);
  }
  return violations.sort((one, other) => one.read.start - other.read.start);
}

/**
 * Those of the writes by which a read that begins after `before` may still be judged: not those that ended before it and of
 * which all was overtaken by others that everybody had to know by then.
 */
export function lasting(history: History, promises: Promises, before: number): Write[] {
  const given = { history, promises };
  const known = new Map<string, number>();
  for (const write of history.writes) {
    for (const application of write.applied) {
      const { subject, version } = application;
      if (version <= (known.get(subject) ?? 0) || due(write, application, given).others > before) continue;
      known.set(subject, version);
    }
  }
  const isOutdone = ({ subject, version }: Application) => version < (known.get(subject) ?? 0);
  return history.writes.filter(({ end, applied }) => end >= before || !applied.every(isOutdone));
}

interface Requirement {
  readonly write: Write;
  readonly application: Application;
  readonly dueAt: number;
}

/** What was due when a read began, where it was made. */
interface Requirements {
  /** The latest version; 0: none. */
  version(subject: string, read: Read): number;
  /** In the order of their versions. */
  all(subject: string, read: Read): Requirement[];
}

function requirementsOf(given: Given): Requirements {
  // For everybody by subject, and for the sidecar that took the write by subject and sidecar.
  const lists = new Map<string, Requirement[]>();
  const add = (name: string, requirement: Requirement) => {
    const list = lists.get(name) ?? [];
    lists.set(name, list);
    list.push(requirement);
  };
  for (const write of given.history.writes) {
    for (const application of write.applied) {
      const { own, others } = due(write, application, given);
      const ofSidecar = `${application.subject} ${write.sidecar}`;
      add(application.subject, { write, application, dueAt: others });
      add(ofSidecar, { write, application, dueAt: own });
    }
  }
  const rising = new Map([...lists].map(([name, list]) => [name, risingVersions(list)]));
  const names = (subject: string, { sidecar }: Read) => [subject, `${subject} ${sidecar}`];
  return {
    version: (subject, read) =>
      Math.max(...names(subject, read).map((name) => versionAt(rising.get(name) ?? [], read.start))),
    all: (subject, read) =>
      names(subject, read)
        .flatMap((name) => lists.get(name) ?? [])
        .filter(({ dueAt }) => dueAt <= read.start)
        .sort((one, other) => one.application.version - other.application.version),
  };
}

type Step = readonly [dueAt: number, version: number];

/** When which version was first due, both rising. */
function risingVersions(list: readonly Requirement[]): Step[] {
  const steps: Step[] = [];
  for (const { dueAt, application } of list.toSorted((one, other) => one.dueAt - other.dueAt)) {
    if (application.version > (steps.at(-1)?.[1] ?? 0)) steps.push([dueAt, application.version]);
  }
  return steps;
}

/** The version of the last step up to `at`; 0: there is none. */
function versionAt(steps: readonly Step[], at: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((steps[middle]?.[0] ?? at) <= at) low = middle + 1;
    else high = middle;
  }
  return steps[low - 1]?.[1] ?? 0;
}

function violationOf(read: Read, missed: Requirement & { got: number }, given: Given): Violation {
  const { write, application, dueAt, got } = missed;
  return { read, write, missed: application, dueAt, got, stalledMs: stalledMs({ ...missed, read }, given) };
}

/**
 * The longest of the machine's stalls that may have made the read stale, ms: of any process between the write and the read, or
 * of the write's own when it lost its store.
 */
function stalledMs({ read, write, application }: { read: Read } & Requirement, given: Given): number {
  const until = timedUntil(write, application, given);
  const meanwhile = longestIn(given.history.stalls, { from: write.start, to: read.end });
  if (read.start < until + meanwhile && meanwhile > 0) return meanwhile;
  const lost = lostDuring(write, given);
  if (lost === undefined || read.start >= until) return 0;
  const own = given.history.stalls.filter(({ who }) => who === write.sidecar || who === "checker");
  return longestIn(own, lost);
}

/** Of those that overlap `span`, ms. */
function longestIn(stalls: readonly Span[], span: Span): number {
  return stalls
    .filter(({ from, to }) => from <= span.to && to >= span.from)
    .reduce((longest, { from, to }) => Math.max(longest, to - from), 0);
}
