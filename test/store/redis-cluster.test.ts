// The store in a Redis Cluster, as a user with the rights of the README and no other: the promises that every store keeps.

import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createRedisKeys, digestOf } from "../../src/store/redis-keys.ts";
import { startRedis } from "../support/redis.ts";
import { aclOf, COMMANDS, FOR_CLUSTER } from "../support/redis-acl.ts";
import { startCluster, type TestCluster } from "../support/redis-cluster.ts";
import { storesAt } from "../support/redis-stores.ts";
import { keyOf, storeContract, storedOf } from "./contract.ts";

const PATIENCE = { timeout: 20_000, interval: 5 };
const RIGHTS = [...COMMANDS, ...FOR_CLUSTER];
const USER = { username: "forebay", password: "secret" };
const redisKeys = createRedisKeys("forebay");

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
  await grant(RIGHTS);
});
afterAll(() => cluster?.stop());

const { create, connected } = storesAt(() => ({ cluster: cluster.nodes, ...USER }));

async function grant(commands: readonly string[]): Promise<void> {
  await Promise.all(cluster.servers.map((server) => server.command(...aclOf(commands))));
}

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
    const other = create({ cluster: [`127.0.0.1:${alone.port}`], username: undefined, password: undefined });
    await vi.waitUntil(() => other.health().detail.includes("cluster support disabled"), PATIENCE);
  });

  test("are asked by the same user while a slot moves", async () => {
    await cluster.flush();
    const store = await connected();
    const look = async () => await store.look({ key: keyOf("k"), tags: ["a"], limits: [] });
    await store.put(keyOf("k"), [], storedOf("one", { stamp: (await look()).fence.clock, tags: ["a"] }));
    const isFound = () =>
      vi.waitFor(async () => expect(await look()).toMatchObject({ usable: true, stored: { value: "one" } }), PATIENCE);
    await cluster.move(redisKeys.record(digestOf("k")), { moved: isFound });
    await isFound();
  });

  test("that refuse this user are named as such, by what they answer", async () => {
    await cluster.flush();
    const fence = await cluster.ownerOf("{fence}");
    const [one, two] = cluster.servers.filter((server) => server !== fence);
    onTestFinished(() => grant(RIGHTS));
    await one?.command("ACL", "SETUSER", "forebay", "-get");
    const store = await connected();
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
