import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { bytes, contentOf, get, ok, serve, stopServing } from "./serving.ts";

afterEach(stopServing);

test("100 Continue is sent when the content is first read, and not before", async () => {
  const reading = Promise.withResolvers<void>();
  const { port } = await serve(async (request) => {
    await reading.promise;
    return ok(`got ${await contentOf(request)}`);
  });
  const raw = rawClient(port);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
  await once(raw.socket, "connect");
  for (let i = 0; i < 20; i++) await turn();
  expect(raw.text).toBe("");
  reading.resolve();
  await raw.until("HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("body");
  expect(await raw.closed()).toContain("got body");
});

test("a refused request never asks for its content", async () => {
  const { port } = await serve(() => ({ status: 429, fields: [], content: bytes("no") }));
  const answer = await converse(
    port,
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
  );
  expect(statuses(answer)).toEqual([429]);
});

test("an unknown expectation fails with a 417 problem", async () => {
  const { port, asked } = await serve(() => ok(""));
  const answer = await converse(port, get("/", "Expect: a-miracle"));
  expect(statuses(answer)).toEqual([417]);
  expect(answer).toContain("application/problem+json");
  expect(asked).toEqual([]);
});

test("content that nobody read is skipped, so the next request is found where it begins", async () => {
  const { port, asked } = await serve(() => ok("."));
  const content = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const answer = await converse(
    port,
    `POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: ${content.length}\r\n\r\n${content}${get("/two")}`,
  );
  expect(statuses(answer)).toEqual([200, 200]);
  expect(asked.map((request) => request.target)).toEqual(["/one", "/two"]);
});

test("content that was given up half-way is skipped as well", async () => {
  const { port, asked } = await serve(async (request) => {
    for await (const _piece of request.content ?? []) break;
    return ok(".");
  });
  const size = 300_000;
  const raw = rawClient(port);
  raw.send(`POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size / 2)}`);
  await raw.until("\r\n\r\n.");
  raw.send("x".repeat(size / 2) + get("/two"));
  expect(statuses(await raw.closed())).toEqual([200, 200]);
  expect(asked.map((request) => request.target)).toEqual(["/one", "/two"]);
});

test("a client that leaves in mid-request fails the reading of its content", async () => {
  const failed = Promise.withResolvers<unknown>();
  const { port } = await serve(async (request) => {
    await contentOf(request).catch(failed.resolve);
    return ok("");
  });
  const raw = rawClient(port);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  await once(raw.socket, "connect");
  setImmediate(() => raw.socket.resetAndDestroy());
  expect(await failed.promise).toBeInstanceOf(Error);
});

test("a client that stops in mid-content loses its connection", async () => {
  const { port } = await serve(async (request) => ok(`${await contentOf(request)}`), { contentMs: 100 });
  expect(await converse(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")).toBe("");
});
