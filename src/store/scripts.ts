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
export const SOFTEN = read("fence", "soften");
export const VOUCH = read("fence", "vouch");
export const SWEEP = read("fence", "sweep");
export const RIGHTS = read("rights");
export const NOTE = read("note");
export const LEASE = read("lease");
export const RENEW = read("renew");
export const RELEASE = read("release");
export const KEEP = read("keep");
export const REMEMBER = read("remember");
export const CHARGE = read("limits", "fixed-window", "sliding-window", "sliding-log", "token-bucket", "charge");
export const PRESENCE = read("presence");

const ALL = [INVALIDATE, SOFTEN, VOUCH, SWEEP, RIGHTS, NOTE, LEASE, RENEW, RELEASE, KEEP, REMEMBER, CHARGE, PRESENCE];

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
    // Both in one write. Where the telling was refused (an ACL), that is what is wrong.
    const [told, reply] = await Promise.allSettled([tell(to, script), to.send(call)]);
    if (reply.status === "fulfilled") return reply.value;
    throw told.status === "rejected" ? told.reason : reply.reason;
  }
}

/** Tells Redis all scripts, so that the first requests do not meet a forgotten one. */
export function tellAll(to: Sender): void {
  for (const script of ALL) tell(to, script).catch(() => {}); // the call that follows says so
}

function tell(to: Sender, script: Script): Promise<unknown> {
  return to.send(["SCRIPT", "LOAD", script.text]);
}
