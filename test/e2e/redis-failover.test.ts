// Sidecars on a Redis behind Sentinel, whose master is lost while clients ask and write.

import { afterAll, beforeAll, expect, test } from "vitest";
import { countedWrites } from "../support/counted.ts";
import { startSentinel, type TestSentinel } from "../support/redis-sentinel.ts";

let sentinel: TestSentinel;

beforeAll(async () => {
  sentinel = await startSentinel();
});
afterAll(() => sentinel?.stop());

const counted = countedWrites(
  () => `{ sentinel: { name: ${sentinel.name}, nodes: [${sentinel.nodes.map((node) => `"${node}"`).join(", ")}] } }`,
);

for (const how of ["killed", "frozen", "told to hand over"] as const) {
  test(`no request fails and no write is forgotten while the master is ${how}`, async () => {
    const [one, two] = [await counted.sidecar(), await counted.sidecar()];
    const old = await sentinel.master();
    const moved = how === "told to hand over" ? sentinel.failover() : sentinel.movedFrom(old);
    if (how === "killed") await old.kill();
    if (how === "frozen") old.freeze();
    await counted.ask([one, two], moved);
    old.thaw();
    while (!(await one.fetch("/a")).headers.get("cache-status")?.includes("; hit")) {
      // What it fetched is stored after its answer.
    }
    expect((await two.fetch("/a")).headers.get("cache-status")).toMatch(/; hit|fwd=/);
    expect(await counted.read(two)).toBe(counted.version);
    if (how === "killed") await old.start();
  }, 120_000);
}
