// Connections that are read by plain.ts: kept ones, whose clients send plain GETs.

import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, expect, test } from "vitest";
import type { Response } from "../../src/http/message.ts";
import { bind } from "../../src/server/address.ts";
import { readPlain } from "../../src/server/plain.ts";
import type { Outcome } from "../../src/server/server.ts";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { bytes, get, ok, serve, source, stopServing } from "./serving.ts";

afterEach(stopServing);

/** A GET as bytes, on a connection that is kept. */
const plain = (target: string, ...fields: string[]) =>
  `${[`GET ${target} HTTP/1.1`, "Host: a.example", ...fields].join("\r\n")}\r\n\r\n`;

/** Closes a connection as soon as nothing is under way on it. */
const SHORT = { keepAliveMs: 20 };

test("a plain GET reaches the handler as any other does", async () => {
  const { port, asked } = await serve(() => ok("hi"), SHORT);
  const answer = await converse(port, plain("/a?b=%20\"'", "X-A:  1\t", "x-b:", "X-C: \xe9"));
  const [request] = asked;
  expect(request).toMatchObject({ method: "GET", scheme: "http", authority: "a.example", target: "/a?b=%20\"'" });
  expect(request).toMatchObject({ peer: "127.0.0.1", content: undefined, upgrade: undefined, version: undefined });
  expect(request?.fields).toEqual(["Host", "a.example", "X-A", "1", "x-b", "", "X-C", "\xe9"]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nContent-Length: 2\r\n/);
  expect(answer).toMatch(/\r\nConnection: keep-alive\r\nKeep-Alive: timeout=0\r\n\r\nhi$/);
});

test("requests that say the same but for their target are told apart", async () => {
  const { port, asked } = await serve(({ target }) => ok(target), SHORT);
  const raw = rawClient(port);
  for (const [target, value] of [
    ["/1", "a"],
    ["/2", "a"],
    ["/3", "b"],
  ] as const) {
    raw.send(plain(target, `X-A: ${value}`));
    await raw.until(`\r\n\r\n${target}`);
  }
  expect(asked.map(({ fields }) => fields[3])).toEqual(["a", "a", "b"]);
});

test("a connection goes over to node:http in its midst, and nothing of it is lost", async () => {
  const { port } = await serve(async ({ method, target }) => ok(`<${method} ${target}>`));
  const post = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  const answer = await converse(port, plain("/1") + post + plain("/3") + get("/4"));
  expect(answer.match(/<.*?>/g)).toEqual(["<GET /1>", "<POST /2>", "<GET /3>", "<GET /4>"]);
  expect(statuses(answer)).toEqual([200, 200, 200, 200]);
});

// It hears from the connection itself from then on, and on Deno may do so before anything that is put off.
test("node:http is given what has come at once, before the octets that follow can be read", async () => {
  let heard = "";
  const afterwards: string[] = [];
  const server = createServer().removeAllListeners("connection");
  server.on("connection", (socket) => {
    socket.on("data", (piece) => {
      heard += piece;
    });
    socket.end();
  });
  const never = () => {
    throw new Error("nothing plain was sent");
  };
  const limits = { maxTargetBytes: 100, maxFieldsBytes: 100, keepAliveMs: 1000, headersMs: 1000, sendMs: 1000 };
  const rest = { handle: never, finished: undefined, failed: never, isDraining: () => false, reason: String };
  readPlain(server, { ...limits, ...rest });
  // Called after the listener of plain.ts, by the same event.
  server.on("connection", (socket) => socket.on("data", () => afterwards.push(heard)));
  const bound = await bind(server, { host: "127.0.0.1", port: 0 });
  const request = "POST /1 HTTP/1.1\r\n";
  await converse("port" in bound ? bound.port : 0, request);
  expect(afterwards).toContain(request);
  server.close();
});

test("a head that comes in pieces is read, after plain ones and before", async () => {
  const { port } = await serve(({ target }) => ok(`<${target}>`));
  const raw = rawClient(port);
  raw.send(plain("/1"));
  await raw.until("</1>");
  raw.send("GET /2 HTT");
  raw.send("P/1.1\r\nHost: a\r\n\r\n");
  await raw.until("</2>");
  raw.send(get("/3"));
  expect((await raw.closed()).match(/<.*?>/g)).toEqual(["</1>", "</2>", "</3>"]);
});

