// A fixed number of requests per second whatever happens to them (an open loop): latency counts from the moment a
// request was due, so that a stall shows in every request it delayed.

import { ask, isHit } from "./asking.ts";

/** A constant load. */
export interface PacedAsk {
  readonly url: string;
  /** Asked for in turn. */
  readonly hot: readonly string[];
  /** Every so many requests one asks for a path nobody asked for before; 0: never. */
  readonly coldEvery: number;
  readonly perSecond: number;
  readonly seconds: number;
}

/** One request of it. */
export interface Paced {
  /** Epoch milliseconds. */
  readonly dueAt: number;
  /** From when it was due to the last byte. */
  readonly ms: number;
  /** 0: it failed. */
  readonly status: number;
  readonly hot: boolean;
  readonly hit: boolean;
}

/** Runs a constant load; resolves when the last answer is in. */
export async function paced(load: PacedAsk): Promise<Paced[]> {
  const total = Math.round(load.perSecond * load.seconds);
  const startedAt = now() + 20;
  const answers: Promise<Paced>[] = [];
  const nonce = Math.floor(startedAt).toString(36);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((now() - startedAt) * load.perSecond) / 1000));
      while (answers.length < due) answers.push(one(load, { index: answers.length, startedAt, nonce }));
      if (answers.length < total) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  return Promise.all(answers);
}

async function one(load: PacedAsk, at: { index: number; startedAt: number; nonce: string }): Promise<Paced> {
  const dueAt = at.startedAt + ((at.index + 1) * 1000) / load.perSecond;
  const hot = load.coldEvery === 0 || at.index % load.coldEvery !== 0;
  const path = hot ? pick(load.hot, at.index) : `/miss/${at.nonce}-${at.index}`;
  const answer = await ask(load.url + path);
  return { dueAt, ms: now() - dueAt, status: answer.status, hot, hit: isHit(answer.fields) };
}

function pick(list: readonly string[], index: number): string {
  return list[index % list.length] ?? "/";
}

/** Epoch milliseconds with a fraction, from the monotonic clock. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
