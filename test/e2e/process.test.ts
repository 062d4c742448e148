// Forebay as a process: how it starts, what it says of bad input, how it ends.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterEach, expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { type Origin, startOrigin } from "../support/origin.ts";
import { launch, RUNTIME, runForebay, type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("a configuration that cannot be read is said, and nothing starts", async () => {
  const { code, stderr } = await runForebay(["--config", "/nonexistent/proxy.config.yaml"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^\/nonexistent\/proxy\.config\.yaml: cannot be read: /);
});

test("all mistakes of a configuration are told at once, with their places, and nothing starts", async () => {
  const folder = await mkdtemp(join(tmpdir(), "forebay-mistakes-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "my.yaml");
  await writeFile(
    file,
    [
      "origin: $" + "{FOREBAY_MISSING}",
      "rotues: []",
      "routes:",
      "  - path: /a",
      "    cache: { ttl: 5 min, maxBody: 12 }",
      "  - path: /a",
      "    rateLimit: { limit: many, window: 1m }",
    ].join("\n"),
  );
  const { code, stdout, stderr } = await runForebay(["--config", file]);
  expect([code, stdout]).toEqual([2, ""]);
  const lines = stderr.trim().split("\n");
  for (const wrong of ["FOREBAY_MISSING", "rotues", "5 min", "maxBody", "/a", "limit"]) {
    expect(lines.filter((line) => line.includes(wrong)).length, wrong).toBeGreaterThan(0);
  }
  for (const line of lines) expect(line).toMatch(/my\.yaml:\d+:\d+ \S+: .+; .+/);
});

test("no file and no origin is a mistake that says what to do", async () => {
  const { code, stderr } = await runForebay([], { cwd: "/" });
  expect(code).toBe(2);
  expect(stderr).toContain("--origin");
});

test.skipIf(RUNTIME === "deno")("a Node that is too old is told which one is needed", async () => {
  const pretend = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'22.18.0'}})";
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretend)}` };
  expect(await runForebay(["--version"], { env })).toEqual({
    code: 1,
    stdout: "",
    stderr: "Forebay needs Node 22.19 or newer, and this is 22.18.0; install a newer one\n",
  });
});

test.skipIf(RUNTIME === "deno" || !existsSync("/dev/full"))(
  "what cannot be printed is a failure in one line",
  async () => {
    const full = openSync("/dev/full", "w");
    cleanups.push(() => closeSync(full));
    for (const command of ["schema", "--help", "check"]) {
      const args = [command, ...(command === "check" ? ["--origin", "http://127.0.0.1:9"] : [])];
      const child = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts"), ...args], {
        cwd: "/",
        stdio: ["ignore", full, "pipe"],
      });
      let stderr = "";
      child.stderr?.on("data", (text) => {
        stderr += text;
      });
      const [code] = await once(child, "close");
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^stdout cannot be written to: ENOSPC.*\n$/)]);
    }
  },
);

test("a port that is in use is said, with what to do, and the process ends with 1", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const address = server.address();
  const taken = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const { code, stderr } = await runForebay(["--origin", "http://127.0.0.1:9", "--listen", taken, "--admin", "false"]);
  expect(code).toBe(1);
  expect(stderr).toContain(taken);
  expect(stderr).not.toMatch(/^\s+at /m);
});

test("an admin port that is in use ends the process too", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const address = server.address();
  const taken = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const { code, stderr } = await runForebay(["--origin", "http://127.0.0.1:9", "--listen", ":0", "--admin", taken]);
  expect([code, stderr.includes(taken)]).toEqual([1, true]);
});

test("check says that a good configuration is good", async () => {
  const { code, stdout } = await runForebay(["check", "--config", "proxy.config.yaml"]);
  expect([code, stdout.split("\n").at(-2)]).toEqual([0, "proxy.config.yaml: good, 5 routes, 3 tests passed"]);
});

test("check tells a machine what is wrong on stdout, and people on stderr, with exit code 2", async () => {
  const args = ["check", "--config", "proxy.config.yaml", "--listen", "8080"];
  const said = 'expected host:port, :port or unix:/path, got "8080"; write it as 127.0.0.1:8080';
  const json = await runForebay([...args, "--json"]);
  expect([json.code, JSON.parse(json.stdout).mistakes]).toEqual([
    2,
    [{ line: 0, column: 0, path: "--listen", rule: "configuration", text: said }],
  ]);
  const plain = await runForebay(args);
  expect([plain.code, plain.stdout, plain.stderr.split("\n")[0]]).toEqual([2, "", `--listen: ${said}`]);
});

test("a URL of 64 KB is 414, a header of 100 KB 431, and the next request is answered", async () => {
  const sidecar = await withSidecar(await withOrigin((_request, response) => void response.end("hello")));
  expect((await sidecar.fetch(`/${"a".repeat(64 * 1024)}`)).status).toBe(414);
  const large = await sidecar.fetch("/a", { headers: { "x-large": "a".repeat(100 * 1024) } });
  expect([large.status, large.headers.get("content-type")]).toEqual([431, "application/problem+json"]);
  expect(await (await sidecar.fetch("/a")).text()).toBe("hello");
});

test("a WebSocket is tunnelled after the origin's 101", async () => {
  const echo = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  cleanups.push(() => echo.close());
  await once(echo, "listening");
  echo.on("connection", (socket) => socket.on("message", (message) => socket.send(`echo ${message}`)));
  const address = echo.address();
  const sidecar = await withSidecar({ url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` });
  const client = new WebSocket(`${sidecar.url.replace("http", "ws")}/socket`);
  cleanups.push(() => client.terminate());
  const echoed = new Promise((resolve) => client.once("message", (message) => resolve(String(message))));
  client.once("open", () => client.send("hello"));
  expect(await echoed).toBe("echo hello");
});

