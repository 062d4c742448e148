import { once } from "node:events";
import { Agent, get, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { bytesOf, type Handler, replying, startOrigin, startRawOrigin } from "../support/origin.ts";
import { converse, rawClient, statuses } from "./raw-client.ts";
import { type RelayOptions, startRelay } from "./relay.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function relayTo(handler: Handler, options?: RelayOptions) {
  const origin = await startOrigin(handler);
  closing.push(origin.close);
  const relay = await startRelay(origin.url, options);
  closing.push(relay.close);
  return { origin, relay };
}

async function relayToRaw(script: (socket: Socket, nth: number) => void, options?: RelayOptions) {
  const origin = await startRawOrigin(script);
  closing.push(origin.close);
  const relay = await startRelay(origin.url, options);
  closing.push(relay.close);
  return relay;
}

async function responseTo(url: string, agent = new Agent()): Promise<IncomingMessage> {
  const asked = get(url, { agent });
  const [response] = await once(asked, "response");
  asked.on("error", () => {}); // a connection that breaks later is told to the response as well
  return response;
}

const GET = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

test("server-sent events pass one by one: each is seen before the next is sent", async () => {
  const sent = Promise.withResolvers<(event: string) => void>();
  const { relay } = await relayTo((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    sent.resolve((event) => void response.write(event));
  });
  const response = await responseTo(relay.url);
  const send = await sent.promise;
  for (let i = 0; i < 5; i++) {
    send(`data: ${i}\n\n`);
    expect(String((await once(response, "data"))[0])).toBe(`data: ${i}\n\n`);
  }
  response.destroy();
});

