// Which commands and flags are there? What the command line is read by (args.ts) and what --help says.

export interface FlagSpec {
  /** How the value is called in the help; undefined: the flag takes none. */
  readonly value?: string;
  readonly short?: string;
  /** It may be given more than once. */
  readonly repeats?: boolean;
  readonly help: string;
}

export interface CommandSpec {
  readonly help: string;
  /** What follows the command, as the help shows it; left out: nothing does. */
  readonly words?: string;
  /** The flags it takes, besides those for all commands. */
  readonly flags: readonly string[];
}

/** Flags of all commands. */
export const COMMON_FLAGS: readonly string[] = ["help", "version"];

const SERVING: readonly string[] = ["config", "origin", "listen", "admin", "redis", "log-level", "no-watch"];

const TRYING: readonly string[] = [
  ...["origin", "path", "access-log", "config", "redis", "ttl", "seconds", "connections", "yes", "json", "svg", "html"],
];

export const FLAGS: Readonly<Record<string, FlagSpec>> = {
  config: { value: "FILE", short: "c", help: "the configuration; proxy.config.yaml where there is one" },
  origin: { value: "URL", help: "the service behind" },
  listen: { value: "HOST:PORT", help: "where clients are served" },
  admin: { value: "HOST:PORT", help: "where health is told and purges are asked for; false turns it off" },
  redis: { value: "URL", help: "the Redis that all sidecars share" },
  "log-level": { value: "LEVEL", help: "debug, info, warn, error or silent" },
  "no-watch": { help: "read the configuration again on SIGHUP only, not when its file changes" },
  path: { value: "PATH", repeats: true, help: "what is asked for; more than once for several" },
  "access-log": {
    value: "FILE",
    help: "what is asked for, by a log (common, combined, JSON lines); predicts hit ratios",
  },
  ttl: { value: "DURATION", help: "TTL where the service states none; 1m" },
  seconds: { value: "N", help: "of load, half directly, half through Forebay; 10" },
  connections: { value: "N", help: "that ask at the same time; 10" },
  yes: { help: "ask a service that is not on this machine" },
  svg: { value: "FILE", help: "write a picture of the result" },
  html: { value: "FILE", help: "write a page with a picture of the result" },
  out: { value: "DIR", help: "where to write; - prints instead" },
  force: { help: "overwrite what is there" },
  json: { help: "one JSON object instead of lines" },
  strict: { help: "warnings count as failures" },
  ask: { help: "ask the origin too, with GETs of the paths that the file names" },
  token: { value: "TOKEN", help: "the adminToken of the sidecar; ADMIN_TOKEN where left out" },
  live: { help: "ask a running sidecar, which says what is stored, too" },
  header: { value: "'NAME: VALUE'", short: "H", repeats: true, help: "a header of the request" },
  from: { value: "ADDRESS", help: "where the connection comes from; 127.0.0.1" },
  response: { value: "'NAME: VALUE'", repeats: true, help: "a header of the response to judge" },
  status: { value: "CODE", help: "its status; 200" },
  host: { value: "HOST", help: "of the path or group, as clients write it" },
  soft: { help: "end the freshness, so that it may still be used stale" },
  wait: { help: "until all sidecars know, for some seconds" },
  once: { help: "print it once; so it does where there is no terminal" },
  help: { short: "h", help: "print this" },
  version: { short: "v", help: "print the version" },
};

export const COMMANDS = {
  serve: { help: "serve; the default", flags: SERVING },
  demo: { help: "serve a slow sample origin and Forebay in front of it", flags: SERVING },
  try: {
    help: "measure a service of yours with and without Forebay in front, or predict by an access log",
    flags: TRYING,
  },
  check: {
    help: "say what is wrong or dangerous in the configuration, run its tests, and serve nothing",
    flags: [...SERVING, "json", "strict", "ask"],
  },
  explain: {
    help: "say what would be done with a request, and why",
    words: "METHOD URL",
    flags: [...SERVING, "header", "from", "response", "status", "live", "token", "json"],
  },
  purge: {
    help: "purge url, path, tag, route, glob, group or all",
    words: "WHAT [NAME]",
    flags: ["config", "admin", "host", "soft", "wait", "token", "json"],
  },
  top: { help: "show what a running sidecar does, each second", flags: ["config", "admin", "once", "token", "json"] },
  init: {
    help: "write files to start from: config, compose, kubernetes, grafana",
    words: "WHAT",
    flags: ["out", "force"],
  },
  schema: { help: "print the JSON Schema of the configuration, for editors", flags: [] },
} satisfies Readonly<Record<string, CommandSpec>>;

export type Command = keyof typeof COMMANDS;

/** What a command takes. */
export function specOf(command: Command): CommandSpec {
  return COMMANDS[command];
}

/** What --help prints. */
export function helpText(): string {
  const commands = Object.keys(COMMANDS) as Command[];
  const own = [...new Set(commands.flatMap(ownFlags))];
  return [
    "forebay [command] [flags]",
    "",
    "A caching, rate-limiting reverse proxy. Flags win over the configuration file.",
    "",
    "Commands",
    ...commands.map((command) => {
      const { words, help } = specOf(command);
      return line(words === undefined ? command : `${command} ${words}`, help);
    }),
    "",
    "Flags",
    ...[...SERVING, ...COMMON_FLAGS].map((name) => flagLine(name)),
    ...own.map((flag) => flagLine(flag, `${commands.filter((each) => ownFlags(each).includes(flag)).join(", ")}: `)),
    "",
  ].join("\n");
}

/** Those that only some commands know. */
function ownFlags(command: Command): string[] {
  return specOf(command).flags.filter((flag) => !SERVING.includes(flag));
}

function flagLine(name: string, before = ""): string {
  const { value, short, help = "" } = FLAGS[name] ?? {};
  const long = `--${name}${value === undefined ? "" : ` ${value}`}`;
  return line(short === undefined ? `    ${long}` : `-${short}, ${long}`, before + help);
}

function line(what: string, help: string): string {
  return `  ${what.padEnd(26)} ${help}`;
}
