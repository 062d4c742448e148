// What is stored for a request, in words.

import type { StoredResponseSaid, StoredSaid } from "../explain/explanation.ts";
import { REASONS } from "./explain-words.ts";
import { type Paint, plain, type Row } from "./terminal.ts";

const DECISIONS: Readonly<Record<string, string>> = {
  fresh: "a request now is answered with it",
  "stale-while-revalidate": "a request now is answered with it, and it is validated behind that",
  validate: "a request now asks the origin whether it still holds",
  forward: "a request now goes to the origin",
  unsatisfiable: "a request now gets 504: only-if-cached, and nothing may be used",
};

/** In place of a list: what cannot be known is said. */
export function storedRows(
  { answered, isShadowed, decision, reason, response, leaseMs, passUntil }: StoredSaid,
  paint: Paint,
): Row[] {
  if (!answered) return [[paint("yellow", "the store does not answer: a request now goes to the origin")]];
  const without = isShadowed ? "without shadow mode: " : "";
  const how = `${without}${DECISIONS[decision] ?? plain(decision)}${reason === null ? "" : reasonText(reason)}`;
  const rows: Row[] = response === null ? [["nothing", how]] : [...responseRows(response, paint), ["now", how]];
  if (leaseMs !== null)
    rows.push(["lease", `a sidecar fetches it; its lease has ${Math.round(leaseMs)} ms left unless it is renewed`]);
  if (passUntil !== null) rows.push(["not queued", `until ${timeText(passUntil)}: what came last was not storable`]);
  return rows;
}

/** In words, with the word of Cache-Status and the log behind them. */
function reasonText(reason: string): string {
  const text = Object.hasOwn(REASONS, reason) ? `: ${REASONS[reason]}` : "";
  return `${text} (${plain(reason)})`;
}

function responseRows(said: StoredResponseSaid, paint: Paint): Row[] {
  const { status, bytes, age, lifetime, ttl, etag, stamp, fetchedAt, keptUntil, tier, hits } = said;
  const where =
    tier === "redis" ? "in Redis; this sidecar does not hold it in memory" : "in the memory of this sidecar";
  const times = hits === null ? "" : `; ${hits} ${hits === 1 ? "hit" : "hits"} here`;
  return [
    [
      "response",
      `${status}, ${bytes === null ? "a digest of it" : `${bytes} bytes`}${etag === null ? "" : `, ETag ${plain(etag, 80)}`}`,
    ],
    ["state", stateText(said, paint)],
    ...said.because.map(
      ({ tag, clock }): Row => [
        "because",
        `${tag === "floor" ? "all was invalidated" : plain(tag)} at ${timeText(clock / 1000)}, clock ${clock}`,
      ],
    ),
    ["age", `${age} s of ${Math.round(lifetime * 10) / 10} s; ${ttl < 0 ? `stale since ${-ttl} s` : `${ttl} s left`}`],
    ["fetched", `${timeText(fetchedAt)}, stamp ${stamp}; kept until ${timeText(keptUntil)}`],
    ["by", whoText(said)],
    ["where", `${where}${times}`],
  ];
}

function stateText({ state, ttl }: StoredResponseSaid, paint: Paint): string {
  if (state === "invalidated") return paint("red", "invalidated: may be validated, is never used before that");
  if (state === "soft-purged") return paint("yellow", "purged softly: stale since then");
  return ttl < 0 ? paint("yellow", "stale") : paint("green", "fresh");
}

function whoText({ storedBy }: StoredResponseSaid): string {
  if (storedBy === null) return "not known";
  const name = plain(storedBy.sidecar, 40);
  return storedBy.isThis ? `this sidecar, ${name}` : `sidecar ${name}`;
}

function timeText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
