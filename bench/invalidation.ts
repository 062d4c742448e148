// Does it matter to an invalidation how many stored responses carry the tag? They are put into a Redis by the store
// itself; then one tag that none of them carries, one that some carry and one that all carry are invalidated in turn, and
// each is timed until its write may be answered: `node bench/invalidation.ts [how many responses, default 1000000]`.
//
// Expected: alike. A million take about a minute to put and 400 MB of Redis.

import { setTimeout as pause } from "node:timers/promises";
import { createRedisStore } from "../src/store/redis.ts";
import type { Stored } from "../src/store/store.ts";
import { StoreUnavailable } from "../src/store/unavailable.ts";
import { startRedis } from "../test/support/redis.ts";
import { median, quantileOf } from "./statistics.ts";
import { inColumns } from "./table.ts";

const RESPONSES = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 500;
const AT_ONCE = 2000;
const FEW = 1000;
/** Bytes alike for all: what is measured is not how they are read. */
const codec = {
  encode: ({ stamp, tags }: Stored<string>) => Buffer.from(JSON.stringify({ stamp, tags })),
  decode(bytes: Uint8Array): Stored<string> {
    const { stamp, tags } = JSON.parse(Buffer.from(bytes).toString());
    return { value: "", stamp, tags, ...KEPT };
  },
  size: () => 1,
  label: () => undefined,
};
const KEPT = { freshUntil: Date.now() + 3_600_000, keepUntil: Date.now() + 3_600_000 };
const keyOf = (i: number) => ({ primary: `response ${i}`, variant: () => "" });

const redis = await startRedis();
const store = createRedisStore<string>({
  url: redis.url,
  prefix: "forebay",
  connections: 1,
  deadline: 10_000,
  writeDeadline: 10_000,
  settle: 0,
  slots: 1 << 20,
  codec,
});
try {
  await store.connected();
  const began = performance.now();
  await fill();
  process.stdout.write(`${RESPONSES} responses put in ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  const before = await usable();
  process.stdout.write(inColumns(await measured()));
  process.stdout.write(`of 100 responses looked at, ${before} were usable before and ${await usable()} are now\n`);
} finally {
  await store.close();
  await redis.stop();
}

async function fill(): Promise<void> {
  const { clock } = (await patiently(() => store.look({ key: undefined, tags: [], limits: [] }))).fence;
  for (let i = 0; i < RESPONSES; i += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, RESPONSES - i) }, (_, j) => i + j);
    await Promise.all(
      batch.map((each) => {
        const tags = ["tag:all", ...(each < FEW ? ["tag:few"] : [])];
        return patiently(() => store.put(keyOf(each), [], { value: "", stamp: clock, tags, ...KEPT }));
      }),
    );
  }
}

/** A machine that is busy for a moment cuts the store off: what was refused then is tried again. */
async function patiently<T>(attempt: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await pause(20);
    }
  }
}

/** Round about, so that whatever else the machine does falls on all alike. */
async function measured(): Promise<string[][]> {
  const tags = new Map([
    ["none", "tag:none"],
    [String(FEW), "tag:few"],
    [String(RESPONSES), "tag:all"],
  ]);
  const times = new Map([...tags.keys()].map((carriers): [string, number[]] => [carriers, []]));
  for (let round = -50; round < ROUNDS; round++) {
    for (const [carriers, tag] of tags) {
      const write = await store.begin([tag]);
      const began = performance.now();
      await write.commit();
      if (round >= 0) times.get(carriers)?.push(performance.now() - began); // the first warm up
    }
  }
  const rows = [...times].map(([carriers, ms]) => [
    carriers,
    (median(ms) ?? Number.NaN).toFixed(3),
    quantileOf(ms, 0.99).toFixed(3),
  ]);
  return [["stored responses with the tag", "p50 ms", "p99 ms"], ...rows];
}

async function usable(): Promise<number> {
  const step = Math.max(1, Math.floor(RESPONSES / 100));
  const looks = Array.from({ length: 100 }, (_, i) =>
    patiently(() => store.look({ key: keyOf(i * step), tags: [], limits: [] })),
  );
  return (await Promise.all(looks)).filter((reading) => reading.usable).length;
}
