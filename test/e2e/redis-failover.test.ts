// Sidecars on a Redis behind Sentinel, whose master is lost while clients ask and write.

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startSentinel, type TestSentinel } from "../support/redis-sentinel.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

let sentinel: TestSentinel;
let origin: Origin;
let version = 0;
const sidecars: SidecarProcess[] = [];

beforeAll(async () => {
  sentinel = await startSentinel();
  origin = await startOrigin((request, response) => {
    if (request.method === "POST") version += 1;
    response.setHeader("cache-control", "max-age=600").end(String(version));
  });
});
afterEach(async () => void (await Promise.all(sidecars.splice(0).map((sidecar) => sidecar.stop()))));
afterAll(async () => {
  await sentinel?.stop();
  await origin?.close();
});

async function withSidecar(): Promise<SidecarProcess> {
  const redis = `{ sentinel: { name: ${sentinel.name}, nodes: [${sentinel.nodes.map((node) => `"${node}"`).join(", ")}] } }`;
  const yaml = `origin: ${origin.url}\nstore: { redis: ${redis} }\nroutes: [{ path: /*, cache: {} }]`;
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

for (const how of ["killed", "frozen", "told to hand over"] as const) {
  test(`no request fails and no write is forgotten while the master is ${how}`, async () => {
    const [one, two] = [await withSidecar(), await withSidecar()];
    const old = await sentinel.master();
    const moved = how === "told to hand over" ? sentinel.failover() : sentinel.movedFrom(old);
    if (how === "killed") await old.kill();
    if (how === "frozen") old.freeze();
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    void moved.then(over, over);
    for (let turn = 0; !isOver || turn < 20; turn++) {
      const [writer, reader] = turn % 2 ? [one, two] : [two, one];
      expect((await writer.fetch("/a", { method: "POST" })).status).toBe(200);
      const written = version;
      expect(await read(reader)).toBe(written);
      expect(await read(writer)).toBe(written);
      for (let n = 0; n < 20; n++) expect(await read(n % 2 ? one : two)).toBe(written);
    }
    await moved;
    old.thaw();
    while (!(await one.fetch("/a")).headers.get("cache-status")?.includes("; hit")) {
      // What it fetched is stored after its answer.
    }
    expect((await two.fetch("/a")).headers.get("cache-status")).toMatch(/; hit|fwd=/);
    expect(await read(two)).toBe(version);
    if (how === "killed") await old.start();
  }, 120_000);
}
