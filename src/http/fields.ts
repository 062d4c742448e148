// How are field lines looked up and taken apart (RFC 9110 §5)? Field lists stay flat and in wire order, as message.ts
// has them: for the two dozen lines of a message a linear look that compares lengths first is faster than any map,
// and a look for a field of one line allocates nothing. What a field means is said elsewhere.

import type { Fields } from "./message.ts";

/**
 * The value of field `name` (lower-case): its lines' values joined with ", " (§5.3); undefined where there is none.
 * Not for Set-Cookie, whose lines must not be joined: see `lines`.
 */
export function field(fields: Fields, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (!isNamed(fields[i] as string, name)) continue;
    value = value === undefined ? fields[i + 1] : `${value}, ${fields[i + 1]}`;
  }
  return value;
}

/** The values of each line of field `name` (lower-case), in wire order. */
export function lines(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (isNamed(fields[i] as string, name)) values.push(fields[i + 1] as string);
  }
  return values;
}

/** Whether there is any line of field `name` (lower-case), be it empty. */
export function has(fields: Fields, name: string): boolean {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (isNamed(fields[i] as string, name)) return true;
  }
  return false;
}

/** A new list without the lines of the fields in `names` (lower-case). */
export function without(fields: Fields, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!names.has(name.toLowerCase())) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

/** A new list of the lines of the fields in `names` (lower-case). */
export function only(fields: Fields, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (names.has(name.toLowerCase())) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

/**
 * The members of a comma-separated list (§5.6.1), trimmed, the empty ones dropped. A comma in a quoted string does not
 * separate; a quote that is never closed is an ordinary character, so that it cannot hide the members behind it. With
 * `separator` ";" the same for parameters. Not for entity tags, in which a backslash escapes nothing: see preconditions.ts.
 */
export function members(value: string, separator: "," | ";" = ","): string[] {
  const found: string[] = [];
  let quoted = value.includes('"');
  for (let start = 0; start <= value.length; ) {
    let end = quoted ? separatorBeyondQuotes(value, start, separator) : separatorFrom(value, start, separator);
    if (end === UNCLOSED) {
      quoted = false;
      end = separatorFrom(value, start, separator);
    }
    const member = trimmed(value, start, end);
    if (member !== "") found.push(member);
    start = end + 1;
  }
  return found;
}

/** `text` without the blanks around it, which are SP and HTAB and nothing else (§5.6.3): `trim` takes more away than origins do. */
export function withoutBlanks(text: string): string {
  return trimmed(text, 0, text.length);
}

/** Whether a field name as sent is `name` (lower-case). ASCII only, as field names are. */
export function isNamed(sent: string, name: string): boolean {
  if (sent.length !== name.length) return false;
  if (sent === name) return true;
  for (let i = 0; i < sent.length; i++) {
    const code = sent.charCodeAt(i);
    if (code === name.charCodeAt(i)) continue;
    if (code < UPPER_A || code > UPPER_Z || code + 32 !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Where the quoted string that opens at `start` closes; -1 where it never does. */
export function closingQuote(value: string, start: number): number {
  for (let i = start + 1; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === QUOTE) return i;
    if (code === BACKSLASH) i++;
  }
  return UNCLOSED;
}

const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const UNCLOSED = -1;

function separatorFrom(value: string, start: number, separator: string): number {
  const found = value.indexOf(separator, start);
  return found === -1 ? value.length : found;
}

function separatorBeyondQuotes(value: string, start: number, separator: string): number {
  for (let i = start; i < value.length; i++) {
    if (value[i] === separator) return i;
    if (value.charCodeAt(i) !== QUOTE) continue;
    i = closingQuote(value, i);
    if (i === UNCLOSED) return UNCLOSED;
  }
  return value.length;
}

/** Optional whitespace is space and tab (§5.6.3); String.trim would take more. */
/** `value` from `start` to `end` without the blanks around it. */
export function trimmed(value: string, start: number, end: number): string {
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
