// What went wrong with the origin, as one of a few kinds, and what the client is told of it (RFC 9110 §15.6.3–15.6.5:
// 502 a bad answer or none, 503 no room, 504 too late). The only place that knows the connection library's error
// codes; its wording never reaches a client.

import type { Fields, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";

const STATUS = {
  refused: 502,
  unreachable: 502,
  dns: 502,
  tls: 502,
  reset: 502,
  malformed: 502,
  unsendable: 502,
  aborted: 502,
  overflow: 503,
  closed: 503,
  "connect-timeout": 504,
  "headers-timeout": 504,
  "body-timeout": 504,
} as const;

export type FailureKind = keyof typeof STATUS;

/** No connection stood, so nothing was sent. What a connection that stood can end with too does not count. */
const UNSENT: ReadonlySet<FailureKind> = new Set(["refused", "dns", "overflow", "connect-timeout"]);

const DETAIL: Record<FailureKind, string> = {
  refused: "The origin refused the connection.",
  unreachable: "The origin cannot be reached.",
  dns: "The origin's name cannot be resolved.",
  tls: "No secure connection to the origin could be made.",
  reset: "The origin closed the connection before its response was complete.",
  malformed: "The origin's response is not valid HTTP.",
  unsendable: "The request cannot be passed on to the origin.",
  aborted: "The request was given up before the origin answered.",
  overflow: "Too many requests are waiting for the origin.",
  closed: "The connection to the origin is being shut down.",
  "connect-timeout": "The origin did not accept the connection in time.",
  "headers-timeout": "The origin did not answer in time.",
  "body-timeout": "The origin stopped in the middle of its response.",
};

const KINDS: Readonly<Record<string, FailureKind>> = {
  ECONNREFUSED: "refused",
  ENOENT: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "reset", // of a connection that stood: what does not connect is given up long before
  UND_ERR_CONNECT_TIMEOUT: "connect-timeout",
  UND_ERR_HEADERS_TIMEOUT: "headers-timeout",
  UND_ERR_BODY_TIMEOUT: "body-timeout",
  UND_ERR_HEADERS_OVERFLOW: "malformed",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "reset",
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: "unsendable",
  UND_ERR_INVALID_ARG: "unsendable",
  UND_ERR_NOT_SUPPORTED: "unsendable",
  UND_ERR_ABORTED: "aborted",
  UND_ERR_DESTROYED: "closed",
  UND_ERR_CLOSED: "closed",
};

/** The origin did not give a usable, complete response. `cause` is the library's error. */
export class UpstreamFailure extends Error {
  readonly kind: FailureKind;
  readonly status: 502 | 503 | 504;

  constructor(kind: FailureKind, cause?: unknown) {
    super(DETAIL[kind], cause === undefined ? undefined : { cause });
    this.name = "UpstreamFailure";
    this.kind = kind;
    this.status = STATUS[kind];
  }

  /** The origin cannot have seen anything of the request. */
  get isUnsent(): boolean {
    return UNSENT.has(this.kind);
  }

  /** Reads any error of the connection library; one that is unknown counts as a broken connection. */
  static from(error: unknown): UpstreamFailure {
    return error instanceof UpstreamFailure ? error : new UpstreamFailure(kindOf(error), error);
  }
}

/** The problem+json that tells a client of it; for anything but an UpstreamFailure a plain 502. */
export function failureResponse(error: unknown, fields?: Fields): Response {
  const failure = UpstreamFailure.from(error);
  return problem(failure.status, failure.message, fields);
}

function kindOf(error: unknown): FailureKind {
  if (!(error instanceof Error)) return "reset";
  const code = "code" in error ? String(error.code) : "";
  const known = KINDS[code];
  if (known !== undefined) return known;
  // The parser's errors may come without a code; a message that ended too soon is one of them.
  if (error.name === "HTTPParserError") return error.message.includes("EOF") ? "reset" : "malformed";
  if (code.startsWith("ERR_TLS") || code.startsWith("ERR_SSL") || code.includes("CERT")) return "tls";
  // One code for both: a connection that closed, and an answer nobody asked for.
  if (code === "UND_ERR_SOCKET" && error.message.startsWith("bad ")) return "malformed";
  return "reset";
}
