// How is it said what is wrong with a configuration? One line each: place, path of the key, what is wrong, how to
// write it. Values are shown escaped, shortened and without the password of a URL.

export type Path = readonly (string | number)[];

export interface Mistake {
  readonly path: Path;
  /** "what is wrong; how to write it" */
  readonly text: string;
  /** Where it stands in the file, where that is not where `path` stands. */
  readonly offset?: number;
}

/** What is said of the configuration, and where what it is about stands. */
export interface Finding {
  /** undefined: in no file. */
  readonly file?: string | undefined;
  /** Both count from 1; 0: nowhere in particular, or on the command line. */
  readonly line: number;
  readonly column: number;
  /** As pathText says it, or a flag; "" for what is about the whole. */
  readonly path: string;
  readonly text: string;
}

/** "proxy.config.yaml:14:7 routes[1].cache.ttl: what is wrong; how to mend it" */
export function findingText({ file, line, column, path, text }: Finding): string {
  const what = path === "" ? text : `${path}: ${text}`;
  if (file === undefined) return what;
  return `${file}:${line === 0 ? "" : `${line}:${column}`} ${what}`;
}

/** Everything wrong with the configuration at once; the message has one line for each mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly findings: readonly Finding[];
  /** One line each. */
  readonly mistakes: readonly string[];

  /** A text alone is about the whole. */
  constructor(found: readonly (Finding | string)[], options?: ErrorOptions) {
    const findings = found.map((one) => (typeof one === "string" ? { line: 0, column: 0, path: "", text: one } : one));
    const mistakes = findings.map(findingText);
    super(mistakes.join("\n"), options);
    this.findings = findings;
    this.mistakes = mistakes;
  }
}

const MAX_SHOWN_LENGTH = 80;
const MAX_SEARCHED_LENGTH = 4096;
const MAX_GUESSES = 100;

/** "routes[1].cache.ttl" */
export function pathText(path: Path): string {
  const text = path.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[\w-]+$/.test(part) ? `.${part}` : `[${shown(part)}]`;
  });
  return text.join("").replace(/^\./, "");
}

/** `value` as it may stand in a message: one line, no control characters, no secrets. */
export function shown(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? quoted(value) : String(value);
}

function quoted(value: string): string {
  const open = value.slice(0, MAX_SEARCHED_LENGTH).replace(/\/\/.*@/, "//***@");
  const short = open.length > MAX_SHOWN_LENGTH ? `${open.slice(0, MAX_SHOWN_LENGTH)}…` : open;
  return escaped(JSON.stringify(short));
}

/** `text` on one line, without control characters. */
export function escaped(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** One line for each of the keys that are not known. */
export function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  return keys.map((key, index) => (index < MAX_GUESSES ? unknownKey(key, known) : "unknown key")).join("\n");
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant !== undefined) return `unknown key; did you mean ${meant}?`;
  return `unknown key; the keys here are ${known.join(", ")}`;
}

/** Which of `known` was probably meant; undefined: none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const letters = (name: string) => name.toLowerCase().replace(/[^a-z]/g, "");
  const [first] = known
    .map((name) => ({ name, distance: distance(letters(word.slice(0, 40)), letters(name)) }))
    .filter(({ name, distance }) => distance <= (name.length < 4 ? 1 : Math.max(2, name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return first?.name;
}

/** Letters to insert, remove or change (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
