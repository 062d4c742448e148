import { describe, expect, it } from "vitest";
import type { Fields, Request } from "../../src/http/message.ts";
import { createClients, isLoopback } from "../../src/limit/client.ts";
import fc from "../support/fast-check.ts";

function request(peer: string, fields: Fields = []): Request {
  return {
    method: "GET",
    scheme: "http",
    authority: "example.com",
    target: "/",
    fields,
    content: undefined,
    peer,
    signal: new AbortController().signal,
    upgrade: undefined,
  };
}

function bucket(trusted: readonly string[], peer: string, fields: Fields = []): string {
  return createClients(trusted).bucket(request(peer, fields));
}

describe("who is asking, without trusted proxies", () => {
  it("is the peer, whatever the fields say", () => {
    expect(bucket([], "203.0.113.7", ["X-Forwarded-For", "6.6.6.6", "Forwarded", "for=6.6.6.6"])).toBe("203.0.113.7");
  });

  it("is the peer where the peer is not one of the trusted proxies", () => {
    expect(bucket(["10.0.0.0/8"], "203.0.113.7", ["X-Forwarded-For", "6.6.6.6"])).toBe("203.0.113.7");
  });

  it("is one client for all of a unix socket", () => {
    expect(bucket([], "", ["X-Forwarded-For", "6.6.6.6"])).toBe("unix");
  });
});

describe("X-Forwarded-For of a trusted proxy", () => {
  const trusted = ["loopback", "10.0.0.0/8"];

  it.each([
    ["one hop", "203.0.113.7", "203.0.113.7"],
    ["a spoofed leftmost hop", "6.6.6.6, 203.0.113.7", "203.0.113.7"],
    ["a spoofed trusted hop left of the client", "10.9.9.9, 203.0.113.7", "203.0.113.7"],
    ["trusted hops on the right", "6.6.6.6, 203.0.113.7, 10.0.0.9, 10.0.0.10", "203.0.113.7"],
    ["trusted hops alone: the first of them", "10.0.0.8, 10.0.0.9", "10.0.0.8"],
    ["empty members", "203.0.113.7, , 10.0.0.9,", "203.0.113.7"],
    ["a malformed hop: the last good one", "203.0.113.7, garbage, 10.0.0.9", "10.0.0.9"],
    ["a malformed rightmost hop: the proxy itself", "203.0.113.7, unknown", "10.0.0.1"],
    ["an address in octal", "010.0.0.1", "10.0.0.1"],
    ["a short address", "127.1", "10.0.0.1"],
    ["an endless hop", `${"1".repeat(5000)}`, "10.0.0.1"],
    ["an IPv4 address with a port", "203.0.113.7:567", "203.0.113.7"],
    ["an IPv6 address with a port", "[2001:db8:1:2::9]:80", "2001:db8:1:2::/64"],
    ["an IPv6 address in brackets", "[2001:db8:1:2::9]", "2001:db8:1:2::/64"],
    ["a bare IPv6 address", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["an address with a zone", "fe80::1%eth0", "fe80::/64"],
    ["a broken bracket", "[2001:db8::1", "10.0.0.1"],
    ["a trusted proxy in its mapped form", "203.0.113.7, ::ffff:10.0.0.9", "203.0.113.7"],
    ["an empty value", "", "10.0.0.1"],
  ])("with %s", (_, value, client) => {
    expect(bucket(trusted, "10.0.0.1", ["X-Forwarded-For", value])).toBe(client);
  });

  it("is read over all its lines", () => {
    const fields = [
      "X-Forwarded-For",
      "6.6.6.6",
      "Host",
      "a",
      "x-forwarded-for",
      "203.0.113.7",
      "X-FORWARDED-FOR",
      "10.0.0.2",
    ];
    expect(bucket(trusted, "::ffff:10.0.0.1", fields)).toBe("203.0.113.7");
  });

  it("is walked for 64 hops at the most", () => {
    const value = `203.0.113.7${", 10.0.0.9".repeat(64)}`;
    expect(bucket(trusted, "10.0.0.1", ["X-Forwarded-For", value])).toBe("10.0.0.9");
    expect(bucket(trusted, "10.0.0.1", ["X-Forwarded-For", value.replace(", 10.0.0.9", "")])).toBe("203.0.113.7");
  });

  it("is believed of a unix socket's other end where loopback is trusted", () => {
    expect(bucket(trusted, "", ["X-Forwarded-For", "203.0.113.7"])).toBe("203.0.113.7");
  });

  it("wins over Forwarded", () => {
    expect(bucket(trusted, "10.0.0.1", ["Forwarded", "for=6.6.6.6", "X-Forwarded-For", "203.0.113.7"])).toBe(
      "203.0.113.7",
    );
  });

  it("never gives what stands left of the first address that is not trusted, nor throws", () => {
    const { bucket: of } = createClients(trusted);
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), (typed) => {
        expect(of(request("10.0.0.1", ["X-Forwarded-For", `${typed},203.0.113.7`]))).toBe("203.0.113.7");
        expect(of(request("10.0.0.1", ["X-Forwarded-For", typed]))).toMatch(/^[\d.]+$|\/64$/);
        expect(of(request("10.0.0.1", ["Forwarded", typed]))).toMatch(/^[\d.]+$|\/64$/);
      }),
    );
  });
});

