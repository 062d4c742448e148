// Redis is stopped with SIGSTOP under a constant load, neither dead nor answering, and continued after 3 s: does any
// client notice, how much is added to its wait, and when do hits return?

import { setTimeout as pause } from "node:timers/promises";
import { startForebay, untilHit } from "./candidates/forebay.ts";
import { onStage, type Stage } from "./candidates/stage.ts";
import { ask } from "./load/asking.ts";
import type { Load } from "./load/load.ts";
import type { Paced } from "./load/paced.ts";
import type { Effort } from "./measure.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import { middle, quantileOf } from "./statistics.ts";

const candidate = "forebay, redis";
const perSecond = 1000;
const calmMs = 3000;
const frozenMs = 3000;
const afterMs = 5000;
/** A p99 beyond this while all is well says that something else had the processor. */
const busyMs = 20;
/** So many hits in a row of the paths asked for all the time count as "hits have returned". */
const inARow = 50;

export const frozen = {
  name: "frozen",
  title: `Redis frozen for ${frozenMs / 1000} s under ${perSecond} requests/s, one in ten for a new path`,
  expects: [
    figureAtMost(candidate, "failed", 0),
    figureAtMost(candidate, "p99 added in the first second, ms", 100),
    figureAtMost(candidate, "p99 added after that, ms", 10),
    figureAtMost(candidate, "hits back after, s", 3),
  ],
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      if (stage.redis === undefined) return [{ candidate, note: "skipped: no redis-server found" }];
      const { url } = await startForebay(stage, { name: candidate, redis: { trust: "0s", memory: "64mb" } });
      const hot = Array.from({ length: 50 }, (_, index) => `/hit/${index}`);
      await untilHit(url + hot[0]);
      for (const path of hot) await ask(url + path);
      const rounds = [];
      for (let round = 0; round < effort.rounds; round += 1) rounds.push(await freeze(stage, load, { url, hot }));
      return [rowOf(rounds)];
    }),
};

interface Freeze {
  readonly answers: readonly Paced[];
  /** The same load passed through a route without cache: what asking the origin costs here anyway, Redis or not. */
  readonly passed: readonly Paced[];
  /** Epoch milliseconds. */
  readonly stoppedAt: number;
  readonly continuedAt: number;
}

async function freeze(stage: Stage, load: Load, target: { url: string; hot: string[] }): Promise<Freeze> {
  const pid = stage.redis?.running.pid ?? 0;
  const through = target.hot.map((_, index) => `/pass/${index}`);
  const passed = await load.paced({ url: target.url, hot: through, coldEvery: 0, perSecond, seconds: calmMs / 1000 });
  const seconds = (calmMs + frozenMs + afterMs) / 1000;
  const answers = load.paced({ ...target, coldEvery: 10, perSecond, seconds });
  // A generator that fails meanwhile is heard of below.
  answers.catch(() => {});
  await pause(calmMs);
  process.kill(pid, "SIGSTOP");
  const stoppedAt = Date.now();
  await pause(frozenMs);
  process.kill(pid, "SIGCONT");
  return { stoppedAt, continuedAt: Date.now(), answers: await answers, passed };
}

function rowOf(rounds: readonly Freeze[]): Row {
  const all = rounds.flatMap((round) => round.answers);
  const figures = {
    failed: all.filter(({ status }) => status !== 200).length,
    "p99 passed through, ms": middle(rounds, ({ passed }) => p99(passed)),
    "p99 added in the first second, ms": middle(rounds, (round) => added(round, 0, 1000)),
    "p99 added after that, ms": middle(rounds, (round) => added(round, 1000, frozenMs)),
    "longest wait, ms": all.reduce((longest, { ms }) => Math.max(longest, ms), 0),
    "hits back after, s": Math.max(...rounds.map(hitsBackAfter)),
  };
  const isBusy = figures["p99 passed through, ms"] > busyMs;
  return { candidate, figures, note: isBusy ? "the machine was busy with other things: run again" : undefined };
}

/** The p99 of requests due between two moments after the stop, beyond that of the same load passed through. */
function added({ stoppedAt, answers, passed }: Freeze, fromMs: number, toMs: number): number {
  const within = answers.filter(({ dueAt }) => dueAt >= stoppedAt + fromMs && dueAt < stoppedAt + toMs);
  return p99(within) - p99(passed);
}

function p99(answers: readonly Paced[]): number {
  return quantileOf(
    answers.map(({ ms }) => ms),
    0.99,
  );
}

/** Seconds from SIGCONT to the first of `inARow` hits without a miss between them; Infinity: they never came. */
function hitsBackAfter({ answers, continuedAt }: Freeze): number {
  const hot = answers.filter((answer) => answer.hot && answer.dueAt >= continuedAt);
  let first = 0;
  for (const [index, answer] of hot.entries()) {
    if (!answer.hit) first = index + 1;
    else if (index - first + 1 >= inARow) return ((hot[first]?.dueAt ?? Number.NaN) - continuedAt) / 1000;
  }
  return Number.POSITIVE_INFINITY;
}
