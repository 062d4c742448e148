// Sidecars on a Redis Cluster whose fence loses its master while clients ask and write.

import { afterAll, beforeAll, test, vi } from "vitest";
import { countedWrites } from "../support/counted.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";

const FENCE = "forebay:{fence}:slots";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

const { sidecar, read, ask } = countedWrites(
  () => `{ cluster: [${cluster.nodes.map((node) => `"${node}"`).join(", ")}] }`,
);

test("no request fails and no write is forgotten while the master of the fence is killed", async () => {
  const old = await cluster.ownerOf(FENCE);
  await cluster.replicate(old);
  const [one, two] = [await sidecar(), await sidecar()];
  await old.kill();
  await ask(
    [one, two],
    vi.waitUntil(async () => (await cluster.ownerOf(FENCE)) !== old, { timeout: 30_000, interval: 50 }),
  );
  await vi.waitUntil(
    async () => {
      await read(one);
      return (await two.fetch("/a")).headers.get("cache-status")?.includes("hit");
    },
    { timeout: 20_000, interval: 50 },
  );
});