describe("Forwarded of a trusted proxy (RFC 7239)", () => {
  it.each([
    ["one hop", "for=203.0.113.7", "203.0.113.7"],
    ["other parameters and cases", 'proto=https;For="203.0.113.7:4711" ; by=10.0.0.1', "203.0.113.7"],
    ["a spoofed leftmost hop", "for=6.6.6.6, for=203.0.113.7, for=10.0.0.9", "203.0.113.7"],
    ["a quoted IPv6 address", 'for="[2001:db8:1:2::9]:4711"', "2001:db8:1:2::/64"],
    ["an escaped quoted string", 'for="203\\.0.113.7"', "203.0.113.7"],
    ["an obfuscated name", "for=6.6.6.6, for=_hidden", "10.0.0.1"],
    ["an unknown one", "for=6.6.6.6, for=unknown", "10.0.0.1"],
    ["an element without for", "for=6.6.6.6, proto=https", "10.0.0.1"],
    ["two for in one element", "for=6.6.6.6;for=203.0.113.7", "10.0.0.1"],
    ["a for inside a quoted host", 'host="a;for=6.6.6.6;b"', "10.0.0.1"],
    ["a comma inside a quoted host", 'for=203.0.113.7;host="a, for=6.6.6.6"', "203.0.113.7"],
    ["no pair", "203.0.113.7", "10.0.0.1"],
  ])("with %s", (_, value, client) => {
    expect(bucket(["10.0.0.0/8"], "10.0.0.1", ["Forwarded", value])).toBe(client);
  });
});

describe("the spelling of a client", () => {
  it.each([
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::ffff:cb00:7107", "203.0.113.7"],
    ["::FFFF:CB00:7107", "203.0.113.7"],
    ["0:0:0:0:0:ffff:cb00:7107", "203.0.113.7"],
    ["::ffff:203.0.113.7%eth0", "203.0.113.7"],
    ["2001:db8::203.0.113.7", "2001:db8::/64"],
    ["::203.0.113.7", "::/64"],
    ["::ffff:0:203.0.113.7", "::/64"],
    ["64:ff9b::203.0.113.7", "64:ff9b::/64"],
    ["2001:DB8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
    ["2001:db8:0:1::", "2001:db8:0:1::/64"],
  ])("%s counts as %s", (peer, client) => {
    expect(bucket([], peer)).toBe(client);
  });

  it("tells two mapped IPv4 addresses apart", () => {
    expect(bucket([], "::ffff:203.0.113.7")).not.toBe(bucket([], "::ffff:203.0.113.8"));
  });

  it("is one per IPv6 /64", () => {
    const { bucket: of } = createClients([]);
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV6(), (one, other) => {
        const same = of(request(one)) === of(request(other));
        expect(same).toBe(first64(one) === first64(other));
      }),
    );
  });
});

describe("trusted proxies", () => {
  it.each([
    ["loopback", "127.8.8.8", true],
    ["loopback", "::1", true],
    ["loopback", "::ffff:127.0.0.1", true],
    ["loopback", "", true],
    ["loopback", "10.0.0.1", false],
    ["private", "10.0.0.1", true],
    ["private", "172.31.255.255", true],
    ["private", "172.32.0.0", false],
    ["private", "192.168.1.1", true],
    ["private", "fd12::1", true],
    ["private", "127.0.0.1", false],
    ["private", "", false],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["::ffff:10.0.0.0/104", "10.1.2.3", true],
    ["::ffff:10.0.0.0/104", "11.1.2.3", false],
    ["2001:db8::/32", "2001:db8:9::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["0.0.0.0/0", "203.0.113.7", true],
    ["0.0.0.0/0", "2001:db8::1", false],
  ])("of %s: %s is one, %s", (trusted, peer, is) => {
    expect(createClients([trusted]).trusts(peer)).toBe(is);
  });

  it.each(["", "localhost", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.1/8", "::/129", "10.0.0.0/"])(
    "cannot be %j",
    (text) => {
      expect(() => createClients([text])).toThrow(`read a network: got "${text}"`);
    },
  );
});

describe("a host", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "localhost.",
    "shop.localhost",
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
  ])("%s is this machine alone", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    "",
    ".localhost",
    "localhost.test",
    "notlocalhost",
    "127.0.0.1.test",
    "127.1",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "[::2]",
  ])("%j may be another", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

/** The first four groups, written out. */
function first64(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").flatMap((group) => (group.includes(".") ? ["v4", "v4"] : [group]));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all =
    tail === undefined ? front : [...front, ...Array<string>(8 - front.length - back.length).fill("0"), ...back];
  const isMapped = all.slice(0, 5).every((group) => Number.parseInt(group, 16) === 0) && /^ffff$/i.test(all[5] ?? "");
  return isMapped
    ? address
    : all
        .slice(0, 4)
        .map((group) => (group === "v4" ? group : Number.parseInt(group, 16)))
        .join(":");
}
