// A Redis, or a proxy before one, that does not know HELLO is spoken to in RESP2: nothing changes.

import { expect, test } from "vitest";
import { redisStores } from "../support/redis-stores.ts";
import { storeContract } from "./contract.ts";

const stores = redisStores(["--rename-command", "HELLO", ""]);

storeContract("redis without RESP3", {
  shared: true,
  async create() {
    await stores.redis.flush();
    return { store: await stores.connected(), another: () => stores.connected(), close: async () => {} };
  },
});

test("HELLO is really not known there", async () => {
  await stores.connected();
  const stats = String(await stores.redis.command("INFO", "clients"));
  expect(stats).toMatch(/connected_clients:[1-9]/);
  await expect(stores.redis.command("HELLO", "3")).rejects.toThrow(/unknown command/);
});

test("a user is known by AUTH as well", async () => {
  await stores.redis.command("ACL", "SETUSER", "me", "on", ">secret", "~*", "&*", "+@all");
  const store = await stores.connected({ username: "me", password: "secret" });
  expect(store.health()).toMatchObject({ state: "ok" });
});
