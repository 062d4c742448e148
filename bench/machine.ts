// On what the figures were measured, so that a reader can tell whether theirs should be alike.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { redisBinary } from "./candidates/stage.ts";
import { pinned, versionOf, which } from "./processes.ts";
import { hasProcfs } from "./procfs.ts";

/** The machine and the programs on it. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly pinned: string;
  /** Whether CPU times could be read. */
  readonly cpuTimes: boolean;
  /** By program; "not installed" where it is not. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: processors[0]?.model ?? "unknown processor",
    cores: processors.length,
    pinned,
    cpuTimes: hasProcfs,
    versions: { ...programs(), ...packages() },
  };
}

function programs(): Record<string, string> {
  return {
    node: process.versions.node,
    redis: installed(redisBinary(), "--version", /v=(\S+)/),
    nginx: installed(which("nginx"), "-v", /nginx\/(\S+)/),
    varnish: installed(which("varnishd"), "-V", /varnish-(\d[\d.]*)/),
  };
}

function installed(program: string | undefined, flag: string, pattern: RegExp): string {
  if (program === undefined) return "not installed";
  return pattern.exec(versionOf(program, flag))?.[1] ?? "of unknown version";
}

function packages(): Record<string, string> {
  const names = ["autocannon", "fast-proxy", "express", "http-proxy-middleware", "express-rate-limit"];
  return Object.fromEntries(names.map((name) => [name, packageVersion(name)]));
}

function packageVersion(name: string): string {
  try {
    const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  } catch {
    return "not installed";
  }
}
