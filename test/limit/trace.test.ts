import { describe, expect, it } from "vitest";
import { createClients } from "../../src/limit/client.ts";
import fc from "../support/fast-check.ts";
import { requestFor } from "../support/world.ts";

const clients = createClients(["loopback", "10.0.0.0/8"]);

function trace(peer: string, fields: readonly string[]): string[] {
  return clients.trace(requestFor("/", { peer, fields })).map(({ text, verdict }) => `${text} ${verdict}`);
}

describe("the trace of a client", () => {
  it("ends at the first hop that is not trusted", () => {
    expect(trace("127.0.0.1", ["X-Forwarded-For", "1.1.1.1, 203.0.113.9, 10.0.0.2"])).toEqual([
      "127.0.0.1 proxy",
      "10.0.0.2 proxy",
      "203.0.113.9 client",
      "1.1.1.1 not-believed",
    ]);
  });

  it("does not begin where the connection comes from somebody else", () => {
    expect(trace("203.0.113.9", ["X-Forwarded-For", "1.1.1.1"])).toEqual([
      "203.0.113.9 client",
      "1.1.1.1 not-believed",
    ]);
  });

  it("ends before what cannot be read", () => {
    expect(trace("", ["X-Forwarded-For", "1.1.1.1, rubbish, 10.0.0.2"])).toEqual([
      "unix proxy",
      "10.0.0.2 client",
      "rubbish unreadable",
      "1.1.1.1 not-believed",
    ]);
  });

  it("is of Forwarded only where there is no X-Forwarded-For", () => {
    expect(trace("127.0.0.1", ["Forwarded", "for=203.0.113.9"])).toEqual(["127.0.0.1 proxy", "203.0.113.9 client"]);
    expect(trace("127.0.0.1", ["Forwarded", "for=1.1.1.1", "X-Forwarded-For", "203.0.113.9"])).toEqual([
      "127.0.0.1 proxy",
      "203.0.113.9 client",
      "for=1.1.1.1 shadowed",
    ]);
  });

  it("ends after 64 hops, and is bounded", () => {
    const hops = trace("127.0.0.1", ["X-Forwarded-For", Array(200).fill("10.0.0.1").join(", ")]);
    expect(hops.length).toBe(100);
    expect(hops.indexOf("10.0.0.1 client")).toBe(64);
    expect(hops[65]).toBe("10.0.0.1 too-far");
  });

  it("ends at the client that the limits count", () => {
    const hop = fc.constantFrom("10.0.0.1", "127.0.0.1", "203.0.113.9", "rubbish", "2001:db8::1", "[::1]:80");
    fc.assert(
      fc.property(
        hop,
        fc.array(hop, { maxLength: 6 }),
        fc.constantFrom("X-Forwarded-For", "Forwarded"),
        (peer, hops, name) => {
          const value = hops.map((each) => (name === "Forwarded" ? `for="${each}"` : each)).join(", ");
          const request = requestFor("/", { peer, fields: [name, value] });
          const ends = clients.trace(request).filter(({ verdict }) => verdict === "client");
          expect(ends.map(({ text }) => clients.bucket(requestFor("/", { peer: text })))).toEqual([
            clients.bucket(request),
          ]);
        },
      ),
    );
  });
});
