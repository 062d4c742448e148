// What does a Cache-Control field say (RFC 9111 §5.2)? Only reading; what follows from it is cache/'s affair. Where the
// text is malformed or contradicts itself the reading is the one that reuses less.

import { LRUCache } from "lru-cache";
import { closingQuote, members } from "./fields.ts";

/** Directives by lower-case name. `true`: without argument; a string: its argument, unquoted. */
export interface CacheControl {
  get(directive: string): string | true | undefined;
  has(directive: string): boolean;
}

/** The directives of a Cache-Control field's value, all its lines joined. Never throws. */
export function parseCacheControl(value: string | undefined): CacheControl {
  if (value === undefined || value === "") return EMPTY;
  if (value.length > REMEMBERED_LENGTH) return parsed(value);
  let known = remembered.get(value);
  if (known === undefined) {
    known = parsed(value);
    remembered.set(value, known);
  }
  return known;
}

/**
 * The delta-seconds (§1.2.2) of a directive, at most 2^31; undefined where it is absent, without argument, or garbage
 * (`has` tells these apart: garbage in max-age means stale).
 */
export function seconds(cc: CacheControl, name: string): number | undefined {
  const argument = cc.get(name);
  return typeof argument === "string" ? deltaSeconds(argument) : undefined;
}

/**
 * The lower-case field names of `private="…"` or `no-cache="…"`; undefined where the directive is absent or holds for
 * the response as a whole, as it also does when its argument is no list of field names.
 */
export function fieldNames(cc: CacheControl, name: "private" | "no-cache"): readonly string[] | undefined {
  const argument = cc.get(name);
  if (typeof argument !== "string") return undefined;
  const names = members(argument.toLowerCase());
  return names.length > 0 && names.every((each) => TOKEN.test(each)) ? names : undefined;
}

const EMPTY: CacheControl = Object.freeze({ get: () => undefined, has: () => false });

/** Longer texts are seldom seen twice. */
const REMEMBERED_LENGTH = 256;
const remembered = new LRUCache<string, CacheControl>({ max: 512 });

const MAX_DELTA = 2 ** 31;
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const LEADING_TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+/;
const BARE_ARGUMENT = /^=[^\s"]+$/;
const ESCAPED = /\\(.)/gs;
const DIGITS = /^\d+$/;
/** Stands for an argument that cannot be read: no number, no field names. */
const GARBAGE = "";

/** Semicolons between directives are none of the grammar but of the wild: `private; max-age=0` must not pass for unstated. */
function parsed(value: string): CacheControl {
  const directives = new Map<string, string | true>();
  for (const member of members(value)) {
    for (const directive of member.includes(";") ? members(member, ";") : [member]) add(directives, directive);
  }
  return directives;
}

/** What begins with a directive's name is that directive, with a garbage argument where the rest is not as it should be. */
function add(directives: Map<string, string | true>, directive: string): void {
  const sent = LEADING_TOKEN.exec(directive)?.[0];
  if (sent === undefined) return;
  const name = sent.toLowerCase();
  const later = argumentIn(directive.slice(sent.length));
  const earlier = directives.get(name);
  directives.set(name, earlier === undefined ? later : stricter(name, earlier, later));
}

/** No spaces around "=" (§5.2): with them the argument is garbage, which is never reused on. */
function argumentIn(rest: string): string | true {
  if (rest === "") return true;
  if (!rest.startsWith("=")) return GARBAGE;
  if (rest[1] !== '"') return BARE_ARGUMENT.test(rest) ? rest.slice(1) : GARBAGE;
  if (closingQuote(rest, 1) !== rest.length - 1) return GARBAGE;
  return rest.slice(2, -1).replace(ESCAPED, "$1");
}

/** Of a directive stated twice, the reading that reuses less. */
function stricter(name: string, earlier: string | true, later: string | true): string | true {
  if (earlier === true) return name === "max-stale" ? later : true;
  if (later === true) return name === "max-stale" ? earlier : true;
  if (name === "private" || name === "no-cache") return bothNamed(earlier, later);
  const isLongest = name === "min-fresh";
  const garbage = isLongest ? Number.POSITIVE_INFINITY : -1;
  const isLess = (deltaSeconds(later) ?? garbage) < (deltaSeconds(earlier) ?? garbage);
  return isLess === isLongest ? earlier : later;
}

function bothNamed(earlier: string, later: string): string {
  return earlier === GARBAGE || later === GARBAGE ? GARBAGE : `${earlier},${later}`;
}

function deltaSeconds(text: string): number | undefined {
  return DIGITS.test(text) ? Math.min(Number(text), MAX_DELTA) : undefined;
}
