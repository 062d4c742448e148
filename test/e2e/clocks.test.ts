// Two sidecars on one Redis, the clock of one a month ahead: what that changes (ages), and what it must not change.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, undisturbed } from "../support/undisturbed.ts";

const DAY = 86_400;
const AHEAD = 30 * DAY;
const PRELOAD = new URL("../support/clock-ahead.mjs", import.meta.url).href;

const cleanups: (() => unknown)[] = [];
let redis: TestRedis;
let origin: Origin;
let right: SidecarProcess;
let ahead: SidecarProcess;

beforeEach(async () => {
  redis = await startRedis();
  cleanups.push(() => redis.stop());
  let version = 1;
  origin = await startOrigin(({ method, url }, response) => {
    if (method === "POST") version += 1;
    const days = url === "/short" ? 10 : 1000;
    response.setHeader("cache-control", `max-age=${days * DAY}`).end(`v${version}`);
  });
  cleanups.push(() => origin.close());
  const yaml = `
origin: ${origin.url}
store: { redis: { url: "${redis.url}", deadline: 1s } }
routes:
  - { path: /limited, rateLimit: { limit: 40, window: 20d, algorithm: fixed-window, by: header:x-api-key } }
  - { path: /*, cache: {} }`;
  const env = { ...process.env, CLOCK_AHEAD_MS: String(AHEAD * 1000) };
  [right, ahead] = await Promise.all([
    startSidecarProcess(yaml, ["--log-level", "debug"]),
    startSidecarProcess(yaml, ["--log-level", "debug"], { env, preload: PRELOAD }),
  ]);
  for (const sidecar of [right, ahead]) cleanups.push(() => sidecar.stop());
  await Promise.all([right, ahead].map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test(
  "what the other stored is as much older for a sidecar as its clock is ahead",
  async () => {
    const stored = async () => {
      await right.fetch("/short");
      return (await redis.command("KEYS", "*:v:*")) as string[];
    };
    await vi.waitFor(async () => expect(await stored()).toHaveLength(1), { timeout: 20_000 });
    const status = async () => (await ahead.fetch("/short")).headers.get("cache-status");
    await vi.waitFor(async () => expect(await status()).toContain("fwd=stale"), { timeout: 20_000 });

    const { count, age } = await undisturbed([right, ahead], async (round) => {
      const path = `/${round}`;
      await untilHit(right, path);
      const answer = await untilHit(ahead, path);
      return { count: origin.count(path), age: Number(answer.headers.get("age")) };
    });
    expect(count).toBe(1);
    expect(age).toBeGreaterThanOrEqual(AHEAD);
    expect(age).toBeLessThan(AHEAD + DAY);
  },
  ROUNDS_MS,
);

test("a write on either is followed by no older answer of the other, whatever their clocks say", async () => {
  const all = [right, ahead];
  await untilHit(right, "/long");
  await untilHit(ahead, "/long");
  for (let version = 2; version <= 5; version++) {
    await all[version % 2]?.fetch("/long", { method: "POST" });
    for (const sidecar of all) expect(await (await sidecar.fetch("/long")).text()).toBe(`v${version}`);
    for (const sidecar of all) expect(await (await untilHit(sidecar, "/long")).text()).toBe(`v${version}`);
  }
});

test(
  "together they admit a limit once: its window is one of Redis' clock",
  async () => {
    const answers = await undisturbed([right, ahead], (round) => {
      const ask = (sidecar: SidecarProcess) => sidecar.fetch("/limited", { headers: { "x-api-key": `${round}` } });
      return Promise.all([right, ahead].flatMap((sidecar) => Array.from({ length: 40 }, () => ask(sidecar))));
    });
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(40);
  },
  ROUNDS_MS,
);

/** The first answer from the cache. */
async function untilHit(sidecar: SidecarProcess, path: string): Promise<Response> {
  for (;;) {
    const answer = await sidecar.fetch(path);
    if (answer.headers.get("cache-status")?.includes("; hit")) return answer;
  }
}
