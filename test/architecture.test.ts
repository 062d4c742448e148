// Who may import whom (the shape of the code), and what every source file keeps to. Read from the syntax tree, so
// that neither a comment nor a string counts. A rule that is in the way is to be changed here, in the open.

import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAst } from "vitest/node";

const ROOT = join(import.meta.dirname, "..");

/** Everything but what puts it together. */
const ALL = ["proxy", "cache", "limit", "http", "store", "upstream", "server", "admin", "config", "log", "runtime"];

/** What a part of src may import of ours; "type:" before what it may import with `import type` only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  http: [],
  log: [],
  runtime: [],
  store: ["log"],
  cache: ["http", "store/store.ts"],
  limit: ["http", "store/store.ts"],
  upstream: ["http", "runtime"],
  server: ["http", "runtime"],
  admin: ["http"],
  config: ["type:cache/policy.ts"],
  proxy: [
    "cache",
    "limit",
    "http",
    "store/store.ts",
    "passage",
    "outbound",
    "type:store",
    "type:upstream",
    "type:log",
    "type:config",
  ],
  passage: ["http", "type:cache", "type:limit"],
  outbound: ["http", "type:cache", "type:limit", "type:upstream"],
  access: ["http", "log", "type:endings"],
  "request-ids": [],
  endings: ["type:http", "type:passage", "type:server", "type:store"],
  tracing: ["http", "runtime", "type:cache", "type:endings", "type:passage"],
  differences: ["log", "type:admin", "type:cache"],
  storage: ["cache", "store", "log", "type:metrics", "type:limit", "type:config"],
  purges: ["admin", "cache", "limit", "store", "type:storage", "type:server", "type:config", "type:log"],
  metrics: [
    "cache",
    "type:http",
    "type:limit",
    "type:endings",
    "type:passage",
    "type:runtime",
    "type:server",
    "type:store",
  ],
  // Asks the parts that the proxy is made of, and listens like the listener: server/incoming.ts.
  explain: ["admin", "proxy", "outbound", "cache", "limit", "http", "config", "server", "store/store.ts"],
  generation: [
    ...ALL,
    "endings",
    "access",
    "request-ids",
    "type:metrics",
    "type:storage",
    "type:purges",
    "type:tracing",
  ],
  reload: ["config", "type:admin", "type:log"],
  sidecar: [
    ...ALL,
    "differences",
    "endings",
    "tracing",
    "metrics",
    "storage",
    "purges",
    "generation",
    "reload",
    "explain",
  ],
  cli: [...ALL, "sidecar", "explain", "type:reload"],
  main: [...ALL, "sidecar", "cli"],
};

/** Packages that are wrapped in one place, and where. The demo's origin stands for somebody else's
 * service; what commands ask of a sidecar may go through a unix socket, which fetch knows nothing of. */
const WRAPPED: Readonly<Record<string, readonly string[]>> = {
  "@redis/client": ["store/redis-client.ts"],
  "prom-client": ["metrics/exposition.ts"],
  undici: ["upstream/upstream.ts"],
  "@opentelemetry/api": ["tracing.ts"],
  "node:http": ["cli/asking.ts", "cli/demo.ts", "server/methods.ts", "server/server.ts"],
};

const RUNTIME_GLOBALS = new Set(["Deno", "Bun", "process", "globalThis", "__dirname", "__filename"]);
const MAY_USE_RUNTIME = new Set(["runtime", "main", "cli"]);

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

interface Import {
  readonly specifier: string;
  /** File below src, where it is one of ours. */
  readonly file: string | undefined;
  /** As the other file calls them; "*" for all. */
  readonly names: readonly string[];
  readonly isType: boolean;
  /** Only when it is needed: `await import()`. */
  readonly isLater: boolean;
}

interface Source {
  /** Below src. */
  readonly file: string;
  readonly text: string;
  readonly tree: Node;
  readonly imports: readonly Import[];
}

const sources = globSync("**/*.ts", { cwd: join(ROOT, "src") })
  .toSorted()
  .map(readSource);
