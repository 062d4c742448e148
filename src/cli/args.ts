// What was asked for on the command line? Only reading it: what the flags' values mean is config/'s affair, except
// --log-level, which must be known before any configuration is read. A mistake ends the process with exit code 2.

import { parseArgs } from "node:util";
import type { LogLevel } from "../log.ts";

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
}

type Command = "serve" | "demo" | "check";

export type Arguments =
  | { kind: "run"; command: Command; flags: Flags }
  | { kind: "help"; text: string }
  | { kind: "version" }
  | { kind: "mistake"; message: string };

interface Flag {
  /** How the value is called in the help; undefined: the flag takes none. */
  readonly value?: string;
  readonly short?: string;
  readonly help: string;
}

const FLAGS: Readonly<Record<string, Flag>> = {
  config: { value: "FILE", short: "c", help: "the configuration; proxy.config.yaml where there is one" },
  origin: { value: "URL", help: "the service behind" },
  listen: { value: "HOST:PORT", help: "where clients are served" },
  admin: { value: "HOST:PORT", help: "where /healthz and /readyz are served; false turns it off" },
  redis: { value: "URL", help: "the Redis that all sidecars share" },
  "log-level": { value: "LEVEL", help: "debug, info, warn, error or silent" },
  help: { short: "h", help: "print this" },
  version: { short: "v", help: "print the version" },
};

const COMMANDS: Readonly<Record<Command, string>> = {
  serve: "serve; the default",
  demo: "serve a slow sample origin and Forebay in front of it",
  check: "say what is wrong with the configuration, and serve nothing",
};

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** `argv` without the runtime and the script. */
export function parseArguments(argv: readonly string[]): Arguments {
  // Not strict: node:util's own messages stop at the first mistake and do not say what was meant.
  const { tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: false, tokens: true });
  const values = new Map<string, string>();
  const commands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") commands.push(token.value);
    if (token.kind !== "option") continue;
    const mistake = flagMistake(token, values);
    if (mistake !== undefined) return { kind: "mistake", message: mistake };
    values.set(token.name, token.value ?? "");
  }
  if (values.has("help")) return { kind: "help", text: helpText() };
  if (values.has("version")) return { kind: "version" };
  const [command = "serve"] = commands;
  const mistake = commandMistake(commands) ?? logLevelMistake(values.get("log-level"));
  if (mistake !== undefined) return { kind: "mistake", message: mistake };
  return { kind: "run", command: command as Command, flags: flagsOf(values) };
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

function flagMistake(token: OptionToken, seen: ReadonlyMap<string, string>): string | undefined {
  const flag = Object.hasOwn(FLAGS, token.name) ? FLAGS[token.name] : undefined;
  if (flag === undefined)
    return unknown(
      "flag",
      token.rawName,
      Object.keys(FLAGS).map((name) => `--${name}`),
    );
  if (seen.has(token.name)) return `${token.rawName}: given twice`;
  if (flag.value === undefined) return token.value === undefined ? undefined : `${token.rawName}: takes no value`;
  const isMissing =
    token.value === undefined || token.value === "" || (!token.inlineValue && token.value.startsWith("-"));
  return isMissing ? `${token.rawName}: its value is missing; write ${token.rawName} ${flag.value}` : undefined;
}

function commandMistake([command = "serve", ...rest]: readonly string[]): string | undefined {
  if (!Object.hasOwn(COMMANDS, command)) return unknown("command", command, Object.keys(COMMANDS));
  return rest.length === 0 ? undefined : `${rest.join(" ")}: more than one command`;
}

function logLevelMistake(level: string | undefined): string | undefined {
  if (level === undefined || (LOG_LEVELS as readonly string[]).includes(level)) return undefined;
  return `--log-level: got "${level}", want one of ${LOG_LEVELS.join(", ")}`;
}

function flagsOf(values: ReadonlyMap<string, string>): Flags {
  return {
    config: values.get("config"),
    origin: values.get("origin"),
    listen: values.get("listen"),
    admin: values.get("admin"),
    redis: values.get("redis"),
    logLevel: values.get("log-level") as LogLevel | undefined, // logLevelMistake has looked at it
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

function helpText(): string {
  const flags = Object.entries(FLAGS).map(([name, { value, short, help }]) => {
    const long = `--${name}${value === undefined ? "" : ` ${value}`}`;
    return line(short === undefined ? `    ${long}` : `-${short}, ${long}`, help);
  });
  return [
    "forebay [command] [flags]",
    "",
    "A caching, rate-limiting reverse proxy. Flags win over the configuration file.",
    "",
    "Commands",
    ...Object.entries(COMMANDS).map(([name, help]) => line(name, help)),
    "",
    "Flags",
    ...flags,
    "",
  ].join("\n");
}

function line(what: string, help: string): string {
  return `  ${what.padEnd(26)}${help}`;
}
