// What does `forebay` do? Arguments, configuration, then a sidecar (sidecar.ts) until a signal ends it. Exit codes: 0
// ended as asked, 1 could not serve, 2 what was asked for is wrong.

import { existsSync } from "node:fs";
import manifest from "../../package.json" with { type: "json" };
import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/mistakes.ts";
import type { Config } from "../config/schema.ts";
import { createLog } from "../log.ts";
import { type Sidecar, startSidecar } from "../sidecar.ts";
import { type Arguments, type Flags, parseArguments } from "./args.ts";

const CONFIG_FILE = "proxy.config.yaml";
const EXAMPLE_FILE = new URL(`../../${CONFIG_FILE}`, import.meta.url).pathname;

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
      return say(args.text);
    case "version":
      return say(`forebay ${manifest.version}\n`);
    case "mistake":
      return complain(args.message, 2);
    case "run":
      if (args.command === "demo") return demo(args.flags);
      return args.command === "check" ? check(args.flags) : serve(configured(args.flags));
  }
}

/** Serves until SIGTERM or SIGINT; a second one does not wait for what is under way. */
async function serve(config: Config, started: (sidecar: Sidecar) => void = () => {}): Promise<number> {
  const log = createLog({ ...config.log, showQuery: config.log.query });
  try {
    const sidecar = await startSidecar(config, log);
    log.info("listening", { listen: sidecar.listen, admin: sidecar.admin });
    started(sidecar);
    log.info("closing", { signal: await nextSignal() });
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
  const { demoText, freeAddress, startDemoOrigin } = await import("./demo.ts");
  const origin = await startDemoOrigin({ listen: await freeAddress("127.0.0.1:3000") });
  const listen = flags.listen ?? (await freeAddress("127.0.0.1:8080"));
  const admin = flags.admin ?? (await freeAddress("127.0.0.1:8081"));
  const config = configured({ ...flags, config: EXAMPLE_FILE, origin: origin.url, listen, admin });
  const quiet = { ...config, log: { ...config.log, level: flags.logLevel ?? "warn" } };
  try {
    return await serve(quiet, (sidecar) =>
      say(demoText({ proxy: sidecar.listen, admin: sidecar.admin, origin: origin.url })),
    );
  } finally {
    await origin.close();
  }
}

function check(flags: Flags): number {
  const { routes } = configured(flags);
  return say(`${flags.config ?? CONFIG_FILE}: good, ${routes.length} ${routes.length === 1 ? "route" : "routes"}\n`);
}

function configured({ config: file, ...flags }: Flags): Config {
  return loadConfig({ file: file ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : undefined), env: process.env, flags });
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

function complain(message: string, code: number): number {
  process.stderr.write(`${message}\n`);
  return code;
}
