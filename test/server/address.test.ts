import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createListener } from "../../src/server/server.ts";
import { ok, serve, stopServing } from "./serving.ts";

afterEach(stopServing);

test("a port in use is an error that says which, and what to do", async () => {
  const { port } = await serve(() => ok(""));
  const second = createListener(() => ok(""));
  await expect(second.listen({ host: "127.0.0.1", port })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port}: the address is in use; stop the process that has it, or listen on another one`,
  );
});

test("a unix socket is served; a dead one is replaced, and one in use is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "forebay-"));
  const path = join(folder, "dead.sock");
  await leaveDeadSocket(path);
  const listener = createListener(() => ok(""));
  expect(await listener.listen({ path })).toEqual({ path, url: `unix:${path}` });
  const second = createListener(() => ok(""));
  await expect(second.listen({ path })).rejects.toThrow(`cannot listen on unix:${path}: the address is in use`);
  await listener.drain(0);
  await rm(folder, { recursive: true });
});

/** A socket file whose listener was killed: made by a process that did not clean up. */
async function leaveDeadSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
}
