// The scripts that Redis runs for us, each a file in scripts/. They are called by digest; a Redis that has forgotten one
// (SCRIPT FLUSH, a restart) is told it again in the same write as the second call. Nothing a client sent is ever a script.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** What scripts are run over. */
export interface Sender {
  /** Rejects with the error that Redis answered, or because it could not be asked. */
  send(words: readonly (string | Buffer)[]): Promise<unknown>;
}

export interface Script {
  readonly text: string;
  readonly digest: string;
}

export const INVALIDATE = read("fence", "invalidate");
export const VOUCH = read("fence", "vouch");
export const SWEEP = read("fence", "sweep");
export const NOTE = read("note");
export const LEASE = read("lease");
export const RENEW = read("renew");
export const RELEASE = read("release");
export const KEEP = read("keep");
export const REMEMBER = read("remember");
export const LIMITS = { "fixed-window": read("fixed-window"), "sliding-window": read("sliding-window") } as const;

const ALL = [INVALIDATE, VOUCH, SWEEP, NOTE, LEASE, RENEW, RELEASE, KEEP, REMEMBER, ...Object.values(LIMITS)];

function read(...names: string[]): Script {
  const text = names.map((name) => readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8")).join("\n");
  return { text, digest: createHash("sha1").update(text).digest("hex") };
}

/** Runs `script`; rejects as `send` does. */
export async function run(
  to: Sender,
  script: Script,
  on: { keys: string[]; args: (string | Buffer)[] },
): Promise<unknown> {
  const call = ["EVALSHA", script.digest, String(on.keys.length), ...on.keys, ...on.args];
  try {
    return await to.send(call);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    tell(to, script);
    return to.send(call);
  }
}

/** Tells Redis all scripts, so that the first requests do not meet a forgotten one. */
export function tellAll(to: Sender): void {
  for (const script of ALL) tell(to, script);
}

// Where this is refused (an ACL), the call that follows says so.
function tell(to: Sender, script: Script): void {
  to.send(["SCRIPT", "LOAD", script.text]).catch(() => {});
}
