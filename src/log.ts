// What does this process say, and to whom? JSON lines on stdout: pino's for what happens, and one access line per
// request. Nothing here waits for the reader of stdout (log/output.ts). Of a request only what AccessLine names is ever
// written: no field but those asked for, no query values unless asked.

import { pino } from "pino";
import { type AccessLine, accessLine } from "./log/access-line.ts";
import { createOutput } from "./log/output.ts";
import { forPerson } from "./log/person.ts";
import { printable } from "./log/printable.ts";

export type { AccessLine } from "./log/access-line.ts";

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
  /** Lines so far that stdout did not take. */
  dropped(): number;
  /** Resolves with true when all lines so far are written. Resolves with false after 1 s: nobody reads, what is left is
   * lost, and the process cannot end by itself, because a thread of its runtime waits for that reader. To be awaited
   * before the process ends. Never rejects. */
  flush(): Promise<boolean>;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for a person instead of JSON. */
  readonly pretty?: boolean;
  /** Those in colours. */
  readonly colour?: boolean;
  /** Query values may be written. */
  readonly showQuery?: boolean;
  /** A file descriptor; stdout where left out. */
  readonly destination?: number;
}

const NO_DETAILS: Details = Object.freeze({});

export function createLog(options: LogOptions): Log {
  const { level, pretty = false, colour = false, destination = 1 } = options;
  let { showQuery = false } = options;
  const rendered = pretty ? (line: string) => forPerson(line, colour) : (line: string) => line;
  const lineOf = (line: AccessLine, at: number) => rendered(accessLine(line, showQuery, at));
  const output = createOutput({ destination, lineOf });
  const logger = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write: (line: string) => output.write(rendered(printable(line))) },
  );
  // Asked for every request.
  let isAccessEnabled = logger.isLevelEnabled("info");
  output.onDropped((lines) => {
    logger.warn({ lines }, "log lines dropped: stdout is not read fast enough");
  });
  return {
    debug: (message, details = NO_DETAILS) => logger.debug(details, message),
    info: (message, details = NO_DETAILS) => logger.info(details, message),
    warn: (message, details = NO_DETAILS) => logger.warn(details, message),
    error: (message, details = NO_DETAILS) => logger.error(details, message),
    get accessEnabled() {
      return isAccessEnabled;
    },
    access(line) {
      if (isAccessEnabled) output.add(line, Date.now());
    },
    adjust(options) {
      output.send(); // by what held until now
      logger.level = options.level;
      isAccessEnabled = logger.isLevelEnabled("info");
      showQuery = options.showQuery ?? false;
    },
    dropped: output.dropped,
    flush: output.flush,
  };
}

/** Whose line it is: what a line about a request says beside its message. */
interface Named {
  readonly requestId: string;
  readonly route: string | undefined;
  readonly traceId: string | undefined;
}

/** The details by which a line that a request caused is found with the request's own line. */
export function forRequest(named: Named | undefined): Details {
  if (named === undefined) return NO_DETAILS;
  const { requestId, route = null, traceId } = named;
  return traceId === undefined ? { id: requestId, route } : { id: requestId, route, trace: traceId };
}
