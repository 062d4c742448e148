// When has a file changed? Whatever way it is changed in: written in place, another one renamed over it, or a link on the
// way to it turned elsewhere, as Kubernetes does with a ConfigMap. It is looked at twice a second through all links:
// node:fs' own watching tells of other things on each system and runtime, loses a file that is renamed over, and does not
// see through links. A change counts when it has stood still from one look to the next, so that nobody reads half a file.

import { type Stats, statSync } from "node:fs";
import { stat } from "node:fs/promises";

/** What was seen at the last looks. */
export interface Seen {
  /** What the file was when it was last read, and at the last look; undefined: it was not there. */
  readonly read: string | undefined;
  readonly last: string | undefined;
  /** Looks since `last` has stood as it is. */
  readonly looks: number;
}

/** A file that is being replaced may be away for a moment; one that is away for so many looks is gone. */
const GONE_AFTER = 10;
const LOOK_MS = 500;

/** What follows from a look that found `now`. */
export function looked({ read, last, looks }: Seen, now: string | undefined): Seen & { readonly isDue: boolean } {
  if (now !== last) return { read, last: now, looks: 0, isDue: false };
  const isDue = now !== read && looks + 1 >= (now === undefined ? GONE_AFTER : 1);
  return { read: isDue ? now : read, last, looks: looks + 1, isDue };
}

/** Calls `changed` after each change of `file` from this moment on. Returns how to end that; it does not keep the process alive. */
export function watchFile(file: string, changed: () => void): () => void {
  const first = firstIdentity(file);
  let seen: Seen = { read: first, last: first, looks: 0 };
  let timer = setTimeout(look, LOOK_MS).unref();
  let isOver = false;
  async function look(): Promise<void> {
    const now = await identityOf(file);
    const { isDue, ...next } = looked(seen, now);
    seen = next;
    if (isOver) return;
    if (isDue) changed();
    timer = setTimeout(look, LOOK_MS).unref();
  }
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Before anything else is done: what is read afterwards is no older. */
function firstIdentity(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && identity(found);
}

/** undefined: it is not there, or out of reach. */
async function identityOf(file: string): Promise<string | undefined> {
  return stat(file).then(identity, () => undefined);
}

/** Another one for each state of a file, as far as its file system tells. */
function identity({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join();
}
