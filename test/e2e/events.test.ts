// What the others hear of a sidecar that could not reach Redis for a while.

import { request } from "undici";
import { afterEach, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startRelay } from "../support/relay.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, watchCutOffs } from "../support/undisturbed.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const SOON = { timeout: 20_000 };

test(
  "a breaker that opens and closes is told to the others when Redis can be reached again; what is lost is counted",
  async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const origin = await startOrigin((_request, response) => {
      response.setHeader("cache-control", "max-age=600").end("hello");
    });
    cleanups.push(() => origin.close());
    // Who hears nothing while the others tell has lost that for good: where the machine stands still, others begin anew.
    while (!(await isToldAndCounted(redis, origin)));
  },
  ROUNDS_MS,
);

/** Two sidecars, one of which cannot reach Redis for a while. False: the other could not either, and nothing is to be expected. */
async function isToldAndCounted(redis: TestRedis, origin: Origin): Promise<boolean> {
  const relay = await startRelay(redis.port);
  cleanups.push(() => relay.stop());
  const through = (port: number) =>
    withSidecar(`
origin: ${origin.url}
store: { redis: { url: "redis://127.0.0.1:${port}", deadline: 50ms } }
routes:
  - { path: /limited, rateLimit: { limit: 1, window: 10d } }
  - { path: /*, cache: {} }
`);
  const [one, two] = await Promise.all([through(relay.port), through(redis.port)]);
  await Promise.all([one, two].map((sidecar) => sidecar.line(({ msg }) => msg === "store ok")));
  const cutOffs = watchCutOffs([two]);
  const isCutOff = () => cutOffs().length > 0;
  const [own, others] = await Promise.all([streamOf(one), streamOf(two)]);
  const ofOne = () => others().filter(({ sidecar, seq }) => sidecar === own()[0]?.sidecar && seq !== undefined);
  const isOpen = () => own().findLast(isOfBreaker)?.open === true;
  const isHit = async () => (await one.fetch("/a")).headers.get("cache-status")?.includes("; hit") === true;
  const refusals = () => own().filter(({ kind }) => kind === "refused").length;
  const refuseOneMore = async () => {
    const before = refusals();
    await vi.waitUntil(async () => {
      await one.fetch("/limited");
      return refusals() > before;
    }, SOON);
  };
  await vi.waitUntil(async () => {
    await refuseOneMore();
    return isCutOff() || ofOne().length > 0;
  }, SOON);

  // Five questions go unanswered before the sidecar has noticed; on a machine that stands still, in one of the next rounds.
  await vi.waitUntil(async () => {
    await vi.waitUntil(isHit, SOON);
    relay.hold();
    for (let i = 0; i < 8; i++) await one.fetch("/a");
    if (!isOpen()) relay.release();
    return isOpen();
  }, SOON);
  relay.cut();
  await refuseOneMore();
  await refuseOneMore();
  relay.release();
  await vi.waitUntil(async () => (await isHit()) && !isOpen(), SOON);
  await vi.waitFor(() => isCutOff() || expect(ofOne().filter(isOfBreaker)).toEqual(own().filter(isOfBreaker)), SOON);
  if (isCutOff()) return false;
  const numbers = ofOne().map(({ seq = 0 }) => seq);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const missing = (numbers.at(-1) ?? 0) - (numbers[0] ?? 0) + 1 - numbers.length;
  expect(missing).toBeGreaterThan(0);
  const lost = others().filter(({ kind, count }) => kind === undefined && count !== undefined);
  expect(lost.reduce((sum, { count = 0 }) => sum + count, 0)).toBe(missing);
  return true;
}

const isOfBreaker = ({ kind }: Told) => kind === "breaker";

async function withSidecar(yaml: string): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml);
  cleanups.push(() => sidecar.stop());
  return sidecar;
}

/** What GET /api/events tells; only the first has no number, and what tells of lost ones. */
interface Told {
  readonly sidecar?: string;
  readonly seq?: number;
  readonly kind?: string;
  readonly open?: boolean;
  readonly count?: number;
}

/** All that a sidecar's stream has told so far, as it is asked for. */
async function streamOf({ admin }: SidecarProcess): Promise<() => readonly Told[]> {
  const { body } = await request(`${admin}/api/events`);
  let text = "";
  body.on("data", (piece) => {
    text += piece;
  });
  body.on("error", () => {});
  cleanups.push(() => body.destroy());
  const told = () => [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as Told);
  await vi.waitUntil(() => told().length > 0, SOON);
  return told;
}
