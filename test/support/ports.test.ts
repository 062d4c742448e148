// Do test processes that work beside one another keep out of each other's ports?

import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

/** Stays until its standard input ends, as a test stays with its servers. */
const ASK = `
  import { freePort } from ${JSON.stringify(new URL("./ports.ts", import.meta.url).href)};
  console.log(JSON.stringify(await Promise.all(Array.from({ length: 300 }, freePort))));
  process.stdin.resume();
`;

test("processes at once, with more ports than a block has: none is given twice", async () => {
  const ask = async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", ASK], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void child.stdin.end());
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as number[];
    throw new Error("it ended without an answer");
  };
  const given = (await Promise.all([ask(), ask(), ask(), ask()])).flat();
  expect(new Set(given).size).toBe(4 * 300);
});
