import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import type { Response } from "../../src/http/message.ts";
import type { Outcome } from "../../src/server/server.ts";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { bytes, get, ok, serve, source, stopServing } from "./serving.ts";

afterEach(stopServing);

test("a response given without a promise is written in the same turn", async () => {
  let out: ServerResponse | undefined;
  const onStart = (message: unknown) => {
    out = (message as { response: ServerResponse }).response;
  };
  subscribe("http.server.request.start", onStart);
  const written: (boolean | undefined)[] = [];
  const { port } = await serve((request) => {
    queueMicrotask(() => written.push(out?.headersSent));
    return request.target === "/now" ? ok("") : Promise.resolve(ok(""));
  });
  await converse(port, get("/now"));
  await converse(port, get("/later"));
  unsubscribe("http.server.request.start", onStart);
  expect(written).toEqual([true, false]);
});

test("HEAD, 204 and 304 carry no content; HEAD keeps the length and 204 loses it", async () => {
  const { port } = await serve((request) => {
    const status = Number(request.target.slice(1));
    return { status, fields: ["Content-Length", "5", "X-A", "1"], content: bytes("12345") };
  });
  const head = await converse(port, get("/200").replace("GET", "HEAD"));
  expect(head).toMatch(/Content-Length: 5\r\n(.+\r\n)*\r\n$/);
  const none = await converse(port, get("/204"));
  expect(none).toMatch(/^HTTP\/1\.1 204 (.*\r\n)+\r\n$/);
  expect(none.toLowerCase()).not.toContain("content-length");
  expect(await converse(port, get("/304"))).toMatch(/^HTTP\/1\.1 304 (.*\r\n)+\r\n$/);
});

test("a HEAD of a whole response states its length, and a source nobody reads is let go", async () => {
  let cancelled = 0;
  const { port } = await serve((request) =>
    request.target === "/bytes"
      ? ok("12345")
      : {
          status: 200,
          fields: [],
          content: { start: () => ({ resume: () => {}, cancel: () => void cancelled++ }) },
        },
  );
  expect(await converse(port, get("/bytes").replace("GET", "HEAD"))).toContain("Content-Length: 5\r\n");
  await converse(port, get("/source").replace("GET", "HEAD"));
  expect(cancelled).toBe(1);
});

test("whole bytes keep their one Content-Length, and a Trailer field that cannot be kept goes", async () => {
  const { port } = await serve(() => ({
    status: 200,
    fields: ["content-length", "2", "Trailer", "X-T", "Transfer-Encoding", "chunked"],
    content: bytes("hi"),
  }));
  const answer = await converse(port, get("/"));
  expect(answer.match(/content-length/gi)).toHaveLength(1);
  expect(answer).not.toMatch(/trailer|transfer-encoding/i);
});

test("50 Set-Cookie lines arrive in order", async () => {
  const cookies = Array.from({ length: 50 }, (_, i) => `c${i}=${i}`);
  const { port } = await serve(() => ({
    status: 200,
    fields: cookies.flatMap((cookie) => ["Set-Cookie", cookie]),
    content: undefined,
  }));
  const answer = await converse(port, get("/"));
  expect([...answer.matchAll(/Set-Cookie: (.+)\r\n/g)].map((match) => match[1])).toEqual(cookies);
});

test("a source is sent in chunks with its trailers, and several requests share a connection", async () => {
  const { port } = await serve(() => ({
    status: 200,
    fields: ["Trailer", "X-Sum"],
    content: source(["one", "two"], ["X-Sum", "6"]),
  }));
  const answer = await converse(port, get("/a").replace("Connection: close\r\n", "") + get("/b"));
  expect(statuses(answer)).toEqual([200, 200]);
  expect(answer.match(/3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n/g)).toHaveLength(2);
});

test("a source that fails breaks the connection and never looks complete", async () => {
  const failing: Response["content"] = {
    start(sink) {
      sink.write(bytes("begun"));
      setImmediate(() => sink.fail(new Error("cut")));
      return { resume: () => {}, cancel: () => {} };
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: [], content: failing }));
  const chunked = await converse(port, get("/"));
  expect(chunked).toMatch(/5\r\nbegun\r\n$/);
  const old = rawClient(port);
  const broken = once(old.socket, "error");
  old.send("GET / HTTP/1.0\r\n\r\n");
  expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
});

test("a client that leaves cancels the source and aborts the request's signal", async () => {
  const cancelled = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<Outcome>();
  const { port } = await serve(
    (request) => {
      request.signal.addEventListener("abort", () => aborted.resolve());
      return { status: 200, fields: [], content: { start: () => ({ resume: () => {}, cancel: cancelled.resolve }) } };
    },
    { onFinished: (_request, outcome) => finished.resolve(outcome) },
  );
  const raw = rawClient(port);
  raw.send(get("/"));
  await raw.until("\r\n\r\n");
  raw.socket.resetAndDestroy();
  await Promise.all([cancelled.promise, aborted.promise]);
  expect(await finished.promise).toMatchObject({ status: 200, complete: false });
});

test("a client that takes nothing of a response loses its connection", async () => {
  const finished = Promise.withResolvers<Outcome>();
  const { port } = await serve(() => ({ status: 200, fields: [], content: new Uint8Array(50_000_000) }), {
    sendMs: 100,
    onFinished: (_request, outcome) => finished.resolve(outcome),
  });
  const raw = rawClient(port);
  raw.socket.pause();
  raw.send(get("/"));
  expect(await finished.promise).toMatchObject({ status: 200, complete: false });
});

test("every octet arrives as it was given, in short content and in long", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, octet) => octet);
  for (const times of [1, 100]) {
    const content = new Uint8Array(256 * times);
    for (let i = 0; i < times; i++) content.set(all, 256 * i);
    const { port } = await serve(() => ({ status: 200, fields: [], content }));
    const answer = await converse(port, get("/"));
    expect(Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1").equals(content)).toBe(true);
  }
});
