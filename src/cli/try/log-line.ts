// What does a line of an access log say of a request? The common and combined formats of Apache and nginx (with the virtual
// host before them, too), Forebay's own JSON, and JSON lines of others by the names that they use. Lines were typed by
// strangers: whatever is not understood is malformed, and nothing throws.

/** A request as the log has it. */
export interface LoggedRequest {
  /** When it began, epoch ms; when it was logged where its duration is unknown. */
  readonly time: number;
  /** How long it took, ms; 0: unknown. */
  readonly ms: number;
  readonly method: string;
  /** Host and port, lower-case; undefined: not in the log. */
  readonly authority: string | undefined;
  /** Path and query. */
  readonly target: string;
  readonly status: number;
  /** Of the content; undefined: not in the log. */
  readonly bytes: number | undefined;
  /** The log keeps its query back: many requests look like one. */
  readonly hidesQuery: boolean;
}

/** "other": a line that is about no request. */
export type LogLine = LoggedRequest | "other" | "malformed";

export const MAX_LINE_CHARS = 64 * 1024;
const MAX_TARGET_CHARS = 8192;
/** The longest that a duration is believed. */
const MAX_MS = 3_600_000;

/** `line` without its end. */
export function parseLogLine(line: string): LogLine {
  if (line.trim() === "") return "other";
  if (line.length > MAX_LINE_CHARS) return "malformed";
  return (/^\s*\{/.test(line) ? fromJson(line) : fromText(line)) ?? "malformed";
}

const STAMP = /\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{2})(\d{2})\]/;
const AFTER_STAMP = /^ "((?:[^"\\]|\\.)*)" (\d{3}) (\d{1,15}|-)(?:\s|$)/;
const VIRTUAL_HOST = /^[\w.-]+:\d{1,5}$/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** host ident user [time] "METHOD target HTTP/1.1" status bytes, and whatever follows. */
function fromText(line: string): LogLine | undefined {
  const stamp = STAMP.exec(line);
  if (stamp === null) return undefined;
  const time = stampTime(stamp);
  const rest = AFTER_STAMP.exec(line.slice(stamp.index + stamp[0].length));
  const words = line.slice(0, stamp.index).trim().split(" ");
  if (time === undefined || rest === null || words.length < 3) return undefined;
  const [, requestLine = "", status, bytes] = rest;
  const [first = ""] = words;
  const host = words.length > 3 && VIRTUAL_HOST.test(first) ? first.replace(/:(?:80|443)$/, "") : undefined;
  const size = bytes === "-" ? 0 : Number(bytes);
  return asked(requestLine, { time, ms: 0, host, status: Number(status), bytes: size });
}

function stampTime([, day, month = "", year, hour, minute, second, hours, minutes]: RegExpExecArray):
  | number
  | undefined {
  const number = MONTHS.indexOf(month);
  if (number < 0) return undefined;
  const utc = Date.UTC(Number(year), number, Number(day), Number(hour), Number(minute), Number(second));
  const offset = (Math.abs(Number(hours)) * 60 + Number(minutes)) * 60_000;
  return hours?.startsWith("-") ? utc + offset : utc - offset;
}

/** A value by what others call it, the first that is there; a dot leads into an object. */
const NAMES = {
  method: ["method", "request_method", "http_method", "req.method", "request.method", "httpRequest.requestMethod"],
  target: ["path", "url", "uri", "request_uri", "target", "req.url", "request.uri", "httpRequest.requestUrl"],
  line: ["request"],
  host: ["host", "http_host", "authority", "request.host", "req.headers.host"],
  status: ["status", "status_code", "statusCode", "res.statusCode", "response.status", "httpRequest.status"],
  bytes: [
    "bytes",
    "body_bytes_sent",
    "bytes_sent",
    "size",
    "response_size",
    "responseSize",
    "httpRequest.responseSize",
  ],
  time: ["time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "date"],
  ms: ["ms", "duration_ms", "durationMs", "responseTime", "response_time_ms", "latency_ms"],
  seconds: ["request_time", "duration"],
} as const;

function fromJson(text: string): LogLine | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  const value = (name: keyof typeof NAMES) => firstOf(line, NAMES[name]);
  const [method, target, requestLine] = [value("method"), value("target"), value("line")];
  const isSplit = typeof method === "string" && typeof target === "string";
  if (!isSplit && typeof requestLine !== "string") return method === undefined ? "other" : undefined;
  const end = timeOf(value("time"));
  if (end === undefined) return undefined;
  const ms = durationOf(value("ms"), value("seconds"));
  const host = value("host");
  const known = {
    ...{ time: end - ms, ms },
    host: typeof host === "string" ? host : undefined,
    status: Number(value("status")),
    bytes: countOf(value("bytes")),
  };
  return asked(isSplit ? `${method} ${target}` : String(requestLine), known);
}

function firstOf(line: unknown, names: readonly string[]): unknown {
  for (const name of names) {
    let value = line;
    for (const part of name.split(".")) {
      const isThere = typeof value === "object" && value !== null && Object.hasOwn(value, part);
      value = isThere ? (value as Record<string, unknown>)[part] : undefined;
    }
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** Before this a number of seconds, from it on one of milliseconds: the year 5138, or March 1973. */
const FIRST_MS = 1e11;

function timeOf(value: unknown): number | undefined {
  if (typeof value === "number" || (typeof value === "string" && /^\d{9,13}(?:\.\d{1,9})?$/.test(value))) {
    const number = Number(value);
    return inTime(number < FIRST_MS ? number * 1000 : number);
  }
  if (typeof value !== "string" || value.length > 64) return undefined;
  const stamp = STAMP.exec(`[${value}]`);
  return inTime(stamp === null ? Date.parse(value) : stampTime(stamp));
}

function inTime(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 && ms <= 8.64e15 ? ms : undefined;
}

function durationOf(ms: unknown, seconds: unknown): number {
  const found = numberOf(ms) ?? (numberOf(seconds) ?? 0) * 1000;
  return Math.min(found, MAX_MS);
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && Number.isFinite(number) ? number : undefined;
}

function countOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number <= Number.MAX_SAFE_INTEGER ? Math.round(number) : undefined;
}

interface Known {
  readonly time: number;
  readonly ms: number;
  readonly host: string | undefined;
  readonly status: number;
  readonly bytes: number | undefined;
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~\w]{1,32}) ([!-~]+)(?: HTTP\/\d(?:\.\d)?)?$/;
const ABSOLUTE = /^https?:\/\/([^/?#@\s]+)(\/[^#]*|\?[^#]*)?$/i;
const AUTHORITY = /^[a-z\d._\-[\]:]{1,255}$/;

/** undefined: no request that could have been served. */
function asked(requestLine: string, { time, ms, host, status, bytes }: Known): LoggedRequest | undefined {
  const found = REQUEST_LINE.exec(requestLine);
  if (found === null || !Number.isInteger(status) || status < 100 || status > 999) return undefined;
  const [, method = "", written = ""] = found;
  const absolute = ABSOLUTE.exec(written);
  const path = absolute === null ? written : (absolute[2] ?? "/");
  const target = path.startsWith("?") ? `/${path}` : path;
  if (!(target.startsWith("/") || target === "*") || target.length > MAX_TARGET_CHARS) return undefined;
  const named = (absolute?.[1] ?? host)?.toLowerCase();
  const authority = named !== undefined && AUTHORITY.test(named) ? named : undefined;
  return { time, ms, method, authority, target, status, bytes, hidesQuery: target.endsWith("?...") };
}
