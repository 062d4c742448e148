// Does `deno task` serve? It takes the scripts of package.json, but not those that say `node` or `deno` by themselves: it finds
// the packages of these names and reads their binaries as JavaScript. `sh` finds what is on PATH.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startOrigin } from "../support/origin.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test.each([
  ["demo:deno", [], /Forebay in front of it\s+(http:\S+)[\s\S]*Ctrl-C/, "/products/7"],
  ["start:deno", ["--origin"], /"listen":"(http:[^"]+)"/, "/search"],
] as const)("deno task %s serves, on Deno, and its second answer is a hit", async (task, words, serving, path) => {
  const origin = await startOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const flags = [...words.flatMap((word) => [word, origin.url]), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  // A group of its own: the signal is meant for whatever the task has started.
  const child = spawn(`${ROOT}/node_modules/.bin/deno`, ["task", task, ...flags], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  let text = "";
  let said = "";
  child.stderr.on("data", (piece) => {
    said += piece;
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (piece) => {
        text += piece;
        const found = serving.exec(text)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once("close", () => reject(new Error(`it ended before it served: ${said}`)));
    });
    await fetch(url + path);
    expect((await fetch(url + path)).headers.get("cache-status")).toContain("; hit");
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
    await closed;
    await origin.close();
  }
});
