// What do the proxy's own errors look like (RFC 9457)? Problem details with no type of their own, never stored by anyone,
// and never more in them than the sentence they are given: no stack traces, no names from inside.

import { LRUCache } from "lru-cache";
import type { Fields, Response } from "./message.ts";

/** The reason phrases of RFC 9110 §15 and RFC 6585, as "about:blank" asks for (RFC 9457 §4.2.1); 508 is RFC 5842. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  508: "Loop Detected",
};

const encoder = new TextEncoder();

/** The same few refusals are sent again and again: their content is made once. */
const contents = new LRUCache<string, Uint8Array>({ max: 64 });

/**
 * A response of `status` (4xx or 5xx) whose content is problem+json with `detail`, one sentence for the client to read.
 * `fields` follow ours. The content is whole, and left to whoever writes a response to HEAD to leave out.
 */
export function problem(status: number, detail: string, fields: Fields = []): Response {
  const content = problemContent(status, detail);
  return {
    status,
    fields: [
      "Content-Type",
      "application/problem+json",
      "Content-Length",
      String(content.byteLength),
      "Cache-Control",
      "no-store",
      ...fields,
    ],
    content,
  };
}

function problemContent(status: number, detail: string): Uint8Array {
  const key = `${status} ${detail}`;
  const known = contents.get(key);
  if (known !== undefined) return known;
  const title = TITLES[status] ?? (status < 500 ? "Client Error" : "Server Error");
  const made = encoder.encode(JSON.stringify({ type: "about:blank", title, status, detail }));
  if (detail.length <= REMEMBERED_LENGTH) contents.set(key, made);
  return made;
}

const REMEMBERED_LENGTH = 256;
