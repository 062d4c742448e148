// Rows as a table: which columns a scenario has, in Markdown for the report and in aligned columns for the console.

import { type Row, rounded } from "./outcome.ts";

/** Cells, the first line the headings; every line is equally long. */
export type Table = readonly (readonly string[])[];

/** A scenario's rows: its own figures where it has any, else those of a load. A last column of notes only if there are. */
export function tableOf(rows: readonly Row[]): Table {
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures ?? {})))];
  const [head, cells] = figures.length > 0 ? figureCells(rows, figures) : loadCells(rows);
  if (rows.every(({ note }) => note === undefined)) return [head, ...cells];
  // A note may hold all that a program printed: its first line says enough here.
  return [[...head, "note"], ...cells.map((line, index) => [...line, rows[index]?.note?.split("\n")[0] ?? ""])];
}

/** The table in Markdown, columns of numbers to the right. */
export function inMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  const isNumeric = (column: number) => table.slice(1).every((cells) => /^(\d|$)/.test(cells[column] ?? ""));
  const rule = (table[0] ?? []).map((_, column) => (isNumeric(column) ? "---:" : "---"));
  return [table[0] ?? [], rule, ...table.slice(1)].map(line).join("");
}

/** The table in columns of equal width, indented by two. */
export function inColumns(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
  return table.map((line) => `  ${line.map(padded).join("  ")}\n`).join("");
}

function loadCells(rows: readonly Row[]): [string[], string[][]] {
  const head = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "relative", "busy"];
  const cells = rows.map((row) => [
    row.candidate,
    row.requestsPerSecond?.toFixed(0) ?? "",
    row.p50Ms?.toFixed(2) ?? "",
    row.p99Ms?.toFixed(2) ?? "",
    row.cpuMicros?.toFixed(1) ?? "",
    row.cpuRatio === undefined ? "" : `${row.cpuRatio.toFixed(2)} ×`,
    row.busy === undefined ? "" : `${(row.busy * 100).toFixed(0)} %`,
  ]);
  return [head, cells];
}

function figureCells(rows: readonly Row[], figures: readonly string[]): [string[], string[][]] {
  const cell = (value: number | undefined) => (value === undefined ? "" : rounded(value));
  return [["", ...figures], rows.map((row) => [row.candidate, ...figures.map((name) => cell(row.figures?.[name]))])];
}
