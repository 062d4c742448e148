import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { replying } from "../support/origin.ts";
import { ask, failure, origin, rawOrigin, read, stopAsking, upstreamTo } from "./asking.ts";

afterEach(stopAsking);

test("a small response is handed on as whole bytes, a long one as a source", async () => {
  const { url } = await origin((request, response) => void response.end("x".repeat(Number(request.url?.slice(1)))));
  const upstream = upstreamTo(url);
  expect((await upstream.forward(ask({ target: "/10" }))).content).toBeInstanceOf(Uint8Array);
  expect((await upstream.forward(ask({ target: "/0" }))).content).toEqual(new Uint8Array(0));
  const long = await upstream.forward(ask({ target: "/1000000" }));
  expect(long.content).toHaveProperty("start");
  expect((await read(long)).bytes.length).toBe(1_000_000);
});

test("HEAD, 204 and 304 have no content", async () => {
  const { url } = await origin((request, response) => {
    response
      .writeHead(Number(request.url?.slice(1)), { "Content-Length": request.method === "HEAD" ? "5" : "0" })
      .end();
  });
  const upstream = upstreamTo(url);
  const head = await upstream.forward(ask({ method: "HEAD", target: "/200" }));
  expect(head.content).toBeUndefined();
  expect(head.fields).toContain("5");
  expect((await upstream.forward(ask({ target: "/204" }))).content).toBeUndefined();
  expect((await upstream.forward(ask({ target: "/304" }))).content).toBeUndefined();
});

test("interim responses are skipped", async () => {
  const { url } = await rawOrigin(
    replying(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ),
  );
  const response = await upstreamTo(url).forward(ask());
  expect(response.status).toBe(200);
  expect((await read(response)).bytes.toString()).toBe("hi");
});

test("trailers are delivered, of short and of long content", async () => {
  const { url } = await origin((request, response) => {
    response.writeHead(200, { Trailer: "X-Sum" });
    response.write("x".repeat(Number(request.url?.slice(1))));
    response.addTrailers({ "X-Sum": "7" });
    response.end();
  });
  const upstream = upstreamTo(url);
  for (const size of [1, 1_000_000]) {
    const { bytes, trailers } = await read(await upstream.forward(ask({ target: `/${size}` })));
    expect(bytes.length).toBe(size);
    expect(trailers).toEqual(["X-Sum", "7"]);
  }
});

test("a sink that has enough stops the origin, and gets the rest when it goes on", async () => {
  const size = 40_000_000;
  const stalled = Promise.withResolvers<void>();
  const { url, sockets } = await origin((_request, response) => {
    const piece = Buffer.alloc(1_000_000);
    let left = size / piece.length;
    const more = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(piece)) {
          response.once("drain", more);
          if (stuckFor !== undefined) clearTimeout(stuckFor);
          stuckFor = setTimeout(stalled.resolve, 200);
          return;
        }
      }
      response.end();
    };
    let stuckFor: NodeJS.Timeout | undefined;
    more();
  });
  const { content } = await upstreamTo(url).forward(ask());
  if (content === undefined || content instanceof Uint8Array) return expect.unreachable();
  let enough = 1_000_000;
  let received = 0;
  let unwanted = 0;
  const ended = Promise.withResolvers<void>();
  const flow = content.start({
    write(piece) {
      if (received >= enough) unwanted += 1;
      received += piece.length;
      return received < enough;
    },
    end: () => ended.resolve(),
    fail: ended.reject,
  });
  await stalled.promise;
  expect(received).toBeLessThan(2_000_000);
  const [socket] = sockets;
  expect(socket?.bytesWritten).toBeLessThan(20_000_000);
  enough = Number.POSITIVE_INFINITY;
  flow.resume();
  await ended.promise;
  expect(received).toBe(size);
  expect(unwanted).toBe(0);
});

test("cancelling aborts the request at the origin", async () => {
  const { url, nth } = await origin((_request, response) => void response.write("begun"));
  const { content } = await upstreamTo(url).forward(ask());
  if (content === undefined || content instanceof Uint8Array) return expect.unreachable();
  content.start({ write: () => true, end: () => {}, fail: () => {} }).cancel();
  expect(await (await nth(1)).aborted).toBe(true);
});

test("the signal aborts before the head, while waiting for a connection, and in the content", async () => {
  const { url, nth } = await origin((request, response) => {
    if (request.url === "/begin") response.write("begun");
  });
  const upstream = upstreamTo(url, { connections: 1 });
  const one = new AbortController();
  const two = new AbortController();
  const first = failure(upstream.forward(ask({ signal: one.signal })));
  const seen = await nth(1);
  const queued = failure(upstream.forward(ask({ signal: two.signal })));
  two.abort();
  expect((await queued).kind).toBe("aborted");
  one.abort();
  expect((await first).kind).toBe("aborted");
  expect(await seen.aborted).toBe(true);
  const three = new AbortController();
  const begun = await upstream.forward(ask({ target: "/begin", signal: three.signal }));
  three.abort();
  await expect(read(begun)).rejects.toMatchObject({ kind: "aborted" });
  expect((await failure(upstream.forward(ask({ signal: AbortSignal.abort() })))).kind).toBe("aborted");
});

test.each([
  ["a length that is not reached", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "end"],
  ["a chunk that does not end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", "end"],
  ["no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "end"],
  ["a reset", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "reset"],
] as const)("content cut off by %s fails its sink", async (_what, bytes, after) => {
  const { url } = await rawOrigin(replying(bytes, after));
  const outcome = upstreamTo(url)
    .forward(ask({ method: "POST" }))
    .then(read);
  expect(await failure(outcome)).toMatchObject({ status: 502 });
});

test("content that ends with the connection is whole where nothing says otherwise", async () => {
  const { url } = await rawOrigin(replying("HTTP/1.0 200 OK\r\n\r\nall of it", "end"));
  expect((await read(await upstreamTo(url).forward(ask()))).bytes.toString()).toBe("all of it");
});

test("a tunnel goes on when its upstream is closed, as one of a configuration that was replaced is", async () => {
  const raw = await rawOrigin((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
      socket.on("data", (data) => socket.write(data));
    });
  });
  const upstream = upstreamTo(raw.url);
  const { tunnel } = await upstream.forward(ask({ upgrade: "echo" }));
  expect(upstream.underWay()).toBe(0);
  await upstream.close(0);
  tunnel?.write("still there");
  expect(String((await once(tunnel as NonNullable<typeof tunnel>, "data"))[0])).toBe("still there");
  tunnel?.destroy();
});

test("an upgrade hands over the connection, and a refusal is an ordinary response", async () => {
  const { url, seen, ...started } = await origin((_request, response) => void response.writeHead(403).end("no"));
  const upstream = upstreamTo(url);
  const refused = await upstream.forward(ask({ upgrade: "websocket" }));
  expect(refused).toMatchObject({ status: 403, content: Buffer.from("no") });
  expect(refused.tunnel).toBeUndefined();
  expect(seen[0]?.headers).toMatchObject({ upgrade: "websocket", connection: "upgrade" });
  expect(started.sockets.size).toBeLessThan(2);

  const raw = await rawOrigin((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello ");
      socket.pipe(socket);
    });
  });
  const { status, tunnel } = await upstreamTo(raw.url).forward(ask({ upgrade: "echo" }));
  expect(status).toBe(101);
  tunnel?.write("world");
  let text = "";
  while (tunnel && text.length < 11) text += (await once(tunnel, "data"))[0];
  expect(text).toBe("hello world");
  tunnel?.destroy();
});
