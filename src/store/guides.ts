// Asking those who know where Redis is: the sentinels, or the nodes of a Cluster. Each is asked over a connection that is
// kept, and several together, because each knows only what it has heard: one that was cut off goes on naming whom it knew.

import { type Place, placeOf } from "./place.ts";
import { StoreUnavailable, unlessHeard } from "./unavailable.ts";

export interface Asked {
  sendCommand(words: readonly string[]): Promise<unknown>;
  destroy(): void;
}

export interface Means {
  connect(place: Place, signal: AbortSignal): Promise<Asked>;
  /** Ms for one of them to be connected to, and again to answer. */
  readonly patienceMs: number;
}

/** Each is known as host:port. */
export interface Guides<View> {
  /** What it says now; rejects where it does not say so in time. */
  ask(node: string): Promise<View>;
  /** To whom a connection is kept. */
  kept(): readonly string[];
  /** Ends the connection that is kept to it. */
  drop(node: string): void;
  close(): void;
}

const LATE = "no answer in time";

/** `look` asks one that is connected. Nobody is connected to yet. */
export function createGuides<View>(
  look: (asked: Asked, node: string) => Promise<View>,
  { connect, patienceMs }: Means,
): Guides<View> {
  const kept = new Map<string, Asked>();
  let isClosed = false;

  function drop(node: string, asked = kept.get(node)): void {
    if (kept.get(node) === asked) kept.delete(node);
    if (asked) setImmediate(() => asked.destroy());
  }

  async function inTime<T>(step: (late: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const heard = unlessHeard(patienceMs, () => late.abort());
    try {
      return await step(late.signal);
    } finally {
      heard();
    }
  }

  /** Whoever does not answer is not connected to anew for the same question. */
  async function askOn(asked: Asked, node: string): Promise<{ view: View } | undefined> {
    return inTime(async (late) => {
      try {
        return { view: await unlessLate(look(asked, node), late, LATE) };
      } catch (error) {
        drop(node, asked);
        if (late.aborted || isClosed) throw error;
        return undefined; // the connection may be an old one
      }
    });
  }

  return {
    async ask(node) {
      const known = kept.get(node);
      const answer = known && (await askOn(known, node));
      if (answer) return answer.view;
      const made = await inTime((late) => connect(placeOf(node), late));
      try {
        const view = await inTime((late) => unlessLate(look(made, node), late, LATE));
        drop(node); // another question may have been as far
        if (!isClosed) kept.set(node, made);
        return view;
      } finally {
        if (kept.get(node) !== made) drop(node, made);
      }
    },
    kept: () => [...kept.keys()],
    drop,
    close() {
      isClosed = true;
      for (const node of [...kept.keys()]) drop(node);
    },
  };
}

/**
 * The answers of more than half, so that a silent one delays nobody, or of all that answer at all. Rejects with what
 * `silence` makes of the reasons where none does.
 */
export function mostOf<View>(
  asked: readonly Promise<View>[],
  silence: (reasons: readonly unknown[]) => Error,
): Promise<[View, ...View[]]> {
  return new Promise((resolve, reject) => {
    const views: View[] = [];
    const reasons: unknown[] = [];
    const settled = () => {
      const [first, ...others] = views;
      const isLast = views.length + reasons.length === asked.length;
      if (first !== undefined && (isLast || views.length * 2 > asked.length)) resolve([first, ...others]);
      else if (isLast) reject(silence(reasons));
    };
    for (const each of asked) {
      each.then(
        (view) => {
          views.push(view);
          settled();
        },
        (reason) => {
          reasons.push(reason);
          settled();
        },
      );
    }
  });
}

/** The name that most of them give; of several the one named `before`, else the first: it must not change to and fro. */
export function mostNamed(names: readonly string[], before: string | undefined): string | undefined {
  const count = (name: string) => names.filter((each) => each === name).length;
  const most = Math.max(...names.map(count));
  const leading = names.filter((name) => count(name) === most);
  return leading.find((name) => name === before) ?? leading[0];
}

/** What `learning` comes to, unless `signal` is aborted before. Whoever else waits for it goes on waiting. */
export function unlessLate<T>(learning: Promise<T>, signal: AbortSignal, late: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new StoreUnavailable(late));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    learning.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
