// Do the replicas of Redis have what it has just taken? Asked with WAIT where `store.redis.wait` says so: when a write has been
// noted, before it goes out, and when it has been invalidated for, before it is acknowledged. They are waited for, not
// depended on: where too few say so in time, that is counted and told, and things go on.
//
// WAIT counts what its own connection wrote, and keeps that connection from everything else meanwhile. So it has one of its
// own, on which something is written first: replicas take everything in one order, so whoever has that has all that this
// process had an answer to before. One WAIT is under way at a time; who asks meanwhile shares the next.

import type { Line } from "./connections.ts";
import { textOf, unlessHeard } from "./unavailable.ts";

export interface WaitOptions {
  /** How many replicas are to have it. */
  readonly replicas: number;
  /** Ms that this may take. */
  readonly timeout: number;
}

export interface Replicas {
  /** Resolves when enough replicas have what `process` (Line.process) has taken, and after `timeout` all the same. Never rejects. */
  confirm(process: number | undefined): Promise<void>;
  /** How often too few said so in time. */
  missed(): number;
}

interface ReplicasOptions extends WaitOptions {
  /** For nothing else. */
  readonly line: Pick<Line, "send" | "process">;
  /** Redis key that nothing is kept under. */
  readonly key: string;
  /** Told, once a second at the most, how often too few said so since it was told last, and why. */
  tell(count: number, reason: string): void;
  /** Monotonic ms. */
  readonly now?: () => number;
}

interface Round {
  readonly process: number | undefined;
  /** How many replicas said so. */
  readonly count: number;
}

const TOLD_MS = 1000;
const KEPT_MS = "1000";

export function createReplicas(options: ReplicasOptions): Replicas {
  const { line, key, replicas, timeout, tell, now = () => performance.now() } = options;
  const wanted = `${replicas} ${replicas === 1 ? "replica" : "replicas"}`;
  let underWay: Promise<unknown> = Promise.resolve();
  /** Not sent yet. */
  let next: Promise<Round> | undefined;
  let total = 0;
  let untold = 0;
  let toldAt = Number.NEGATIVE_INFINITY;

  function round(): Promise<Round> {
    if (next === undefined) {
      next = underWay.then(ask);
      underWay = next.catch(() => {}); // whoever asked is told
    }
    return next;
  }

  async function ask(): Promise<Round> {
    next = undefined;
    const { process } = line;
    const written = line.send(["SET", key, "", "PX", KEPT_MS]);
    const [count] = await Promise.all([line.send(["WAIT", String(replicas), String(timeout)]), written]);
    return { process, count: Number(count) };
  }

  function miss(reason: string): void {
    total++;
    untold++;
    if (now() - toldAt < TOLD_MS) return;
    toldAt = now();
    tell(untold, reason);
    untold = 0;
  }

  return {
    confirm(process) {
      return new Promise((resolve) => {
        let isOver = false;
        const over = (reason?: string) => {
          if (isOver) return;
          isOver = true;
          heard();
          if (reason !== undefined) miss(reason);
          resolve();
        };
        const late = `${wanted} did not confirm it within ${timeout} ms`;
        const heard = unlessHeard(timeout, () => over(late));
        round().then(
          (confirmed) => {
            if (confirmed.process !== process) over("it is another Redis by now");
            else over(confirmed.count >= replicas ? undefined : late);
          },
          (error) => over(textOf(error)),
        );
      });
    },
    missed: () => total,
  };
}
