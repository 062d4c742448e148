// What does a YAML text say, and where does each key of it stand? Aliases and merge keys (<<) are followed, within a
// bound on what they expand to. ${NAME} and ${NAME:-default} are replaced in values after parsing, so that what the
// environment holds can never become YAML.

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { ConfigError, escaped, type Mistake, type Path } from "./mistakes.ts";
import { isMapping, type Mapping } from "./plain.ts";
import { type Environment, expand } from "./variables.ts";

/** A text that was read. */
export interface Source {
  /** Plain values; undefined stands for a value that could not be read and is among the mistakes. */
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
  /** "file:line:column" of `path`, or of as much of it as there is; a key stands where its name does. */
  placeOf(path: Path): Place;
  placeAt(offset: number): Place;
}

/** Lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

interface Reading {
  readonly environment: Environment;
  readonly tags: Document["schema"]["tags"];
  readonly mistakes: Mistake[];
  /** Where the keys and items of each mapping and list made so far stand. */
  readonly offsets: WeakMap<object, Map<string | number, number>>;
  readonly anchors: Map<string, { readonly value: unknown; readonly nodes: number }>;
  /** Nodes read so far, those behind an alias counted each time. */
  nodes: number;
}

const MAX_LENGTH = 1024 * 1024;
const MAX_NODES = 100_000;
const MAX_DEPTH = 32;
const MAX_SYNTAX_MISTAKES = 10; // the first is what is wrong, later ones mostly follow from it

/** `file` is the name for messages. Throws ConfigError where `text` is not YAML, or out of bounds. */
export function readDocument(text: string, file: string, environment: Environment): Source {
  const whole = (text: string) => new ConfigError([{ file, line: 0, column: 0, path: "", text }]);
  if (text.length > MAX_LENGTH) throw whole("is longer than 1 MB; write a shorter one");
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const document = parse(text, lines);
  const wrong = [...document.errors, ...document.warnings].map(({ message, pos }) => {
    const said = `is not YAML: ${escaped(message)}; correct it, or put the text in quotes`;
    return { file, ...placeAt(pos[0]), path: "", text: said };
  });
  if (wrong.length > 0) throw new ConfigError(wrong.slice(0, MAX_SYNTAX_MISTAKES));
  const reading = startReading(document, environment);
  const value = readNode(document.contents, [], reading);
  if (reading.nodes > MAX_NODES) {
    throw whole(`holds or expands to more than ${MAX_NODES} values; use fewer aliases`);
  }
  const placeOf = (path: Path) => placeAt(offsetOf(path, value, reading.offsets));
  return { value, mistakes: reading.mistakes, placeOf, placeAt };
}

function parse(text: string, lineCounter: LineCounter): Document.Parsed {
  return parseDocument(text, {
    lineCounter,
    prettyErrors: false, // which adds lines of context to messages
    schema: "core",
    resolveKnownTags: false,
    stringKeys: true,
    uniqueKeys: false, // readMap says it with the path
    logLevel: "error",
  });
}

function startReading(document: Document.Parsed, environment: Environment): Reading {
  return {
    environment,
    tags: document.schema.tags,
    mistakes: [],
    offsets: new WeakMap(),
    anchors: new Map(),
    nodes: 0,
  };
}

function offsetOf(path: Path, root: unknown, offsets: Reading["offsets"]): number {
  let offset = 0;
  let value = root;
  for (const part of path) {
    const next = typeof value === "object" && value !== null ? offsets.get(value)?.get(part) : undefined;
    if (next === undefined) return offset;
    offset = next;
    value = (value as Record<string | number, unknown>)[part];
  }
  return offset;
}

function readNode(node: Node | null | undefined, path: Path, reading: Reading): unknown {
  const before = reading.nodes++;
  if (!node || reading.nodes > MAX_NODES) return null;
  if (path.length > MAX_DEPTH) return mistake(node, path, reading, "is nested too deeply; no key needs that");
  if (isAlias(node)) return readAlias(node.source, node, path, reading);
  const value = readValue(node, path, reading);
  const { anchor } = node as { anchor?: string };
  if (anchor !== undefined) reading.anchors.set(anchor, { value, nodes: reading.nodes - before });
  return value;
}

function readValue(node: Node, path: Path, reading: Reading): unknown {
  if (isMap<Node, Node | null>(node)) return readMap(node.items, path, reading);
  if (isSeq<Node>(node)) return readSeq(node.items, path, reading);
  if (!isScalar(node)) return null;
  if (typeof node.value !== "string") return node.value;
  const { value, wrong } = expand(node.value, reading.environment, reading.tags);
  return wrong === undefined ? value : mistake(node, path, reading, wrong);
}

function readAlias(name: string, node: Node, path: Path, reading: Reading): unknown {
  const anchor = reading.anchors.get(name);
  if (anchor === undefined) return mistake(node, path, reading, `no &${name} stands above *${name}; write one`);
  reading.nodes += anchor.nodes;
  return anchor.value;
}

function readSeq(items: readonly (Node | null)[], path: Path, reading: Reading): unknown[] {
  const offsets = new Map<number, number>();
  const value = items.map((item, index) => {
    offsets.set(index, item?.range?.[0] ?? 0);
    return readNode(item, [...path, index], reading);
  });
  reading.offsets.set(value, offsets);
  return value;
}

function readMap(pairs: readonly { key: Node; value: Node | null }[], path: Path, reading: Reading): Mapping {
  const value: Record<string, unknown> = Object.create(null); // "__proto__" is a key like any other
  const offsets = new Map<string | number, number>();
  const merged: Mapping[] = [];
  for (const { key, value: node } of pairs) {
    const name = isScalar(key) ? String(key.value) : "";
    const here = [...path, name];
    if (name === "<<") {
      merged.push(...readMerged(node ?? key, here, reading));
      continue;
    }
    if (offsets.has(name)) mistake(key, here, reading, "is given twice; keep one");
    value[name] = readNode(node, here, reading);
    offsets.set(name, key.range?.[0] ?? 0);
  }
  for (const other of merged) {
    for (const [name, offset] of reading.offsets.get(other) ?? []) {
      if (offsets.has(name)) continue;
      value[name] = other[name];
      offsets.set(name, offset);
    }
  }
  reading.offsets.set(value, offsets);
  return value;
}

/** The mappings whose keys stand in for those not given. */
function readMerged(node: Node, path: Path, reading: Reading): Mapping[] {
  const sources = [readNode(node, path, reading)].flat();
  if (!sources.every((source) => source === undefined || isMapping(source))) {
    mistake(node, path, reading, "takes nothing but mappings; write <<: *name");
  }
  return sources.filter(isMapping);
}

function mistake(node: Node, path: Path, reading: Reading, text: string): undefined {
  reading.mistakes.push({ path, text, offset: node.range?.[0] ?? 0 });
}
