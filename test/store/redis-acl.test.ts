// A user of Redis with the least rights: everything works with those of the README, and what is missing is named.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { aclOf, COMMANDS, FOR_DATABASE } from "../support/redis-acl.ts";
import { redisStores } from "../support/redis-stores.ts";
import { storeContract } from "./contract.ts";

const SCRIPTS = join(import.meta.dirname, "../../src/store/scripts");
const stores = redisStores();
const url = () => stores.redis.url.replace("redis://", "redis://forebay:secret@");

beforeAll(async () => {
  await stores.redis.command(...aclOf());
});

storeContract("redis with the least rights", {
  shared: true,
  async create() {
    await stores.redis.flush();
    const connected = () => stores.connected({ url: url() });
    return { store: await connected(), another: connected, close: async () => {} };
  },
});

describe("a user without rights", () => {
  const PATIENCE = { timeout: 10_000, interval: 5 };
  const detailOf = async (commands: readonly string[], isMeant: (detail: string) => boolean) => {
    await stores.redis.command(...aclOf(commands));
    await stores.redis.command("SCRIPT", "FLUSH");
    const store = stores.create({ url: url() });
    try {
      await vi.waitUntil(() => isMeant(store.health().detail), PATIENCE);
    } catch (cause) {
      throw new Error(`it says: ${store.health().detail}`, { cause });
    } finally {
      await store.close();
      await stores.redis.command(...aclOf());
    }
  };

  // Without INFO another process is supposed behind each new connection. PING is for RESP2.
  const needed = COMMANDS.filter((command) => !["info", "ping", "unsubscribe"].includes(command));
  test.each(needed)("is told that %s is missing", async (missing) => {
    const others = COMMANDS.filter((command) => command !== missing);
    await detailOf(others, (detail) => detail.toLowerCase().includes(missing));
  });

  test("with a wrong password from the start finds the reason in the log, once, and never the password", async () => {
    const told: string[] = [];
    const store = stores.create({
      url: url().replace(":secret@", ":not-the-one@"),
      log: (state, detail) => void told.push(`${state} ${detail}`),
    });
    const hasTried = async () => Number(/failed_calls=(\d+)/.exec(await authentications())?.[1]) > 20;
    await stores.redis.command("CONFIG", "RESETSTAT");
    await vi.waitUntil(hasTried, PATIENCE);
    expect(told).toEqual([expect.stringMatching(/^degraded WRONGPASS/)]);
    expect(told.join() + store.health().detail).not.toContain("not-the-one");
  });

  const authentications = async () =>
    String(await stores.redis.command("INFO", "commandstats"))
      .split("\r\n")
      .filter((line) => line.startsWith("cmdstat_hello") || line.startsWith("cmdstat_auth"))
      .join(" ");

  test("to our keys is told so", async () => {
    await stores.redis.command(...aclOf(), "resetkeys", "~other:*");
    const store = stores.create({ url: url() });
    await vi.waitUntil(() => /NOPERM.*key/i.test(store.health().detail), PATIENCE);
    await stores.redis.command(...aclOf());
  });

  test("to choose a database is told so where one is chosen", async () => {
    const store = stores.create({ url: `${url()}/1` });
    await vi.waitUntil(() => /NOPERM.*select/.test(store.health().detail), PATIENCE);
    await stores.redis.command(...aclOf([...COMMANDS, ...FOR_DATABASE]));
    await store.connected();
    expect(store.health().state).toBe("ok");
    await stores.redis.command(...aclOf());
  });

  test("with a wrong password, or none, is told so", async () => {
    const wrong = stores.create({ url: stores.redis.url, username: "forebay", password: "wrong" });
    await vi.waitUntil(() => wrong.health().detail.includes("WRONGPASS"), PATIENCE);
    expect(JSON.stringify(wrong.health())).not.toContain("secret");
    const right = await stores.connected({ url: stores.redis.url, username: "forebay", password: "secret" });
    expect(right.health().state).toBe("ok");
  });
});

test("every command of a script is among those tried, and among the rights", () => {
  const texts = new Map(
    globSync("*.lua", { cwd: SCRIPTS }).map((file) => [file, readFileSync(join(SCRIPTS, file), "utf8")]),
  );
  const tried = texts.get("rights.lua") ?? "";
  const used = [...texts.values()].flatMap((text) =>
    [...text.matchAll(/redis\.p?call\('(\w+)'/g)].map(([, name]) => name ?? ""),
  );
  expect(used.length).toBeGreaterThan(20);
  expect(used.filter((name) => !tried.includes(`{ '${name}'`))).toEqual([]);
  expect(used.filter((name) => !COMMANDS.includes(name.toLowerCase()))).toEqual([]);
});
