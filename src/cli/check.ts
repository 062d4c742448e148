// `forebay check`: is the configuration right, is something in it dangerous, and do the routes do what `tests` say? Nothing
// is served. Exit codes: 0 good; 1 a test fails, or with --strict something is dangerous; 2 something is wrong.

import { type Flags, type Inspected, inspectConfig } from "../config/load.ts";
import { ConfigError } from "../config/mistakes.ts";
import { jsonReport, type Report, textReport } from "./check-report.ts";
import { type Ruled, withoutAllowed } from "./lint/allowances.ts";
import { askOrigin, askRedis, type Heard } from "./lint/asking.ts";
import { lintCaching } from "./lint/caching.ts";
import { lintExposure } from "./lint/exposure.ts";
import { lintRouting } from "./lint/routing.ts";
import type { Warning } from "./lint/rules.ts";
import { lintSurroundings } from "./lint/surroundings.ts";
import { runRouteTests } from "./route-tests.ts";

export interface CheckOptions {
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Flags;
  readonly json: boolean;
  /** Warnings count as failures. */
  readonly strict: boolean;
  /** The origin is asked too. */
  readonly ask: boolean;
  /** Colours are wanted. */
  readonly coloured: boolean;
}

/** What to print and the exit code. */
export async function check(options: CheckOptions): Promise<{ text: string; code: number }> {
  const report = await reportOn(options);
  const isFailed =
    report.tests.some(({ failures }) => failures.length > 0) || (options.strict && report.warnings.length > 0);
  const code = report.mistakes.length > 0 ? 2 : isFailed ? 1 : 0;
  const said = { ...report, ok: code === 0 };
  return { text: options.json ? jsonReport(said) : textReport(said, options.coloured), code };
}

async function reportOn({ file, env, flags, ask }: CheckOptions): Promise<Omit<Report, "ok">> {
  let inspected: Inspected;
  try {
    inspected = inspectConfig({ file, env, flags });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, routes: 0, mistakes: error.findings, warnings: [], tests: [], notes: [] };
  }
  const { config, find } = inspected;
  const tests = await runRouteTests(config);
  const heard = await Promise.all<Heard>([askRedis(config), ...(ask ? [askOrigin(config)] : [])]);
  const warnings = [
    ...lintSurroundings(config),
    ...lintExposure(config, inspected.isWritten),
    ...lintRouting(config),
    ...lintCaching(config, inspected.isWritten),
    ...heard.flatMap(({ warnings }) => warnings),
  ];
  const findings = ruled(warnings, inspected, file);
  return {
    file,
    routes: config.routes.length,
    mistakes: findings.filter(isMistake),
    warnings: findings.filter((finding) => !isMistake(finding)),
    tests: tests.map(({ name, path, failures }) => ({
      name,
      place: find({ path, text: "" }),
      failures: failures.map((failure) => find(failure)),
    })),
    notes: heard.flatMap(({ notes }) => notes),
  };
}

/** With this nothing can be served on this machine. */
function isMistake({ rule }: Ruled): boolean {
  return rule === "missing-file";
}

/** In the order of the file, none twice (a value of `defaults` is found in every route), without what is allowed. */
function ruled(warnings: readonly Warning[], { find, text }: Inspected, file: string | undefined): Ruled[] {
  const all = warnings.map(({ rule, ...mistake }) => ({ ...find(mistake), rule }));
  const distinct = [
    ...new Map(all.map((one) => [`${one.line}:${one.column} ${one.path} ${one.rule} ${one.text}`, one])).values(),
  ];
  const left = text === undefined || file === undefined ? distinct : withoutAllowed(distinct, text, file);
  return left.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
