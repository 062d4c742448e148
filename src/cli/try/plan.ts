// What is to be tried, by the command line? Checked as a whole before anything is asked of anybody.

import { originUrl } from "../../config/addresses.ts";
import { loadConfig } from "../../config/load.ts";
import { ConfigError } from "../../config/mistakes.ts";
import type { Config } from "../../config/schema.ts";
import { seconds } from "../../config/values.ts";
import { isLoopback } from "../../limit/client.ts";

export interface Plan {
  /** URL without path; undefined: a log is only looked at. */
  readonly origin: string | undefined;
  /** What is asked for in turn; empty: what the log has. */
  readonly paths: readonly string[];
  readonly accessLog: string | undefined;
  /** Of load, in all. */
  readonly seconds: number;
  readonly connections: number;
  /** As written, and in seconds. */
  readonly ttl: { readonly text: string; readonly seconds: number };
  readonly isTtlGiven: boolean;
  /** What the trial runs with, and whether it is from a file of the user's. */
  readonly config: Config;
  readonly isOwnConfig: boolean;
  readonly usesRedis: boolean;
  readonly json: boolean;
  readonly svg: string | undefined;
  readonly html: string | undefined;
}

/** What was given, by name, and the environment that a configuration may name. */
export interface Asked {
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For the keys in Redis: no other Forebay's. */
  readonly prefix: string;
}

const DEFAULTS = { seconds: 10, connections: 10, ttl: "1m" };
const MAX = { seconds: 600, connections: 256, paths: 1000 };
/** Slots of a fence that is there for a minute. */
const SLOTS = 65_536;

/** Throws ConfigError with what is wrong. */
export function planOf({ given, env, prefix }: Asked): Plan {
  const value = (name: string) => given.get(name)?.[0];
  const mistakes: string[] = [];
  const accessLog = value("access-log");
  const origin = read(value("origin"), "--origin", mistakes, originUrl());
  const paths = given.get("path") ?? [];
  const ttlText = value("ttl") ?? DEFAULTS.ttl;
  const ttl = read(ttlText, "--ttl", mistakes, seconds({ from: "1ms", example: "10s" })) ?? 0;
  if (value("origin") === undefined && accessLog === undefined) {
    mistakes.push("try: nothing to try; write --origin http://127.0.0.1:3000, or --access-log FILE, or both");
  }
  if (accessLog !== undefined && paths.length > 0)
    mistakes.push("--path: the log says what is asked for; leave one out");
  if (paths.length > MAX.paths) mistakes.push(`--path: given more than ${MAX.paths} times`);
  mistakes.push(
    ...paths.filter((path) => !isPath(path)).map((path) => `--path: got ${shown(path)}; write it as /products?page=1`),
  );
  if (origin !== undefined && !given.has("yes") && !isLoopback(new URL(origin).hostname)) {
    mistakes.push(
      `--origin: ${origin} is not on this machine, and would be asked as fast as it answers; write --yes if it is yours and may be`,
    );
  }
  const count = (name: "seconds" | "connections") => {
    const text = value(name);
    const number = text === undefined ? DEFAULTS[name] : Number(text);
    if (/^\d+$/.test(text ?? "1") && number >= 1 && number <= MAX[name]) return number;
    mistakes.push(`--${name}: expected a whole number from 1 to ${MAX[name]}, got ${shown(text ?? "")}`);
    return 0;
  };
  const [load, connections] = [count("seconds"), count("connections")];
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const file = value("config");
  const flags = { origin: origin ?? UNASKED, listen: "127.0.0.1:0", admin: "false", redis: value("redis") };
  const made = JSON.stringify({ routes: [{ path: "/*", cache: { ttl: ttlText } }] });
  const config = loadConfig(
    file === undefined ? { file: "flags", env: {}, flags, readFile: () => made } : { file, env, flags },
  );
  return {
    ...{ origin, accessLog, connections, seconds: load, ttl: { text: ttlText, seconds: ttl } },
    paths: paths.length > 0 || accessLog !== undefined ? paths : ["/"],
    isTtlGiven: given.has("ttl"),
    config: forTrial(config, { usesRedis: flags.redis !== undefined, prefix }),
    isOwnConfig: file !== undefined,
    usesRedis: flags.redis !== undefined,
    ...{ json: given.has("json"), svg: value("svg"), html: value("html") },
  };
}

/** Where nobody is asked a configuration needs an origin all the same. */
const UNASKED = "http://127.0.0.1:9";

/** The user's rules, so that a trial harms nobody: no Redis but the one that was named, under a prefix of its own; and limits
 * are counted, not enforced, for all load comes from one client. */
function forTrial(config: Config, { usesRedis, prefix }: { usesRedis: boolean; prefix: string }): Config {
  const { store, rateLimit, routes } = config;
  const unenforced = (limits: Config["rateLimit"]) => limits?.map((limit) => ({ ...limit, enforce: false }));
  return {
    ...config,
    log: { ...config.log, level: "warn", format: "json" },
    drain: 1000,
    store: { ...store, prefix, fence: { slots: SLOTS }, redis: usesRedis ? store.redis : undefined },
    rateLimit: unenforced(rateLimit),
    routes: routes.map((route) => ({ ...route, rateLimit: unenforced(route.rateLimit) })),
  };
}

interface Schema<T> {
  safeParse(input: unknown): {
    success: boolean;
    data?: T | undefined;
    error?: { issues: readonly { message: string }[] } | undefined;
  };
}

function read<T>(text: string | undefined, flag: string, mistakes: string[], schema: Schema<T>): T | undefined {
  if (text === undefined) return undefined;
  const { data, error } = schema.safeParse(text);
  mistakes.push(...(error?.issues ?? []).map(({ message }) => `${flag}: ${message}`));
  return data;
}

function isPath(path: string): boolean {
  return /^\/[!-~]*$/.test(path) && path.length <= 8192 && !path.includes("#");
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64)).replace(/[^ -~]/g, "?");
}