test("requests sent without waiting are answered in order, one at a time", async () => {
  let underWay = 0;
  let most = 0;
  const { port } = await serve(({ target }) => {
    if (!target.endsWith("0")) return ok(`<${target}>`);
    most = Math.max(most, ++underWay);
    return new Promise<Response>((resolve) =>
      setImmediate(() => {
        underWay--;
        resolve(ok(`<${target}>`));
      }),
    );
  });
  const targets = Array.from({ length: 1000 }, (_, i) => `/${i}`);
  const answer = await converse(port, `${targets.map((target) => plain(target)).join("")}${get("/end")}`);
  expect(answer.match(/<.*?>/g)).toEqual([...targets, "/end"].map((target) => `<${target}>`));
  expect(most).toBe(1);
});

test("a client that sends on while it is being answered must wait at some point", async () => {
  const asked = Promise.withResolvers<void>();
  const { port } = await serve(() => {
    asked.resolve();
    return new Promise(() => {});
  });
  const raw = rawClient(port);
  raw.send(plain("/"));
  await asked.promise;
  const flood = Buffer.alloc(1_000_000, "x");
  // The network holds some megabytes of its own: what is beyond them stays with the client.
  for (let i = 0; i < 50; i++) raw.socket.write(flood);
  const stalled = Promise.withResolvers<void>();
  let before = -1;
  const look = setInterval(() => {
    if (raw.socket.bytesWritten - raw.socket.writableLength === before) stalled.resolve();
    before = raw.socket.bytesWritten - raw.socket.writableLength;
  }, 100);
  await stalled.promise;
  clearInterval(look);
  expect(raw.socket.writableLength).toBeGreaterThan(10_000_000);
  raw.socket.destroy();
});

test("a source is sent in chunks with its trailers, or as long as it says", async () => {
  const { port } = await serve(({ target }) =>
    target === "/chunks"
      ? { status: 200, fields: ["Trailer", "X-Sum"], content: source(["one", "two"], ["X-Sum", "6", "X-Bad", "\n"]) }
      : { status: 200, fields: ["Content-Length", "6", "Trailer", "X-Sum"], content: source(["one", "two"]) },
  );
  const answer = await converse(port, plain("/chunks") + plain("/length") + get("/length"));
  const [chunked = "", stated = ""] = answer.split(/(?=HTTP\/1\.1)/);
  expect(chunked).toContain("Trailer: X-Sum\r\n");
  expect(chunked).toMatch(
    /Transfer-Encoding: chunked\r\n(?:.+\r\n)+\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n$/,
  );
  expect(stated).toMatch(/\r\n\r\nonetwo$/);
  expect(stated).not.toMatch(/transfer-encoding|trailer/i);
});

test("content that was there at once goes out with its head", async () => {
  const content: Response["content"] = {
    start(sink) {
      sink.write(bytes("all"));
      sink.end([]);
      return { resume: () => {}, cancel: () => {} };
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: [], content }), SHORT);
  expect(await converse(port, plain("/"))).toMatch(
    /Transfer-Encoding: chunked\r\n(?:.+\r\n)+\r\n3\r\nall\r\n0\r\n\r\n$/,
  );
});

test.each([
  ["shorter", ["one"], /\r\n\r\none$/],
  ["longer", ["one", "twothree"], /\r\n\r\none$/],
])("content that is %s than it said breaks the connection", async (_what, pieces, expected) => {
  const outcomes: Outcome[] = [];
  const { port } = await serve(() => ({ status: 200, fields: ["Content-Length", "6"], content: source(pieces) }), {
    onFinished: (_request, outcome) => outcomes.push(outcome),
  });
  expect(await converse(port, plain("/1") + plain("/2"))).toMatch(expected);
  expect(outcomes).toMatchObject([{ status: 200, complete: false }]);
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
  expect(await converse(port, plain("/"))).toMatch(/5\r\nbegun\r\n$/);
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
  raw.send(plain("/"));
  await raw.until("\r\n\r\n");
  raw.socket.resetAndDestroy();
  await Promise.all([cancelled.promise, aborted.promise]);
  expect(await finished.promise).toMatchObject({ status: 200, complete: false });
});

