// The store in a Redis Cluster: the promises that every store keeps.

import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { startRedis } from "../support/redis.ts";
import { aclOf } from "../support/redis-acl.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { storesAt } from "../support/redis-stores.ts";
import { keyOf, storeContract, storedOf } from "./contract.ts";

const PATIENCE = { timeout: 10_000, interval: 5 };

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);
afterAll(() => cluster?.stop());

const { create, connected } = storesAt(() => ({ cluster: cluster.nodes }));

storeContract("redis cluster", {
  shared: true,
  async create() {
    await cluster.flush();
    return { store: await connected(), another: () => connected(), close: async () => {} };
  },
});

describe("the nodes of a Cluster", () => {
  test("are found by any of them, the others named being gone", async () => {
    await cluster.flush();
    const [one, two] = [await connected({ cluster: ["127.0.0.1:1", ...cluster.nodes.slice(0, 1)] }), await connected()];
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      const { fence } = await one.look({ key: undefined, tags: [], limits: [] });
      await one.put(keyOf(name), [], storedOf(name, { stamp: fence.clock, tags: [name] }));
      const reading = await two.look({ key: keyOf(name), tags: [name], limits: [] });
      expect(reading).toMatchObject({ usable: true, stored: { value: name } });
    }
    const stored = await Promise.all(cluster.servers.map((server) => server.command("DBSIZE")));
    expect(stored.every((count) => Number(count) > 0)).toBe(true);
  });

  test("that are none are named as such", async () => {
    const alone = await startRedis();
    onTestFinished(() => alone.stop());
    const gone = create({ cluster: ["127.0.0.1:1"] });
    await vi.waitUntil(
      () => /no node of the Redis Cluster answers: .*ECONNREFUSED/.test(gone.health().detail),
      PATIENCE,
    );
    const other = create({ cluster: [`127.0.0.1:${alone.port}`] });
    await vi.waitUntil(() => other.health().detail.includes("cluster support disabled"), PATIENCE);
  });

  test("take a user with the rights of the README, and those of a Cluster", async () => {
    await cluster.flush();
    const rights = [...aclOf(), "+cluster|info", "+cluster|slots", "+asking"];
    await Promise.all(cluster.servers.map((server) => server.command(...rights)));
    const store = await connected({ username: "forebay", password: "secret" });
    const { fence } = await store.look({ key: undefined, tags: [], limits: [] });
    await store.put(keyOf("k"), ["x"], storedOf("one", { stamp: fence.clock, tags: ["a"] }));
    const { lease } = await store.lead(keyOf("k"), ["x"], ["a"], 1000);
    expect(lease).toBeDefined();
    expect((await store.look({ key: keyOf("k"), tags: ["a"], limits: [] })).usable).toBe(true);
    expect(store.health().state).toBe("ok");
  });

  test("that refuse this user are named as such, by what they answer", async () => {
    await cluster.flush();
    const rights = [...aclOf(), "+cluster|info", "+cluster|slots", "+asking"];
    await Promise.all(cluster.servers.map((server) => server.command(...rights)));
    const fence = await cluster.ownerOf("{fence}");
    const [one, two] = cluster.servers.filter((server) => server !== fence);
    onTestFinished(async () => {
      await Promise.all(cluster.servers.map((server) => server.command(...rights, "on")));
    });
    await one?.command("ACL", "SETUSER", "forebay", "-get");
    const store = await connected({ username: "forebay", password: "secret" });
    await vi.waitUntil(async () => {
      const looks = Array.from({ length: 20 }, (_, i) => store.look({ key: keyOf(`k${i}`), tags: [], limits: [] }));
      await Promise.allSettled(looks);
      return store.health().detail.includes("get");
    }, PATIENCE);
    expect(store.health()).toMatchObject({
      state: "degraded",
      detail: expect.stringMatching(new RegExp(`127.0.0.1:${one?.port} of the Redis Cluster: NOPERM`)),
    });
    await two?.command("ACL", "SETUSER", "forebay", "off");
    await two?.command("CLIENT", "KILL", "USER", "forebay");
    await vi.waitUntil(() => {
      return new RegExp(`no answer from 127.0.0.1:${two?.port} of the Redis Cluster: WRONGPASS`).test(
        store.health().detail,
      );
    }, PATIENCE);
  });

  test("are told the scripts again when they have forgotten them", async () => {
    await cluster.flush();
    const store = await connected();
    await Promise.all(cluster.servers.map((server) => server.command("SCRIPT", "FLUSH")));
    const names = ["a", "b", "c", "d", "e"];
    await vi.waitFor(async () => {
      const leads = await Promise.all(names.map((name) => store.lead(keyOf(name), [], [], 1000)));
      expect(leads.every(({ lease, retryMs }) => lease !== undefined || retryMs > 0)).toBe(true);
    }, PATIENCE);
  });
});
