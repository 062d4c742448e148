// One dashboard is open at ten thousand requests a second: what does the proxy notice of it? What the page asks once a
// second, and the events it listens to, are asked for here as it does (src/admin/dashboard/main.js), in windows with and
// without it that alternate, so that both share what the machine does besides.

import { type ForebaySetup, startForebay, untilHit } from "./candidates/forebay.ts";
import { onStage } from "./candidates/stage.ts";
import type { Load } from "./load/load.ts";
import type { Steady } from "./load/steady.ts";
import type { Effort } from "./measure.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import { middle } from "./statistics.ts";

const candidate: ForebaySetup = { name: "forebay, observed", isObserved: true };
const perSecond = 10_000;
/** For each round that is wanted. */
const pairs = 3;
const hot = Array.from({ length: 32 }, (_, index) => `/hit/${index}`);
/** How often the page asks for all of it. */
const fullEvery = 10;

export const page = {
  name: "page",
  title: `An open dashboard at ${perSecond.toLocaleString("en")} requests/s, in alternating windows with and without it`,
  expects: [
    figureAtMost(candidate.name, "CPU per request with the page, × without", 1.03),
    figureAtMost(candidate.name, "failed", 0),
  ],
  run: (effort: Effort, load: Load): Promise<Row[]> =>
    onStage(async (stage) => {
      const sidecar = await startForebay(stage, candidate);
      for (const path of hot) await untilHit(sidecar.url + path);
      const connections = effort.connections;
      const ask = { url: sidecar.url, paths: hot, seconds: effort.seconds, connections, perSecond };
      const window = () => load.steady({ ...ask, pids: [sidecar.running.pid] });
      await window(); // not counted
      const opened: Steady[] = [];
      const closed: Steady[] = [];
      for (let pair = 0; pair < effort.rounds * pairs; pair += 1) {
        for (const isOpen of pair % 2 === 0 ? [true, false] : [false, true]) {
          const close = isOpen ? open(sidecar.admin ?? "") : async () => {};
          (isOpen ? opened : closed).push(await window());
          await close();
        }
      }
      return [rowOf(opened, closed)];
    }),
};

/** Asks as an open page does; what is returned closes it, and rejects where an answer was none. */
function open(admin: string): () => Promise<void> {
  const closing = new AbortController();
  const wrong: unknown[] = [];
  const asked: Promise<unknown>[] = [];
  let count = 0;
  const poll = () => {
    const less = count % fullEvery === 0 ? "" : "&without=series,top";
    count += 1;
    asked.push(
      fetch(`${admin}/api/stats?routes=25${less}`).then(async (answer) => {
        await answer.arrayBuffer();
        if (!answer.ok) wrong.push(`statistics: ${answer.status}`);
      }),
    );
  };
  poll();
  const timer = setInterval(poll, 1000);
  const listening = fetch(`${admin}/api/events`, { signal: closing.signal })
    .then(async ({ body }) => {
      for await (const _ of body ?? []);
    })
    .catch((error: unknown) => {
      if (!closing.signal.aborted) wrong.push(error);
    });
  return async () => {
    clearInterval(timer);
    await Promise.all(asked);
    closing.abort();
    await listening;
    if (wrong.length > 0) throw new Error(`Open the page: ${String(wrong[0])}`);
  };
}

function rowOf(opened: readonly Steady[], closed: readonly Steady[]): Row {
  const all = [...opened, ...closed];
  const failed = all.reduce((sum, { statuses, requests, errors }) => sum + errors + requests - (statuses[200] ?? 0), 0);
  const without = middle(closed, cpuPerRequest);
  const figures = {
    "requests/s": middle(all, ({ requests, seconds }) => requests / seconds),
    "CPU µs/request without": without,
    "CPU per request with the page, × without": middle(opened, cpuPerRequest) / without,
    "p99 without, ms": middle(closed, ({ p99Ms }) => p99Ms),
    "p99 with it, ms": middle(opened, ({ p99Ms }) => p99Ms),
    failed,
  };
  return { candidate: candidate.name, figures };
}

function cpuPerRequest({ cpuMicros = Number.NaN, requests }: Steady): number {
  return cpuMicros / requests;
}
