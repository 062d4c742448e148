// Installs what the tests would install in the middle of their work, where that is allowed: node test/support/install.ts

import process from "node:process";
import { findChromium } from "./chromium.ts";
import { findProgram } from "./redis.ts";

for (const find of [findProgram, findChromium]) {
  try {
    find();
  } catch (error) {
    // The tests that need it fail, and say so.
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
