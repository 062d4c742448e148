import { describe, expect, it } from "vitest";
import { fieldsFrom, requestFrom } from "../../src/explain/request.ts";

function read(url: string, { method = "GET", headers = [] as readonly string[], from = "127.0.0.1" } = {}) {
  const request = requestFrom({ method, url, headers, from });
  return request.kind === "read" ? request.value : request.text;
}

describe("the request that is asked about", () => {
  it("has the target as typed, and the URL's host where no header names another", () => {
    expect(read("http://Shop.test:80/a/../%61?b#c")).toMatchObject({ authority: "shop.test", target: "/a/../%61?b" });
    expect(read("http://shop.test?b")).toMatchObject({ target: "/?b" });
    expect(read("http://127.0.0.1:8080/a", { headers: ["host: shop.test"] })).toMatchObject({ authority: "shop.test" });
    expect(read("/a", { headers: ["Host: shop.test"] })).toMatchObject({ authority: "shop.test", target: "/a" });
    expect(read("/a", { headers: ["Host: h"], from: "unix" })).toMatchObject({ peer: "" });
  });

  it("is an upgrade, or has content, where its headers say so", () => {
    const upgrade = ["Connection: keep-alive, Upgrade", "Upgrade: websocket"];
    expect(read("http://h/", { headers: upgrade })).toMatchObject({ upgrade: "websocket" });
    expect(read("http://h/", { headers: upgrade.slice(1) })).toMatchObject({ upgrade: undefined, content: undefined });
    expect(read("http://h/", { headers: ["Content-Length: 3"] })).toMatchObject({ content: expect.anything() });
  });

  it.each([
    ["https://h/a", {}, /X-Forwarded-Proto: https/],
    ["ftp://h/a", {}, /must begin with http/],
    ["h/a", {}, /must begin with http/],
    ["http://h/a b", {}, /escaped/],
    ["http://h/ü", {}, /escaped/],
    ["http://a@h/", {}, /host is malformed/],
    ["http:///a", {}, /host is malformed/],
    ["/a", {}, /Host field is missing/],
    ["http://h/", { method: "G T" }, /method is no word/],
    ["http://h/", { method: "get" }, /no method get, .* 400; write GET/],
    ["http://h/", { method: "FOO" }, /no method FOO, .* 400$/],
    ["http://h/", { method: "CONNECT" }, /no proxy for CONNECT/],
    ["http://h/", { from: "localhost" }, /told by its address/],
    ["http://h/", { headers: ["no colon"] }, /is not written as/],
    ["http://h/", { headers: ["a: b\r\nc: d"] }, /is not written as/],
    ["http://h/", { headers: ["Host: a", "Host: b"] }, /more than one Host/],
    ["http://h/", { headers: Array(300).fill("a: b") }, /more than 200/],
    [`http://h/${"a".repeat(20_000)}`, {}, /too long/],
  ])("%s is refused with why", (url, how, text) => {
    expect(read(url, how)).toMatch(text);
  });

  it("has field values of bytes", () => {
    expect(fieldsFrom(["a:b: c ", "d: ü"])).toEqual({ kind: "read", value: ["a", "b: c", "d", "Ã¼"] });
  });
});