function readSource(file: string): Source {
  const text = readFileSync(join(ROOT, "src", file), "utf8");
  const tree = parseAst(text, { lang: "ts" }) as unknown as Node;
  return { file, text, tree, imports: nodesOf(tree).flatMap((node) => importOf(file, node)) };
}

function importOf(file: string, node: Node): Import[] {
  const source = node.source as Node | null | undefined;
  const isImport = /^(Import|ExportNamed|ExportAll)Declaration$|^ImportExpression$/.test(node.type);
  if (!isImport || source === null || source === undefined) return [];
  const specifier = source.type === "Literal" ? String(source.value) : "(computed)";
  const isType = node.importKind === "type" || node.exportKind === "type";
  const isOurs = /^\.\.?\/.*\.ts$/.test(specifier);
  const specifiers = (node.specifiers ?? []) as Node[];
  const names = specifiers.map(({ imported }) => (imported as { name?: string } | undefined)?.name ?? "*");
  const isLater = node.type === "ImportExpression";
  if (isLater) names.push("*");
  return [{ specifier, file: isOurs ? belowSrc(join(dirname(file), specifier)) : undefined, names, isType, isLater }];
}

/** Also as seen from a file of test or bench. */
function belowSrc(file: string): string {
  return normalize(file).replace(/^\.\.\/src\//, "");
}

/** The tree's nodes, each with `isName` where it is only the name of a property. */
function nodesOf(tree: Node): Node[] {
  const found: Node[] = [tree];
  for (const node of found) {
    for (const [key, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (!isNode(child)) continue;
        const isName = (key === "property" || (key === "key" && node.shorthand !== true)) && node.computed !== true;
        found.push(isName ? { ...child, isName } : child);
      }
    }
  }
  return found;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

/** A folder of src, or a file beside the folders, without ".ts". */
function partOf(file: string): string {
  return (file.split("/")[0] ?? "").replace(/\.ts$/, "");
}

function mayImport(from: string, { file, isType }: Import): boolean {
  if (file === undefined || partOf(from) === partOf(file)) return true;
  const isMeant = (allowed: string) => allowed === file || allowed === partOf(file);
  return (MAY_IMPORT[partOf(from)] ?? []).some((allowed) =>
    allowed.startsWith("type:") ? isType && isMeant(allowed.slice("type:".length)) : isMeant(allowed),
  );
}

describe("src", () => {
  it("has no part that the rules do not know", () => {
    expect([...new Set(sources.map(({ file }) => partOf(file)))].filter((part) => !(part in MAY_IMPORT))).toEqual([]);
  });

  it("imports only what each part may import", () => {
    const wrong = sources.flatMap(({ file, imports }) =>
      imports.filter((one) => !mayImport(file, one)).map(({ specifier }) => `${file} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it("has no cycles among its parts", () => {
    const edges = new Map<string, Set<string>>();
    for (const { file, imports } of sources) {
      const targets = edges.get(partOf(file)) ?? new Set();
      for (const { file: target } of imports) if (target !== undefined) targets.add(partOf(target));
      edges.set(partOf(file), targets);
    }
    expect([...edges.keys()].flatMap((part) => cycleFrom(edges, [part]))).toEqual([]);
  });

  it.each(Object.entries(WRAPPED))("imports %s in its one place", (name, places) => {
    const found = sources.filter(({ imports }) => imports.some(({ specifier }) => specifier === name));
    expect(found.map(({ file }) => file)).toEqual(places);
  });

  it("reads configurations in a thread, and nowhere where it serves: idle memory counts", () => {
    const loaded = loadedWith("main.ts", "cli/commands.ts", "sidecar.ts", "store/redis.ts");
    expect(loaded).toEqual(expect.arrayContaining(["undici", "config/router.ts"]));
    expect(loaded.filter((name) => ["zod", "yaml", "config/schema.ts", "config/load.ts"].includes(name))).toEqual([]);
  });

  it("asks for no module by a computed name", () => {
    const wrong = sources.filter(({ imports }) => imports.some(({ specifier }) => specifier === "(computed)"));
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  it("uses what belongs to one runtime only where that is its affair", () => {
    const wrong = sources
      .filter(({ file }) => !MAY_USE_RUNTIME.has(partOf(file)))
      .flatMap((source) => runtimeNames(source).map((name) => `${source.file} uses ${name}`));
    expect(wrong).toEqual([]);
  });

  it("has no default exports and no barrels", () => {
    const wrong = sources.filter(({ tree }) =>
      nodesOf(tree).some(({ type }) => type === "ExportDefaultDeclaration" || type === "ExportAllDeclaration"),
    );
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  it("names its files after what they answer, in kebab-case", () => {
    const isWrong = (name: string) =>
      !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name) || /^(utils?|helpers?|types?|index|common|misc)\./.test(name);
    expect(sources.map(({ file }) => file).filter((file) => isWrong(basename(file)))).toEqual([]);
  });

  it("has a head comment in each file and at most 300 lines", () => {
    const wrong = sources.filter(({ text }) => !/^(#!.*\n)?\/\//.test(text) || text.split("\n").length > 301);
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  it("exports no value that no other file uses", () => {
    const readers = [
      ...sources,
      ...globSync(["../test/**/*.ts", "../bench/**/*.ts"], { cwd: join(ROOT, "src") }).map(readSource),
    ];
    const used = new Set(
      readers.flatMap(({ imports }) => imports.flatMap(({ file, names }) => names.map((name) => `${file} ${name}`))),
    );
    const unused = sources.flatMap(({ file, tree }) =>
      valuesExported(tree)
        .map((name) => `${file} ${name}`)
        .filter((exported) => !used.has(exported) && !used.has(`${file} *`)),
    );
    expect(unused).toEqual([]);
  });
});

/** What is loaded with these files at the latest: of ours by file, of others by name. */
function loadedWith(...files: readonly string[]): string[] {
  const known = new Map(sources.map((source) => [source.file, source]));
  const found = new Set(files);
  for (const name of found) {
    const now = (known.get(name)?.imports ?? []).filter(({ isType, isLater }) => !isType && !isLater);
    for (const { file, specifier } of now) found.add(file ?? specifier);
  }
  return [...found];
}

/** A name that the file itself gives to something of its own is not counted. */
function runtimeNames({ tree, imports }: Source): string[] {
  const nodes = nodesOf(tree);
  const declared = nodes.filter(({ type }) => type === "VariableDeclarator");
  const own = new Set(declared.flatMap(({ id }) => nodesOf(id as Node)).map(({ name }) => name));
  const used = nodes
    .filter(({ type, name, isName }) => type === "Identifier" && isName !== true && !own.has(name))
    .map(({ name }) => `${name}`)
    .filter((name) => RUNTIME_GLOBALS.has(name));
  return [...used, ...imports.map(({ specifier }) => specifier).filter((specifier) => specifier === "node:process")];
}

/** Types are not counted: they are the words of the functions beside them. */
function valuesExported(tree: Node): string[] {
  return nodesOf(tree)
    .filter(({ type, exportKind }) => type === "ExportNamedDeclaration" && exportKind !== "type")
    .map(({ declaration }) => declaration as Node | null)
    .flatMap((declared) => (declared?.declarations as Node[] | undefined)?.map(({ id }) => id) ?? [declared?.id])
    .map((id) => (id as { name?: string } | undefined)?.name ?? "(pattern)");
}

function cycleFrom(edges: ReadonlyMap<string, ReadonlySet<string>>, path: readonly string[]): string[] {
  const last = path.at(-1) ?? "";
  return [...(edges.get(last) ?? [])].flatMap((next) => {
    if (next === last) return [];
    if (next === path[0]) return [[...path, next].join(" → ")];
    return path.includes(next) ? [] : cycleFrom(edges, [...path, next]);
  });
}
