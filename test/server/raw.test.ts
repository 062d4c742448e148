// A response written again: what may be taken from the last time, and what may not.

import { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Response } from "../../src/http/message.ts";
import { type BareSocket, respondRaw } from "../../src/server/raw.ts";

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 10, 21, 12, 0, 0), toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

/** What is written on a connection that says this of itself. */
function written(response: Response, connection = ""): string {
  let text = "";
  const socket = new Duplex({
    read() {},
    write(piece, _encoding, done) {
      text += String(piece);
      done();
    },
  });
  const bare = Object.assign(socket, { setTimeout() {} }) as unknown as BareSocket;
  respondRaw(bare, response, { method: "GET", reason: "OK", connection, sendMs: 1000 }, () => {});
  return text;
}

const response: Response = { status: 200, fields: ["A", "1"], content: Buffer.from("one") };

describe("a response that was written a moment ago", () => {
  test("is written the same, as long as the second lasts that it is dated with", () => {
    const first = written(response);
    expect(first).toContain("Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n");
    vi.advanceTimersByTime(999);
    expect(written({ ...response })).toBe(first);
    vi.advanceTimersByTime(1);
    expect(written(response)).toContain("Date: Sat, 21 Nov 2026 12:00:01 GMT\r\n");
  });

  test("is told from one with another status, other content or other fields", () => {
    const another = (other: Partial<Response>) => written(response) && written({ ...response, ...other });
    expect(another({ status: 404 })).toMatch(/^HTTP\/1.1 404 /);
    expect(another({ content: Buffer.from("two") })).toMatch(/\r\n\r\ntwo$/);
    expect(another({ content: undefined })).toMatch(/Content-Length: 0\r\n\r\n$/);
    expect(another({ fields: ["A", "2"] })).toContain("A: 2\r\n");
  });

  test("says of a connection what is true of that one", () => {
    expect(written(response)).not.toContain("Connection");
    expect(written(response, "Connection: close\r\n")).toContain("Connection: close\r\n");
  });
});
