// A file of 500 routes is replaced every two seconds under a constant load: does any request fail, and what is added to the
// wait of the others, compared with the same load when nothing is replaced?

import { setTimeout as pause } from "node:timers/promises";
import { startForebay, untilHit } from "./candidates/forebay.ts";
import { onStage } from "./candidates/stage.ts";
import { ask } from "./load/asking.ts";
import type { Load } from "./load/load.ts";
import type { Paced } from "./load/paced.ts";
import type { Effort } from "./measure.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import { middle, quantileOf } from "./statistics.ts";

const candidate = "forebay, memory";
const perSecond = 1000;
const seconds = 9;
const periodMs = 2000;
/** One that is not in use by then never is. */
const patienceMs = 10_000;
const reloads = 4;
const routeCount = 500;
const busyMs = 20;

export const reload = {
  name: "reload",
  title: `A file of ${routeCount} routes replaced every ${periodMs / 1000} s under ${perSecond} requests/s, one in ten for a new path`,
  expects: [
    figureAtMost(candidate, "failed", 0),
    figureAtMost(candidate, "p99 added, ms", 20),
    figureAtMost(candidate, "reloads not seen", 0),
  ],
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      const sidecar = await startForebay(stage, { name: candidate, moreRoutes: routes(1) });
      const hot = Array.from({ length: 50 }, (_, index) => `/hit/${index}`);
      await untilHit(sidecar.url + hot[0]);
      for (const path of hot) await ask(sidecar.url + path);
      const load1 = { url: sidecar.url, hot, coldEvery: 10, perSecond, seconds };
      const rounds: Reloaded[] = [];
      for (let round = 0; round < effort.rounds; round += 1) {
        const steady = await load.paced(load1);
        const answers = load.paced(load1);
        // A generator that fails meanwhile is heard of below.
        answers.catch(() => {});
        const after: number[] = [];
        for (let i = 0; i < reloads; i += 1) {
          const number = 2 + round * reloads + i;
          const next = pause(periodMs);
          await sidecar.reload(routes(number));
          after.push(await msUntilInUse(sidecar.url, number));
          await next;
        }
        rounds.push({ steady, answers: await answers, after });
      }
      return [rowOf(rounds)];
    }),
};

interface Reloaded {
  readonly steady: readonly Paced[];
  readonly answers: readonly Paced[];
  /** Of each reload, ms until it was in use; infinite: it never was. */
  readonly after: readonly number[];
}

/** `number` shows in each of them, and in what `inUse` finds. */
function routes(number: number): string {
  const one = (index: number) => `  - path: /area${index}/items/:id
    cache: { ttl: 5m, tags: ["item${index}:{id}", area${index}], key: { query: [page, sort] } }
    rateLimit: { limit: ${1_000_000 + number}, window: 1m }
    invalidate: { paths: ["/area${index}/search*"], tags: [area${index}] }
`;
  return Array.from({ length: routeCount }, (_, index) => one(index)).join("");
}

async function msUntilInUse(url: string, number: number): Promise<number> {
  const startedAt = performance.now();
  const ms = () => performance.now() - startedAt;
  while ((await inUse(url)) !== number) {
    if (ms() > patienceMs) return Number.POSITIVE_INFINITY;
    await pause(20);
  }
  return ms();
}

async function inUse(url: string): Promise<number> {
  const { fields } = await ask(`${url}/area0/items/1`);
  return Number(/q=(\d+)/.exec(String(fields["ratelimit-policy"]))?.[1]) - 1_000_000;
}

function rowOf(rounds: readonly Reloaded[]): Row {
  const all = rounds.flatMap(({ answers }) => answers);
  const after = rounds.flatMap((round) => round.after);
  const figures = {
    failed: all.filter(({ status }) => status !== 200).length,
    "reloads not seen": after.filter((ms) => ms > patienceMs).length,
    "in use after, s": middle(after, (ms) => ms / 1000),
    "p99 without, ms": middle(rounds, ({ steady }) => p99(steady)),
    "p99 added, ms": middle(rounds, ({ steady, answers }) => p99(answers) - p99(steady)),
    "longest wait, ms": all.reduce((longest, { ms }) => Math.max(longest, ms), 0),
  };
  const isBusy = figures["p99 without, ms"] > busyMs;
  return { candidate, figures, note: isBusy ? "the machine was busy with other things: run again" : undefined };
}

/** Of hits: what is asked of the origin takes its time anyway. */
function p99(answers: readonly Paced[]): number {
  const hits = answers.filter(({ hot }) => hot);
  return quantileOf(
    hits.map(({ ms }) => ms),
    0.99,
  );
}