test("a client that leaves before there is a response ends its exchange, and what comes late is let go", async () => {
  const finished = Promise.withResolvers<Outcome>();
  const response = Promise.withResolvers<Response>();
  const cancelled = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const { port } = await serve(
    () => {
      asked.resolve();
      return response.promise;
    },
    { onFinished: (_request, outcome) => finished.resolve(outcome) },
  );
  const raw = rawClient(port);
  raw.send(plain("/"));
  await asked.promise;
  raw.socket.end();
  expect(await finished.promise).toMatchObject({ status: 0, complete: false });
  response.resolve({ status: 200, fields: [], content: { start: () => ({ resume() {}, cancel: cancelled.resolve }) } });
  await cancelled.promise;
});

test("a client that takes nothing of a response loses its connection", async () => {
  const finished = Promise.withResolvers<Outcome>();
  const { port } = await serve(() => ({ status: 200, fields: [], content: new Uint8Array(50_000_000) }), {
    sendMs: 100,
    onFinished: (_request, outcome) => finished.resolve(outcome),
  });
  const raw = rawClient(port);
  raw.socket.pause();
  raw.send(plain("/"));
  expect(await finished.promise).toMatchObject({ status: 200, complete: false });
});

test("a client that takes a response slowly gets all of it, and the source waits for it", async () => {
  let resumed = 0;
  const piece = new Uint8Array(1_000_000);
  const content: Response["content"] = {
    start(sink) {
      let left = 40;
      const send = () => {
        while (left > 0) {
          left--;
          if (!sink.write(piece)) return;
        }
        sink.end([]);
      };
      setImmediate(send);
      const resume = () => {
        resumed++;
        send();
      };
      return { resume, cancel: () => {} };
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: [], content }), SHORT);
  const raw = rawClient(port);
  raw.socket.pause();
  raw.send(plain("/"));
  await once(raw.socket, "readable");
  raw.socket.resume();
  const answer = await raw.closed();
  expect(answer.length).toBeGreaterThan(40_000_000);
  expect(answer.endsWith("0\r\n\r\n")).toBe(true);
  expect(resumed).toBeGreaterThan(0);
});

test("every octet arrives as it was given, in short content and in long", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, octet) => octet);
  for (const times of [1, 100]) {
    const content = new Uint8Array(256 * times);
    for (let i = 0; i < times; i++) content.set(all, 256 * i);
    const { port } = await serve(() => ({ status: 200, fields: [], content }), SHORT);
    const answer = await converse(port, plain("/"));
    expect(Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1").equals(content)).toBe(true);
  }
});

test("a response has one length, its own, and one Date; 204 and 304 have no content", async () => {
  const { port } = await serve(({ target }) => ({
    status: Number(target.slice(1)),
    fields: ["content-length", "2", "date", "Thu, 01 Jan 1970 00:00:00 GMT", "Connection", "close", "Keep-Alive", "x"],
    content: bytes("hi"),
  }));
  const answers = (await converse(port, plain("/200") + plain("/204") + plain("/304") + get("/200"))).split(/(?=HTTP)/);
  const head = (lines: string) => `HTTP/1.1 ${lines}date: Thu, 01 Jan 1970 00:00:00 GMT\r\n`;
  const kept = "Connection: keep-alive\r\nKeep-Alive: timeout=65\r\n\r\n";
  expect(answers[0]).toBe(`${head("200 OK\r\n")}Content-Length: 2\r\n${kept}hi`);
  expect(answers[1]).toBe(`${head("204 No Content\r\n")}${kept}`);
  expect(answers[2]).toBe(`${head("304 Not Modified\r\ncontent-length: 2\r\n")}${kept}`);
});

