// How is a single value of proxy.config.yaml written, and what does it become? One function per kind: a zod schema that
// takes what YAML gives, becomes what the program uses, and says on error what was wanted, what was found and how to
// write it. Which keys there are stands in schema.ts.

import bytes from "bytes";
import ms from "ms";
import * as z from "zod";
import { shown, unknownKeys } from "./mistakes.ts";
import { parsePattern, patternText } from "./pattern.ts";

interface Kind<T> {
  /** "a duration" */
  readonly name: string;
  readonly example: string;
  /** undefined: not of this kind. */
  readonly read: (text: string) => T | undefined;
  /** How to write what was probably meant; the example where it has nothing to say. */
  readonly hint?: (input: string | number) => string | undefined;
  /** The name, made more exact for this text. */
  readonly wanted?: (text: string) => string;
  /** What an editor can check while it is typed (json-schema.ts): matches all that `read` takes; without flags. */
  readonly form?: RegExp;
}

const MAX_TEXT_LENGTH = 4096;

/** A string that `read` turns into the output. */
export function text<T>(kind: Kind<T>) {
  const wrong = (input: unknown) => {
    const isShort = typeof input === "number" || (typeof input === "string" && input.length <= MAX_TEXT_LENGTH);
    const name = (isShort && typeof input === "string" && kind.wanted?.(input)) || kind.name;
    return complaint(input, name, (isShort && kind.hint?.(input)) || kind.example);
  };
  return z
    .string({ error: ({ input }) => wrong(input) })
    .meta({ title: kind.name, examples: [kind.example], ...(kind.form && { pattern: kind.form.source }) })
    .transform((input, context) => {
      const value = input.length > MAX_TEXT_LENGTH ? undefined : kind.read(input);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", message: wrong(input), input });
      return z.NEVER;
    });
}

/** "expected a duration, got "5 min"; write it as 5m" */
export function complaint(input: unknown, wanted: string, write: string): string {
  if (input === undefined) return `is missing; write it as ${write}`;
  return `expected ${wanted}, got ${shown(input)}; write it as ${write}`;
}

export function flag() {
  return z
    .boolean({ error: ({ input }) => complaint(input, "true or false", "true or false") })
    .meta({ title: "true or false" });
}

/** A whole number from `min` to `max`. */
export function count(min: number, max: number) {
  const error = ({ input }: { input?: unknown }) => {
    const meant = typeof input === "number" || typeof input === "string" ? Math.round(Number(input)) : Number.NaN;
    const hint = Math.max(min, Math.min(Number.isNaN(meant) ? 100 : meant, max));
    return complaint(input, `a whole number from ${min} to ${max}`, String(hint));
  };
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error }).meta({ title: "whole number" });
}

/** A share of a whole, 0 to 1: 10% or 0.1. */
export function share(example: string) {
  const error = ({ input }: { input?: unknown }) =>
    complaint(input, "a share from 0% to 100%", shareHint(input) ?? example);
  const title = "share, as 10% or 0.1";
  const number = z.number({ error }).min(0, { error }).max(1, { error });
  const percentage = z.string({ error }).regex(PERCENTAGE, { error });
  return z
    .union([number.meta({ title }), percentage.meta({ title, examples: [example] })], { error })
    .transform((input) => (typeof input === "number" ? input : Number(input.slice(0, -1)) / 100));
}

const PERCENTAGE = /^(?:\d{1,2}(?:\.\d{1,3})?|100)%$/;

function shareHint(input: unknown): string | undefined {
  const found = /^\s*(\d{1,3}(?:\.\d{1,3})?)\s*(%?)\s*$/.exec(String(input));
  if (found === null) return undefined;
  const percent = Number(found[1]);
  if (percent > 100) return "100%";
  return found[2] === "" && percent <= 1 ? found[1] : `${found[1]}%`;
}

export function oneOf<const Word extends string>(words: readonly [Word, ...Word[]]) {
  const wanted = [words.slice(0, -1).join(", "), ...words.slice(-1)].filter((part) => part !== "").join(" or ");
  const error = ({ input }: { input?: unknown }) => {
    const meant = words.find(
      (word) =>
        word ===
        String(input)
          .toLowerCase()
          .replace(/[\s_]+/g, "-"),
    );
    return complaint(input, wanted, meant ?? words[0]);
  };
  return z.enum(words, { error }).meta({ title: wanted });
}

export function list<Item extends z.core.$ZodType>(item: Item, max: number, example: string) {
  return z
    .array(item, {
      error: ({ input }) => {
        const isWord = typeof input === "string" && /^[\w./:-]{1,64}$/.test(input);
        return complaint(input, "a list", isWord ? `[${input}]` : example);
      },
    })
    .max(max, { error: () => `has more than ${max} items; write fewer` })
    .meta({ title: "list", examples: [example] });
}

interface DurationOptions {
  /** Shortest and longest, as in YAML. */
  readonly from?: string;
  readonly to?: string;
  readonly example?: string;
}

const DURATION = /^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/;
const LONGEST_TIMER = "24d"; // timers take 2^31 ms at the most

