import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { Request } from "../../src/http/message.ts";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { bytes, get, ok, serve, stopServing } from "./serving.ts";

afterEach(stopServing);

test("a request reaches the handler as plain data", async () => {
  const { port, asked } = await serve(() => ok("hi"));
  const answer = await converse(port, get("/p/1?q=%20x", "X-Twice: 1", "x-twice: 2"));
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Content-Length: 2\r\n(.+\r\n)*\r\nhi$/);
  expect(asked[0]).toMatchObject({ method: "GET", scheme: "http", authority: "a.example", target: "/p/1?q=%20x" });
  expect(asked[0]?.fields.slice(-4)).toEqual(["X-Twice", "1", "x-twice", "2"]);
  expect(asked[0]?.content).toBeUndefined();
  expect(asked[0]?.upgrade).toBeUndefined();
  expect(asked[0]?.peer).toContain("127.0.0.1");
});

test("what follows a request that closes its connection neither disturbs its response nor is served", async () => {
  const { port, asked } = await serve(() => Promise.resolve(ok("first")));
  const answer = await converse(port, `${get("/one")}${get("/two")}`);
  expect(statuses(answer)).toEqual([200]);
  expect(answer).toContain("first");
  expect(asked.map((request) => request.target)).toEqual(["/one"]);
});

test("garbage behind a request does not disturb its response", async () => {
  const { port } = await serve(() => Promise.resolve(ok("first")));
  const answer = await converse(port, `${get("/one").replace("Connection: close\r\n", "")}\x00garbage\r\n\r\n`);
  expect(statuses(answer)).toEqual([200, 400]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)+\r\nfirstHTTP\/1\.1 400 /);
});

test("the signal of a request that was answered does not abort", async () => {
  const finished = Promise.withResolvers<Request>();
  const { port } = await serve((request) => (request.signal.aborted ? ok("aborted") : ok("fine")), {
    onFinished: (request, outcome) => outcome.complete && finished.resolve(request),
  });
  expect(await converse(port, get("/"))).toContain("fine");
  const request = await finished.promise;
  await turn();
  expect(request.signal.aborted).toBe(false);
});

test("a handler that throws, rejects or answers nonsense becomes a 500 problem and is logged with its id", async () => {
  const logged: unknown[] = [];
  const { port } = await serve(
    (request) => {
      if (request.target === "/throw") throw new Error("secret");
      if (request.target === "/reject") return Promise.reject(new Error("secret"));
      return { status: 200, fields: ["X-Bad", "a\r\nb"], content: bytes("x") };
    },
    { log: { error: (context, message) => logged.push({ ...context, message }) } },
  );
  for (const target of ["/throw", "/reject", "/nonsense"]) {
    const answer = await converse(port, get(target, `X-Request-Id: id-of-${target.slice(1)}`));
    expect(statuses(answer)).toEqual([500]);
    expect(answer).toContain("application/problem+json");
    expect(answer).not.toContain("secret");
  }
  await converse(port, get("/throw", "X-Request-Id: not an id"));
  const line = { err: expect.any(Error), message: "a request could not be answered" };
  const ids = ["id-of-throw", "id-of-reject", "id-of-nonsense"];
  expect(logged).toEqual([...ids.map((id) => ({ ...line, id })), line]);
});

test("a head that does not come in time gets a 408", async () => {
  const { port } = await serve(() => ok(""), { headersMs: 100 });
  expect(statuses(await converse(port, "GET / HTTP/1.1\r\nHo"))).toEqual([408]);
});

test("draining finishes what is under way, says close, and closes idle connections", async () => {
  const release = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const { port, listener } = await serve(async () => {
    asked.resolve();
    await release.promise;
    return ok("done");
  });
  const idle = rawClient(port);
  await once(idle.socket, "connect");
  const busy = rawClient(port);
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await asked.promise;
  const drained = listener.drain(5000);
  await idle.closed();
  release.resolve();
  expect(await busy.closed()).toMatch(/Connection: close\r\n(.+\r\n)*\r\ndone$/);
  await drained;
  const late = rawClient(port);
  expect((await once(late.socket, "error"))[0]).toMatchObject({ code: "ECONNREFUSED" });
});

test("a drain's deadline destroys what does not end", async () => {
  const asked = Promise.withResolvers<void>();
  const { port, listener } = await serve(() => {
    asked.resolve();
    return new Promise(() => {});
  });
  const busy = rawClient(port);
  busy.send(get("/"));
  await asked.promise;
  await listener.drain(50);
  expect(await busy.closed()).toBe("");
});

test("a client that was gone before its connection was accepted is nobody, and is not served", async () => {
  const { port, asked } = await serve(() => ok(""));
  // While this thread stands still the other one connects, asks and resets; only then the connection is accepted.
  const gone = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { workerData: { port, gone } } = require("node:worker_threads");
    const socket = require("node:net").connect(port, "127.0.0.1", () =>
      socket.write("GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", () => {
        socket.resetAndDestroy();
        Atomics.store(gone, 0, 1);
        Atomics.notify(gone, 0);
      }));`,
    { eval: true, workerData: { port, gone } },
  );
  await once(worker, "online");
  Atomics.wait(gone, 0, 0);
  await once(worker, "exit");
  expect(statuses(await converse(port, get("/next")))).toEqual([200]);
  expect(asked.map(({ target }) => target)).toEqual(["/next"]);
});
