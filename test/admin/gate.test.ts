import { describe, expect, it } from "vitest";
import { createGate } from "../../src/admin/gate.ts";
import type { Fields } from "../../src/http/message.ts";
import { aRequest } from "../cache/example.ts";

const TOKEN = "a-token-of-16-or-more";
const statusOf = (options: { token?: string; isLocal?: boolean }, authority: string, fields: Fields = []) => {
  const gate = createGate({ token: "", isLocal: true, ...options });
  return gate(aRequest("/api/purge", fields, { authority }))?.status;
};

describe("the gate to what the admin listener does", () => {
  it("lets pass who has the token, wherever it listens", () => {
    for (const isLocal of [true, false]) {
      const options = { token: TOKEN, isLocal };
      expect(statusOf(options, "any.test", ["Authorization", `Bearer ${TOKEN}`])).toBeUndefined();
      expect(statusOf(options, "any.test", ["authorization", `bearer  ${TOKEN}`])).toBeUndefined();
      for (const given of [
        `Bearer ${TOKEN}x`,
        `Bearer ${TOKEN.slice(0, -1)}`,
        "Bearer ",
        TOKEN,
        `Basic ${TOKEN}`,
        "",
      ]) {
        expect(statusOf(options, "127.0.0.1", ["Authorization", given])).toBe(401);
      }
      expect(statusOf(options, "127.0.0.1")).toBe(401);
    }
  });

  it("lets nobody pass without a token where others than this machine reach it", () => {
    expect(statusOf({ isLocal: false }, "127.0.0.1")).toBe(403);
    expect(statusOf({ isLocal: false }, "127.0.0.1", ["Authorization", "Bearer "])).toBe(403);
  });

  it("lets this machine pass without one, by its addresses and as localhost", () => {
    for (const authority of ["127.0.0.1:8081", "localhost:8081", "localhost", "[::1]:8081", "[::1]"]) {
      expect(statusOf({}, authority)).toBeUndefined();
    }
  });

  it("lets nobody pass for whom a proxy on this machine asks, but by the token", () => {
    for (const name of ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "CF-Connecting-IP"]) {
      expect(statusOf({}, "127.0.0.1:8081", [name, "192.0.2.1"])).toBe(403);
      const fields = [name, "192.0.2.1", "Authorization", `Bearer ${TOKEN}`];
      expect(statusOf({ token: TOKEN }, "127.0.0.1:8081", fields)).toBeUndefined();
    }
  });

  it("lets no page of another site pass, under whatever name it asks", () => {
    for (const authority of ["evil.test", "evil.test:8081", "localhost.evil.test", "127.0.0.1.evil.test"]) {
      expect(statusOf({}, authority)).toBe(403);
    }
    expect(statusOf({}, "127.0.0.1:8081", ["Origin", "http://evil.test"])).toBe(403);
    expect(statusOf({}, "127.0.0.1:8081", ["Origin", "null"])).toBe(403);
    expect(statusOf({}, "127.0.0.1:8081", ["Sec-Fetch-Site", "cross-site"])).toBe(403);
    const own = ["Origin", "http://127.0.0.1:8081", "Sec-Fetch-Site", "same-origin"];
    expect(statusOf({}, "127.0.0.1:8081", own)).toBeUndefined();
  });
});
