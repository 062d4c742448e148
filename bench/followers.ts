// 10,000 clients wait for one fetch of one sidecar: how often is the origin asked, and how much memory do they take
// besides their connections, which are open and have been used before?

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type ForebaySetup, startForebay, untilHit } from "./candidates/forebay.ts";
import { onStage, type Stage } from "./candidates/stage.ts";
import { figureAtMost, type Row } from "./outcome.ts";
import { residentBytes } from "./procfs.ts";

const clients = 10_000;
/** Longer than it takes all of them to ask, shorter than a route's `collapse.wait`. */
const originMs = 3000;
/** Connections that are opened at the same time: a listener's queue is short. */
const opening = 200;
const setups: readonly ForebaySetup[] = [
  { name: "forebay, memory" },
  { name: "forebay, redis", redis: { trust: "0s", memory: "64mb" } },
];

export const followers = {
  name: "followers",
  title: `Followers: ${clients} clients wait for one fetch of one sidecar, an origin that takes ${originMs / 1000} s`,
  expects: setups.flatMap(({ name }) => [
    figureAtMost(name, "origin requests", 1),
    figureAtMost(name, "more memory at the most, MB", 100),
    figureAtMost(name, "failed", 0),
  ]),
  run: (): Promise<Row[]> =>
    onStage(async (stage) => {
      const rows: Row[] = [];
      for (const setup of setups) rows.push(await followed(setup, stage));
      return rows;
    }),
};

async function followed(setup: ForebaySetup, stage: Stage): Promise<Row> {
  const { name: candidate } = setup;
  if (setup.redis && stage.redis === undefined) return { candidate, note: "skipped: no redis-server found" };
  const { running, url } = await startForebay(stage, setup);
  await untilHit(`${url}/hit/ready`);
  const sockets = await openAll(Number(new URL(url).port));
  try {
    await Promise.all(sockets.map((socket) => ask(socket, "/hit/ready")));
    await pause(3000); // what the warm-up left is collected
    const before = await stage.originRequests();
    const idle = residentBytes(running.pid) ?? Number.NaN;
    let most = idle;
    const watch = setInterval(() => {
      most = Math.max(most, residentBytes(running.pid) ?? 0);
    }, 5);
    const answers = await Promise.all(sockets.map((socket) => ask(socket, `/cold/${originMs}/followers`)));
    clearInterval(watch);
    const figures = {
      "origin requests": (await stage.originRequests()) - before,
      "clients that waited": answers.filter((answer) => /^cache-status:.*; collapsed/im.test(answer)).length,
      "more memory at the most, MB": (most - idle) / 2 ** 20,
      failed: answers.filter((answer) => !answer.startsWith("HTTP/1.1 200 ")).length,
    };
    return { candidate, figures };
  } finally {
    for (const socket of sockets) socket.destroy();
    await running.stop();
  }
}

async function openAll(port: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < clients) {
    const more = Array.from({ length: opening }, () => connect(port, "127.0.0.1"));
    await Promise.all(more.map((socket) => once(socket, "connect")));
    sockets.push(...more);
  }
  for (const socket of sockets) socket.setEncoding("latin1").on("error", () => {});
  return sockets;
}

/** The first piece of the answer, which is all that matters here; "" where there is none. */
function ask(socket: Socket, path: string): Promise<string> {
  return new Promise((resolve) => {
    const settle = (answer: string) => {
      socket.off("data", settle).off("close", leave);
      resolve(answer);
    };
    const leave = () => settle("");
    socket.on("data", settle).on("close", leave);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  });
}
