// One limit of several sidecars, seen from outside, while Redis answers and while it does not.

import { afterEach, expect, test, vi } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("three sidecars admit a limit once, and once more when Redis falls silent, shared out among them", async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  const origin = await startOrigin((_request, response) => void response.end("hello"));
  cleanups.push(() => origin.close());
  const yaml = `
origin: ${origin.url}
store: { redis: { url: "${redis.url}", deadline: 1s } }
routes:
  - { path: /*, rateLimit: { limit: 40, window: 10d, by: header:x-api-key } }
`;
  const sidecars = await Promise.all([1, 2, 3].map(() => startSidecarProcess(yaml)));
  for (const sidecar of sidecars) cleanups.push(() => sidecar.stop());
  await Promise.all(sidecars.map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));
  await untilAllKnowOfAll(redis);

  expect(await admitted(sidecars, "a")).toBe(40);
  redis.freeze();
  cleanups.push(() => redis.thaw());
  expect(await admitted(sidecars, "b")).toBe(40);
  expect(await admitted(sidecars, "a")).toBe(0);
});

/** How many of forty requests to each of them, all at once. */
async function admitted(sidecars: readonly SidecarProcess[], key: string): Promise<number> {
  const ask = (sidecar: SidecarProcess) => sidecar.fetch("/", { headers: { "x-api-key": key } });
  const answers = await Promise.all(sidecars.flatMap((sidecar) => Array.from({ length: 40 }, () => ask(sidecar))));
  for (const { status } of answers) expect([200, 429]).toContain(status);
  return answers.filter(({ status }) => status === 200).length;
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
