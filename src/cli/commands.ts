// What does `forebay` do? Arguments, configuration, then a sidecar (sidecar.ts) until a signal ends it. Exit codes: 0
// ended as asked, 1 could not serve, 2 what was asked for is wrong.

import { existsSync } from "node:fs";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { ConfigError } from "../config/mistakes.ts";
import { readConfig } from "../config/reading.ts";
import type { Config } from "../config/schema.ts";
import { lookOf } from "../log/person.ts";
import { createLog } from "../log.ts";
import type { ConfigSource } from "../reload.ts";
import type { Sidecar } from "../sidecar.ts";
import { type Arguments, type Flags, parseArguments } from "./args.ts";
import type { Door } from "./asking.ts";
import { watchFile } from "./watching.ts";

const CONFIG_FILE = "proxy.config.yaml";
const EXAMPLE_FILE = fileURLToPath(new URL(`../../${CONFIG_FILE}`, import.meta.url));

/** Runs the command that `argv` (without runtime and script) names; resolves with the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    return await obey(parseArguments(argv));
  } catch (error) {
    if (error instanceof ConfigError) return complain(error.message, 2);
    throw error;
  }
}

async function obey(args: Arguments): Promise<number> {
  switch (args.kind) {
    case "help":
      mindStdout();
      return say(args.text);
    case "version":
      mindStdout();
      return say(`forebay ${manifest.version}\n`);
    case "mistake":
      return complain(args.message, 2);
    case "run":
      if (args.command !== "serve") mindStdout();
      return COMMAND[args.command](args);
  }
}

type Given = Extract<Arguments, { kind: "run" }>;

/** What does each command; what only one of them needs is loaded by it. */
const COMMAND: Readonly<Record<Given["command"], (given: Given) => number | Promise<number>>> = {
  serve: ({ flags }) => serve(flags),
  demo: ({ flags }) => demo(flags),
  try: async ({ given }) => (await import("./try/try.ts")).tryOut(given),
  check,
  async explain(given) {
    const { explain } = await import("./explain.ts");
    return explain(given, { config: () => configured(withoutAdmin(given.flags)), door: () => doorFor(given) });
  },
  async purge(given) {
    const [{ purge }, door] = [await import("./purge.ts"), await doorFor(given)];
    return typeof door === "string" ? complain(door, 2) : purge(given, door, process);
  },
  async top(given) {
    const [{ top }, door] = [await import("./top.ts"), await doorFor(given)];
    return typeof door === "string" ? complain(door, 2) : top(given, door, process, nextSignal());
  },
  init: (given) => init(given),
  schema: async () => say((await import("../config/json-schema.ts")).jsonSchemaText()),
};

interface Serving {
  readonly started?: (sidecar: Sidecar) => void;
  readonly isDemo?: boolean;
}

/** Serves until SIGTERM or SIGINT; a second one does not wait for what is under way. */
async function serve(flags: Flags, { started = () => {}, isDemo = false }: Serving = {}): Promise<number> {
  // A demo ends with its terminal.
  const reloading = startReloading(flags, { hangUps: !isDemo });
  const asked = nextSignal(); // also one that comes while everything is started
  // What reads it is loaded, and gone again, while what serves is loaded: idle memory counts.
  const loaded = await Promise.all([read(flags), import("../sidecar.ts")]).catch(unread);
  if (typeof loaded === "string") return complain(loaded, 1);
  const [config, { startSidecar }] = loaded;
  const look = lookOf(config.log.format, { isTerminal: isatty(1), env: process.env });
  const log = createLog({ level: config.log.level, showQuery: config.log.query, ...look });
  try {
    const sidecar = await startSidecar(config, log, sourceOf(flags));
    reloading.begin(sidecar);
    log.info("listening", { listen: sidecar.listen, admin: sidecar.admin, config: fileOf(flags) ?? null });
    started(sidecar);
    log.info("closing", { signal: await asked });
    reloading.end();
    void nextSignal().then(() => process.exit(1));
    await sidecar.close();
    log.info("closed");
    return 0;
  } catch (error) {
    return complain((error as Error).message, 1);
  } finally {
    // A reader of stdout that has stalled must not keep the process from ending.
    if (!(await log.flush())) process.kill(process.pid, "SIGKILL");
  }
}

