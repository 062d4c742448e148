// One limit of several sidecars, seen from outside, while Redis answers and while it does not.

import { afterEach, expect, test, vi } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS, ROUNDS_MS, undisturbed } from "../support/undisturbed.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test(
  "three sidecars, a thousand requests each, all at once: of 250 are admitted 250",
  async () => {
    const { sidecars, origin } = await threeWith(limited(250), "30s");
    const { count, path } = await firstTogether(sidecars, 1000);
    expect([count, origin.count(path)]).toEqual([250, 250]);
  },
  ROUNDS_MS,
);

test(
  "three sidecars admit a limit once, and once more when Redis falls silent, shared out among them",
  async () => {
    const { sidecars, redis } = await threeWith(limited(40), "1s");
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

test(
  "limits of every kind admit together what each says, whichever sidecar is asked",
  async () => {
    const { sidecars, origin } = await threeWith(EVERY_KIND, "5s", ["--log-level", "debug"]);
    await undisturbed(sidecars, async (round) => {
      const before = origin.count("/dry");
      /** How many of 12 requests, four to each of them and all at once, were let in. */
      const let12 = async (path: string, fields: Record<string, string>) => {
        const headers = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value + round]));
        const all = Array.from({ length: 12 }, (_, i) => sidecars[i % 3]?.fetch(path, { headers }));
        return (await Promise.all(all)).filter((answer) => answer?.status === 200).length;
      };
      expect(await let12("/cookie", { cookie: "sid=a" })).toBe(5);
      expect(await let12("/cookie", { cookie: "lang=en; sid=a" })).toBe(0);
      expect(await let12("/cookie", { cookie: "sid=b" })).toBe(5);
      expect(await let12("/both", { cookie: "sid=a", "x-team": "1" })).toBe(5);
      expect(await let12("/both", { cookie: "sid=b", "x-team": "1" })).toBe(5);
      expect(await let12("/both", { cookie: "sid=b", "x-team": "1" })).toBe(0);
      expect(await let12("/several", { "x-key": "a", "x-team": "1" })).toBe(5);
      expect(await let12("/several", { "x-key": "b", "x-team": "1" })).toBe(3); // who was refused took nothing of the team's 8
      expect(await let12("/bucket", { "x-key": "a" })).toBe(7);
      expect(await let12("/dry", { "x-key": "a" })).toBe(12);
      expect(origin.count("/dry") - before).toBe(12);
      expect(await let12("/excepted", {})).toBe(12);
    });
  },
  ROUNDS_MS,
);

/** No window ends while a test runs. */
const EVERY_KIND = `
  - { path: /cookie, rateLimit: { limit: 5, window: 10d, algorithm: sliding-log, by: cookie:sid } }
  - { path: /both, rateLimit: { limit: 5, window: 10d, algorithm: fixed-window, by: [cookie:sid, header:x-team] } }
  - path: /several
    rateLimit:
      - { limit: 5, window: 10d, algorithm: fixed-window, by: header:x-key }
      - { limit: 8, window: 20d, algorithm: fixed-window, by: header:x-team }
  - { path: /bucket, rateLimit: { limit: 1, window: 10d, algorithm: token-bucket, burst: 7, by: header:x-key } }
  - { path: /dry, rateLimit: { limit: 2, window: 10d, enforce: false, by: header:x-key } }
  - { path: /excepted, rateLimit: { limit: 1, window: 10d, except: [loopback] } }
  - { path: /*, cache: {} }`;

function limited(limit: number): string {
  return `
  - { path: /*, rateLimit: { limit: ${limit}, window: 10d, by: header:x-api-key } }`;
}

async function threeWith(routes: string, deadline: string, flags: readonly string[] = []) {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const origin = await startOrigin((_request, response) => void response.end("hello"));
  cleanups.push(() => origin.close());
  const yaml = `
origin: ${origin.url}
store: { redis: { url: "${redis.url}", deadline: ${deadline} } }
routes:${routes}
`;
  const sidecars = await Promise.all([1, 2, 3].map(() => startSidecarProcess(yaml, flags)));
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
