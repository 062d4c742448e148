// How does a command ask a running sidecar? By its admin listener, as --admin or the configuration says, with the token
// that --token, ADMIN_TOKEN or the configuration holds. Whatever goes wrong is said with what to do about it.

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Address } from "../config/addresses.ts";
import { plain } from "./terminal.ts";

/** Where the admin listener is, and what to show there. */
export interface Door {
  /** "http://127.0.0.1:8081", or "http://localhost" where `socketPath` is set. */
  readonly base: string;
  readonly socketPath?: string | undefined;
  readonly token: string;
}

export type Asked =
  | { readonly kind: "answer"; readonly status: number; readonly body: unknown }
  | { readonly kind: "failure"; readonly text: string; readonly code: 1 | 2 };

/** A door from --admin: a URL, host:port or unix:/path; undefined: it is none of these. */
export function doorAt(admin: string, token: string): Door | undefined {
  if (admin.startsWith("unix:/")) return { base: "http://localhost", socketPath: admin.slice("unix:".length), token };
  const text = /^https?:\/\//i.test(admin) ? admin : `http://${admin.startsWith(":") ? `127.0.0.1${admin}` : admin}`;
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.search !== "" || url.hash !== "") return undefined;
  return { base: `${url.origin}${url.pathname.replace(/\/+$/, "")}`, token };
}

/** A door from the configuration. */
export function doorOf(address: Address, token: string): Door {
  if ("path" in address) return { base: "http://localhost", socketPath: address.path, token };
  // All interfaces of this machine: loopback is one of them.
  const host = address.host === "::" || address.host === "0.0.0.0" ? "127.0.0.1" : address.host;
  return { base: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`, token };
}

const MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** Never rejects. A status of 400 or more is a failure, with what the sidecar says of it. */
export async function ask(door: Door, target: string, content?: object): Promise<Asked> {
  try {
    const { status, text } = await exchange(door, target, content);
    const body = parsed(text);
    if (status < 300 && body !== undefined) return { kind: "answer", status, body };
    return refused(door, status, body);
  } catch (error) {
    return { kind: "failure", text: `${plain(nameOf(door))}: ${reasonOf(error as NodeJS.ErrnoException)}`, code: 1 };
  }
}

function exchange(
  { base, socketPath, token }: Door,
  target: string,
  content: object | undefined,
): Promise<{ status: number; text: string }> {
  const body = content === undefined ? undefined : JSON.stringify(content);
  const headers = {
    accept: "application/json",
    ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
  };
  const options = { method: body === undefined ? "GET" : "POST", headers, agent: false as const, socketPath };
  const request = base.startsWith("https:") ? requestSecure : requestPlain;
  return new Promise((resolve, reject) => {
    const sent = request(`${base}${target}`, options, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MAX_BYTES) sent.destroy(new Error("the answer is too long"));
        else pieces.push(piece);
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
    });
    const timer = setTimeout(() => sent.destroy(new Error("no answer within 30 s")), TIMEOUT_MS);
    sent.on("close", () => clearTimeout(timer));
    sent.on("error", reject);
    sent.end(body);
  });
}

function refused(door: Door, status: number, body: unknown): Asked {
  const { detail } = (body ?? {}) as { detail?: unknown };
  const said = typeof detail === "string" ? plain(detail) : "";
  const name = plain(nameOf(door));
  if (status === 400 && said !== "") return { kind: "failure", text: said, code: 2 };
  if (status === 401) {
    const what = door.token === "" ? "it wants a token" : "the token is not the sidecar's adminToken";
    return { kind: "failure", text: `${name}: ${what}; give --token TOKEN or set ADMIN_TOKEN`, code: 1 };
  }
  if (said === "") {
    const what = `answered ${status}, and not as the admin listener of a sidecar does`;
    return { kind: "failure", text: `${name}: ${what}; give its address with --admin`, code: 1 };
  }
  return { kind: "failure", text: `${name}: ${status}: ${said}`, code: 1 };
}

function nameOf({ base, socketPath }: Door): string {
  return socketPath === undefined ? base : `unix:${socketPath}`;
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const NOT_THERE =
  "no sidecar answers there; start one with `forebay serve`, or give the address of its admin listener with --admin";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: NOT_THERE,
  ENOENT: NOT_THERE,
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the name cannot be looked up now",
  ECONNRESET: "the connection was broken off; is it a TLS port, or another service's?",
  EPROTO: "TLS is not spoken there; write http://",
  HPE_INVALID_CONSTANT: "HTTP is not spoken there; is it a TLS port? Write https://",
};

function reasonOf(error: NodeJS.ErrnoException & { errors?: readonly NodeJS.ErrnoException[] }): string {
  // Several addresses were tried: each failed in its own way, mostly the same.
  const { code = "", message } = error.errors?.[0] ?? error;
  const known = REASONS[code];
  if (known !== undefined) return known;
  if (/refused/i.test(message)) return NOT_THERE;
  if (code.startsWith("ERR_SSL") || /wrong version number|packet length/i.test(message)) return REASONS.EPROTO ?? "";
  if (/CERT|SIGNED|ISSUER|ALTNAME/.test(code) || /certificate/i.test(message)) {
    return `its certificate is not trusted (${plain(message)}); name its CA in NODE_EXTRA_CA_CERTS`;
  }
  return plain(message);
}
