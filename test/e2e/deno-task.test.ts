// Does `deno task` serve? The tasks of deno.json come before the scripts of package.json. Neither may say `node` or `deno` by
// themselves: the packages of these names are found first, and their binaries read as JavaScript. `env` finds what is on PATH.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startOrigin } from "../support/origin.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test.each([
  ["demo", undefined, /Forebay in front of it\s+(http:\S+)[\s\S]*Ctrl-C/, "/products/7"],
  ["start", "my.yaml", /"listen":"(http:[^"]+)"/, "/search"],
] as const)("deno task %s serves, on Deno, and its second answer is a hit", async (task, name, serving, path) => {
  const origin = await startOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const folder = await mkdtemp(join(tmpdir(), "forebay-task-"));
  const file = name === undefined ? [] : ["--config", join(folder, name)];
  if (name !== undefined)
    await writeFile(join(folder, name), `origin: ${origin.url}\nroutes: [{ path: "/*", cache: {} }]`);
  const flags = [...file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
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
    await rm(folder, { recursive: true, force: true });
  }
});
