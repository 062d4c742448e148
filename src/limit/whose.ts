// Whose quota does a request count against? The client's address, the value of a request field or of a cookie, or several
// of these together. Values are secrets as often as not: they are digested before they become part of a key, so that
// neither Redis nor a log ever holds one.
//
// Nobody gets out of a limit by leaving something out: where a value is missing, empty, or sent more than once (which of
// several the origin goes by is not ours to guess), the client's address stands in for it.

import { hash } from "node:crypto";
import { lines, withoutBlanks } from "../http/fields.ts";
import type { Fields, Request } from "../http/message.ts";

/** "ip", "header:NAME" in lower case, or "cookie:NAME". */
export type Trait = string;

const DIGEST_LENGTH = 32;

/** Who asks, as far as `by` tells clients apart; `address` is the client's bucket. Injective for each `by`, without "|". */
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
  if (trait.startsWith("header:")) return lines(fields, name);
  const pairs = lines(fields, "cookie").flatMap((line) => line.split(";"));
  return pairs.flatMap((pair) => {
    const equals = pair.indexOf("=");
    return equals >= 0 && withoutBlanks(pair.slice(0, equals)) === name ? [withoutBlanks(pair.slice(equals + 1))] : [];
  });
}
