// The command as it is called: what it says, and its exit code.

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const COMMAND = fileURLToPath(new URL("run.ts", import.meta.url));

// A second proves something on a quick machine alone.
test("a run tells what it did and exits with 1 where it says that anything is wrong", {
  timeout: 120_000,
}, async () => {
  const { code, told } = await checked("--seconds", "1", "--sidecars", "1", "--faults", "none", "--seed", "7");
  expect(told).toMatch(/^ {2}seed +7\n {2}operations +\d+ in \d+ s\n/);
  expect(code).toBe(told.includes("\nWRONG: ") ? 1 : 0);
});

test("a wrong argument is told and exits with 1, a question for help with 0", async () => {
  const wrong = await checked("--seconds", "0");
  expect(wrong).toMatchObject({ code: 1, complained: expect.stringContaining("Read --seconds: expected") });
  expect(await checked("--help")).toMatchObject({ code: 0, told: expect.stringContaining("--topology") });
});

async function checked(...args: string[]): Promise<{ code: number; told: string; complained: string }> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill());
  const exited = once(child, "exit");
  const [told, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, told, complained };
}