/** Milliseconds. */
export function milliseconds({ from = "0ms", to = LONGEST_TIMER, example = "5s" }: DurationOptions = {}) {
  const [min, max] = [durationMs(from) ?? 0, durationMs(to) ?? 0];
  return text({
    name: "a duration",
    example,
    form: DURATION,
    read: (input) => inRange(durationMs(input), min, max),
    wanted: (input) => (DURATION.test(input) ? `a duration from ${from} to ${to}` : "a duration"),
    hint: (input) => durationHint(input, { min, max, from, to }),
  });
}

/** Seconds, as in RFC 9111; with a fraction where less than a second is meant. */
export function seconds(options: DurationOptions = {}) {
  return milliseconds({ to: "3650d", example: "5m", ...options }).transform((value) => value / 1000);
}

function durationMs(input: string): number | undefined {
  return DURATION.test(input) ? Math.round(ms(input as ms.StringValue)) : undefined;
}

function inRange(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function durationHint(
  input: unknown,
  range: { min: number; max: number; from: string; to: string },
): string | undefined {
  if (typeof input === "number") return input > 0 && input < 1e15 ? `${input}s / ${input}ms` : undefined;
  if (typeof input !== "string" || input === "") return undefined;
  if (/^\d+(?:\.\d+)?$/.test(input)) return `${input}s / ${input}ms`;
  const meant = Math.abs(Math.round(ms(input as ms.StringValue) ?? Number.NaN));
  if (Number.isNaN(meant)) return undefined;
  if (meant < range.min) return range.from;
  return meant > range.max ? range.to : inUnits(meant);
}

function inUnits(value: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    const length = ms(`1${unit}`);
    if (value >= length && value % length === 0) return `${value / length}${unit}`;
  }
  return `${value}ms`;
}

const SIZE = /^\d+(?:\.\d+)?[kKmMgG]?[bB]$/;

/** Bytes, at most `to`. */
export function size(to: string, example: string) {
  const max = bytes.parse(to) ?? 0;
  return text({
    name: "a size",
    example,
    form: SIZE,
    read: (input) => (SIZE.test(input) ? inRange(bytes.parse(input) ?? undefined, 0, max) : undefined),
    wanted: (input) => (SIZE.test(input) ? `a size up to ${to}` : "a size"),
    hint: (input) => sizeHint(input, to),
  });
}

function sizeHint(input: unknown, to: string): string | undefined {
  if (typeof input === "string" && SIZE.test(input)) return to;
  const found = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmg])(?:i?b?|bytes?)|b|bytes?)?\s*$/i.exec(String(input));
  return found === null ? undefined : `${found[1]}${(found[2] ?? "").toLowerCase()}b`;
}

/** Becomes the pattern in its normal form. */
export function pattern() {
  return text({
    name: "a path of text, :param and a trailing *",
    example: "/products/:id",
    form: /^\/[^?#]*$/,
    read: (input) => {
      const segments = parsePattern(input);
      return segments && patternText(segments);
    },
    hint: patternHint,
  });
}

function patternHint(input: unknown): string | undefined {
  if (typeof input !== "string") return undefined;
  if (/[?#]/.test(input))
    return `${input.replace(/[?#].*$/s, "")}, since a path has no query (cache.key.query names those that count)`;
  const anchored = input.replace(/^\^|\$$/g, "").replace(/\.[*+]$/, "*");
  const plain = anchored.replace(/[{<[](\w+)[}>\]]/g, ":$1").replace(/\([^/]*\)|\[[^/]*\]\+?|\\d\+/g, ":id"); // {id}, <id>, [id], (\d+), [0-9]+
  const star = plain.indexOf("*");
  const guess = `/${star < 0 ? plain : plain.slice(0, star + 1)}`.replace(/\/{2,}/g, "/");
  const names = [...guess.matchAll(/:\w+/g)].map(String);
  if (new Set(names).size < names.length) return "/users/:user/orders/:order, each name once";
  return parsePattern(guess) === undefined ? undefined : guess;
}

/** The name of a field or cookie (token, RFC 9110 §5.6.2), as written. */
export function token(name: string, example: string) {
  return formed(/^[\w!#$%&'*+.^`|~-]{1,256}$/, name, example);
}

/** Becomes lower-case. */
export function fieldName() {
  return token("the name of a header field", "accept-language").transform((name) => name.toLowerCase());
}

/** Text that becomes itself where `form` matches. */
export function formed(form: RegExp, name: string, example: string) {
  return text({ name, example, form, read: (input) => (form.test(input) ? input : undefined) });
}

/** A mapping with these keys and no others. */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  const example = `{ ${known[0]}: … }; its keys are ${known.join(", ")}`;
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? unknownKeys(issue.keys as readonly string[], known)
        : complaint(issue.input, "a mapping", example),
  });
}

/** One of several forms; `wanted` and `write` are said where the value is of none. */
export function either<const Forms extends readonly z.core.SomeType[]>(forms: Forms, wanted: string, write: string) {
  return z.union(forms, { error: ({ input }) => complaint(input, wanted, write) });
}
