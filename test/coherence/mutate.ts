// Loaded before a sidecar in mutation mode (node --import): switches one mechanism off, by replacing exact texts of its
// sources as they are loaded. A text that is not there exactly once, or a source that is never loaded, ends the run: a
// mutation can never silently do nothing.

import fs from "node:fs";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { applied, type Edit, mutationNamed, pathOf } from "./mutations.ts";

const { edits } = mutationNamed(process.env.FOREBAY_MUTATION ?? "");
const byUrl = new Map<string, Edit[]>();
for (const edit of edits) {
  applied(edit); // throws where it would not take
  const url = pathToFileURL(pathOf(edit)).href;
  byUrl.set(url, [...(byUrl.get(url) ?? []), edit]);
}

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!byUrl.has(url) || loaded.source === null || loaded.source === undefined) return loaded;
    const text =
      typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
    return { ...loaded, source: mutated(url, text) };
  },
});

// Scripts for Redis are not loaded but read.
const { readFileSync } = fs;
fs.readFileSync = ((path: fs.PathOrFileDescriptor, ...rest: [never]) => {
  const read = readFileSync(path, ...rest) as string | Buffer;
  const url = path instanceof URL ? path.href : "";
  return byUrl.has(url) && fileURLToPath(url).endsWith(".lua") ? mutated(url, String(read)) : read;
}) as typeof readFileSync;
syncBuiltinESMExports();

function mutated(url: string, text: string): string {
  const edits = byUrl.get(url) ?? [];
  process.send?.({ mutated: url });
  return edits.reduce((source, edit) => applied(edit, source), text);
}