test("a slow client stalls the origin's writes, and gets everything in the end", async () => {
  const size = 64_000_000;
  const stalled = Promise.withResolvers<number>();
  const { relay } = await relayTo((_request, response) => {
    response.writeHead(200, { "Content-Length": size });
    const piece = Buffer.alloc(1_000_000);
    let written = 0;
    let watch: NodeJS.Timeout | undefined;
    const more = () => {
      clearTimeout(watch);
      while (written < size) {
        written += piece.length;
        if (!response.write(piece)) {
          watch = setTimeout(() => stalled.resolve(written), 300);
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const response = await responseTo(relay.url);
  response.pause();
  expect(await stalled.promise).toBeLessThan(size / 2);
  let received = 0;
  for await (const piece of response) received += piece.length;
  expect(received).toBe(size);
});

test("a slow origin stalls the client's writes", async () => {
  const reading = Promise.withResolvers<void>();
  const { relay } = await relayTo(async (asked, response) => {
    await reading.promise;
    response.end(String((await bytesOf(asked)).length));
  });
  const upload = request(relay.url, { method: "POST" });
  const piece = Buffer.alloc(1_000_000);
  let written = 0;
  const stalled = Promise.withResolvers<void>();
  let watch: NodeJS.Timeout | undefined;
  const more = () => {
    clearTimeout(watch);
    while (written < 64 * piece.length) {
      written += piece.length;
      if (!upload.write(piece)) {
        watch = setTimeout(stalled.resolve, 300);
        upload.once("drain", more);
        return;
      }
    }
    upload.end();
  };
  more();
  await stalled.promise;
  expect(written).toBeLessThan(32 * piece.length);
  reading.resolve();
  const [response] = await once(upload, "response");
  expect(String(await bytesOf(response))).toBe(String(64 * piece.length));
});

test("a response and the content of its request can be under way at once", async () => {
  const { relay } = await relayTo((asked, response) => {
    response.writeHead(200).flushHeaders();
    asked.pipe(response);
  });
  const upload = request(relay.url, { method: "POST" });
  upload.flushHeaders();
  upload.write("a");
  const [response] = await once(upload, "response");
  for (const text of ["b", "c"]) {
    const echoed = once(response, "data");
    expect(String((await echoed)[0])).toMatch(/^[ab]+$/);
    upload.write(text);
  }
  upload.end();
  expect(String(await bytesOf(response))).toContain("c");
});

test("Expect: 100-continue is met when the origin takes the content, which never sees the field", async () => {
  const { relay, origin } = await relayTo(async (asked, response) => void response.end(await bytesOf(asked)));
  const raw = rawClient(relay.port);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
  await raw.until("HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("body");
  expect(statuses(await raw.closed())).toEqual([100, 200]);
  expect(raw.text).toMatch(/body$/);
  expect(origin.seen[0]?.headers.expect).toBeUndefined();
});

test("a refused upload is never asked for: the origin is gone", async () => {
  const gone = await startRawOrigin(() => {});
  await gone.close();
  const relay = await startRelay(gone.url);
  closing.push(relay.close);
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  const answer = await converse(relay.port, head);
  expect(statuses(answer)).toEqual([502]);
  expect(answer).toContain("application/problem+json");
});

test("an early answer to a long upload reaches the client", async () => {
  const { relay } = await relayTo((_asked, response) => void response.writeHead(413).end("too much"));
  const upload = request(relay.url, { method: "POST", headers: { "Content-Length": 10_000_000 } });
  upload.on("error", () => {});
  upload.write(Buffer.alloc(100_000));
  const [response] = await once(upload, "response");
  expect(response.statusCode).toBe(413);
  expect(String(await bytesOf(response))).toBe("too much");
  upload.destroy();
});

test("HEAD, 204, 304, trailers and 50 Set-Cookie lines come through", async () => {
  const cookies = Array.from({ length: 50 }, (_, i) => `c${i}=${i}`);
  const { relay } = await relayTo((asked, response) => {
    if (asked.url === "/cookies") response.writeHead(200, { "Set-Cookie": cookies }).end("x");
    else if (asked.url === "/trailers") {
      response.writeHead(200, { Trailer: "X-Sum" });
      response.write("abc");
      response.addTrailers({ "X-Sum": "3" });
      response.end();
    } else
      response.writeHead(Number(asked.url?.slice(1)), asked.method === "HEAD" ? { "Content-Length": 5 } : {}).end();
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const cookie = await responseTo(`${relay.url}/cookies`, agent);
  expect(cookie.headers["set-cookie"]).toEqual(cookies);
  await bytesOf(cookie);
  const trailers = await responseTo(`${relay.url}/trailers`, agent);
  expect(String(await bytesOf(trailers))).toBe("abc");
  expect(trailers.trailers).toEqual({ "x-sum": "3" });
  for (const status of [204, 304]) {
    const empty = await responseTo(`${relay.url}/${status}`, agent);
    expect(empty.statusCode).toBe(status);
    expect(await bytesOf(empty)).toHaveLength(0);
  }
  const [head] = await once(request(`${relay.url}/200`, { method: "HEAD", agent }).end(), "response");
  expect(head.headers["content-length"]).toBe("5");
  head.resume();
  agent.destroy();
});

test("an absolute target reaches the origin as path and Host", async () => {
  const { relay, origin } = await relayTo((_asked, response) => void response.end());
  await converse(relay.port, GET.replace("GET /", "GET http://b.example:81/x?y"));
  expect(origin.seen[0]).toMatchObject({ url: "/x?y", headers: { host: "b.example:81" } });
});

test.each([
  ["garbage", replying("\x00 nonsense\r\n\r\n"), {}, 502],
  ["nothing but a reset", replying("", "reset"), {}, 502],
  ["silence", () => {}, { headers: 200 }, 504],
])("an origin that answers %s gives the client a problem", async (_what, script, timeout, status) => {
  const relay = await relayToRaw(script, { timeout });
  const answer = await converse(relay.port, GET);
  expect(statuses(answer)).toEqual([status]);
  expect(answer).toContain("application/problem+json");
});

test.each([
  ["stated", "Content-Length: 10\r\n\r\nabc", "end"],
  ["chunked", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "end"],
  ["reset", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "reset"],
] as const)("%s content cut off by the origin breaks the client's connection", async (_what, rest, after) => {
  const relay = await relayToRaw((socket) => {
    socket.once("data", () => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
      cut = () => (after === "end" ? socket.end() : socket.resetAndDestroy());
    });
  });
  let cut: () => void = () => {};
  const response = await responseTo(relay.url);
  const broken = once(response, "error");
  response.resume();
  cut();
  expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  expect(response.complete).toBe(false);
});

test("a client that leaves ends the request at the origin: before the head, in the content, and in an upload", async () => {
  const { relay, origin } = await relayTo((asked, response) => {
    if (asked.url === "/content") response.write("begun");
    else asked.resume();
  });
  const waiting = rawClient(relay.port);
  waiting.send(GET);
  const first = await origin.nth(1);
  waiting.socket.destroy();
  expect(await first.aborted).toBe(true);

  const streaming = rawClient(relay.port);
  streaming.send(GET.replace("/", "/content"));
  const second = await origin.nth(2);
  await streaming.until("begun");
  streaming.socket.destroy();
  expect(await second.aborted).toBe(true);

  const uploading = rawClient(relay.port);
  uploading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  const third = await origin.nth(3);
  uploading.socket.destroy();
  expect(await third.aborted).toBe(true);
  await turn();
});

test("requests of one connection are answered in order, however long each takes", async () => {
  const { relay } = await relayTo((asked, response) => {
    if (asked.url === "/slow") setImmediate(() => setImmediate(() => response.end("slow")));
    else response.end("fast");
  });
  const keep = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const answer = await converse(relay.port, keep("/slow") + keep("/fast") + GET);
  expect(answer.match(/slow|fast/g)).toEqual(["slow", "fast", "fast"]);
});
