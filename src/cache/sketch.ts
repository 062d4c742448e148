// What is remembered of a request, to tell later which of its fields another request had otherwise, though not what they
// said: 16 bits of a digest of each. Two that differ look alike once in 65,536 times; and what a cookie was nobody can
// find out from them, in whatever store they lie. Names are kept: they are what a key is made of.

import { createHash } from "node:crypto";
import { isNamed, lines, withoutBlanks } from "../http/fields.ts";
import type { Request } from "../http/message.ts";

/** By name: a field's in lower case, "cookie:NAME" for each cookie, "ip" for whom the request came from. */
export type Sketch = Readonly<Record<string, number>>;

/** Of one request; what is beyond is told apart together. */
const MAX_NAMES = 64;
const REST = "(others)";
/** A cookie whose name is not so is named "cookie": what stands there may be its value. */
const NAME = /^[\w!#$%&'*+.^`|~-]{1,64}$/;

/** Of the connection, the hop, the one request, or answered by a cache itself: no origin makes another response by them. */
const NOT_SELECTING: ReadonlySet<string> = new Set([
  ...["host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "content-length"],
  ...["expect", "upgrade", "via", "max-forwards", "cache-control", "pragma", "date", "priority"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"],
  ...["x-request-id", "x-correlation-id", "traceparent", "tracestate", "baggage"],
  ...["cookie", "forwarded", "x-forwarded-for", "x-real-ip"],
]);

export function sketchOf({ fields, peer }: Pick<Request, "fields" | "peer">): Sketch {
  const values = new Map<string, string>();
  const add = (name: string, value: string) => {
    const isRoom = values.has(name) || values.size < MAX_NAMES;
    const place = isRoom ? name : REST;
    values.set(place, `${values.get(place) ?? ""}${value.length}:${value}`);
  };
  add("ip", [peer, ...["x-forwarded-for", "forwarded", "x-real-ip"].flatMap((name) => lines(fields, name))].join());
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const value = fields[i + 1] as string;
    if (isNamed(name, "cookie")) for (const pair of value.split(";")) addCookie(withoutBlanks(pair), add);
    else if (!NOT_SELECTING.has(name)) add(NAME.test(name) ? name : REST, value);
  }
  return Object.fromEntries([...values].map(([name, value]) => [name, shortened(value)]));
}

/** The names under which two requests said something else, sorted. */
export function namesApart(one: Sketch, other: Sketch): readonly string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]).sort();
}

function addCookie(pair: string, add: (name: string, value: string) => void): void {
  const equals = pair.indexOf("=");
  const name = equals === -1 ? "" : pair.slice(0, equals);
  add(NAME.test(name) ? `cookie:${name}` : "cookie", pair);
}

function shortened(value: string): number {
  return createHash("sha256").update(value).digest().readUInt16BE();
}
