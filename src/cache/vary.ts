// Which request fields select among the responses of one key (RFC 9111 §4.1), and which differences in them do not
// matter? Only rewritings that keep the field's meaning; a class of Accept-Encoding stands for the known codings alone,
// so storing.ts refuses responses in other ones.

import { field, members, withoutBlanks } from "../http/fields.ts";
import type { Fields } from "../http/message.ts";

/** The content codings told apart. Any other counts as not acceptable. */
export const KNOWN_CODINGS: readonly string[] = ["br", "deflate", "gzip", "zstd"];

/** The names in a response's Vary, lower-case, sorted, each once; "*" where no request can be known to match. */
export function varyNames(fields: Fields): readonly string[] | "*" {
  const value = field(fields, "vary");
  if (value === undefined) return NONE;
  const names = new Set(members(value.toLowerCase()));
  for (const name of names) if (name === "*" || !TOKEN.test(name)) return "*";
  return [...names].sort();
}

/** What request field `name` (lower-case) says, in a form shared by all that say the same; undefined: it is absent. */
export function normalised(name: string, fields: Fields): string | undefined {
  const value = field(fields, name);
  if (value === undefined) return undefined;
  if (name === "accept-encoding") return codingClass(value);
  if (name === "accept-language") return languages(value);
  return withoutBlanks(value);
}

const NONE: readonly string[] = [];
const TOKEN = /^[!#$%&'*+\-.^_`|~\da-z]+$/;
const WEIGHT = /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** Browsers send a handful of values; what anybody else sends must not fill the memory. */
const remembered = new Map<string, string>();
const REMEMBERED = 256;
const REMEMBERED_LENGTH = 128;

function codingClass(value: string): string {
  if (value.length > REMEMBERED_LENGTH) return computedClass(value);
  let known = remembered.get(value);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED) remembered.clear();
  known = computedClass(value);
  remembered.set(value, known);
  return known;
}

/**
 * "br, gzip": the known codings acceptable with any weight, sorted; "identity" for none; with "!identity" where that is
 * refused (RFC 9110 §12.5.3).
 */
function computedClass(value: string): string {
  const acceptable = new Map<string, boolean>();
  for (const member of members(value.toLowerCase())) {
    const [coding = "", ...parameters] = member.split(";");
    const name = coding.trim();
    acceptable.set(name.startsWith("x-") ? name.slice(2) : name, !parameters.some(isRefusal));
  }
  const any = acceptable.get("*");
  const codings = KNOWN_CODINGS.filter((coding) => acceptable.get(coding) ?? any ?? false);
  if ((acceptable.get("identity") ?? any) === false) codings.push("!identity");
  return codings.length === 0 ? "identity" : codings.join(", ");
}

/** A weight of zero, or one that cannot be read. */
function isRefusal(parameter: string): boolean {
  const weight = parameter.trim();
  return weight.startsWith("q") && (!WEIGHT.test(weight) || Number(weight.slice(2)) === 0);
}

/** Language ranges are case-insensitive (RFC 4647 §2), the spaces in the list optional. Order is kept: servers go by it. */
function languages(value: string): string {
  return members(value.toLowerCase())
    .map((member) => member.replace(/[ \t]*;[ \t]*/g, ";"))
    .join(",");
}
