// What does a client hear last on its connection (RFC 9112 §9.6)? What was no request, what asked for an upgrade and was
// refused it, what could not be answered: one response, and the connection closes.

import { sentId } from "../http/forwarding.ts";
import { type Fields, type Response, release } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { type BareSocket, finish, respondRaw } from "./raw.ts";

/** The handler failed, or answered with what cannot be sent. */
export const UNANSWERED = problem(500, "The proxy failed to answer this request.");

/** Why node:http could not read a request; `code` is that of its error. */
export function unreadable(code: string): Response {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return problem(431, "The target or the header fields are too large.");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return problem(413, "The chunk extensions are too large.");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return problem(408, "The request did not arrive in time.");
    default:
      return problem(400, "This is no valid HTTP request.");
  }
}

/** What a line about a request that could not be answered says; `fields`: of the request. The id is the client's own, if any. */
export function faultOf(error: unknown, fields: Fields): { readonly err: unknown; readonly id?: string } {
  const id = sentId({ fields });
  return id === undefined ? { err: error } : { err: error, id };
}

interface Ask {
  readonly method: string;
  /** Ms without any progress after which a client that does not read loses its connection. */
  readonly sendMs: number;
  /** The reason phrase of a status. */
  reason(status: number): string;
  /** Told where `response` cannot be sent, and UNANSWERED is. */
  failed(error: unknown): void;
}

/** Writes `response` and closes the connection. */
export function respondLast(socket: BareSocket, response: Response, { method, sendMs, reason, failed }: Ask): void {
  if (socket.destroyed || !socket.writable) {
    release(response.content);
    return;
  }
  socket.setTimeout(sendMs);
  socket.once("timeout", () => socket.destroy());
  const send = (each: Response) => {
    const ask = { method, reason: reason(each.status), connection: "Connection: close\r\n", sendMs };
    respondRaw(socket, each, ask, (error) => (error ? socket.destroy() : finish(socket)));
  };
  try {
    send(response);
  } catch (error) {
    failed(error);
    if (socket.destroyed) return;
    release(response.content);
    send(UNANSWERED);
  }
}
