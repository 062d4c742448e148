// Programs that tests need beside Node: found on PATH, or installed where that is allowed.

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** The program of this name on PATH. */
export function onPath(name: string): string | undefined {
  const candidates = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Installs the Debian package of a program of the same name, saying so; undefined: not root, not on Debian or Ubuntu, or it brought no such program. */
export function installPackage(name: string): string | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return undefined;
  process.stderr.write(`No ${name} on PATH: installing the package ${name} with apt-get\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const lock = "DPkg::Lock::Timeout=300"; // another test file may be doing the same
  execFileSync("apt-get", ["-o", lock, "update"], { env, stdio: "ignore" });
  execFileSync("apt-get", ["-o", lock, "install", "-y", "--no-install-recommends", name], { env, stdio: "ignore" });
  return onPath(name);
}
