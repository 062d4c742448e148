// Where a listener listens: a host and port, or the path of a unix socket; and what to tell the user where that fails.

import { lstat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";

export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** What was bound: port 0 has become a real one. `url` is for people and logs. */
export type Bound = Address & { readonly url: string };

/** Binds `server`. Rejects with an Error that says which address, and what to do. */
export async function bind(server: Server, address: Address): Promise<Bound> {
  try {
    await listening(server, address);
  } catch (error) {
    if (!("path" in address) || codeOf(error) !== "EADDRINUSE" || !(await isDead(address.path))) {
      throw new Error(explained(address, codeOf(error)), { cause: error });
    }
    await unlink(address.path);
    await listening(server, address);
  }
  const bound = server.address();
  if (bound === null || typeof bound === "string" || "path" in address)
    return { path: `${bound}`, url: `unix:${bound}` };
  return { host: address.host, port: bound.port, url: `http://${bracketed(address.host)}:${bound.port}` };
}

function listening(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      server.off("listening", done);
      reject(error);
    };
    const done = () => {
      server.off("error", failed);
      resolve();
    };
    server.once("error", failed);
    server.once("listening", done);
    server.listen({ ...address });
  });
}

/** A socket file that nobody listens on, left behind by a process that was killed. */
async function isDead(path: string): Promise<boolean> {
  const isSocket = await lstat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
  if (!isSocket) return false;
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error) => resolve(codeOf(error) === "ECONNREFUSED"));
  });
}

function explained(address: Address, code: string): string {
  const where = "path" in address ? `unix:${address.path}` : `${bracketed(address.host)}:${address.port}`;
  return `cannot listen on ${where}: ${reasonOf(code)}`;
}

function reasonOf(code: string): string {
  switch (code) {
    case "EADDRINUSE":
      return "the address is in use; stop the process that has it, or listen on another one";
    case "EACCES":
      return "permission denied; listen on a port above 1023, or at a path this user may write to";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "this machine has no such address; use one of its own, 127.0.0.1 or 0.0.0.0";
    default:
      return code === "" ? "unknown error" : code;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
