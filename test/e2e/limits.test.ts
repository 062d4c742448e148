// One limit of several sidecars, seen from outside, while Redis answers and while it does not.

import { afterEach, expect, test, vi } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS, ROUNDS_MS } from "../support/undisturbed.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test(
  "three sidecars, a thousand requests each, all at once: of 250 are admitted 250",
  async () => {
    const { sidecars, origin } = await threeWith({ limit: 250, deadline: "30s" });
    const { count, path } = await firstTogether(sidecars, 1000);
    expect([count, origin.count(path)]).toEqual([250, 250]);
  },
  ROUNDS_MS,
);

test(
  "three sidecars admit a limit once, and once more when Redis falls silent, shared out among them",
  async () => {
    const { sidecars, redis } = await threeWith({ limit: 40, deadline: "1s" });
    await untilAllKnowOfAll(redis);

    const { count, path } = await firstTogether(sidecars, 40);
    expect(count).toBe(40);
    redis.freeze();
    cleanups.push(() => redis.thaw());
    expect(await admitted(sidecars, { each: 40, path: "/frozen" })).toBe(40);
    expect(await admitted(sidecars, { each: 40, path })).toBe(0);
  },
  ROUNDS_MS,
);

async function threeWith({ limit, deadline }: { limit: number; deadline: string }) {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const origin = await startOrigin((_request, response) => void response.end("hello"));
  cleanups.push(() => origin.close());
  const yaml = `
origin: ${origin.url}
store: { redis: { url: "${redis.url}", deadline: ${deadline} } }
routes:
  - { path: /*, rateLimit: { limit: ${limit}, window: 10d, by: header:x-api-key } }
`;
  const sidecars = await Promise.all([1, 2, 3].map(() => startSidecarProcess(yaml)));
  for (const sidecar of sidecars) cleanups.push(() => sidecar.stop());
  await Promise.all(sidecars.map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));
  return { redis, origin, sidecars };
}

interface Burst {
  readonly each: number;
  /** Its key, too. */
  readonly path: string;
}

/** The first burst that Redis alone counted, and how many of it were admitted. A machine that stands still for longer than a
 * heartbeat cuts its sidecars off, and they count by themselves. */
async function firstTogether(
  sidecars: readonly SidecarProcess[],
  each: number,
): Promise<{ count: number; path: string }> {
  for (let nth = 1; ; nth++) {
    const path = `/${nth}`;
    const count = await admitted(sidecars, { each, path });
    const said = await outcomes(sidecars, { each, path });
    if (!said.has("local")) return { count, path };
    if (nth === ROUNDS) throw new Error(`in each of ${ROUNDS} bursts a sidecar counted by itself`);
  }
}

/** How many of so many requests to each of them, all at once. No request fails. */
async function admitted(sidecars: readonly SidecarProcess[], { each, path }: Burst): Promise<number> {
  const ask = (sidecar: SidecarProcess) => sidecar.fetch(path, { headers: { "x-api-key": path } });
  const answers = await Promise.all(sidecars.flatMap((sidecar) => Array.from({ length: each }, () => ask(sidecar))));
  for (const { status } of answers) expect([200, 429]).toContain(status);
  return answers.filter(({ status }) => status === 200).length;
}

/** What the limiters said of a burst, by the logs, once all of it is written there. */
async function outcomes(sidecars: readonly SidecarProcess[], { each, path }: Burst): Promise<Set<unknown>> {
  const lines = () => sidecars.flatMap((sidecar) => sidecar.lines.filter((line) => line.path === path));
  await vi.waitUntil(() => lines().length === sidecars.length * each, { timeout: 20_000 });
  return new Set(lines().map(({ limit }) => limit));
}

/** Each has said that it lives after all had, and so has heard of them. */
async function untilAllKnowOfAll({ command }: TestRedis): Promise<void> {
  const LIVE = "forebay:{fence}:live";
  const oldest = async () => Number(await command("ZCOUNT", LIVE, `(${since}`, "+inf"));
  let since = 0;
  await vi.waitFor(async () => expect(await oldest()).toBe(3), { timeout: 10_000 });
  since = Date.now();
  await vi.waitFor(async () => expect(await oldest()).toBe(3), { timeout: 10_000 });
}
