// Programs that tests need beside Node: found on PATH, or installed where that is allowed.

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { tmpdir } from "node:os";
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
  // Other test files may be about to do the same, and apt-get does not wait for whoever else updates its lists.
  const lock = join(tmpdir(), "forebay-apt-get.lock");
  const get = "apt-get -o DPkg::Lock::Timeout=300";
  // A mirror may be in the middle of a change: what it has is asked for once more.
  const script = `command -v "$0" || for pause in 1 5 0; do
    ${get} update && ${get} install -y --no-install-recommends "$0" && exit; sleep $pause; done`;
  const locked = ["-o", "-w", "550", lock, "sh", "-c", script, name];
  execFileSync("flock", locked, { env, stdio: ["ignore", "ignore", "inherit"], timeout: 580_000 });
  return onPath(name);
}
