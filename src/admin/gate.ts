// Who may ask the admin listener for more than health? Whoever has the token; where there is none, whoever reaches it on
// this machine's loopback, but nobody for whom a proxy on this machine asks, and no web page that an operator's browser
// shows: neither by a request across sites nor under a name of its own that leads to this address (DNS rebinding).

import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { field, has } from "../http/fields.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";

interface GateOptions {
  /** "": there is none. */
  readonly token: string;
  /** Only this machine reaches the listener. */
  readonly isLocal: boolean;
}

/** The refusal of a request; undefined: it may pass. */
export type Gate = (request: Request) => Response | undefined;

export function createGate({ token, isLocal }: GateOptions): Gate {
  if (token !== "") return withToken(digest(token));
  return isLocal ? fromThisMachine : () => problem(403, "Set adminToken in the configuration and send it along.");
}

function withToken(wanted: Uint8Array): Gate {
  return ({ fields }) => {
    const [, given = ""] = /^Bearer +(\S+)$/i.exec(field(fields, "authorization") ?? "") ?? [];
    // Digests are of one length, and what can be learnt from how alike two of them are is nothing of the token.
    if (timingSafeEqual(digest(given), wanted)) return undefined;
    return problem(401, "Send the admin token as Authorization: Bearer.", ["WWW-Authenticate", "Bearer"]);
  };
}

/** Somebody else's request that a neighbour passes on is not the neighbour's. */
export function isForwarded(fields: Fields): boolean {
  return FORWARDING.some((name) => has(fields, name));
}

const FORWARDING = [
  ...["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"],
  ...["cdn-loop", "cf-connecting-ip", "true-client-ip"],
];

/** Whether a page that a browser shows asks, if not the listener's own. */
export function isOfOtherPage({ authority, fields }: Pick<Request, "authority" | "fields">): boolean {
  const origin = field(fields, "origin");
  if (origin !== undefined && origin !== `http://${authority}`) return true;
  const site = field(fields, "sec-fetch-site") ?? "none";
  return site !== "none" && site !== "same-origin";
}

function fromThisMachine({ authority, fields }: Request): Response | undefined {
  const host = /^\[?(.*?)\]?(?::\d+)?$/.exec(authority)?.[1] ?? "";
  if (isIP(host) === 0 && host !== "localhost") {
    return problem(403, "Ask for this by localhost or an address, or set adminToken in the configuration.");
  }
  if (isForwarded(fields)) return problem(403, "Set adminToken in the configuration to be asked through a proxy.");
  return isOfOtherPage({ authority, fields }) ? problem(403, "Not for pages of other sites.") : undefined;
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
