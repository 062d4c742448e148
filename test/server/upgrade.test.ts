import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Request, Response } from "../../src/http/message.ts";
import { createListener, type Handler as ListenerHandler, type Outcome } from "../../src/server/server.ts";
import { bytesOf, type Handler, startOrigin, startRawOrigin } from "../support/origin.ts";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { startRelay } from "./relay.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function relayTo(handler: Handler) {
  const origin = await startOrigin(handler);
  closing.push(origin.close);
  const relay = await startRelay(origin.url);
  closing.push(relay.close);
  return { origin, relay };
}

async function relayToRaw(script: (socket: Socket) => void) {
  const origin = await startRawOrigin(script);
  closing.push(origin.close);
  const relay = await startRelay(origin.url);
  closing.push(relay.close);
  return relay;
}

async function websocketRelay() {
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(sockets, "listening");
  closing.push(async () => {
    for (const one of sockets.clients) one.terminate();
    sockets.close();
  });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const address = sockets.address();
  const relay = await startRelay(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
  closing.push(relay.close);
  return { sockets, relay };
}

const UPGRADE = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

test("a websocket works through the relay, text and binary, small and large", async () => {
  const { relay } = await websocketRelay();
  const client = new WebSocket(relay.url.replace("http", "ws"));
  await once(client, "open");
  client.send("hello");
  expect(String((await once(client, "message"))[0])).toBe("hello");
  const large = Buffer.alloc(5_000_000, 7);
  client.send(large);
  expect(large.equals((await once(client, "message"))[0])).toBe(true);
  client.close(1000, "done");
  expect((await once(client, "close"))[0]).toBe(1000);
});

test("either end of a websocket that goes away takes the other with it", async () => {
  const { relay, sockets } = await websocketRelay();
  const url = relay.url.replace("http", "ws");
  const connected = once(sockets, "connection");
  const leaver = new WebSocket(url);
  const [there] = await connected;
  await once(leaver, "open");
  leaver.terminate();
  expect((await once(there, "close"))[0]).toBe(1006);

  const again = once(sockets, "connection");
  const left = new WebSocket(url);
  const [origin] = await again;
  await once(left, "open");
  origin.terminate();
  expect((await once(left, "close"))[0]).toBe(1006);
});

test("the first bytes of both sides are delivered, and half-closing lets the other side finish", async () => {
  const relay = await relayToRaw((socket) => {
    socket.once("data", () => {
      socket.write(`${SWITCHED}first `);
      let text = "";
      socket.on("data", (more) => {
        text += more;
      });
      socket.on("end", () => socket.end(`got ${text}`));
    });
  });
  const raw = rawClient(relay.port);
  raw.send(`${UPGRADE}early `);
  await raw.until("first ");
  raw.socket.end("late");
  expect(await raw.closed()).toBe(`${SWITCHED}first got early late`);
});

test("an origin that refuses the upgrade gives an ordinary response, and the connection closes", async () => {
  const { relay, origin } = await relayTo((_asked, response) => void response.writeHead(403).end("no"));
  const answer = await converse(relay.port, UPGRADE);
  expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
  expect(answer).toMatch(/Connection: close\r\n(.+\r\n)*\r\nno$/);
  expect(origin.seen[0]?.headers).toMatchObject({ upgrade: "echo" });
});

test("a refusal that comes in pieces is sent in chunks, and one that is cut off never looks complete", async () => {
  const begun: ServerResponse[] = [];
  const { relay } = await relayTo((_asked, response) => {
    response.writeHead(400).write("one");
    begun.push(response);
  });
  const whole = rawClient(relay.port);
  whole.send(UPGRADE);
  await whole.until("3\r\none\r\n");
  begun[0]?.end("four");
  expect(await whole.closed()).toMatch(/3\r\none\r\n4\r\nfour\r\n0\r\n\r\n$/);

  const broken = rawClient(relay.port);
  broken.send(UPGRADE);
  await broken.until("3\r\none\r\n");
  begun[1]?.destroy();
  expect(await broken.closed()).toMatch(/3\r\none\r\n$/);
});

test("an origin that cannot be reached is a 502 for an upgrade too", async () => {
  const gone = await startRawOrigin(() => {});
  await gone.close();
  const relay = await startRelay(gone.url);
  closing.push(relay.close);
  const answer = await converse(relay.port, UPGRADE);
  expect(statuses(answer)).toEqual([502]);
  expect(answer).toContain("application/problem+json");
});

test("h2c is never tunnelled: such a request is an ordinary one, with its content and on a kept connection", async () => {
  const { relay, origin } = await relayTo(async (asked, response) => void response.end(await bytesOf(asked)));
  const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n";
  const raw = rawClient(relay.port);
  raw.send(`POST /1 HTTP/1.1\r\nHost: a\r\n${h2c}Content-Length: 3\r\n\r\none`);
  await raw.until("one");
  raw.send(`GET /2 HTTP/1.1\r\nHost: a\r\n${h2c}\r\n`);
  await origin.nth(2);
  await raw.until("Content-Length: 0");
  raw.send("GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect(statuses(await raw.closed())).toEqual([200, 200, 200]);
  expect(origin.seen.map((seen) => seen.headers.upgrade)).toEqual([undefined, undefined, undefined]);
});

test("an upgrade with content, or in HTTP/1.0, is an ordinary request", async () => {
  const { relay } = await relayTo(async (asked, response) => void response.end(`<${await bytesOf(asked)}>`));
  const posted = UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\none");
  const raw = rawClient(relay.port);
  raw.send(posted);
  await raw.until("<one>");
  raw.socket.destroy();
  expect(await converse(relay.port, UPGRADE.replace("1.1", "1.0"))).toContain("<>");
});

test("a write that asks for an upgrade is a write", async () => {
  const { origin, relay } = await relayTo((_request, response) => void response.end("deleted"));
  const raw = rawClient(relay.port);
  raw.send("DELETE /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await raw.until("deleted");
  raw.socket.destroy();
  expect(origin.seen.map(({ method, headers }) => [method, headers.upgrade])).toEqual([["DELETE", undefined]]);
});

test("a malformed upgrade is refused before the handler", async () => {
  const handler: ListenerHandler = () => expect.unreachable();
  const listener = createListener(handler);
  closing.push(() => listener.drain(0));
  const bound = await listener.listen({ host: "127.0.0.1", port: 0 });
  const port = "port" in bound ? bound.port : 0;
  expect(statuses(await converse(port, UPGRADE.replace("Host: a\r\n", "")))).toEqual([400]);
});

test("a drain's deadline ends tunnels", async () => {
  const { relay, sockets } = await websocketRelay();
  const client = new WebSocket(relay.url.replace("http", "ws"));
  await once(client, "open");
  const closed = once(client, "close");
  await relay.listener.drain(50);
  await closed;
  for (const one of sockets.clients) await once(one, "close");
});

test("of a client that leaves before its upgrade is answered it is told that nothing was sent", async () => {
  const finished = Promise.withResolvers<Outcome>();
  const asked = Promise.withResolvers<Request>();
  const answer = Promise.withResolvers<Response>();
  const listener = createListener(
    (request) => {
      asked.resolve(request);
      return answer.promise;
    },
    { onFinished: (_request, outcome) => finished.resolve(outcome) },
  );
  closing.push(() => listener.drain(0));
  const bound = await listener.listen({ host: "127.0.0.1", port: 0 });
  const client = connect("port" in bound ? bound.port : 0, "127.0.0.1").on("error", () => {});
  client.write(UPGRADE);
  const { signal } = await asked.promise;
  const left = new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
  client.resetAndDestroy();
  await left;
  answer.resolve({ status: 502, fields: [], content: undefined });
  expect(await finished.promise).toEqual({ status: 0, complete: false });
});
