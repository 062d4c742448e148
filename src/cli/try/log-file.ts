// The lines of a log of any size, one after the other, in bounded memory.

import { createReadStream } from "node:fs";
import { MAX_LINE_CHARS } from "./log-line.ts";

/** Lines without their ends, and how many bytes of the file were read until then. One that is too long comes cut off, but
 * longer than MAX_LINE_CHARS. Rejects where the file cannot be read. */
export async function* linesOf(
  file: string,
  signal: AbortSignal,
): AsyncGenerator<{ lines: readonly string[]; read: number }> {
  let read = 0;
  let held = "";
  for await (const piece of createReadStream(file, { encoding: "utf8", signal, highWaterMark: 256 * 1024 })) {
    const text = piece as string;
    read += Buffer.byteLength(text);
    const lines = (held + text).split("\n");
    // What is beyond the limit is dropped piece by piece: one line may be as long as the file.
    held = (lines.pop() ?? "").slice(0, MAX_LINE_CHARS + 1);
    yield { lines: lines.map(withoutReturn), read };
  }
  if (held !== "") yield { lines: [withoutReturn(held)], read };
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
