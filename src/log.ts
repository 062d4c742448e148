// What does this process say, and to whom? JSON lines on stdout: pino's for what happens, and one access line per
// request. Nothing here waits for the reader of stdout: what it does not take is kept up to 4 MB, then dropped and
// counted. Of a request only what AccessLine names is ever written: no field but those asked for, no query values unless asked.

import { styleText } from "node:util";
import { pino } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** `error`, where it is an Error, is written with its stack and causes. */
export type Details = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, details?: Details): void;
  info(message: string, details?: Details): void;
  warn(message: string, details?: Details): void;
  error(message: string, details?: Details): void;
  /** False: `access` would write nothing, so its line need not be made. */
  readonly accessEnabled: boolean;
  /** Writes one request's line, at level info. */
  access(line: AccessLine): void;
  /** From now on. */
  adjust(options: Pick<LogOptions, "level" | "showQuery">): void;
  /** Resolves with true when all lines so far are written. Resolves with false after 1 s: nobody reads, what is left is
   * lost, and the process cannot end by itself, because a thread of its runtime waits for that reader. To be awaited
   * before the process ends. Never rejects. */
  flush(): Promise<boolean>;
}

/** Whatever a client sent is escaped here, not by the caller. */
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
  readonly requestId: string;
  /** Whom the limits count: an IPv4 address or an IPv6 /64. */
  readonly client: string;
  /** Request fields that the configuration asks for, by their names there. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for a person instead of JSON. */
  readonly pretty?: boolean;
  /** Query values may be written. */
  readonly showQuery?: boolean;
  /** File descriptor or file name; stdout where left out. */
  readonly destination?: number | string;
}

const NO_DETAILS: Details = Object.freeze({});
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const MAX_BATCH_CHARS = 32 * 1024;
const BATCH_MS = 20;
const FLUSH_MS = 1000;

export function createLog({
  level,
  pretty = false,
  showQuery: isQueryShown = false,
  destination = 1,
}: LogOptions): Log {
  let showQuery = isQueryShown;
  const output = createOutput(destination, pretty ? forPerson : (line) => line);
  const logger = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write: (line: string) => output.write(line) },
  );
  output.onDropped((lines) => logger.warn({ lines }, "log lines dropped: stdout is not read fast enough"));
  return {
    debug: (message, details = NO_DETAILS) => logger.debug(details, message),
    info: (message, details = NO_DETAILS) => logger.info(details, message),
    warn: (message, details = NO_DETAILS) => logger.warn(details, message),
    error: (message, details = NO_DETAILS) => logger.error(details, message),
    get accessEnabled() {
      return logger.isLevelEnabled("info");
    },
    access(line) {
      if (logger.isLevelEnabled("info")) output.add(accessLine(line, showQuery));
    },
    adjust(options) {
      logger.level = options.level;
      showQuery = options.showQuery ?? false;
    },
    flush: output.flush,
  };
}

interface Output {
  /** Now, after what was added before. */
  write(line: string): void;
  /** With the others of the next moments. */
  add(line: string): void;
  onDropped(listener: (lines: number) => void): void;
  flush(): Promise<boolean>;
}

// Access lines are joined before sonic-boom sees them: it measures its whole buffer anew at each write, which made a
// line cost 9.5 µs where 20 requests end in one turn of the event loop; so joined, 2.
function createOutput(destination: number | string, rendered: (line: string) => string): Output {
  const stream = openStream(destination);
  let batch = "";
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;
  stream.on("drop", (text: string) => {
    dropped += text.split("\n").length - 1;
  });
  function send(): void {
    clearTimeout(timer);
    timer = undefined;
    const text = batch;
    batch = "";
    if (text !== "") stream.write(text);
  }
  return {
    write(line) {
      batch += rendered(line);
      send();
    },
    add(line) {
      batch += rendered(line);
      if (batch.length > MAX_BATCH_CHARS) send();
      else timer ??= setTimeout(send, BATCH_MS);
    },
    onDropped(listener) {
      stream.on("drain", () => {
        const lines = dropped;
        dropped = 0;
        if (lines > 0) listener(lines);
      });
    },
    flush() {
      send();
      return flushed(stream);
    },
  };
}

function openStream(dest: number | string): ReturnType<typeof pino.destination> {
  // minLength 1: with 0 its flush() does not wait for what is being written.
  const stream = pino.destination({ dest, sync: false, minLength: 1, maxLength: MAX_PENDING_BYTES });
  // A full disk or a closed stdout is no reason to end.
  stream.on("error", () => {});
  return stream;
}

/** Where nobody reads, the stream is destroyed: it would be waited for once more at exit. */
function flushed(stream: ReturnType<typeof pino.destination>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      stream.destroy();
      resolve(false);
    }, FLUSH_MS);
    stream.flush(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

// By hand, because it is written for every request: 2 µs a line where pino's object takes 5.5.
function accessLine(line: AccessLine, showQuery: boolean): string {
  return (
    `{"level":"info","time":${Date.now()},"msg":"request","method":${quoted(line.method)}` +
    `,"host":${quoted(line.authority)},"path":${quoted(shownTarget(line.target, showQuery))}` +
    `,"route":${optional(line.route)},"status":${line.status}${line.complete ? "" : ',"complete":false'},"cache":${optional(line.cache)}` +
    `,"limit":${optional(line.limit)},"ms":${rounded(line.ms)},"msStore":${rounded(line.msStore)}` +
    `,"msOrigin":${rounded(line.msOrigin)},"id":${quoted(line.requestId)},"client":${quoted(line.client)}` +
    `${line.headers === undefined ? "" : `,"headers":${quotedPairs(line.headers)}`}}\n`
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
const NOT_ASCII = /[^ -~]/g;

/** A JSON string of at most MAX_CHARS characters of `text`, in printable ASCII: terminals obey some of the others. */
function quoted(text: string): string {
  const shown = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text;
  if (!NEEDS_ESCAPE.test(shown)) return `"${shown}"`;
  return JSON.stringify(shown).replace(NOT_ASCII, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function optional(text: string | undefined): string {
  return text === undefined ? "null" : quoted(text);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

const COLOURS = { debug: "gray", info: "green", warn: "yellow", error: "red" } as const;

function forPerson(json: string): string {
  const { level, time, msg, ...details } = JSON.parse(json) as {
    level: keyof typeof COLOURS;
    time: number;
    msg: string;
  };
  const clock = styleText("gray", new Date(time).toTimeString().slice(0, 8));
  const text = msg === "request" ? requestForPerson(details as Record<string, unknown>) : `${msg} ${shown(details)}`;
  return `${clock} ${styleText(COLOURS[level], level.padEnd(5))} ${text.trimEnd()}\n`;
}

function requestForPerson(line: Record<string, unknown>): string {
  const { method, path, status, cache, ms } = line;
  const what = `${method} ${JSON.stringify(path).slice(1, -1)}`;
  return `${what} ${styleText("bold", `${status}`)} ${cache ?? "-"} ${styleText("cyan", `${ms} ms`)}`;
}

function shown(details: object): string {
  const pairs = Object.entries(details).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.join(" ").replace(NOT_ASCII, "?");
}
