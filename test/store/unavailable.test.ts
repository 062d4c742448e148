// Is an answer that is here already taken, although the time for it is over? Timers run before sockets are read.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { within } from "../../src/store/unavailable.ts";
import { standStill } from "../support/stand-still.ts";

/** Two ends of one wire. */
async function wire(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  const near = connect(port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}

test("an answer that came while this process stood still is taken", async () => {
  const { near, far } = await wire();
  const answered = once(near, "data").then(String);
  const answer = within(answered, 20);
  far.write("here");
  standStill(60);
  expect(await answer).toBe("here");
});

test("one that did not come is not waited for", async () => {
  const { near } = await wire();
  const answered = once(near, "data").then(String);
  const answer = within(answered, 20);
  standStill(60);
  await expect(answer).rejects.toThrow("Redis did not answer within 20 ms");
});
