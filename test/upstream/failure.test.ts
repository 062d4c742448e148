import { afterEach, expect, test } from "vitest";
import { failureResponse, UpstreamFailure } from "../../src/upstream/failure.ts";
import { replying } from "../support/origin.ts";
import { ask, deadUrl, failure, rawOrigin, read, stopAsking, upstreamTo } from "./asking.ts";

afterEach(stopAsking);

/** Some resolvers take their time to know nothing. */
const PATIENT = { timeout: { connect: 30_000 } };

test("refused, unknown and unreachable origins are a 502", async () => {
  expect(await failure(upstreamTo(await deadUrl()).forward(ask()))).toMatchObject({ status: 502, kind: "refused" });
  const unknown = failure(upstreamTo("http://no-such-host.invalid", PATIENT).forward(ask()));
  expect(await unknown).toMatchObject({ status: 502, kind: "dns" });
});

test.each([
  ["garbage", "\x00\x01 this is not HTTP\r\n\r\n"],
  ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n"],
  ["a bad status", "HTTP/1.1 abc OK\r\n\r\n"],
  ["an upgrade nobody asked for", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
  ["a 101 without Upgrade", "HTTP/1.1 101 Switching\r\n\r\n"],
  ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`],
])("%s from the origin is malformed, 502", async (_what, bytes) => {
  const { url } = await rawOrigin(replying(bytes, "keep"));
  expect(await failure(upstreamTo(url, { timeout: { headers: 2000 } }).forward(ask()))).toMatchObject({
    status: 502,
    kind: "malformed",
  });
});

test.each([
  ["a length and a coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
])("%s from the origin make a 502", async (_what, bytes) => {
  const { url } = await rawOrigin(replying(bytes));
  expect(await failure(upstreamTo(url).forward(ask()))).toMatchObject({ status: 502 });
});

test("an origin that does not answer is a 504, and one that hangs up a 502", async () => {
  const silent = await rawOrigin(() => {});
  const late = failure(upstreamTo(silent.url, { timeout: { headers: 200 } }).forward(ask({ method: "POST" })));
  expect(await late).toMatchObject({ status: 504, kind: "headers-timeout" });
  for (const how of ["end", "reset"] as const) {
    const { url, accepted } = await rawOrigin(replying("", how));
    expect(await failure(upstreamTo(url).forward(ask({ method: "POST" })))).toMatchObject({
      status: 502,
      kind: "reset",
    });
    expect(accepted).toBeLessThan(2);
  }
});

test("an origin that stops in mid-content fails the sink after the body timeout", async () => {
  const { url } = await rawOrigin(replying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
  const response = await upstreamTo(url, { timeout: { body: 200 } }).forward(ask());
  expect(await failure(read(response))).toMatchObject({ status: 504, kind: "body-timeout" });
});

test("every failure has a problem that tells the client what happened and nothing of how", async () => {
  const known = failureResponse(new UpstreamFailure("headers-timeout", new Error("secret")));
  expect(known.status).toBe(504);
  expect(String(Buffer.from((known.content as Uint8Array) ?? []))).toContain("did not answer in time");
  const unknown = failureResponse(new Error("secret"));
  expect(unknown.status).toBe(502);
  expect(String(Buffer.from((unknown.content as Uint8Array) ?? []))).not.toContain("secret");
});
