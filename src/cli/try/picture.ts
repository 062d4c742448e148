// A picture of a trial, drawn by hand as SVG that reads on light and dark alike, and a page around it. Self-contained:
// nothing is fetched, nothing runs, and whatever a log or a service typed is escaped.

import type { LoadResult, Side } from "./load.ts";
import { bytesText, countText, msText, nameText, reportText, shareText } from "./report.ts";
import type { TryResult } from "./result.ts";
import type { PredictedRow, Prediction } from "./simulation.ts";

const WIDTH = 760;
const MARGIN = 20;
const LABEL = 170;
const VALUE = 100;
const BAR = 16;
const ROW = 22;
const GAP = 14;
const HEAD = 30;
const MAX_ROWS = 12;
const NAME_CHARS = 24;

const STYLE = `
  .page { fill: #ffffff; }
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .head { font-weight: 600; }
  .faint { fill: #59636e; }
  .axis { stroke: #8c959f; }
  .track { fill: #eaeef2; }
  .direct { fill: #8c959f; }
  .own { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #e6edf3; }
    .faint { fill: #9198a1; }
    .axis { stroke: #6e7681; }
    .track { fill: #21262d; }
    .direct { fill: #6e7681; }
    .own { fill: #4493f8; }
  }`;

/** An SVG document. `about`: what was asked, one line. */
export function picture({ load, prediction }: TryResult, about: string): string {
  const parts: string[] = [];
  const lines = wrapped(about, 108).slice(0, 4);
  let top = 50 + lines.length * 16;
  for (const drawn of [load && loadPart(load, top), prediction && ((at: number) => predictionPart(prediction, at))]) {
    if (drawn === undefined) continue;
    const { svg, bottom } = typeof drawn === "function" ? drawn(top) : drawn;
    parts.push(svg);
    top = bottom + GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img" aria-label="With and without Forebay">
<title>With and without Forebay</title>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${top}"/>
<text class="title" x="${MARGIN}" y="28">With and without Forebay</text>
${lines.map((line, index) => text({ x: MARGIN, y: 48 + index * 16, kind: "faint" }, line)).join("\n")}
${parts.join("\n")}
</svg>
`;
}

/** An HTML document around the picture, with the figures as text. */
export function page(result: TryResult, about: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>With and without Forebay</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 800px; padding: 16px; font: 14px system-ui, sans-serif; background: #ffffff; color: #1f2328; }
svg { max-width: 100%; height: auto; }
pre { overflow-x: auto; font-size: 12px; line-height: 1.5; }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3; } }
</style>
</head>
<body>
${picture(result, about)}
<pre>${escaped(reportText(result))}</pre>
</body>
</html>
`;
}

interface Drawn {
  readonly svg: string;
  readonly bottom: number;
}

function loadPart({ direct, forebay }: LoadResult, top: number): Drawn {
  const figures: [string, (side: Side) => number | undefined, (value: number) => string][] = [
    ["requests/s; more is better", ({ requestsPerSecond }) => requestsPerSecond, countText],
    ["p50; less is better", ({ p50Ms }) => p50Ms, msText],
    ["p99; less is better", ({ p99Ms }) => p99Ms, msText],
    [
      "origin requests per 1,000; less is better",
      ({ originRequests, sent }) => (sent === 0 ? undefined : (originRequests / sent) * 1000),
      (value) => value.toFixed(value > 0 && value < 10 ? 2 : 0),
    ],
    [
      "bytes from the origin per request; less is better",
      ({ originBytes, requests }) => (requests === 0 ? undefined : originBytes / requests),
      bytesText,
    ],
  ];
  const parts: string[] = [];
  let at = top;
  for (const [title, of, shown] of figures) {
    const values = [of(direct), of(forebay)];
    const longest = Math.max(...values.map((value) => value ?? 0)) || 1;
    parts.push(text({ x: MARGIN, y: at + 14, kind: "head" }, title));
    for (const [index, [name, kind]] of (
      [
        ["directly", "direct"],
        ["through Forebay", "own"],
      ] as const
    ).entries()) {
      const value = values[index];
      const y = at + HEAD - 8 + index * ROW;
      parts.push(
        bar({ y, kind, name, share: (value ?? 0) / longest, label: value === undefined ? "-" : shown(value) }),
      );
    }
    at += HEAD + 2 * ROW + 4;
  }
  parts.push(
    text(
      { x: MARGIN, y: at + 8, kind: "faint" },
      `hit ratio ${shareText(forebay.hits, forebay.requests)}; errors ${countText(direct.errors)} directly, ${countText(forebay.errors)} through Forebay`,
    ),
  );
  return { svg: parts.join("\n"), bottom: at + 20 };
}

interface Bar {
  readonly y: number;
  readonly kind: string;
  readonly name: string;
  /** Of the longest, 0 to 1. */
  readonly share: number;
  readonly label: string;
}

function bar({ y, kind, name, share, label }: Bar): string {
  const left = MARGIN + LABEL;
  const length = (WIDTH - 2 * MARGIN - LABEL - VALUE) * share;
  return `${text({ x: left - 8, y: y + 12, anchor: "end" }, name)}
<rect class="${kind}" x="${left}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2"/>
${text({ x: left + length + 6, y: y + 12 }, label)}`;
}

/** Hit ratios: a line for each route, a bar for each TTL. */
function predictionPart({ rows, total, columns }: Prediction, top: number): Drawn {
  const shown: PredictedRow[] = [...(rows.length > 1 ? rows.slice(0, MAX_ROWS) : []), total];
  const step = (WIDTH - 2 * MARGIN - LABEL) / columns.length;
  const left = (column: number) => MARGIN + LABEL + column * step;
  const parts = [
    text({ x: MARGIN, y: top + 14, kind: "head" }, "Predicted hit ratio of reads, by route and TTL"),
    ...columns.map(({ name }, column) => text({ x: left(column), y: top + 36, kind: "faint" }, name)),
  ];
  for (const [index, { route, reads, cells }] of shown.entries()) {
    const y = top + 46 + index * ROW;
    parts.push(text({ x: MARGIN + LABEL - 8, y: y + 12, anchor: "end" }, shortened(nameText(route), NAME_CHARS)));
    for (const [column, { hits }] of cells.entries()) {
      const room = Math.max(10, step - 58);
      const share = reads === 0 ? 0 : hits / reads;
      parts.push(
        `<rect class="track" x="${left(column).toFixed(1)}" y="${y}" width="${room.toFixed(1)}" height="${BAR}" rx="2"/>`,
        `<rect class="own" x="${left(column).toFixed(1)}" y="${y}" width="${(room * share).toFixed(1)}" height="${BAR}" rx="2"/>`,
        text({ x: left(column) + room + 5, y: y + 12 }, shareText(hits, reads)),
      );
    }
  }
  return { svg: parts.join("\n"), bottom: top + 46 + shown.length * ROW + 8 };
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly kind?: string;
  readonly anchor?: "end";
}

function text({ x, y, kind, anchor }: Place, content: string): string {
  const attributes = `${kind === undefined ? "" : ` class="${kind}"`}${anchor === undefined ? "" : ` text-anchor="${anchor}"`}`;
  return `<text x="${x.toFixed(1)}" y="${y}"${attributes}>${escaped(content)}</text>`;
}

/** Lines of so many characters, broken between words where there are any. */
function wrapped(text: string, chars: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < chars) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(shortened(word, chars));
  }
  return lines;
}

function shortened(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 3)}...` : text;
}

/** As content and in attributes; control characters, which neither format has, are shown as "?". */
function escaped(text: string): string {
  return text
    .replace(/[^\n -~]/g, "?")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
