// Does an attempt to connect end when it is told to, whatever the other end does? And what does it find out?

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createDialler } from "../../src/store/redis-client.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const PATIENCE = { timeout: 20_000, interval: 5 };
const never = new AbortController().signal;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());

/** Takes connections and never says a word. `accepted` resolves with the first, however short it lives. */
async function silent(): Promise<{ url: string; sockets: ReadonlySet<Socket>; accepted: Promise<unknown> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `redis://127.0.0.1:${port}`, sockets, accepted: once(server, "connection") };
}

test.for([
  { when: "while its socket is being made", turns: 0 },
  { when: "while it waits for an answer", turns: 20 },
])("a silent Redis is given up $when", async ({ turns }) => {
  const { url, sockets, accepted } = await silent();
  const dialler = createDialler({ url }, 60_000);
  const late = new AbortController();
  const refusal = expect(dialler.dial(late.signal)).rejects.toThrow("no answer in time");
  // As when the process itself stood still: the time is over before the connection that was made is noticed.
  for (let i = 0; i < 20; i++) await Promise.resolve();
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
  late.abort();
  await refusal;
  await accepted;
  await vi.waitUntil(() => sockets.size === 0, PATIENCE);
});

describe("a Redis that refuses INFO", () => {
  test("for now is not taken for one that does not tell who it is", async () => {
    await redis.command("CONFIG", "SET", "lua-time-limit", "1");
    const busy = redis.command("EVAL", "while true do end", "0").catch(() => {});
    onTestFinished(async () => void (await Promise.allSettled([redis.command("SCRIPT", "KILL"), busy])));
    const dialler = createDialler({ url: redis.url }, 60_000);
    await vi.waitFor(() => expect(dialler.dial(never)).rejects.toThrow(/^BUSY/), PATIENCE);
    await redis.command("SCRIPT", "KILL");
    await busy;
    const { client, process } = await dialler.dial(never);
    client.destroy();
    expect(process).toBeGreaterThan(0);
  });

  test("to this user counts as one that does not tell", async () => {
    await redis.command("ACL", "SETUSER", "blind", "reset", "on", ">secret", "+@all", "-info");
    const dialler = createDialler({ url: redis.url, username: "blind", password: "secret" }, 60_000);
    const { client, process } = await dialler.dial(never);
    client.destroy();
    expect(process).toBeUndefined();
  });
});
