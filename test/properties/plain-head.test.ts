// What plain-head.ts takes for a request node:http takes for the same one, octet for octet, and ends it in the same
// place (RFC 9112): two readers of one connection that disagree are how requests are smuggled.

import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PlainHeads } from "../../src/server/plain-head.ts";
import fc from "../support/fast-check.ts";

const LIMITS = { maxTargetBytes: 16_384, maxFieldsBytes: 32_768 };
const MARK = "GET /mark HTTP/1.1\r\nHost: mark\r\nConnection: close\r\n\r\n";

const requests: IncomingMessage[] = [];
const server = createServer((request, response) => {
  requests.push(request);
  response.end();
});

beforeAll(() => once(server.listen(0, "127.0.0.1"), "listening"));
afterAll(() => server.close());

/** The requests that node:http finds in `octets`, up to the first that closes the connection. */
async function readByNode(octets: string): Promise<readonly IncomingMessage[]> {
  requests.length = 0;
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(octets, "latin1");
  socket.resume();
  await once(socket, "close");
  return [...requests];
}

/** Mostly one of `plain`, seldom one of `odd`: a head is to be odd in one place or in none. */
const mostly = (plain: readonly string[], odd: readonly string[]) =>
  fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...plain) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

const octets = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 9, 10, 13, 32, 35, 58, 127, 128, 255)), {
    maxLength: 4,
  })
  .map((codes) => String.fromCharCode(...codes));
const orOctets = (arbitrary: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 15, arbitrary }, { weight: 1, arbitrary: octets });

const line = fc
  .tuple(
    orOctets(
      mostly(
        ["X-A", "x", "Accept", "Cookie", "Te", "Connection", "!#$%&'*+.^_`|~"],
        ["Content-Length", "Transfer-Encoding", "Upgrade", "Expect", "Host", "", "a b", "X-A "],
      ),
    ),
    mostly([":", ": "], [" :", ""]),
    orOctets(
      mostly(
        ["a", "keep-alive", "Keep-Alive", "", "  padded\t ", "\xe9", "0", "a.example"],
        ["close", "chunked", "upgrade", "5", "100-continue", "a\r\n b"],
      ),
    ),
    mostly(["\r\n"], ["\n", "\r", "\r\r\n"]),
  )
  .map((parts) => parts.join(""));
const head = fc
  .tuple(
    mostly(["GET "], ["GET  ", "get ", "HEAD ", "\r\nGET "]),
    orOctets(mostly(["/", "/a/b?c=d", "/%41\"'<>\\^`{|}", "//x", "/?"], ["*", "a", "http://a/b"])),
    mostly([" HTTP/1.1\r\n"], [" HTTP/1.0\r\n", " HTTP/1.1\n", "  HTTP/1.1\r\n", " HTTP/1.1 \r\n", "\r\n"]),
    mostly(["Host: a.example\r\n", "Host:B:80\r\n"], [""]),
    fc.array(line, { maxLength: 4 }).map((lines) => lines.join("")),
    mostly(["\r\n"], ["\n", "\r", " \r\n"]),
  )
  .map((parts) => parts.join(""));

it("reads what node:http reads, or leaves it", async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(head, head, async (one, other) => {
      const heads = new PlainHeads(LIMITS);
      const octets = one + other + MARK;
      const mine: { target: string; fields: readonly string[] }[] = [];
      for (let at = 0; at < one.length + other.length; ) {
        const found = heads.head(octets, at);
        if (found === undefined) break;
        mine.push({ target: found.target, fields: found.fields });
        at = found.end;
      }
      if (mine.length === 0) return;
      read += mine.length;
      const theirs = await readByNode(octets);
      expect(theirs.slice(0, mine.length).map(({ url, rawHeaders }) => ({ target: url, fields: rawHeaders }))).toEqual(
        mine,
      );
      for (const request of theirs.slice(0, mine.length)) {
        expect(request).toMatchObject({ method: "GET", httpVersion: "1.1" });
      }
    }),
    { numRuns: 2000 },
  );
  expect(read).toBeGreaterThan(500);
});

it("reads any head of tokens and visible text", () => {
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~\w-]{1,20}$/).map((text) => `X-${text}`);
  const text = fc.stringMatching(/^[!-~](?:[ -~\x80-\xff]{0,20}[!-~])?$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(token, text), { maxLength: 20 }), (fields) => {
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const octets = `GET /x HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
      const found = new PlainHeads(LIMITS).head(octets, 0);
      expect(found?.fields).toEqual(["Host", "a", ...fields.flat()]);
      expect(found?.end).toBe(octets.length);
      for (let cut = 0; cut < octets.length; cut += 7) {
        expect(new PlainHeads(LIMITS).head(octets.slice(0, cut), 0)).toBeUndefined();
      }
    }),
    { numRuns: 200 },
  );
});
