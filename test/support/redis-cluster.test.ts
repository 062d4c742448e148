// What the checker relies on in a Cluster that is restarted and fails over.

import { expect, onTestFinished, test } from "vitest";
import { startCluster } from "./redis-cluster.ts";

test("a node that comes back with keys of a slot that has moved believes nothing to be under way", async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const old = await cluster.ownerOf("key");
  await old.command("SET", "key", "value");
  await old.command("SAVE");
  const now = await cluster.move("key");
  await cluster.settled();
  await old.restart();
  expect(String(await old.command("CLUSTER", "NODES"))).not.toContain("-<-");
  expect(await cluster.ownerOf("key")).toBe(now);
});
