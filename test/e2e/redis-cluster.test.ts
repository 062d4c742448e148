// Sidecars on a Redis Cluster whose fence loses its master while clients ask and write.

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const FENCE = "forebay:{fence}:slots";

let cluster: TestCluster;
let origin: Origin;
let version = 0;
const sidecars: SidecarProcess[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  origin = await startOrigin((request, response) => {
    if (request.method === "POST") version += 1;
    response.setHeader("cache-control", "max-age=600").end(String(version));
  });
});
afterEach(async () => void (await Promise.all(sidecars.splice(0).map((sidecar) => sidecar.stop()))));
afterAll(async () => {
  await cluster?.stop();
  await origin?.close();
});

async function withSidecar(): Promise<SidecarProcess> {
  const nodes = cluster.nodes.map((node) => `"${node}"`).join(", ");
  const yaml = `origin: ${origin.url}\nstore: { redis: { cluster: [${nodes}] } }\nroutes: [{ path: /*, cache: {} }]`;
  const sidecar = await startSidecarProcess(yaml);
  sidecars.push(sidecar);
  await sidecar.line(({ msg }) => msg === "store ok");
  return sidecar;
}

async function read(sidecar: SidecarProcess): Promise<number> {
  const answer = await sidecar.fetch("/a");
  expect(answer.status).toBe(200);
  return Number(await answer.text());
}

test("no request fails and no write is forgotten while the master of the fence is killed", async () => {
  const old = await cluster.ownerOf(FENCE);
  await cluster.replicate(old);
  const [one, two] = [await withSidecar(), await withSidecar()];
  await old.kill();
  let isOver = false;
  const moved = vi.waitUntil(async () => (await cluster.ownerOf(FENCE)) !== old, { timeout: 30_000, interval: 50 });
  void moved.then(() => {
    isOver = true;
  });
  for (let turn = 0; !isOver || turn < 20; turn++) {
    const [writer, reader] = turn % 2 ? [one, two] : [two, one];
    expect((await writer.fetch("/a", { method: "POST" })).status).toBe(200);
    const written = version;
    expect(await read(reader)).toBe(written);
    expect(await read(writer)).toBe(written);
    for (let n = 0; n < 20; n++) expect(await read(n % 2 ? one : two)).toBe(written);
  }
  await moved;
  await vi.waitUntil(
    async () => {
      await read(one);
      return (await two.fetch("/a")).headers.get("cache-status")?.includes("hit");
    },
    { timeout: 20_000, interval: 50 },
  );
});
