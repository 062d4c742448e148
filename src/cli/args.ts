// What was asked for on the command line? Only reading it: what the flags' values mean is config/'s affair, except
// --log-level, which must be known before any configuration is read. A mistake ends the process with exit code 2.

import { parseArgs } from "node:util";
import type { LogLevel } from "../log.ts";
import { COMMANDS, COMMON_FLAGS, type Command, FLAGS, helpText, specOf } from "./command-table.ts";

/** What the flags say over the file; undefined: they do not say it. */
export interface Flags {
  /** File name. */
  readonly config: string | undefined;
  /** URL. */
  readonly origin: string | undefined;
  /** host:port, :port or unix:path. */
  readonly listen: string | undefined;
  /** As `listen`, or "false". */
  readonly admin: string | undefined;
  /** URL. */
  readonly redis: string | undefined;
  readonly logLevel: LogLevel | undefined;
  /** The file is read again when it changes. */
  readonly watch: boolean;
}

export type Arguments =
  | {
      kind: "run";
      command: Command;
      /** What follows the command. */
      words: readonly string[];
      flags: Flags;
      /** All that was given, by name without dashes, as often as it was; "" for a flag that takes no value. */
      given: ReadonlyMap<string, readonly string[]>;
    }
  | { kind: "help"; text: string }
  | { kind: "version" }
  | { kind: "mistake"; message: string };

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** `argv` without the runtime and the script. */
export function parseArguments(argv: readonly string[]): Arguments {
  // Not strict: node:util's own messages stop at the first mistake and do not say what was meant.
  const { tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: false, tokens: true });
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const mistake = flagMistake(token, given);
    if (mistake !== undefined) return { kind: "mistake", message: mistake };
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? ""]);
  }
  if (given.has("help")) return { kind: "help", text: helpText() };
  if (given.has("version")) return { kind: "version" };
  const [command = "serve", ...words] = positionals;
  if (!isCommand(command)) {
    const isFile = /\.ya?ml$/i.test(command);
    const message = isFile ? wordsMistake("serve", positionals) : unknown("command", command, Object.keys(COMMANDS));
    return { kind: "mistake", message };
  }
  const mistake = usageMistake(command, words, given) ?? logLevelMistake(given.get("log-level")?.[0]);
  if (mistake !== undefined) return { kind: "mistake", message: mistake };
  return { kind: "run", command, words, flags: flagsOf(given), given };
}

const OPTIONS = Object.fromEntries(
  Object.entries(FLAGS).map(([name, { value, short }]) => [
    name,
    {
      type: value === undefined ? ("boolean" as const) : ("string" as const),
      ...(short === undefined ? {} : { short }),
    },
  ]),
);

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function flagMistake(token: OptionToken, seen: ReadonlyMap<string, unknown>): string | undefined {
  const flag = Object.hasOwn(FLAGS, token.name) ? FLAGS[token.name] : undefined;
  if (flag === undefined)
    return unknown(
      "flag",
      token.rawName,
      Object.keys(FLAGS).map((name) => `--${name}`),
    );
  if (seen.has(token.name) && flag.repeats !== true) return `${token.rawName}: given twice`;
  if (flag.value === undefined) return token.value === undefined ? undefined : `${token.rawName}: takes no value`;
  const isMissing = token.value === undefined || token.value === "" || (!token.inlineValue && /^-./.test(token.value));
  return isMissing ? `${token.rawName}: its value is missing; write ${token.rawName} ${flag.value}` : undefined;
}

function isCommand(name: string): name is Command {
  return Object.hasOwn(COMMANDS, name);
}

/** Flags and words that the command does not take. */
function usageMistake(
  command: Command,
  words: readonly string[],
  given: ReadonlyMap<string, unknown>,
): string | undefined {
  const spec = specOf(command);
  const foreign = [...given.keys()].find((name) => !spec.flags.includes(name) && !COMMON_FLAGS.includes(name));
  if (foreign !== undefined) return `--${foreign}: ${command} takes no such flag; see --help`;
  return spec.words === undefined && words.length > 0 ? wordsMistake(command, words) : undefined;
}

/** Nothing may follow the command; what most often does is the configuration. */
function wordsMistake(command: Command, words: readonly string[]): string {
  const [first = ""] = words;
  const said = words.join(" ");
  if (isCommand(first)) return `${said}: more than one command`;
  if (!specOf(command).flags.includes("config")) return `${said}: ${command} takes nothing more; see --help`;
  return `${said}: ${command} takes flags only; a configuration is named by --config ${first}`;
}

function logLevelMistake(level: string | undefined): string | undefined {
  if (level === undefined || (LOG_LEVELS as readonly string[]).includes(level)) return undefined;
  return `--log-level: got "${level}", want one of ${LOG_LEVELS.join(", ")}`;
}

function flagsOf(given: ReadonlyMap<string, readonly string[]>): Flags {
  return {
    config: given.get("config")?.[0],
    origin: given.get("origin")?.[0],
    listen: given.get("listen")?.[0],
    admin: given.get("admin")?.[0],
    redis: given.get("redis")?.[0],
    logLevel: given.get("log-level")?.[0] as LogLevel | undefined, // logLevelMistake has looked at it
    watch: !given.has("no-watch"),
  };
}

function unknown(what: "flag" | "command", given: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 3))
    .sort((one, other) => one.distance - other.distance);
  const hint = nearest === undefined ? "see --help" : `did you mean ${nearest.name}?`;
  return `${given}: no such ${what}; ${hint}`;
}

/** How many characters must be put in, taken out or replaced to make one of the other. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 0; i < one.length; i++) {
    const row = [i + 1];
    for (let j = 0; j < other.length; j++) {
      const replaced = (previous[j] ?? 0) + (one[i] === other[j] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[other.length] ?? 0;
}
