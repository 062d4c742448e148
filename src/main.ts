#!/usr/bin/env node
// Where Forebay begins. The runtime is asked to keep what it compiles, before anything is loaded: the next start then
// takes half the time and a fifth less memory. (NODE_COMPILE_CACHE asks for this file too, as the Dockerfile does: 13 MB
// less again, for then types are stripped by nobody.) What is done is cli/commands.ts; what serves is sidecar.ts.

import * as module from "node:module";

// Deno has none, and keeps what it compiles anyway.
module.enableCompileCache?.();

// An older one fails somewhere in what is loaded, with words that help nobody.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `Forebay needs Node 22.19 or newer, and this is ${process.versions.node}; install a newer one\n`,
  );
  process.exitCode = 1;
} else {
  const { run } = await import("./cli/commands.ts");
  process.exitCode = await run(process.argv.slice(2));
}