test("what cannot be sent becomes a 500 problem and is logged, and the connection closes", async () => {
  const logged: unknown[] = [];
  const wrong: Record<string, () => Response | Promise<Response>> = {
    "/value": () => ({ status: 200, fields: ["X-A", "1\r\nX-B: 2"], content: undefined }),
    "/name": () => ({ status: 200, fields: ["X A", "1"], content: source(["x"]) }),
    "/wide": () => ({ status: 200, fields: ["X-A", "€"], content: undefined }),
    "/throws": () => {
      throw new Error("secret");
    },
    "/rejects": () => Promise.reject(new Error("secret")),
  };
  const { port } = await serve(({ target }) => wrong[target]?.() ?? ok(""), {
    log: { error: (context) => logged.push(context) },
  });
  for (const target of Object.keys(wrong)) {
    const answer = await converse(port, plain(target, "X-Request-Id: mine") + plain("/more"));
    expect(statuses(answer)).toEqual([500]);
    expect(answer).toContain("Connection: close\r\n");
    expect(answer).toContain("application/problem+json");
    expect(answer).not.toMatch(/secret|X-B/);
  }
  expect(logged).toEqual(Object.keys(wrong).map(() => ({ err: expect.any(Error), id: "mine" })));
});

test("an idle connection is closed after its time, and one on which nothing ever came", async () => {
  const used = await serve(() => ok("hi"), SHORT);
  expect(await converse(used.port, plain("/"))).toMatch(/hi$/);
  const unused = await serve(() => ok("hi"), { headersMs: 40 });
  expect(await rawClient(unused.port).closed()).toBe("");
});

test("a response may be waited for longer than an idle connection is kept", async () => {
  const slow = createServer((_request, response) => setTimeout(() => response.end("slow"), 1200)).listen(0);
  await once(slow, "listening");
  const { port: slowPort } = slow.address() as { port: number };
  const { port } = await serve(async () => ok(await (await fetch(`http://127.0.0.1:${slowPort}`)).text()), {
    ...SHORT,
    headersMs: 1000,
  });
  expect(await converse(port, plain("/"))).toMatch(/slow$/);
  slow.closeAllConnections();
  slow.close();
});

test("draining says close on a kept connection, answers nothing after it, and closes idle ones", async () => {
  const release = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const { port, listener } = await serve(async ({ target }) => {
    if (target === "/idle") return ok("idle");
    asked.resolve();
    await release.promise;
    return ok("done");
  });
  const idle = rawClient(port);
  idle.send(plain("/idle"));
  await idle.until("idle");
  const busy = rawClient(port);
  busy.send(plain("/") + plain("/never"));
  await asked.promise;
  const drained = listener.drain(5000);
  await idle.closed();
  release.resolve();
  expect(await busy.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n\r\ndone$/);
  await drained;
});

test("a source that throws after it has written breaks the connection, and is let go of once", async () => {
  const logged: unknown[] = [];
  let starts = 0;
  const content: Response["content"] = {
    start(sink) {
      starts += 1;
      sink.write(new Uint8Array(20_000));
      throw new Error("secret");
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: ["Content-Length", "30000"], content }), {
    log: { error: (context) => logged.push(context) },
  });
  expect(statuses(await converse(port, plain("/") + plain("/more"))).length).toBeLessThan(2);
  expect(starts).toBe(1);
  expect(logged).toHaveLength(1);
});

test("a source that sends more than it said at once is cancelled", async () => {
  const cancelled = Promise.withResolvers<void>();
  const content: Response["content"] = {
    start(sink) {
      sink.write(bytes("more than three"));
      return { resume: () => {}, cancel: cancelled.resolve };
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: ["Content-Length", "3"], content }));
  expect(await converse(port, plain("/"))).toBe("");
  await cancelled.promise;
});

test("a client that reads slowly and has sent all it will gets every response it asked for", async () => {
  const asked: string[] = [];
  const { port } = await serve(({ method }) => {
    asked.push(method);
    return { status: 200, fields: [], content: new Uint8Array(5_000_000) };
  }, SHORT);
  const raw = rawClient(port);
  raw.socket.pause();
  raw.send(`${plain("/1")}${plain("/2")}POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`);
  raw.socket.end();
  await once(raw.socket, "readable");
  raw.socket.resume();
  expect(statuses(await raw.closed())).toEqual([200, 200, 200]);
  expect(asked).toEqual(["GET", "GET", "POST"]);
  expect(raw.text.length).toBeGreaterThan(15_000_000);
});

