// Three sidecars, many clients, and a response that is due to be fetched anew while it is still fresh: one of the sidecars
// fetches it, once, and no client of any of them waits for that.

import { afterEach, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, undisturbed } from "../support/undisturbed.ts";

/** A first fetch of so long makes three requests in ten draw an early end, all the time that the response lives. */
const FIRST_MS = 100;
const FIRST = { "cache-control": "max-age=120" };
/** Too long a life for any draw. */
const ANEW = { "cache-control": "max-age=31536000" };
const CLIENTS_EACH = 10;
const ANSWERS_EACH = 100;
const PATHS = 3;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test.for(["0s", "1h"])(
  "of three sidecars one fetches what is due ahead, once, and all answer from the cache meanwhile (trust %s)",
  { timeout: ROUNDS_MS },
  async (trust) => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const origin = await startOrigin((_request, response) => void response.end());
    cleanups.push(() => origin.close());
    const yaml = `
origin: ${origin.url}
store: { redis: { url: "${redis.url}", deadline: 1s }, memory: { trust: ${trust} } }
routes: [{ path: /*, cache: { refreshAhead: 1000, collapse: { wait: 20s, lease: 20s } } }]`;
    const sidecars = await Promise.all([1, 2, 3].map(() => startSidecarProcess(yaml, ["--log-level", "debug"])));
    for (const sidecar of sidecars) cleanups.push(() => sidecar.stop());
    await Promise.all(sidecars.map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));

    for (let nth = 1; nth <= PATHS; nth++) {
      const { fetches, mostUnderWay, statuses } = await undisturbed(sidecars, async (round) => {
        const path = `/${nth}/${round}`;
        const { mostUnderWay, statuses } = await refreshed(path, origin, sidecars);
        return { fetches: origin.count(path), mostUnderWay, statuses };
      });
      expect(mostUnderWay).toBe(1);
      expect(fetches).toBe(2);
      for (const status of statuses) expect(status).toMatch(/^forebay; hit; ttl=\d+$/);
    }
  },
);

/** How many answers clients of one sidecar have got, and how many of these were what the refresh brought. */
interface Answered {
  all: number;
  anew: number;
}

/** Clients of all sidecars ask again and again, while the one refresh is under way and after it, until each sidecar has
 * answered often with what it brought. `statuses`: the Cache-Status of what each client got from its first hit on. */
async function refreshed(path: string, origin: Origin, sidecars: readonly SidecarProcess[]) {
  const statuses: string[] = [];
  const answered = sidecars.map((): Answered => ({ all: 0, anew: 0 }));
  let underWay = 0;
  let mostUnderWay = 0;
  let isHeld = false;
  origin.handler = async ({ url }, response) => {
    if (url !== path) return void response.end();
    const nth = origin.count(path);
    mostUnderWay = Math.max(mostUnderWay, ++underWay);
    if (nth === 1) await new Promise((resolve) => setTimeout(resolve, FIRST_MS));
    else if (!isHeld) {
      isHeld = true;
      const before = answered.map(({ all }) => all);
      await until(() => answered.every(({ all }, i) => all >= (before[i] ?? 0) + ANSWERS_EACH));
    }
    underWay -= 1;
    response.writeHead(200, nth === 1 ? FIRST : ANEW).end(nth === 1 ? "first" : "anew");
  };
  const client = async (sidecar: SidecarProcess, counts: Answered) => {
    let isStored = false;
    while (answered.some(({ anew }) => anew < ANSWERS_EACH)) {
      const answer = await sidecar.fetch(path);
      const status = answer.headers.get("cache-status") ?? "";
      isStored ||= status.includes("; hit");
      if (isStored) statuses.push(status);
      counts.all += 1;
      if ((await answer.text()) === "anew") counts.anew += 1;
    }
  };
  const clientsOf = (sidecar: SidecarProcess, i: number) =>
    Array.from({ length: CLIENTS_EACH }, () => client(sidecar, answered[i] as Answered));
  await Promise.all(sidecars.flatMap(clientsOf));
  return { mostUnderWay, statuses };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
