// The chart: CPU time per request, one group of bars per scenario, drawn by hand as SVG that reads well on light and
// dark pages alike. Shorter is better.

import type { Outcome, Row } from "./outcome.ts";

const width = 760;
const labelWidth = 190;
const valueWidth = 110;
const barHeight = 16;
const rowHeight = 22;
const headHeight = 34;

const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; }
  .axis { stroke: #8c959f; }
  .peer { fill: #8c959f; }
  .own { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .axis, .peer { stroke: none; }
    .axis { stroke: #6e7681; }
    .peer { fill: #6e7681; }
    .own { fill: #4493f8; }
  }`;

/** An SVG document of the scenarios that measured CPU time; every group has a scale of its own. */
export function chart(outcomes: readonly Outcome[]): string {
  const groups: string[] = [];
  let top = 26;
  for (const outcome of outcomes) {
    const rows = outcome.rows.filter(({ cpuMicros }) => cpuMicros !== undefined);
    if (rows.length === 0) continue;
    groups.push(group(outcome.title, rows, top));
    top += headHeight + rows.length * rowHeight;
  }
  const label = "CPU microseconds per request, by scenario and candidate; shorter is better";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 10}" width="${width}" role="img" aria-label="${label}">
<title>${label}</title>
<style>${style}
</style>
<text x="0" y="16">CPU µs per request; shorter is better; in brackets relative to the first bar</text>
${groups.join("\n")}
</svg>
`;
}

function group(title: string, rows: readonly Row[], top: number): string {
  const longest = Math.max(...rows.map(({ cpuMicros }) => cpuMicros ?? 0));
  const bars = rows.map((row, index) => bar(row, longest, top + headHeight + index * rowHeight));
  const bottom = top + headHeight + rows.length * rowHeight;
  const axis = `<line class="axis" x1="${labelWidth}" x2="${labelWidth}" y1="${top + headHeight - 4}" y2="${bottom - 2}"/>`;
  return [`<text class="head" x="0" y="${top + 22}">${escaped(title)}</text>`, ...bars, axis].join("\n");
}

function bar({ candidate, cpuMicros = 0, cpuRatio }: Row, longest: number, top: number): string {
  const length = ((width - labelWidth - valueWidth) * cpuMicros) / longest;
  const kind = candidate.startsWith("forebay") ? "own" : "peer";
  const ratio = cpuRatio === undefined ? "" : ` (${cpuRatio.toFixed(2)} ×)`;
  const middle = top + barHeight / 2 + 4;
  return `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${escaped(candidate)}</text>
<rect class="${kind}" x="${labelWidth}" y="${top}" width="${length.toFixed(1)}" height="${barHeight}" rx="2"/>
<text x="${(labelWidth + length + 6).toFixed(1)}" y="${middle}">${cpuMicros.toFixed(1)}${ratio}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
