// Whose quota does a request count against? The client's address, the value of a request field or of a cookie, or several
// of these together. Values are secrets as often as not: they are digested before they become part of a key, so that
// neither Redis nor a log ever holds one.
//
// Nobody gets out of a limit by leaving something out: where a value is missing, empty, or sent more than once (which of
// several the origin goes by is not ours to guess), the client's address stands in for it. Nor by writing one value in
// many ways: what origins take for one value counts as one.

import { hash } from "node:crypto";
import { lines, withoutBlanks } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";

/** "ip", "header:NAME" in lower case, or "cookie:NAME". */
export type Trait = string;

const DIGEST_LENGTH = 32;

/** Who asks, as far as `by` tells clients apart; `address` is the client's bucket. Injective for each `by` but for how a
 * value is written; without "|". */
export function whose(by: readonly Trait[], request: Request, address: string): string {
  if (by.length === 1) return partOf(by[0] ?? "ip", request.fields, address);
  return by.map((trait) => partOf(trait, request.fields, address)).join(",");
}

// An address never looks like a digest: it has a "." or a "/", or is a word of fewer letters.
function partOf(trait: Trait, fields: Fields, address: string): string {
  if (trait === "ip") return address;
  const [value = "", ...more] = valuesOf(trait, fields);
  return value === "" || more.length > 0 ? address : hash("sha256", value, "base64url").slice(0, DIGEST_LENGTH);
}

function valuesOf(trait: Trait, fields: Fields): string[] {
  const name = trait.slice(trait.indexOf(":") + 1);
  if (trait.startsWith("cookie:")) return cookies(fields, name).map(cookieValue);
  const values = lines(fields, name);
  return CREDENTIALS.has(name) ? values.map(credentials) : values;
}

function cookies(fields: Fields, name: string): string[] {
  const pairs = lines(fields, "cookie").flatMap((line) => line.split(";"));
  return pairs.flatMap((pair) => {
    const equals = pair.indexOf("=");
    return equals >= 0 && withoutBlanks(pair.slice(0, equals)) === name ? [withoutBlanks(pair.slice(equals + 1))] : [];
  });
}

/** RFC 6265 §4.1.1, in quotes or not: without blanks, commas, quotes and backslashes, at which some origins end a value. */
const COOKIE_VALUE = /^("?)([!#-+\--:<-[\]-~\x80-\uffff]*)\1$/;

/** As origins read it, most of which drop the quotes and many of which decode it; "" for what each would read in its way. */
function cookieValue(text: string): string {
  const value = COOKIE_VALUE.exec(text)?.[2] ?? "";
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "proxy-authorization"]);

/** RFC 9110 §11.4: the case of the scheme says nothing, nor does how many blanks follow it. */
function credentials(value: string): string {
  return value.replace(/^([^ \t]+)[ \t]+/, (_, scheme: string) => `${scheme.toLowerCase()} `);
}