test("server-sent events pass one by one on a cached route", async () => {
  const next = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const origin = await withOrigin(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "max-age=60" });
    response.write("data: 0\n\n");
    for (const [i, { promise }] of next.entries()) {
      await promise;
      response.write(`data: ${i + 1}\n\n`);
    }
    response.end();
  });
  const sidecar = await withSidecar(origin);
  const { body } = await request(`${sidecar.url}/events`);
  const events: string[] = [];
  for await (const piece of body) {
    events.push(String(piece));
    next[events.length - 1]?.resolve();
  }
  expect(events).toEqual(["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"]);
});

test("SIGTERM lets a request under way finish, accepts no more, and ends with 0", async () => {
  const arrived = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const origin = await withOrigin(async (_request, response) => {
    arrived.resolve();
    await gate.promise;
    response.end("finished");
  });
  const sidecar = await withSidecar(origin);
  const answer = sidecar.fetch("/slow");
  await arrived.promise;
  const ended = sidecar.stop();
  await sidecar.line(({ msg }) => msg === "closing");
  expect((await fetch(`${sidecar.admin}/readyz`)).status).toBe(503);
  await expect(connected(sidecar.url)).rejects.toThrow("ECONNREFUSED");
  gate.resolve();
  expect(await (await answer).text()).toBe("finished");
  expect(await ended).toBe(0);
});

test("SIGTERM breaks off what outlasts the drain, and ends with 0 all the same", async () => {
  const arrived = Promise.withResolvers<void>();
  const origin = await withOrigin(() => {
    arrived.resolve();
    return new Promise<void>(() => {});
  });
  const sidecar = await startSidecarProcess(`origin: ${origin.url}\ndrain: 200ms\nroutes: [{ path: "/*", cache: {} }]`);
  cleanups.push(() => sidecar.stop());
  sidecar.fetch("/never").catch(() => {});
  await arrived.promise;
  expect(await sidecar.stop()).toBe(0);
});

test("a client that leaves takes its request to the origin with it", async () => {
  const origin = await withOrigin(() => new Promise<void>(() => {}));
  const sidecar = await startSidecarProcess(`origin: ${origin.url}\nroutes: [{ path: "/*" }]`);
  cleanups.push(() => sidecar.stop());
  const client = new AbortController();
  fetch(`${sidecar.url}/slow`, { signal: client.signal }).catch(() => {});
  const { aborted } = await origin.nth(1);
  client.abort();
  expect(await aborted).toBe(true);
});

test("a response that the origin cuts off ends with a broken connection, and its line says so", async () => {
  const origin = await withOrigin((_request, response) => {
    response.writeHead(200, { "content-length": 100, "cache-control": "max-age=60" });
    response.write("a", () => response.destroy());
  });
  const sidecar = await withSidecar(origin);
  await expect(sidecar.fetch("/cut")).rejects.toThrow();
  expect(await sidecar.line(({ msg }) => msg === "request")).toMatchObject({ status: 200, complete: false });
});

test("an origin that cannot be reached is a 502 problem, and the log says why", async () => {
  const origin = await withOrigin(() => {});
  await origin.close();
  const sidecar = await withSidecar(origin);
  const answer = await sidecar.fetch("/a");
  expect([answer.status, answer.headers.get("content-type")]).toEqual([502, "application/problem+json"]);
  expect(await sidecar.line(({ msg }) => msg === "origin failed")).toMatchObject({ kind: "refused", level: "warn" });
});

test("every request has one access line, without query values, Authorization or Cookie", async () => {
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const sidecar = await withSidecar(origin);
  const headers = { "x-request-id": "mine", authorization: "Bearer secret", cookie: "id=secret" };
  await sidecar.fetch("/a?token=secret", { headers });
  const line = await sidecar.line(({ msg }) => msg === "request");
  expect(line).toMatchObject({
    method: "GET",
    path: "/a?...",
    route: "/*",
    status: 200,
    cache: "uri-miss",
    id: "mine",
  });
  expect(line.msOrigin).toBeGreaterThan(0);
  expect(JSON.stringify(sidecar.lines)).not.toContain("secret");
});

test("the demo starts with nothing but itself, and its second answer is a hit", async () => {
  const child = launch(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
  cleanups.push(() => child.kill("SIGKILL"));
  let text = "";
  const url = await new Promise<string>((resolve) => {
    child.stdout?.on("data", (piece) => {
      text += piece;
      const found = /Forebay in front of it\s+(http:\S+)/.exec(text)?.[1];
      if (found !== undefined && text.includes("Ctrl-C")) resolve(found);
    });
  });
  await fetch(`${url}/products/7`);
  expect((await fetch(`${url}/products/7`)).headers.get("cache-status")).toContain("; hit");
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGINT");
  expect(await ended).toBe(0);
});

async function withOrigin(handler: Parameters<typeof startOrigin>[0]): Promise<Origin> {
  const origin = await startOrigin(handler);
  cleanups.push(() => origin.close());
  return origin;
}

async function withSidecar({ url }: Pick<Origin, "url">): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(`origin: ${url}\nroutes: [{ path: "/*", cache: {} }]`);
  cleanups.push(() => sidecar.stop());
  return sidecar;
}

function connected(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
  });
}
