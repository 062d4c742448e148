// What has watching the routes shown (cache/watching.ts)? Counted per route, the keys that differed last with why, for GET
// /api/shadow, and a line in the log for each key when it first differs and when it is proved which kind it is. Nothing
// of any answer is kept, of a request the names of fields alone. Outlives configurations.

import type { ShadowStatus, ShownDifference, Verdict, WatchTally } from "./admin/shadow.ts";
import type { Difference, Finding, Told } from "./cache/finding.ts";
import type { Visit } from "./cache/visit.ts";
import { sparing } from "./log/sparing.ts";
import { forRequest, type Log } from "./log.ts";

export interface Differences {
  readonly told: Told;
  status(): ShadowStatus;
}

interface DifferencesOptions {
  readonly log: Pick<Log, "debug" | "info" | "warn">;
  /** Whether a query may be shown. */
  readonly showQuery: () => boolean;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Keys that differed last. */
const MAX_KEYS = 100;
/** Routes counted apart; those of later configurations are counted together. */
const MAX_ROUTES = 10_000;
const OTHER_ROUTES = "…";
const MAX_CHARS = 1024;
/** Request fields remembered of one key. */
const MAX_NAMES = 64;
const LINES = { lines: 10, windowMs: 60_000 };

interface Counted {
  wouldHit: number;
  wouldStale: number;
  wouldMiss: number;
  same: number;
  different: number;
  readonly notStored: Record<string, number>;
  readonly unjudged: Record<string, number>;
}

interface Known extends Omit<ShownDifference, "key" | "since" | "last" | "aspects" | "requestFields"> {
  readonly host: string;
  readonly target: string;
  verdict: Verdict;
  count: number;
  status: Difference["status"];
  firstAt: number;
  lastAt: number;
  afterMs: number;
  readonly aspects: Set<string>;
  readonly names: Map<string, number>;
  /** The stored answer that a client got another one than, which some field of its request may account for, and when. */
  open: { readonly storedAt: number; readonly at: number } | undefined;
  /** The stored answer that the origin has been seen to give up. */
  changedFrom: number | undefined;
}

export function createDifferences({ log, showQuery, now }: DifferencesOptions): Differences {
  const since = now();
  const lines = sparing(log, LINES);
  const routes = new Map<string, Counted>();
  /** By primary key; what differed last is last. */
  const keys = new Map<string, Known>();

  function countedOf(route: string): Counted {
    const name = routes.has(route) || routes.size < MAX_ROUTES ? route : OTHER_ROUTES;
    const counted = routes.get(name) ?? noneCounted();
    routes.set(name, counted);
    return counted;
  }

  function told(visit: Visit, finding: Finding): void {
    const counted = countedOf(visit.trace.route ?? OTHER_ROUTES);
    count(counted, finding);
    if (finding.kind === "same") agreed(visit, finding);
    if (finding.kind === "different") differed(visit, finding);
  }

  /** The origin still gives what is stored to somebody: who got another answer before was another client to it. */
  function agreed(visit: Visit, { storedAt, askedAt }: Extract<Finding, { kind: "same" }>): void {
    const known = keys.get(visit.key.primary);
    if (known?.open === undefined || known.open.storedAt !== storedAt || askedAt < known.open.at) return;
    known.open = undefined;
    if (known.verdict === "clients") return;
    known.verdict = "clients";
    tell(visit, known);
  }

  function differed(visit: Visit, difference: Difference): void {
    const { primary } = visit.key;
    const before = keys.get(primary);
    const known = before ?? first(visit, difference);
    keys.delete(primary);
    keys.set(primary, known);
    const [oldest] = keys.keys();
    if (keys.size > MAX_KEYS && oldest !== undefined) keys.delete(oldest);
    const was = before?.verdict;
    note(known, difference);
    if (known.verdict !== was && (was === undefined || known.verdict === "clients")) tell(visit, known);
  }

  function tell({ trace }: Visit, known: Known): void {
    const { route: _, key, verdict, aspects, requestFields, status, by } = shown(known, showQuery());
    lines.warn("a cached answer would not be the origin's", {
      ...forRequest(trace),
      ...{ key, verdict, aspects, requestFields, status, by },
    });
  }

  return {
    told,
    status: () => ({
      since: new Date(since).toISOString(),
      routes: Object.fromEntries(routes) satisfies Record<string, WatchTally>,
      differences: [...keys.values()].reverse().map((known) => shown(known, showQuery())),
    }),
  };
}

function count(counted: Counted, finding: Finding): void {
  if (finding.kind === "not-stored") addTo(counted.notStored, finding.reason);
  else if (finding.kind === "unjudged") addTo(counted.unjudged, finding.why);
  else counted[COUNTERS[finding.kind]] += 1;
}

const COUNTERS = {
  "would-hit": "wouldHit",
  "would-stale": "wouldStale",
  "would-miss": "wouldMiss",
  same: "same",
  different: "different",
} as const;

function addTo(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function noneCounted(): Counted {
  const none = { wouldHit: 0, wouldStale: 0, wouldMiss: 0, same: 0, different: 0 };
  return { ...none, notStored: {}, unjudged: {} };
}

function first({ request, trace }: Visit, { by, status, at, storedAt }: Difference): Known {
  return {
    ...{ route: trace.route ?? OTHER_ROUTES, host: request.authority, target: request.target, by, status },
    ...{ verdict: "unclear", count: 0, firstAt: at, lastAt: at, afterMs: at - storedAt },
    ...{ aspects: new Set(), names: new Map(), open: undefined, changedFrom: undefined },
  };
}

function note(known: Known, { aspects, status, storedAt, at, apart, isProven }: Difference): void {
  known.count += 1;
  known.status = status;
  known.lastAt = at;
  known.afterMs = at - storedAt;
  for (const aspect of aspects) known.aspects.add(aspect);
  for (const name of apart ?? []) {
    if (known.names.has(name) || known.names.size < MAX_NAMES) known.names.set(name, (known.names.get(name) ?? 0) + 1);
  }
  if (apart?.length === 0) {
    known.changedFrom = storedAt;
    known.open = undefined;
  } else if (known.changedFrom !== storedAt) known.open = { storedAt, at };
  if (known.verdict === "clients") return;
  if (isProven) known.verdict = "clients";
  else known.verdict = known.changedFrom === storedAt ? "origin" : "unclear";
}

function shown(known: Known, showQuery: boolean): ShownDifference {
  const { route, by, verdict, count, status, firstAt, lastAt, afterMs, host, target, aspects, names } = known;
  const requestFields = [...names].sort(([, a], [, b]) => b - a).map(([name]) => name);
  return {
    ...{ route, key: shownKey(host, target, showQuery), by, verdict, count },
    ...{ aspects: [...aspects], requestFields, status, afterMs },
    since: new Date(firstAt).toISOString(),
    last: new Date(lastAt).toISOString(),
  };
}

/** In printable ASCII: terminals obey some of the other characters. */
function shownKey(host: string, target: string, showQuery: boolean): string {
  const query = target.indexOf("?");
  const visible = showQuery || query === -1 ? target : `${target.slice(0, query)}?...`;
  const text = `${host}${visible}`.replace(/[^!-~]/g, "?");
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text;
}