test("a client that is not read any more and takes its time is given up", async () => {
  const finished = Promise.withResolvers<Outcome>();
  const { port } = await serve(() => new Promise(() => {}), {
    headersMs: 1000,
    onFinished: (_request, outcome) => finished.resolve(outcome),
  });
  const raw = rawClient(port);
  raw.send(plain("/"));
  raw.socket.write(Buffer.alloc(1_000_000, "x"));
  expect(await finished.promise).toMatchObject({ status: 0, complete: false });
});

test("draining lets a slow reader have the last response whole", async () => {
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const { port, listener } = await serve(async () => {
    asked.resolve();
    await release.promise;
    return { status: 200, fields: [], content: new Uint8Array(1_500_000) };
  });
  const raw = rawClient(port);
  raw.send(plain("/"));
  await asked.promise;
  raw.socket.pause();
  const drained = listener.drain(5000);
  release.resolve();
  raw.send(plain("/more"));
  await once(raw.socket, "readable");
  raw.socket.resume();
  expect((await raw.closed()).length).toBeGreaterThan(1_500_000);
  await drained;
});

test("an event stream that is quiet is not given up, and a client that stops taking it is", async () => {
  const ended: Outcome[] = [];
  const gone = Promise.withResolvers<void>();
  let send = (_piece: Uint8Array): void => {};
  const content: Response["content"] = {
    start(sink) {
      send = (piece) => {
        while (sink.write(piece) && piece.length > 100) {}
      };
      return { resume: () => send(new Uint8Array(1_000_000)), cancel: () => {} };
    },
  };
  const { port } = await serve(() => ({ status: 200, fields: [], content }), {
    keepAliveMs: 20,
    headersMs: 1000,
    sendMs: 200,
    onFinished: (_request, outcome) => {
      ended.push(outcome);
      gone.resolve();
    },
  });
  const raw = rawClient(port);
  raw.send(plain("/"));
  await raw.until("\r\n\r\n");
  const later = setTimeout(() => send(bytes("still here")), 1200);
  await raw.until("still here");
  clearTimeout(later);
  expect(ended).toEqual([]);
  raw.socket.pause();
  send(new Uint8Array(1_000_000));
  await gone.promise;
  expect(ended).toMatchObject([{ status: 200, complete: false }]);
});

test("an idle connection is kept a moment longer than its client was told", async () => {
  const { port } = await serve(() => ok("hi"), { keepAliveMs: 0 });
  const raw = rawClient(port);
  const asked = performance.now();
  raw.send(plain("/1"));
  await raw.until("hi");
  await raw.closed();
  expect(performance.now() - asked).toBeGreaterThan(900);
});

test("a field section is as long as it may be on either path", async () => {
  const { port, asked } = await serve(() => ok(""), { maxFieldsBytes: 100 });
  // 4 octets for each line besides name and value.
  const rest = 100 - "Host".length - "a.example".length - 4 - "X".length - 4;
  expect(statuses(await converse(port, plain("/1", `X:${"y".repeat(rest)}`) + get("/")))).toEqual([200, 200]);
  expect(statuses(await converse(port, plain("/2", `X:${"y".repeat(rest + 1)}`, "Connection: close")))).toEqual([431]);
  expect(asked.map(({ target }) => target)).toEqual(["/1", "/"]);
});

test("a length that was stated twice is sent once, and a status that is none becomes a 500", async () => {
  const { port } = await serve(({ target }) => ({
    status: target === "/none" ? 1000 : 200,
    fields: ["Content-Length", "3", "content-length", "5"],
    content: source(["one"]),
  }));
  const answer = await converse(port, plain("/twice") + plain("/none"));
  expect(statuses(answer)).toEqual([200, 500]);
  expect(answer.match(/content-length: [35]\r\n/gi)).toEqual(["Content-Length: 3\r\n"]);
});
