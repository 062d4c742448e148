// From where does the configuration come? From a YAML file and the command line, which wins; without a file from the
// command line alone. What comes out is checked, complete and frozen; what is wrong is said all at once.

import { readFileSync } from "node:fs";
import type * as z from "zod";
import { checkTogether } from "./checks.ts";
import { readDocument, type Source } from "./document.ts";
import { ConfigError, escaped, type Finding, findingText, type Mistake, type Path, pathText } from "./mistakes.ts";
import { deepFreeze, isMapping, type Mapping } from "./plain.ts";
import { type Config, configFrom, EVERYTHING, fileSchema } from "./schema.ts";
import type { Environment } from "./variables.ts";

/** What the command line says, as typed. */
export interface Flags {
  readonly origin?: string | undefined;
  readonly listen?: string | undefined;
  /** host:port, or "false". */
  readonly admin?: string | undefined;
  readonly redis?: string | undefined;
  readonly logLevel?: string | undefined;
}

export interface LoadOptions {
  /** undefined: no file, everything is cached that the origin makes fresh. */
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags?: Flags;
  /** Returns the text of a file, or throws. */
  readonly readFile?: (file: string) => string;
}

/** What was written, flags in place, and which of them stands where. */
interface Written {
  readonly value: Mapping;
  readonly flags: readonly { readonly name: string; readonly path: Path }[];
}

/** A configuration without mistakes, and what it takes to say more about the file it was read from. */
export interface Inspected {
  readonly config: Config;
  /** The file's text; undefined without. */
  readonly text: string | undefined;
  /** Whether the file itself, or its `defaults`, says something there. */
  isWritten(path: Path): boolean;
  /** What is said of `path`, with where that stands: in the file, in its `defaults`, or on the command line. */
  find(mistake: Mistake): Finding;
}

const MAX_MISTAKES = 100;

/** Throws ConfigError with every mistake. */
export function loadConfig(options: LoadOptions): Config {
  return inspectConfig(options).config;
}

/** As loadConfig, for who wants to know where what stands. */
export function inspectConfig({ file, env, flags = {}, readFile = readText }: LoadOptions): Inspected {
  let text: string | undefined;
  const read = (name: string) => {
    text = readFile(name);
    return text;
  };
  const source = file === undefined ? undefined : readSource(file, env, read);
  const written = withFlags(rootOf(source, file), flags);
  const whole = { ...written.value, routes: routesOf(written.value) };
  const result = fileSchema.safeParse(whole);
  const mistakes = [
    ...(source?.mistakes ?? []).filter(({ path }) => flagAt(path, written) === undefined),
    ...(result.error?.issues ?? []).flatMap((issue) => mistakesFrom(issue, [])),
    ...checkTogether(whole),
  ];
  const origins = { source, file, written };
  const findings = sayAll(mistakes, origins);
  if (findings.length > 0 || result.data === undefined) throw new ConfigError(findings);
  return {
    config: deepFreeze(configFrom(result.data)),
    text,
    isWritten: (path) => has(source?.value, ownPath(path, source?.value)),
    find: (mistake) => say(mistake, origins)[0] ?? { file, line: 0, column: 0, path: "", text: mistake.text },
  };
}

function readText(file: string): string {
  return readFileSync(file, "utf8");
}

function readSource(file: string, env: Environment, readFile: (file: string) => string): Source {
  let text: string;
  try {
    text = readFile(file);
  } catch (cause) {
    const said = `cannot be read: ${reasonOf(cause)}; give the path of a YAML file`;
    throw new ConfigError([{ file, line: 0, column: 0, path: "", text: said }], { cause });
  }
  return readDocument(text, file, env);
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code === "EISDIR" ? "it is a directory" : escaped(String(message));
}

function rootOf(source: Source | undefined, file: string | undefined): Mapping {
  const value = source?.value ?? {};
  if (isMapping(value)) return value;
  const text = "expected a mapping at the top; write keys such as origin: http://127.0.0.1:3000";
  throw new ConfigError([{ file, line: 1, column: 1, path: "", text }]);
}

function withFlags(root: Mapping, flags: Flags): Written {
  const set: { name: string; path: string[]; value: unknown }[] = [
    { name: "--origin", path: isMapping(root.origin) ? ["origin", "url"] : ["origin"], value: flags.origin },
    { name: "--listen", path: ["listen"], value: flags.listen },
    { name: "--admin", path: ["admin"], value: flags.admin === "false" ? false : flags.admin },
    { name: "--redis", path: ["store", "redis", "url"], value: flags.redis },
    { name: "--log-level", path: ["log", "level"], value: flags.logLevel },
  ].filter(({ value }) => value !== undefined);
  return { flags: set, value: set.reduce<Mapping>((value, flag) => withValue(value, flag.path, flag.value), root) };
}

