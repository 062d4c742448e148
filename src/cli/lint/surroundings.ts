// Is there, on this machine, what the configuration names? Files of TLS, and the folders of unix sockets. What is missing
// keeps Forebay from serving here, so it is a mistake; but the check may run elsewhere (CI), so it can be allowed by name.

import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { Warning } from "./rules.ts";

export function lintSurroundings({ listen, admin, store }: Config): Warning[] {
  const tls = store.redis?.tls ?? {};
  const files = (["ca", "cert", "key"] as const).flatMap((key) => {
    const file = tls[key];
    const reason = file === undefined ? undefined : obstacle(file, constants.R_OK);
    if (reason === undefined) return [];
    const text = `${JSON.stringify(file)} cannot be read: ${reason}; put the PEM file there, or allow this where the check runs elsewhere`;
    return [{ rule: "missing-file", path: ["store", "redis", "tls", key], text } as const];
  });
  const folders = Object.entries({ listen, admin }).flatMap(([key, address]) => {
    if (address === false || !("path" in address)) return [];
    const folder = dirname(address.path);
    const reason = obstacle(folder, constants.W_OK);
    if (reason === undefined) return [];
    const text = `no socket can be made in ${JSON.stringify(folder)}: ${reason}; make the folder, or allow this where the check runs elsewhere`;
    return [{ rule: "missing-file", path: [key], text } as const];
  });
  return [...files, ...folders];
}

function obstacle(file: string, mode: number): string | undefined {
  try {
    accessSync(file, mode);
    return undefined;
  } catch (error) {
    const { code } = error as { code?: string };
    return code === "ENOENT" || code === "ENOTDIR" ? "there is none" : "permission denied";
  }
}
