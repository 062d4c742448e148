import { afterEach, expect, test } from "vitest";
import { converse, statuses } from "./raw-client.ts";
import { contentOf, get, ok, serve, source, stopServing } from "./serving.ts";

afterEach(stopServing);

test.each([
  ["A.EXAMPLE:80", "a.example"],
  ["a.example:8080", "a.example:8080"],
  ["a.example:", "a.example"],
  ["[2001:DB8::1]:80", "[2001:db8::1]"],
])("Host %s is the authority %s", async (host, authority) => {
  const { port, asked } = await serve(() => ok(""));
  await converse(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(asked[0]?.authority).toBe(authority);
});

test.each([
  ["no Host", "GET / HTTP/1.1\r\n\r\n"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
  ["a Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"],
  ["a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
  ["a Host that is no IPv6 address", "GET / HTTP/1.1\r\nHost: [::zz]\r\n\r\n"],
  ["an absolute target with a user", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an asterisk with another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target that is a bare word", "GET word HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
  [
    "length and coding",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  [
    "coding and length",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
  ],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"],
  ["a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 5\r\n\r\nabcde"],
  ["a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd"],
  ["an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
  ["chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"],
  ["coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
  ["a folded line", "POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\n Transfer-Encoding: chunked\r\n\r\n"],
  ["a bare line feed", "GET / HTTP/1.1\nHost: a\n\n"],
  ["a NUL in a field", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"],
  ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
])("%s is refused with a 400 problem and never reaches the handler", async (_what, request) => {
  const { port, asked } = await serve(() => ok(""));
  const answer = await converse(port, `${request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(statuses(answer)).toEqual([400]);
  expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
  expect(answer).not.toMatch(/node:|at .*\.[jt]s/);
  expect(asked).toEqual([]);
});

test("a bad chunk size ends the request in an error and the connection with it", async () => {
  const { port, asked } = await serve(async (request) => {
    await contentOf(request);
    return ok("");
  });
  const answer = await converse(
    port,
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  expect(statuses(answer)).toEqual([400]);
  expect(asked.map((request) => request.target)).toEqual(["/"]);
});

test("a URL of 64 KB gets a 414 and a header of 100 KB a 431, both as problems", async () => {
  const { port, asked } = await serve(() => ok(""));
  const long = await converse(port, get(`/${"u".repeat(65_536)}`));
  expect(statuses(long)).toEqual([414]);
  const wide = await converse(port, get("/", `X: ${"h".repeat(100_000)}`));
  expect(statuses(wide)).toEqual([431]);
  const huge = await converse(port, get("/", `X: ${"h".repeat(1_000_000)}`));
  expect(statuses(huge)).toEqual([431]);
  for (const answer of [long, wide, huge]) expect(answer).toContain("application/problem+json");
  expect(asked).toEqual([]);
});

test("an absolute target says the authority, and the Host field follows it", async () => {
  const { port, asked } = await serve(() => ok(""));
  await converse(port, get("http://B.example:80/path?q"));
  await converse(port, get("http://b.example?q"));
  expect(asked[0]).toMatchObject({ authority: "b.example", target: "/path?q" });
  expect(asked[0]?.fields).not.toContain("a.example");
  expect(asked[0]?.fields).toContain("B.example:80");
  expect(asked[1]).toMatchObject({ authority: "b.example", target: "/?q" });
});

test("OPTIONS may ask for the whole server, in either form", async () => {
  const { port, asked } = await serve(() => ok(""));
  await converse(port, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await converse(port, "OPTIONS http://a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect(asked.map((request) => request.target)).toEqual(["*", "*"]);
});

test("an absolute https target is misdirected, and CONNECT is not implemented", async () => {
  const { port } = await serve(() => ok(""));
  expect(statuses(await converse(port, get("https://a.example/")))).toEqual([421]);
  const connect = await converse(port, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  expect(statuses(connect)).toEqual([501]);
  expect(connect).toContain("application/problem+json");
});

test("HTTP/1.0 clients are served, with or without Host", async () => {
  const { port, asked } = await serve(() => ({ status: 200, fields: [], content: source(["one", "two"]) }));
  const answer = await converse(port, "GET / HTTP/1.0\r\n\r\n");
  expect(answer).toMatch(/\r\n\r\nonetwo$/);
  expect(answer.toLowerCase()).not.toContain("chunked");
  expect(asked[0]?.authority).toBe(`127.0.0.1:${port}`);
  await converse(port, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  expect(asked[1]?.authority).toBe("a");
});