function withValue(root: Mapping, [key = "", ...rest]: readonly string[], value: unknown): Mapping {
  if (rest.length === 0) return { ...root, [key]: value };
  const inner = root[key] ?? {};
  return isMapping(inner) ? { ...root, [key]: withValue(inner, rest, value) } : root;
}

/** The routes with `defaults` merged in: key by key, and mappings such as `cache` by their keys again. */
function routesOf({ routes, defaults }: Mapping): unknown {
  const shared = isMapping(defaults) ? defaults : {};
  if (routes === undefined || (Array.isArray(routes) && routes.length === 0)) {
    return [{ ...EVERYTHING, ...shared }];
  }
  if (!Array.isArray(routes)) return routes;
  return routes.map((route: unknown) => (isMapping(route) ? merged(shared, route) : route));
}

function merged(defaults: Mapping, route: Mapping): Mapping {
  const result: Record<string, unknown> = { ...defaults, ...route };
  for (const [key, value] of Object.entries(route)) {
    const shared = defaults[key];
    if (isMapping(shared) && isMapping(value)) result[key] = { ...shared, ...value };
  }
  return result;
}

function mistakesFrom(issue: z.core.$ZodIssue, above: Path): Mistake[] {
  const path = [...above, ...(issue.path as Path)];
  if (issue.code === "unrecognized_keys") {
    const texts = issue.message.split("\n");
    return issue.keys.map((key, index) => ({ path: [...path, key], text: texts[index] ?? "" }));
  }
  if (issue.code === "invalid_key") return [{ path, text: issue.issues[0]?.message ?? issue.message }];
  if (issue.code === "invalid_union") {
    const meant = issue.errors.find((issues) => !issues.some(isOtherForm));
    if (meant !== undefined) return meant.flatMap((inner) => mistakesFrom(inner, path));
  }
  return [{ path, text: issue.message }];
}

/** The value is not of this form of a union at all. */
function isOtherForm({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === "invalid_type" || code === "invalid_value");
}

interface Origins {
  readonly source: Source | undefined;
  readonly file: string | undefined;
  readonly written: Written;
}

/** In the order of the file, none twice. */
function sayAll(mistakes: readonly Mistake[], origins: Origins): (Finding | string)[] {
  const said = mistakes.flatMap((mistake) => say(mistake, origins));
  said.sort((a, b) => a.line - b.line || a.column - b.column);
  const findings = [...new Map(said.map((finding) => [findingText(finding), finding])).values()];
  const more = findings.length - MAX_MISTAKES;
  return more > 0 ? [...findings.slice(0, MAX_MISTAKES), `… and ${more} more mistakes`] : findings;
}

function say({ path, text, offset }: Mistake, { source, file, written }: Origins): Finding[] {
  const flag = flagAt(path, written);
  if (flag !== undefined) return [{ line: 0, column: 0, path: flag.name, text }];
  if (source === undefined) return [{ line: 0, column: 0, ...sayMissingOrigin(path, text) }];
  const own = ownPath(path, source.value);
  // What is there, but could not be read, is said already.
  if (text.startsWith("is missing") && has(source.value, own)) return [];
  const place = offset === undefined ? source.placeOf(own) : source.placeAt(offset);
  return [{ file, ...place, path: pathText(own), text }];
}

/** The flag that stands in for what the file says at `path`. */
function flagAt(path: Path, { flags }: Written): Written["flags"][number] | undefined {
  return flags.find((flag) => flag.path.every((part, index) => path[index] === part));
}

/** Where a route has a value from `defaults`, that is where it stands. */
function ownPath(path: Path, root: unknown): Path {
  if (path[0] !== "routes" || path.length < 3 || has(root, path)) return path;
  const shared = ["defaults", ...path.slice(2)];
  return has(root, shared) ? shared : path;
}

function has(root: unknown, path: Path): boolean {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return false;
    value = (value as Record<string | number, unknown>)[part];
  }
  return true;
}

function sayMissingOrigin(path: Path, text: string): Pick<Finding, "path" | "text"> {
  if (path[0] !== "origin") return { path: pathText(path), text };
  const said = "is missing; write it as --origin http://127.0.0.1:3000, or name a file with --config";
  return { path: "--origin", text: said };
}
