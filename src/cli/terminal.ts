// What may be written to a terminal, and how. What a client, an origin or a sidecar said is never written as it came: a
// control character in it would be obeyed.

import { styleText } from "node:util";

/** Controls, what changes the direction of writing, and halves of characters. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` in one line, its controls as \u001b and shortened to `max` characters. */
export function plain(text: string, max = 400): string {
  const short = text.length > max ? `${text.slice(0, max)}…` : text;
  return short.replace(UNFIT, escapeOf);
}

/** `value` as JSON that a terminal may show; still the same JSON. */
export function plainJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`.replace(UNFIT, (each) => (each === "\n" ? each : escapeOf(each)));
}

function escapeOf(character: string): string {
  const codes = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return codes.map((code) => `\\u${code.toString(16).padStart(4, "0")}`).join("");
}

export type Style = "bold" | "dim" | "green" | "yellow" | "red";

/** Paints, where colours are wanted. */
export type Paint = (style: Style, text: string) => string;

/** Colours only on a terminal, and not where NO_COLOR says so. */
export function painter(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Paint {
  const isColoured = stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  return (style, text) => (isColoured ? styleText(style, text, { validateStream: false }) : text);
}

/** A line of a section: cells below one another, each already plain. */
export type Row = readonly string[];

/** The rows of a section, with its title before the first one; "" where there are none. */
export function section(title: string, rows: readonly Row[], paint: Paint): string {
  const widths: number[] = [];
  for (const row of rows) {
    // The last cell of a row is as long as it likes.
    for (const [i, cell] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, Math.min(cell.length, 44));
  }
  const lines = rows.map((row, at) => {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)));
    return `${paint("bold", (at === 0 ? title : "").padEnd(INDENT))}${cells.join("  ")}`.trimEnd();
  });
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

const INDENT = 12;

interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const QUIET_MS = 2000;
const TICK_MS = 500;

/** `task`, and while it lasts longer than two seconds a line on `stream` that says so, if that is a terminal. */
export async function withProgress<T>(task: Promise<T>, what: string, stream: ProgressStream): Promise<T> {
  if (stream.isTTY !== true) return task;
  let ms = 0;
  const timer = setInterval(() => {
    ms += TICK_MS;
    if (ms >= QUIET_MS) stream.write(`\r${plain(what)} … ${(ms / 1000).toFixed(1)} s`);
  }, TICK_MS);
  try {
    return await task;
  } finally {
    clearInterval(timer);
    if (ms >= QUIET_MS) stream.write("\r\x1b[K");
  }
}
