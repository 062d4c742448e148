// A real Chromium for tests, driven by playwright-core. CHROMIUM_BIN names the program; else chromium or another name of it
// on PATH; else, as root on Debian or Ubuntu, the package is installed, saying so.

import process from "node:process";
import { type Browser, chromium } from "playwright-core";
import { installPackage, onPath } from "./programs.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** A first start reads 200 MB from a disk that may have other work. */
const START_MS = 120_000;

/** Must be closed by whoever asked for it. */
export function launchChromium(): Promise<Browser> {
  // Chromium's sandbox does not run as root, as which tests run in containers. It shows pages of ours alone.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({
    executablePath: findChromium(),
    args: [...args, "--disable-dev-shm-usage"],
    timeout: START_MS,
  });
}

/** The program to test with. */
export function findChromium(): string {
  const named = process.env.CHROMIUM_BIN;
  if (named) return named;
  for (const name of NAMES) {
    const found = onPath(name);
    if (found !== undefined) return found;
  }
  return installed();
}

function installed(): string {
  const found = installPackage("chromium");
  if (found !== undefined) return found;
  throw new Error(
    "find a Chromium to test with: none on PATH; install it (apt-get install chromium, brew install --cask chromium), " +
      "or set CHROMIUM_BIN to its program",
  );
}
