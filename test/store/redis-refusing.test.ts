// A Redis that answers, but not as it should: it reads and takes no writes, it is loading, it cuts connections. What it
// cannot be told of writes must not be answered by anybody.

import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { RedisStore } from "../../src/store/redis.ts";
import { startRedis } from "../support/redis.ts";
import { redisStores } from "../support/redis-stores.ts";
import { asking } from "./asking.ts";

// Each key takes 1 ms to load.
const stores = redisStores(["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]);
const own = asking(stores);
const { look, put, firstAnswer, noticed, noticing } = own;
const PATIENCE = { timeout: 20_000, interval: 5 };

function command(...words: string[]): Promise<unknown> {
  return stores.redis.command(...words);
}

async function answer(on: RedisStore<string>): Promise<string | undefined> {
  const reading = await look(on).catch(() => undefined);
  return reading?.usable ? reading.stored?.value : undefined;
}

/** While Redis takes no invalidation: nobody reads once a write was acknowledged, and none is forgotten after it. */
async function forgetsNoWrite(refuse: () => Promise<unknown>, allow: () => Promise<unknown>): Promise<void> {
  // It waits for the other to replay: the two need not notice at the same moment that Redis takes writes again.
  const other = await stores.connected({ deadline: 1000, settle: 1000 });
  await vi.waitUntil(async () => (await answer(other)) === "one", PATIENCE);
  const write = await own.store.begin(["a"]);
  await refuse();
  await write.commit();
  expect(await answer(other)).toBeUndefined();
  expect(await answer(own.store)).toBeUndefined();
  await allow();
  for (const store of [other, own.store]) expect((await firstAnswer(store)).reading.usable).toBe(false);
  const stored = () => put("two").then(Boolean, () => undefined);
  await vi.waitUntil(async () => (await stored()) !== undefined, PATIENCE);
  expect(await answer(other)).toBe("two");
}

describe("a Redis that reads, and takes no writes", () => {
  test("because it was told to pause them, is left alone until it does", async () => {
    await forgetsNoWrite(
      () => command("CLIENT", "PAUSE", "60000", "WRITE"),
      () => command("CLIENT", "UNPAUSE"),
    );
  });

  test("because replicas are missing, is left alone until they are there", async () => {
    await forgetsNoWrite(
      () => command("CONFIG", "SET", "min-replicas-to-write", "1"),
      () => command("CONFIG", "SET", "min-replicas-to-write", "0"),
    );
  });

  test("because its replica no longer follows, is left alone until it does", async () => {
    const replica = await startRedis(["--replicaof", "127.0.0.1", String(stores.redis.port)]);
    const following = (count: number) => async () =>
      String(await command("INFO", "replication")).includes(`min_slaves_good_slaves:${count}`);
    try {
      await command("CONFIG", "SET", "min-replicas-max-lag", "2");
      await command("CONFIG", "SET", "min-replicas-to-write", "1");
      await vi.waitUntil(following(1), PATIENCE);
      await vi.waitUntil(async () => (await answer(own.store)) === "one", PATIENCE);
      await forgetsNoWrite(
        async () => {
          replica.freeze();
          await vi.waitUntil(following(0), PATIENCE);
        },
        async () => {
          replica.thaw();
          await vi.waitUntil(following(1), PATIENCE);
        },
      );
    } finally {
      await command("CONFIG", "SET", "min-replicas-to-write", "0");
      replica.thaw();
      await replica.stop();
    }
  });

  test("because it could not save, is left alone until it can", async () => {
    const { dir = "" } = (await command("CONFIG", "GET", "dir")) as Record<string, string>;
    const inTheWay = join(dir, "dump.rdb");
    await forgetsNoWrite(
      async () => {
        mkdirSync(inTheWay);
        await command("CONFIG", "SET", "save", "3600 1");
        await command("BGSAVE");
        const failed = async () => String(await command("INFO")).includes("rdb_last_bgsave_status:err");
        await vi.waitUntil(failed, PATIENCE);
      },
      async () => {
        rmdirSync(inTheWay);
        await command("BGSAVE");
      },
    );
    await command("CONFIG", "SET", "save", "");
  });

  test("says why, for as long as that lasts", async () => {
    await command("CONFIG", "SET", "min-replicas-to-write", "1");
    await noticed();
    await vi.waitUntil(() => own.store.health().detail.includes("NOREPLICAS"), PATIENCE);
    await command("CONFIG", "SET", "min-replicas-to-write", "0");
    await firstAnswer();
  });
});

describe("a Redis that pauses everything", () => {
  test("costs a deadline at first, and has its hits back afterwards", async () => {
    const noticed = await noticing();
    await command("CLIENT", "PAUSE", "1500");
    await expect(look()).rejects.toThrow(/500 ms|does not answer/); // the latter where it is known to be silent already
    await noticed();
    expect((await firstAnswer()).reading).toMatchObject({ usable: true, stored: { value: "one" } });
  });
});

describe("a Redis that is loading", () => {
  test("is waited for, and what it held is trusted in nothing", async () => {
    await command("EVAL", "for i = 1, 4000 do redis.call('SET', 'other:' .. i, i) end", "0");
    await command("SAVE");
    await stores.redis.kill();
    const loaded = stores.redis.start();
    await vi.waitUntil(() => own.store.health().detail.includes("LOADING"), PATIENCE);
    expect((await own.store.begin(["b"])).noted).toBe(false);
    await expect(look()).rejects.toThrow();
    await loaded;
    expect((await firstAnswer()).reading).toMatchObject({ usable: false, stored: { value: "one" } });
  });
});

describe("a Redis that cuts connections", () => {
  test("all at once, is connected to anew and has its hits back", async () => {
    for (let n = 0; n < 3; n++) {
      const noticed = await noticing();
      await command("CLIENT", "KILL", "TYPE", "normal");
      await noticed();
      expect((await firstAnswer()).reading.usable).toBe(true);
    }
  });
});
