// What came of a trial, for a person: plain text tables. What a log or a service typed is printable ASCII here.

import type { LoadResult, Side } from "./load.ts";
import type { LogCounts, TryResult } from "./result.ts";
import type { Cell, PredictedRow, Prediction } from "./simulation.ts";

const MAX_ROWS = 20;
const MAX_NAME_CHARS = 40;

export function reportText({ load, log, prediction }: TryResult): string {
  return [
    ...(load === undefined ? [] : [loadText(load)]),
    ...(prediction === undefined || log === undefined ? [] : [predictionText(prediction, log)]),
  ].join("\n\n");
}

function loadText({ direct, forebay, isCutShort }: LoadResult): string {
  const both = (name: string, show: (side: Side) => string, ratio?: (side: Side) => number) => [
    ...[name, show(direct), show(forebay)],
    ratio === undefined ? "" : ratioText(ratio(direct), ratio(forebay)),
  ];
  const rows = [
    ["", "directly", "through Forebay", ""],
    both(
      "requests/s",
      ({ requestsPerSecond }) => countText(requestsPerSecond),
      ({ requestsPerSecond }) => requestsPerSecond,
    ),
    both("p50", ({ p50Ms }) => msText(p50Ms)),
    both("p99", ({ p99Ms }) => msText(p99Ms)),
    both("requests sent", ({ sent }) => countText(sent)),
    both("thereof to the origin", ({ originRequests }) => countText(originRequests)),
    both("origin requests per 1,000", ({ originRequests, sent }) => perThousand(originRequests, sent)),
    both("bytes from the origin", ({ originBytes }) => bytesText(originBytes)),
    both("bytes to clients", ({ clientBytes }) => bytesText(clientBytes)),
    ["hit ratio", "-", shareText(forebay.hits, forebay.requests), ""],
    ["collapsed into others", "-", countText(forebay.collapsed), ""],
    both("errors", ({ errors }) => countText(errors)),
    ...refusedRows(direct, forebay),
  ];
  return [table(rows), ...(isCutShort ? ["Ended early: too many requests failed."] : []), ...reasonLines(forebay)].join(
    "\n",
  );
}

/** Where some answers are no success, which. */
function refusedRows(direct: Side, forebay: Side): string[][] {
  const statuses = new Set([...Object.keys(direct.statuses), ...Object.keys(forebay.statuses)]);
  const unusual = [...statuses].filter((status) => Number(status) >= 300).toSorted();
  const shown = ({ statuses }: Side, status: string) => countText(statuses[status] ?? 0);
  return unusual.map((status) => [`answers of ${status}`, shown(direct, status), shown(forebay, status), ""]);
}

/** What stands in the way of hits. */
function reasonLines({ reasons, requests }: Side): string[] {
  const sorted = Object.entries(reasons).toSorted((one, other) => other[1] - one[1]);
  if (sorted.length === 0 || requests === 0) return [];
  const shown = sorted.slice(0, 5).map(([reason, count]) => `${reason} ${countText(count)}`);
  return [`Why requests were not hits, in the words of Cache-Status: ${shown.join("; ")}`];
}

function predictionText(prediction: Prediction, log: LogCounts): string {
  const { rows, total, columns, from, to } = prediction;
  const shown = rows.slice(0, MAX_ROWS);
  const all = shown.length > 1 ? [...shown, total] : [total];
  const part = (title: string, show: (cell: Cell, row: PredictedRow) => string) =>
    table([
      [title, "requests", ...columns.map(({ name }) => nameText(name))],
      ...all.map((row) => [nameText(row.route), countText(row.requests), ...row.cells.map((cell) => show(cell, row))]),
    ]);
  const more = rows.length > MAX_ROWS ? [`${rows.length - MAX_ROWS} more rows are part of "all".`] : [];
  return [
    `By the log: ${countText(total.requests)} requests in ${durationText(to - from)}; what Forebay would have done, by TTL`,
    "",
    part("hit ratio of reads", ({ hits }, { reads }) => shareText(hits, reads)),
    "",
    part("load left for the origin", ({ originRequests }, { requests }) => shareText(originRequests, requests)),
    "",
    part("stored, at the most", ({ storedBytes }) => bytesText(storedBytes)),
    "",
    ...more,
    ...noteLines(prediction, log),
  ].join("\n");
}

/** What makes the figures worth less than they seem. */
function noteLines({ unrouted, unsized, hiddenQueries, dropped }: Prediction, log: LogCounts): string[] {
  const line = (what: string, count: number, tail = "") => (count === 0 ? [] : [`${what}: ${countText(count)}${tail}`]);
  return [
    ...line("Lines that could not be read", log.malformed, `, the first is line ${log.firstMalformed}`),
    ...line("Lines about no request", log.other),
    ...line("Requests that match no route, and would get a 404 (left out)", unrouted),
    ...line("Reads without a size in the log (taken as empty)", unsized),
    ...line("Requests whose query is not in the log (different ones look alike: too many hits)", hiddenQueries),
    ...line("Responses forgotten, because no more are simulated at one time", dropped),
    "A log does not tell which answers set cookies, vary or forbid caching: try a sample of them with --origin.",
  ];
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

/** Printable ASCII, not too long. */
export function nameText(name: string): string {
  const plain = name.replace(/[^ -~]/g, "?");
  return plain.length > MAX_NAME_CHARS ? `${plain.slice(0, MAX_NAME_CHARS - 3)}...` : plain;
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-GB");
}

export function msText(ms: number | undefined): string {
  if (ms === undefined) return "-";
  return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : countText(ms)} ms`;
}

export function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? countText(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Never "100.0 %" of what is not all, nor "0.0 %" of what is more than nothing. */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return "-";
  const percent = (part / whole) * 100;
  const shown = part === 0 || part === whole ? percent : Math.max(0.01, Math.min(percent, 99.99));
  const isNearEnd = (shown > 99.9 && shown < 100) || (shown > 0 && shown < 0.1);
  return `${shown.toFixed(isNearEnd ? 2 : 1)} %`;
}

function perThousand(part: number, whole: number): string {
  return whole === 0 ? "-" : ((part / whole) * 1000).toFixed(part < whole && part > 0 ? 2 : 0);
}

function ratioText(before: number, after: number): string {
  return before === 0 ? "" : `${(after / before).toFixed(2)} x`;
}

function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}
