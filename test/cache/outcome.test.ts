import { describe, expect, it } from "vitest";
import { groupTag, pathTag } from "../../src/cache/invalidation.ts";
import { invalidatedByResponse } from "../../src/cache/outcome.ts";
import type { Fields } from "../../src/http/message.ts";
import { createWorld, respond } from "../support/world.ts";
import { aRequest } from "./example.ts";

/** What a POST to /a/b?c of example.com invalidates by its response. */
function invalidated(fields: Fields, { status = 200, asked = [] }: { status?: number; asked?: Fields } = {}) {
  return invalidatedByResponse(aRequest("/a/b?c", asked, { method: "POST" }), { status, fields });
}

const located = (reference: string, asked: Fields = []) => invalidated(["Location", reference], { asked });
const at = (path: string) => [pathTag("example.com", path)];

describe("the response to an unsafe request (RFC 9111 §4.4)", () => {
  it("invalidates the URIs in Location and Content-Location", () => {
    expect(invalidated(["Location", "/x", "content-location", "/y?z"])).toEqual([...at("/x"), ...at("/y")]);
    expect(invalidated([])).toEqual([]);
  });

  it("does so where it is no error, which are those with 2xx and 3xx", () => {
    const fields = ["Location", "/x", "Cache-Group-Invalidation", '"g"'];
    for (const status of [200, 201, 204, 303, 307])
      expect(invalidated(fields, { status })).toEqual([...at("/x"), groupTag("example.com", "g")]);
    for (const status of [101, 400, 404, 410]) expect(invalidated(fields, { status })).toEqual([]);
  });

  it("invalidates the groups alone where nobody knows whether the write happened", () => {
    const fields = ["Location", "/x", "Cache-Group-Invalidation", '"g"'];
    for (const status of [500, 503]) expect(invalidated(fields, { status })).toEqual([groupTag("example.com", "g")]);
  });

  it("has relative references resolved against the request's URI", () => {
    expect(located("x")).toEqual(at("/a/x"));
    expect(located("../x")).toEqual(at("/x"));
    expect(located("?d")).toEqual(at("/a/b"));
    expect(located("")).toEqual(at("/a/b"));
    expect(located("//example.com/x")).toEqual(at("/x"));
    expect(invalidatedByResponse(aRequest("//evil.test/b"), { status: 200, fields: ["Location", "c"] })).toEqual(
      at("//evil.test/c"),
    );
  });

  it("invalidates nothing of another origin: of another scheme, host or port", () => {
    for (const reference of [
      "//example.org/x",
      "http://example.org/x",
      "https://example.com/x",
      "http://example.com:8080/x",
      "http://example.com.evil.test/x",
      "http://example.com@evil.test/x",
      "\\\\evil.test/x",
      "ftp://example.com/x",
      "mailto:a@example.com",
      "data:,x",
    ]) {
      expect(located(reference)).toEqual([]);
    }
  });

  it("knows an origin by every spelling", () => {
    for (const reference of [
      "http://EXAMPLE.com/x",
      "http://example.com:80/x",
      "HTTP:///example.com/x",
      "http://u@example.com/x",
    ])
      expect(located(reference)).toEqual(at("/x"));
  });

  it("knows the origin as the client named it to the trusted proxies before us, or they to us", () => {
    const asked = ["X-Forwarded-Proto", "https", "X-Forwarded-Host", "Shop.test:443"];
    for (const origin of ["https://shop.test", "https://example.com", "http://example.com", "http://shop.test:443"])
      expect(located(`${origin}/x`, asked)).toEqual(at("/x"));
    expect(located("https://other.test/x", asked)).toEqual([]);
    expect(located("wss://shop.test/x", asked)).toEqual([]);
    expect(
      located("https://b.test/x", ["X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "a.test, b.test"]),
    ).toEqual(at("/x"));
  });

  it("ignores what is no URI", () => {
    for (const reference of ["http://", "http://[", "http://a b/", "http://%/x"])
      expect(located(reference)).toEqual([]);
    expect(located("/x", ["X-Forwarded-Host", "no host", "X-Forwarded-Proto", "%"])).toEqual(at("/x"));
  });

  it("has the bytes beyond ASCII escaped as a client would ask for them", () => {
    const bytes = Buffer.from("/café").toString("latin1");
    expect(located(bytes)).toEqual(at("/caf%C3%A9"));
    expect(located("/a b")).toEqual(at("/a%20b"));
  });

  it("names each tag once, whatever the lines", () => {
    const fields = ["Location", "/x", "Location", "/y", "Content-Location", "/X/"];
    expect(invalidated(fields)).toEqual([...at("/x"), ...at("/y")]);
  });
});

describe("what a write names in its response", () => {
  const FRESH = ["Cache-Control", "max-age=60"];
  let version = 1;

  function world() {
    version = 1;
    const world = createWorld('trustedProxies: [192.0.2.9]\nroutes: [{ path: "/*", cache: {} }]');
    world.origin = ({ method, target }) => {
      if (method === "GET") return respond(`v${version}`, { fields: FRESH });
      version += 1;
      const [, status, location = ""] = target.split("/");
      return respond("done", { status: Number(status), fields: ["Location", decodeURIComponent(location)] });
    };
    return world;
  }
  const write = (location: string, status = 201) => `/${status}/${encodeURIComponent(location)}`;

  it("is fetched anew, in all its queries, by whoever asks after the write's response was sent", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FROB"]) {
      const { request } = world();
      for (const target of ["/items/1", "/items/1?full", "/items/2"]) await request(target);
      await request(write("/items/1"), { method });
      expect((await request("/items/1")).text).toBe("v2");
      expect((await request("/items/1?full")).text).toBe("v2");
      expect((await request("/items/2")).text).toBe("v1");
    }
  });

  it("is left alone where the response is an error, though after a 5xx the request's own URI is not", async () => {
    const { request } = world();
    await request("/items/1");
    for (const status of [409, 500]) await request(write("/items/1", status), { method: "POST" });
    expect((await request("/items/1")).text).toBe("v1");
  });

  it("is left alone where it is of another origin", async () => {
    const { request } = world();
    for (const authority of ["shop.test", "other.test"]) await request("/items/1", { authority });
    await request(write("http://other.test/items/1"), { method: "POST" });
    for (const authority of ["shop.test", "other.test"])
      expect((await request("/items/1", { authority })).text).toBe("v1");
  });

  it("is of the origin that a trusted proxy tells of; no other's word counts", async () => {
    const { request } = world();
    const asked = { method: "POST", fields: ["X-Forwarded-Host", "front.test"] };
    await request("/items/1");
    await request(write("http://front.test/items/1"), asked);
    expect((await request("/items/1")).text).toBe("v1");
    await request(write("http://front.test/items/1"), { ...asked, peer: "192.0.2.9" });
    expect((await request("/items/1")).text).toBe("v3");
  });
});
