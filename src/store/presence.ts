// How many sidecars share this Redis, and which of them is this one? Each says every second that it lives, beside its
// heartbeat and on no request's way. What was last heard is what counts while Redis is silent: then a limit that is
// counted locally is shared out among them (store/limits.ts).

import { randomBytes } from "node:crypto";
import { PRESENCE, run, type Sender } from "./scripts.ts";
import { ALONE, type Crowd } from "./store.ts";

/** Between two signs of life. */
const SIGN_MS = 1000;
/** Without a sign for so long a sidecar counts as gone. */
const GONE_MS = 5000;

export interface Presence {
  /** Says that this sidecar lives, once every second at the most however often it is called. */
  tick(): void;
  /** As last heard; alone where nothing was. */
  crowd(): Crowd;
  /** Says that it is gone. Never rejects. */
  close(): Promise<void>;
}

export interface PresenceOptions {
  readonly line: Sender;
  /** Redis key. */
  readonly key: string;
  /** Monotonic ms. */
  readonly now?: () => number;
}

export function createPresence({ line, key, now = () => performance.now() }: PresenceOptions): Presence {
  const id = randomBytes(9).toString("base64url");
  let crowd = ALONE;
  let saidAt = Number.NEGATIVE_INFINITY;
  let isClosed = false;

  function heard(reply: unknown): void {
    const [size, place] = Array.isArray(reply) ? reply.map(Number) : [];
    if (size !== undefined && place !== undefined && place >= 0 && place < size) crowd = { size, place };
  }

  return {
    tick() {
      if (isClosed || now() - saidAt < SIGN_MS) return;
      saidAt = now();
      // While Redis is away nothing is heard, and that is what `crowd` is for.
      run(line, PRESENCE, { keys: [key], args: [id, String(GONE_MS)] }).then(heard, () => {});
    },
    crowd: () => crowd,
    async close() {
      isClosed = true;
      await line.send(["ZREM", key, id]).catch(() => {});
    },
  };
}
