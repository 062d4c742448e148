// What the kernel says about processes: CPU time, resident memory, descendants (Linux /proc). Elsewhere the answers
// are undefined or the process alone, and the report says that CPU times are missing.

import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Microseconds in one tick of utime and stime: USER_HZ is 100 on every Linux architecture Node runs on. */
const tickMicros = 10_000;

/** Whether CPU times can be read at all. */
export const hasProcfs = existsSync("/proc/self/stat");

/** CPU time (user and system, all threads) of each process so far, microseconds; those that are gone are left out. */
export function cpuMicros(pids: readonly number[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const pid of pids) {
    const stat = statOf(pid);
    if (stat !== undefined) times.set(pid, (Number(stat[11]) + Number(stat[12])) * tickMicros);
  }
  return times;
}

/** CPU time spent between two readings by the processes in both, microseconds; undefined where there are none. */
export function spent(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number | undefined {
  let sum: number | undefined;
  for (const [pid, time] of after) {
    const start = before.get(pid);
    if (start !== undefined) sum = (sum ?? 0) + time - start;
  }
  return sum;
}

/** A process and all its descendants. */
export function treeOf(root: number): number[] {
  const parents = hasProcfs ? parentOfEach() : new Map<number, number>();
  const family = [root];
  // The list grows while it is walked: children are appended behind their parent.
  for (const pid of family) {
    for (const [child, parent] of parents) if (parent === pid) family.push(child);
  }
  return family;
}

/** Resident memory of a process and its descendants, bytes; undefined without /proc. */
export function residentBytes(root: number): number | undefined {
  if (!hasProcfs) return undefined;
  return treeOf(root).reduce((sum, pid) => sum + residentOf(pid), 0);
}

function residentOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? 0 : Number(kilobytes) * 1024;
}

function parentOfEach(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (stat !== undefined) parents.set(pid, Number(stat[1]));
  }
  return parents;
}

/** The fields of /proc/<pid>/stat behind the command name, which may itself hold spaces and brackets: [0] is the state. */
function statOf(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
