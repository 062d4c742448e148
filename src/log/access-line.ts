// One request's line as JSON, made by hand, because it is made for every request. Most of a line has been in one before (the
// route, the host, the client, what the cache did): these parts are kept as they were written last.

import { printable } from "./printable.ts";

/** Whatever a client sent is escaped here and not by the caller, but for `requestId`. */
export interface AccessLine {
  readonly method: string;
  readonly authority: string;
  /** Path and query as sent; the query is shown as "?..." unless `showQuery`. */
  readonly target: string;
  /** Id of the route; undefined: none matched. */
  readonly route: string | undefined;
  /** As sent to the client; 0 where it left before. */
  readonly status: number;
  /** False: the response broke off, or its client left before its end. */
  readonly complete: boolean;
  /** What the cache did, in the words of Cache-Status; undefined: it was not asked. */
  readonly cache: string | undefined;
  /** What the limiter said; undefined: it was not asked. */
  readonly limit: string | undefined;
  /** Milliseconds from the request's head to the end of the response; thereof waiting for the store, for the origin. */
  readonly ms: number;
  readonly msStore: number;
  readonly msOrigin: number;
  /** Printable ASCII without quotes or backslashes: the one text that is not escaped here. */
  readonly requestId: string;
  /** Whom the limits count: an IPv4 address or an IPv6 /64. */
  readonly client: string;
  /** The trace that the request is part of; undefined: none. */
  readonly traceId?: string | undefined;
  /** From above 0 to 1: the share of requests like this one that get a line; undefined: all do. */
  readonly sample?: number | undefined;
  /** Request fields that the configuration asks for, by their names there. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The line's text, its end included. `now`: epoch ms. Of few pieces, each of which costs: what is kept holds the quotes of
 * what stands between. */
export function accessLine(line: AccessLine, showQuery: boolean, now: number): string {
  return `${stamped(now)}${head(line.method, line.authority)}${escaped(shownTarget(line.target, showQuery))}${outcome(line)}${shownMs(line.ms)}${
    line.msStore === 0 && line.msOrigin === 0
      ? ',"msStore":0,"msOrigin":0,"id":"'
      : `,"msStore":${shownMs(line.msStore)},"msOrigin":${shownMs(line.msOrigin)},"id":"`
  }${line.requestId}${tail(line)}`;
}

let stampedMs = 0;
let stampedText = "";

/** Many requests end in one millisecond. */
function stamped(now: number): string {
  if (now !== stampedMs) {
    stampedMs = now;
    stampedText = `{"level":"info","time":${now},"msg":"request","method":`;
  }
  return stampedText;
}

let headMethod: string | undefined;
let headAuthority: string | undefined;
let headText = "";

function head(method: string, authority: string): string {
  if (method !== headMethod || authority !== headAuthority) {
    headMethod = method;
    headAuthority = authority;
    headText = `${quoted(method)},"host":${quoted(authority)},"path":"`;
  }
  return headText;
}

type Outcome = Pick<AccessLine, "route" | "status" | "complete" | "cache" | "limit">;

let lastOutcome: Outcome | undefined;
let outcomeText = "";

function outcome(line: AccessLine): string {
  if (lastOutcome === undefined || !isSame(line, lastOutcome)) {
    const { route, status, complete, cache, limit } = line;
    lastOutcome = { route, status, complete, cache, limit };
    outcomeText =
      `","route":${optional(route)},"status":${status}${complete ? "" : ',"complete":false'},"cache":${optional(cache)}` +
      `,"limit":${optional(limit)},"ms":`;
  }
  return outcomeText;
}

function isSame(one: Outcome, other: Outcome): boolean {
  return (
    one.route === other.route &&
    one.status === other.status &&
    one.cache === other.cache &&
    one.limit === other.limit &&
    one.complete === other.complete
  );
}

let tailClient: string | undefined;
let tailText = "";
let tailEnded = "";

function tail({ client, traceId, sample, headers }: AccessLine): string {
  if (client !== tailClient) {
    tailClient = client;
    tailText = `","client":${quoted(client)}`;
    tailEnded = `${tailText}}\n`;
  }
  if (traceId === undefined && sample === undefined && headers === undefined) return tailEnded;
  return (
    `${tailText}${traceId === undefined ? "" : `,"trace":${quoted(traceId)}`}` +
    `${sample === undefined ? "" : `,"sample":${sample}`}` +
    `${headers === undefined ? "" : `,"headers":${quotedPairs(headers)}`}}\n`
  );
}

function quotedPairs(pairs: Readonly<Record<string, string>>): string {
  return `{${Object.entries(pairs)
    .map(([name, value]) => `${quoted(name)}:${quoted(value)}`)
    .join(",")}}`;
}

function shownTarget(target: string, showQuery: boolean): string {
  if (showQuery) return target;
  const query = target.indexOf("?");
  return query === -1 ? target : `${target.slice(0, query)}?...`;
}

const MAX_CHARS = 1024;
const NEEDS_ESCAPE = /[^ !#-[\]-~]/;

/** A JSON string of at most MAX_CHARS characters of `text`, in printable ASCII: terminals obey some of the others. */
function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** The same without its quotes. */
function escaped(text: string): string {
  const shown = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text;
  return NEEDS_ESCAPE.test(shown) ? printable(JSON.stringify(shown)).slice(1, -1) : shown;
}

function optional(text: string | undefined): string {
  return text === undefined ? "null" : quoted(text);
}

/** Up to 10 ms, by hundredths, as far as they have been asked for: a fraction takes long to write. */
const shownHundredths: string[] = [];
const MAX_SHOWN = 1000;

/** To a hundredth of a millisecond. */
function shownMs(ms: number): string {
  const hundredths = Math.round(ms * 100);
  if (hundredths < 0 || hundredths >= MAX_SHOWN) return `${hundredths / 100}`;
  let text = shownHundredths[hundredths];
  if (text === undefined) {
    text = `${hundredths / 100}`;
    shownHundredths[hundredths] = text;
  }
  return text;
}