/** The example configuration in front of a slow sample origin; nothing else is needed. */
async function demo(flags: Flags): Promise<number> {
  if (flags.config !== undefined || flags.origin !== undefined) {
    return complain("demo: it has a configuration and an origin of its own; leave out --config and --origin", 2);
  }
  const { demoText, freeAddress, startDemoOrigin } = await import("./demo.ts");
  const origin = await startDemoOrigin({ listen: await freeAddress("127.0.0.1:3000") });
  const own: Flags = {
    ...flags,
    config: EXAMPLE_FILE,
    origin: origin.url,
    listen: flags.listen ?? (await freeAddress("127.0.0.1:8080")),
    admin: flags.admin ?? (await freeAddress("127.0.0.1:8081")),
    logLevel: flags.logLevel ?? "warn",
  };
  const tell = ({ listen, admin }: Sidecar) => say(demoText({ proxy: listen, admin, origin: origin.url }));
  try {
    return await serve(own, { started: tell, isDemo: true });
  } finally {
    await origin.close();
  }
}

/** Mistakes go to stderr, as those of serve do. */
async function check({ flags, given }: Given): Promise<number> {
  const { check: checked } = await import("./check.ts");
  const [json, strict, ask] = ["json", "strict", "ask"].map((name) => given.has(name));
  const coloured = process.stdout.isTTY === true && process.stderr.isTTY === true && !process.env.NO_COLOR;
  const { text, code } = await checked({
    ...orderOf(flags),
    coloured,
    ...{ json: json === true, strict: strict === true, ask: ask === true },
  });
  (code === 2 && !json ? process.stderr : process.stdout).write(text);
  return code;
}

/** The admin listener to ask: that of --admin, else the configuration's; text: there is none. */
async function doorFor({ flags, given }: Given): Promise<Door | string> {
  const { doorAt, doorOf } = await import("./asking.ts");
  const { admin, config } = flags;
  // Whose address is given need not have a configuration here.
  const isRead = admin === undefined ? fileOf(flags) !== undefined : config !== undefined;
  const file = isRead ? await configured(withoutAdmin(flags)) : undefined;
  const token = given.get("token")?.[0] ?? (process.env.ADMIN_TOKEN || (file?.adminToken ?? ""));
  if (admin !== undefined)
    return doorAt(admin, token) ?? "--admin: write a URL, as http://127.0.0.1:8081, or host:port";
  if (file === undefined) return doorAt((await import("../config/schema.ts")).DEFAULT_ADMIN, token) ?? "";
  return file.admin
    ? doorOf(file.admin, token)
    : "admin is off in the configuration; give the address of a sidecar with --admin";
}

/** As if --admin, which here may be a URL, were not there. */
function withoutAdmin(flags: Flags): Flags {
  return { ...flags, admin: undefined };
}

async function init({ words, given }: Given): Promise<number> {
  const { writeStarter } = await import("./init.ts");
  const isForced = given.has("force");
  const done = writeStarter(words, { folder: given.get("out")?.[0] ?? ".", isForced, version: manifest.version });
  return done.kind === "written" ? say(done.text) : complain(done.message, 2);
}

/** What a configuration is read from. */
function orderOf(flags: Flags) {
  return { file: fileOf(flags), env: process.env, flags };
}

/** Once, for a command that asks. */
async function configured(flags: Flags): Promise<Config> {
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig(orderOf(flags));
}

function read(flags: Flags): Promise<Config> {
  return readConfig(orderOf(flags));
}

/** In words, where that is no mistake of who wrote it. */
function unread(error: unknown): string {
  if (error instanceof ConfigError) throw error;
  return `the configuration could not be read: ${(error as Error).message}`;
}

function fileOf({ config }: Flags): string | undefined {
  return config ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : undefined);
}

/** Where the configuration can be read again, with the same flags over it. */
function sourceOf(flags: Flags): ConfigSource | undefined {
  const file = fileOf(flags);
  if (file === undefined) return undefined;
  return { name: file, read: () => read(flags) };
}

/** From now on SIGHUP reads the configuration again, and so does a change of its file unless that is not wanted. What comes
 * while everything is started counts when it has. */
function startReloading(flags: Flags, { hangUps }: { hangUps: boolean }) {
  let sidecar: Sidecar | undefined;
  let asked: string | undefined;
  const ask = (why: string) => {
    if (sidecar === undefined) asked = why;
    else void sidecar.reload(why);
  };
  const file = fileOf(flags);
  const unwatch = file !== undefined && flags.watch ? watchFile(file, () => ask("changed")) : () => {};
  if (hangUps) process.on("SIGHUP", () => ask("SIGHUP"));
  return {
    begin(started: Sidecar): void {
      sidecar = started;
      if (asked !== undefined) ask(asked);
    },
    end: unwatch,
  };
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** A reader that has had enough (forebay schema | head) is no failure; a full disk is. Not for serve: log/ writes itself. */
function mindStdout(): void {
  process.stdout.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exit(complain(`stdout cannot be written to: ${error.message}`, 1));
  });
}

function complain(message: string, code: number): number {
  process.stderr.write(`${message}\n`);
  return code;
}
