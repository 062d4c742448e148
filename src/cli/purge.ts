// `forebay purge`: asks a running sidecar to purge, and says what became of it. What can be purged, and what that means,
// is the sidecar's affair (cache/purge.ts). Exit codes: 0 purged; 1 not, or not yet, or (--wait) not known to all; 2 what was asked for is wrong.

import { ask, type Door } from "./asking.ts";
import { type Paint, painter, plain, plainJson, type Row, section, withProgress } from "./terminal.ts";

export interface PurgeGiven {
  readonly words: readonly string[];
  readonly given: ReadonlyMap<string, readonly string[]>;
}

interface Output {
  readonly stdout: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly env: NodeJS.ProcessEnv;
}

const KINDS = ["url", "path", "tag", "route", "glob", "group"];
const USAGE = `write forebay purge url URL, path PATH --host HOST, tag TAG, route ROUTE, glob PATTERN, group GROUP --host HOST, or all`;

/** What the words ask for, as /api/purge takes it; text: what is wrong with them. */
export function purgeAsked({ words, given }: PurgeGiven): object | string {
  const [kind = "", value, ...more] = words;
  const host = given.get("host")?.[0];
  const soft = given.has("soft") ? { soft: true } : {};
  const named = host === undefined ? {} : { host };
  if (kind === "all")
    return value === undefined ? { all: true, ...named, ...soft } : `purge all: takes nothing more; ${USAGE}`;
  if (kind === "") return `purge: what is to be purged? ${USAGE}`;
  if (!KINDS.includes(kind)) return `purge ${plain(kind, 40)}: that cannot be purged; ${USAGE}`;
  if (value === undefined) return `purge ${kind}: what is missing is which; ${USAGE}`;
  if (more.length > 0) return `purge ${kind}: one at a time; ${USAGE}`;
  return { [kind]: value, ...named, ...soft };
}

/** Resolves with the exit code. */
export async function purge(given: PurgeGiven, door: Door, { stdout, stderr, env }: Output): Promise<number> {
  const asked = purgeAsked(given);
  if (typeof asked === "string") return fail(asked, 2);
  const isForAll = given.given.has("wait");
  const task = ask(door, `/api/purge${isForAll ? "?wait=all" : ""}`, asked);
  const answer = await withProgress(task, isForAll ? "waiting for all sidecars" : "purging", stderr);
  if (answer.kind === "failure") return fail(answer.text, answer.code);
  const receipt = receiptIn(answer.body);
  if (receipt === undefined) return fail(`${plain(door.base)}: the answer is no receipt of a purge`, 1);
  stdout.write(given.given.has("json") ? plainJson(answer.body) : receiptText(receipt, painter(stdout, env)));
  return receipt.clock === null || (isForAll && receipt.seen < receipt.sidecars) ? 1 : 0;

  function fail(text: string, code: number): number {
    stderr.write(`${text}\n`);
    return code;
  }
}

interface Receipt {
  /** µs of the epoch. */
  readonly clock: number | null;
  readonly tags: readonly string[] | null;
  readonly soft: boolean;
  readonly sidecars: number;
  readonly seen: number;
  readonly ms: number;
}

function receiptIn(body: unknown): Receipt | undefined {
  const { clock, tags, soft, sidecars, seen, ms } = body as Readonly<Record<string, unknown>>;
  const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
  const isClock = clock === null || (typeof clock === "number" && Number.isFinite(clock));
  const numbers = [sidecars, seen, ms];
  if (!isClock || !(tags === null || isList) || !numbers.every((each) => typeof each === "number")) return undefined;
  return { ...(body as Receipt), soft: soft === true };
}

const MAX_TAGS = 20;

/** For a person. */
export function receiptText({ clock, tags, soft, sidecars, seen, ms }: Receipt, paint: Paint): string {
  const named = tags?.map((tag) => plain(tag)) ?? ["everything"];
  const more = named.length - MAX_TAGS;
  const rows: Row[] = named.slice(0, MAX_TAGS).map((name) => [name]);
  if (more > 0) rows.push([`and ${more} more`]);
  const what = section(soft ? "Stale now" : "Purged", rows, paint);
  if (clock === null) {
    return `${what}${section("Not yet", [[paint("yellow", "the store cannot be reached; the sidecar keeps the purge and makes up for it")]], paint)}`;
  }
  const at = section("At", [[`${new Date(clock / 1000).toISOString()}, clock ${clock}`]], paint);
  const count = `${seen} of ${sidecars} ${sidecars === 1 ? "knows" : "know"}`;
  const told = `${paint(seen < sidecars ? "yellow" : "green", count)}, after ${ms} ms`;
  return `${what}${at}${section("Sidecars", [[told]], paint)}`;
}
