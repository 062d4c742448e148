// The few places where Node and Deno differ. What is not here is alike in both, as far as the tests can tell.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const isDeno = "Deno" in globalThis;

/** node:http's response refuses fields with control characters in them; Deno's writes them out as they are. */
export const refusesUnfitFields = !isDeno;

/**
 * Gives back the memory that loading took, which the engine would keep: 40 MB of 155 with Redis. Takes about 30 ms, so it is for the
 * moment before the first request. Deno offers no such thing.
 */
export function giveBackMemory(): void {
  if (isDeno) return;
  setFlagsFromString("--expose-gc");
  const collect: NodeJS.GCFunction | undefined = runInNewContext("globalThis.gc");
  collect?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
