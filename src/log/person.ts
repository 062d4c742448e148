// Lines for a person instead of JSON: who gets them, and how they look. Colours are those of the terminal's own palette.

import { styleText } from "node:util";
import { printable } from "./printable.ts";

export interface Look {
  /** Lines for a person. */
  readonly pretty: boolean;
  readonly colour: boolean;
}

/**
 * What `log.format` means for this output: "auto" is for a person on a terminal, JSON elsewhere. Colours are for terminals;
 * FORCE_COLOR wants them anywhere (0 and false: nowhere), NO_COLOR (https://no-color.org) and TERM=dumb nowhere.
 */
export function lookOf(
  format: "auto" | "json" | "pretty",
  { isTerminal, env }: { isTerminal: boolean; env: Readonly<Record<string, string | undefined>> },
): Look {
  const pretty = format === "pretty" || (format === "auto" && isTerminal);
  const { FORCE_COLOR: forced, NO_COLOR: refused = "", TERM: terminal } = env;
  const isWanted =
    forced === undefined ? isTerminal && refused === "" && terminal !== "dumb" : !/^(0|false)$/.test(forced);
  return { pretty, colour: pretty && isWanted };
}

const COLOURS = { debug: "gray", info: "green", warn: "yellow", error: "red" } as const;
const NOT_ASCII = /[^ -~]/g;

type Colour = "gray" | "bold" | "cyan" | (typeof COLOURS)[keyof typeof COLOURS];

/** A line of ours, written in JSON, as one for a person. */
export function forPerson(json: string, colour: boolean): string {
  const { level, time, msg, ...details } = JSON.parse(json) as {
    level: keyof typeof COLOURS;
    time: number;
    msg: string;
  };
  const styled = (style: Colour, text: string) => (colour ? styleText(style, text, { validateStream: false }) : text);
  const clock = styled("gray", new Date(time).toTimeString().slice(0, 8));
  const text = msg === "request" ? request(details as Record<string, unknown>, styled) : `${msg} ${shown(details)}`;
  return `${clock} ${styled(COLOURS[level], level.padEnd(5))} ${text.trimEnd()}\n`;
}

function request(line: Record<string, unknown>, styled: (style: Colour, text: string) => string): string {
  const { method, path, status, cache, ms } = line;
  const what = `${escaped(method)} ${escaped(path)}`;
  return `${what} ${styled("bold", `${status}`)} ${cache ?? "-"} ${styled("cyan", `${ms} ms`)}`;
}

/** A client's words: no terminal is to obey them. */
function escaped(text: unknown): string {
  return printable(JSON.stringify(text).slice(1, -1));
}

function shown(details: object): string {
  const pairs = Object.entries(details).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.join(" ").replace(NOT_ASCII, "?");
}
