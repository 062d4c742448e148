// One response to several clients while it arrives, over real sockets: nobody waits for the slowest, and what breaks off
// breaks off for all.

import { once } from "node:events";
import { get, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Handler, type Origin, startOrigin } from "../support/origin.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(handler: Handler, { cache, timeout = "{}" }: { cache: string; timeout?: string }) {
  const origin: Origin = await startOrigin(handler);
  cleanups.push(origin.close);
  const yaml = `origin: { url: "${origin.url}", timeout: ${timeout} }\nroutes: [{ path: "/*", cache: ${cache} }]\n`;
  const sidecar: SidecarProcess = await startSidecarProcess(yaml);
  cleanups.push(sidecar.stop);
  return { origin, sidecar };
}

/** The response's head; its content is not read yet. */
async function responseTo(url: string): Promise<IncomingMessage> {
  const asked = get(url, { headers: { host: "app.test" }, agent: false });
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  asked.on("error", () => {}); // a connection that breaks later is told to the response as well
  cleanups.push(() => response.destroy());
  return response;
}

/** A client that sends a request and reads nothing of what comes. */
async function unreading({ url }: SidecarProcess, target: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  socket.write(`GET ${target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n`);
  return socket;
}

/** Reads until so many bytes are there, or to the end. */
async function read(response: IncomingMessage, atLeast = Number.POSITIVE_INFINITY): Promise<number> {
  let bytes = 0;
  for await (const piece of response.iterator({ destroyOnReturn: false })) {
    bytes += piece.length;
    if (bytes >= atLeast) break;
  }
  return bytes;
}

const PIECE = Buffer.alloc(1_000_000, "x");

/** So many million bytes, as fast as they are taken. */
async function send(response: ServerResponse, pieces: number): Promise<void> {
  for (let i = 0; i < pieces; i++) if (!response.write(PIECE)) await once(response, "drain");
}

test("a client that does not read slows neither the fill nor who reads along, and gets everything in the end", async () => {
  const gate = Promise.withResolvers<void>();
  const { origin, sidecar } = await start(
    async (_request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      await send(response, 12);
      await gate.promise;
      await send(response, 12);
      response.end();
    },
    { cache: "{ maxBody: 32mb }" },
  );
  const slow = await unreading(sidecar, "/a");
  await origin.nth(1);
  const along = await responseTo(`${sidecar.url}/a`);
  const first = await read(along, 12_000_000);
  gate.resolve();
  expect(first + (await read(along))).toBe(24_000_000);
  expect(along.headers["cache-status"]).toBe("forebay; fwd=uri-miss; fwd-status=200; collapsed");
  let last = 0;
  for await (const piece of slow) last += piece.length;
  expect(last).toBeGreaterThan(24_000_000);
  expect(origin.seen).toHaveLength(1);
});

test("an oversize response goes on to all who read it", async () => {
  const gate = Promise.withResolvers<void>();
  const { origin, sidecar } = await start(
    async (_request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      response.write("first");
      await gate.promise;
      await send(response, 24);
      response.end();
    },
    { cache: "{ maxBody: 1mb }" },
  );
  const both = [await responseTo(`${sidecar.url}/a`), await responseTo(`${sidecar.url}/a`)];
  gate.resolve();
  expect(await Promise.all(both.map((each) => read(each)))).toEqual([24_000_005, 24_000_005]);
  expect(origin.seen).toHaveLength(1);
});

test("a response that breaks off never looks complete to those who read along", async () => {
  const gate = Promise.withResolvers<void>();
  const { origin, sidecar } = await start(
    async (_request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      response.write("half");
      await gate.promise;
      response.destroy();
    },
    { cache: "{}" },
  );
  const both = [await responseTo(`${sidecar.url}/a`), await responseTo(`${sidecar.url}/a`)];
  gate.resolve();
  for (const each of both) await expect(read(each)).rejects.toThrow("aborted");
  expect(origin.seen).toHaveLength(1);
  const { kind, method } = await sidecar.line(({ msg }) => msg === "origin failed in the middle of its response");
  expect([kind, method]).toEqual(["reset", "GET"]);
});

test.each([
  ["before its head", "origin failed", "headers-timeout", () => {}],
  [
    "in its content",
    "origin failed in the middle of its response",
    "body-timeout",
    (response: ServerResponse) => void response.writeHead(200, { "Cache-Control": "max-age=60" }).write("half"),
  ],
])("a validation behind that is stuck %s is seen in the log, and tried again", async (_where, message, kind, stuck) => {
  const { origin, sidecar } = await start(
    (_request, response) => void response.writeHead(200, { "Cache-Control": "max-age=0" }).end("v1"),
    { cache: "{ staleWhileRevalidate: 1h }", timeout: "{ headers: 2s, body: 2s }" },
  );
  await sidecar.fetch("/a");
  origin.handler = (_request, response) => stuck(response);
  expect(await (await sidecar.fetch("/a")).text()).toBe("v1");
  expect((await sidecar.line(({ msg }) => msg === message)).kind).toBe(kind);
  expect(await (await sidecar.fetch("/a")).text()).toBe("v1");
  await origin.nth(3);
});
