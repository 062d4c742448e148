import { parseItem } from "structured-headers";
import { describe, expect, it } from "vitest";
import { field, has, lines, members } from "../../src/http/fields.ts";
import { believed, isLoop, requestIdOf, towardsClient, towardsOrigin } from "../../src/http/forwarding.ts";
import type { Fields, Request } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";

function ask(fields: Fields, changes: Partial<Request> = {}): Request {
  return {
    method: "GET",
    scheme: "http",
    authority: "shop.test",
    target: "/",
    fields,
    content: undefined,
    peer: "192.0.2.7",
    signal: new AbortController().signal,
    upgrade: undefined,
    ...changes,
  };
}

const untrusted = { requestId: "id-1", trusted: false };
const trusted = { requestId: "id-1", trusted: true };
const sent = (...fields: string[]) => towardsOrigin(ask(fields), untrusted);

const HOP_BY_HOP = [
  ...["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"],
  ...["Proxy-Authenticate", "Proxy-Authorization", "HTTP2-Settings"],
];
const names = (fields: Fields) => fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());

describe("towards the origin", () => {
  it("adds what a gateway adds, and passes the rest on as it is", () => {
    expect(sent("host", "SHOP.test:80", "accept", "*/*", "X-One", "1", "x-one", "2")).toEqual([
      ...["Host", "shop.test", "accept", "*/*", "X-One", "1", "x-one", "2"],
      ...["X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "shop.test"],
      ...["Forwarded", "for=192.0.2.7;host=shop.test;proto=http", "Via", "1.1 forebay", "X-Request-Id", "id-1"],
    ]);
  });

  it.each(HOP_BY_HOP)("keeps %s to itself", (name) => {
    expect(has(sent(name, "x", name.toLowerCase(), "y"), name.toLowerCase())).toBe(false);
  });

  it("answers Expect itself and never sets a CGI script's HTTP_PROXY", () => {
    const fields = sent("Expect", "100-continue", "Proxy", "http://evil.test");
    expect([has(fields, "expect"), has(fields, "proxy")]).toEqual([false, false]);
  });

  it("removes what Connection names, on whatever line and in whatever case", () => {
    const fields = sent(
      "X-A",
      "1",
      "Connection",
      "close, x-a",
      "x-A",
      "2",
      "connection",
      "X-B ,,X-C",
      "x-b",
      "3",
      "x-d",
      "4",
    );
    expect([has(fields, "x-a"), has(fields, "x-b"), field(fields, "x-d")]).toEqual([false, false, "4"]);
  });

  it.each([
    ...["Host", "Content-Length", "Content-Type", "Authorization", "Cookie", "Cache-Control", "Pragma", "Range"],
    ...["If-None-Match", "Accept-Encoding", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"],
    ...["X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Client-Cert", "X-Request-Id", "traceparent"],
  ])("does not let Connection take %s away", (name) => {
    const request = ask([name, "1", "Connection", `keep-alive, ${name}`]);
    expect(has(towardsOrigin(request, trusted), name.toLowerCase())).toBe(true);
    expect(has(towardsClient(request.fields), name.toLowerCase())).toBe(true);
  });

  it("never lets a field through that Connection names", () => {
    const option = fc
      .stringMatching(/^[xX][a-zA-Z0-9!#$%&'*+.^`|~-]{0,10}$/)
      .filter((name) => !/^x-(forwarded-|real-ip$|request-id$)/i.test(name));
    fc.assert(
      fc.property(fc.uniqueArray(option, { selector: (name) => name.toLowerCase() }), option, (named, other) => {
        const fields = [...named, other].flatMap((name) => [name, "v"]);
        fields.push("Connection", named.map((name, i) => (i % 2 === 0 ? name.toUpperCase() : name)).join(" , "));
        const gone = new Set(named.map((name) => name.toLowerCase()));
        for (const passed of [towardsOrigin(ask(fields), untrusted), towardsClient(fields), believed(fields, true)]) {
          expect(names(passed).filter((name) => gone.has(name))).toEqual([]);
          expect(has(passed, other.toLowerCase())).toBe(!gone.has(other.toLowerCase()));
        }
      }),
    );
  });

  it("sends the authority as the only Host", () => {
    const fields = towardsOrigin(
      ask(["Host", "a.test", "host", "b.test"], { authority: "[2001:db8::1]:8080" }),
      untrusted,
    );
    expect(lines(fields, "host")).toEqual(["[2001:db8::1]:8080"]);
  });

  it.each([
    [["Content-Length", "5"], ["5"]],
    [["Content-Length", "5, 5"], ["5"]],
    [["Content-Length", "5", "content-length", "5"], ["5"]],
    [["Content-Length", "5", "Content-Length", "6"], []],
    [["Content-Length", "+5"], []],
    [["Content-Length", "-1"], []],
    [["Content-Length", "0x5"], []],
    [["Content-Length", ""], []],
    [["Content-Length", "9".repeat(30)], []],
    [["Content-Length", "5", "Transfer-Encoding", "chunked"], []],
    [["Content-Length", "5", "Connection", "content-length"], ["5"]],
  ])("of the lengths in %j keeps %j", (fields, kept) => {
    expect(lines(sent(...fields), "content-length")).toEqual(kept);
  });

  it.each(["Content_Length", "Transfer_Encoding", "X_Forwarded_For", "X-Forwarded_Proto", "x_real_ip", "X_Request_Id"])(
    "drops %s, which a CGI-like backend would take for its namesake",
    (name) => {
      expect(names(towardsOrigin(ask([name, "x"]), trusted))).not.toContain(name.toLowerCase());
      expect(names(sent("x_custom", "1"))).toContain("x_custom");
    },
  );

  it("passes on that the client takes trailers, and nothing else of TE", () => {
    expect(field(sent("TE", "gzip;q=0.5, Trailers", "Connection", "TE"), "te")).toBe("trailers");
    expect(has(sent("TE", "gzip"), "te")).toBe(false);
  });

  it("leaves traceparent alone", () => {
    const value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    expect(field(sent("traceparent", value), "traceparent")).toBe(value);
  });

  it("adds itself to Via, in one line", () => {
    expect(lines(sent("Via", "1.0 fred", "via", "1.1 p.example.net (x, y)"), "via")).toEqual([
      "1.0 fred, 1.1 p.example.net (x, y), 1.1 forebay",
    ]);
  });

  it("asks for an upgrade again only when told to, and never for h2c", () => {
    const request = ask(["Connection", "Upgrade", "Upgrade", "WebSocket"], { upgrade: "websocket" });
    expect(has(towardsOrigin(request, untrusted), "upgrade")).toBe(false);
    const again = towardsOrigin(request, { ...untrusted, upgrade: true });
    expect([lines(again, "connection"), lines(again, "upgrade")]).toEqual([["upgrade"], ["websocket"]]);
    const h2c = towardsOrigin({ ...request, upgrade: "h2c" }, { ...untrusted, upgrade: true });
    expect([has(h2c, "connection"), has(h2c, "upgrade")]).toEqual([false, false]);
  });

  it("writes no line twice that it writes itself, and never throws", () => {
    const name = fc.constantFrom(
      "Connection",
      "Forwarded",
      "X-Forwarded-For",
      "Via",
      "TE",
      "Content-Length",
      "Host",
      "Upgrade",
    );
    const line = fc.tuple(name, fc.oneof(fc.string(), name));
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), fc.string(), (all, isTrusted, authority) => {
        const fields = all.flat();
        const passed = names(towardsOrigin(ask(fields, { authority }), { requestId: "x", trusted: isTrusted }));
        for (const each of ["host", "via", "forwarded", "x-forwarded-for", "x-request-id"]) {
          expect(passed.filter((other) => other === each)).toEqual([each]);
        }
        towardsClient(fields);
        isLoop({ fields });
      }),
    );
  });
});

describe("what the peer says of the client", () => {
  const said = [
    ...["X-Forwarded-For", "203.0.113.9", "x-forwarded-for", "10.0.0.1", "X-Forwarded-Proto", "https"],
    ...["X-Forwarded-Host", "public.test", "Forwarded", "for=203.0.113.9;proto=https", "X-Forwarded-Port", "443"],
    ...["X-Real-IP", "203.0.113.9"],
  ];

  it("is added to when the peer is a trusted proxy", () => {
    const fields = towardsOrigin(ask(said), trusted);
    expect(lines(fields, "x-forwarded-for")).toEqual(["203.0.113.9, 10.0.0.1, 192.0.2.7"]);
    expect(lines(fields, "x-forwarded-proto")).toEqual(["https"]);
    expect(lines(fields, "x-forwarded-host")).toEqual(["public.test"]);
    expect(lines(fields, "forwarded")).toEqual([
      "for=203.0.113.9;proto=https, for=192.0.2.7;host=shop.test;proto=http",
    ]);
    expect([field(fields, "x-forwarded-port"), field(fields, "x-real-ip")]).toEqual(["443", "203.0.113.9"]);
  });

  it("is replaced when it is not", () => {
    const fields = towardsOrigin(ask(said, { scheme: "https" }), untrusted);
    expect(lines(fields, "x-forwarded-for")).toEqual(["192.0.2.7"]);
    expect(lines(fields, "x-forwarded-proto")).toEqual(["https"]);
    expect(lines(fields, "x-forwarded-host")).toEqual(["shop.test"]);
    expect(lines(fields, "forwarded")).toEqual(["for=192.0.2.7;host=shop.test;proto=https"]);
    expect([has(fields, "x-forwarded-port"), has(fields, "x-real-ip")]).toEqual([false, false]);
  });

  it("does not swallow what is added, by a quote left open", () => {
    const fields = towardsOrigin(ask(["Forwarded", 'for="a", for="b']), trusted);
    expect(field(fields, "forwarded")).toBe("for=192.0.2.7;host=shop.test;proto=http");
  });

  it.each([
    ["2001:db8::7", "2001:db8::7", '"[2001:db8::7]"'],
    ["fe80::1%eth0", "fe80::1", '"[fe80::1]"'],
    ["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"],
    ["", undefined, "unknown"],
  ])("writes the peer %j as %s and for=%s", (peer, plain, node) => {
    const fields = towardsOrigin(ask([], { peer }), untrusted);
    expect(field(fields, "x-forwarded-for")).toBe(plain);
    expect(field(fields, "forwarded")).toBe(`for=${node};host=shop.test;proto=http`);
  });

  it("keeps the trusted list as it is behind a unix socket", () => {
    const fields = towardsOrigin(ask(["X-Forwarded-For", "203.0.113.9"], { peer: "" }), trusted);
    expect(field(fields, "x-forwarded-for")).toBe("203.0.113.9");
  });

  it("is quoted so that any authority is one value", () => {
    const ascii = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    });
    fc.assert(
      fc.property(ascii, (authority) => {
        const forwarded = field(towardsOrigin(ask([], { authority }), untrusted), "forwarded") ?? "";
        const [, host = ""] = members(forwarded, ";");
        const value = host.slice("host=".length);
        expect(value.startsWith('"') ? parseItem(value)[0] : value).toBe(authority);
        expect(members(forwarded)).toEqual([forwarded]);
      }),
    );
    expect(field(towardsOrigin(ask([], { authority: "a.test:81" }), untrusted), "forwarded")).toContain(
      'host="a.test:81"',
    );
  });
});

describe("towards the client", () => {
  it.each(HOP_BY_HOP)("keeps %s to itself", (name) => {
    expect(towardsClient([name, "x", "ETag", '"a"'])).toEqual(["ETag", '"a"']);
  });

  it("keeps every line of Set-Cookie, the origin's Via and the order", () => {
    const fields = ["Set-Cookie", "a=1", "Via", "1.1 origin", "set-cookie", "b=2", "Content-Length", "3"];
    expect(towardsClient(fields)).toEqual(fields);
  });

  it("removes what Connection names", () => {
    expect(towardsClient(["Connection", "a, b", "a", "1", "B", "2", "c", "3"])).toEqual(["c", "3"]);
  });

  it("passes on no length that another framing overrode", () => {
    expect(towardsClient(["Content-Length", "3", "Transfer-Encoding", "chunked"])).toEqual([]);
  });

  it("names the protocol switched to", () => {
    expect(towardsClient(["Connection", "Upgrade", "Upgrade", "websocket", "X", "1"], "websocket")).toEqual([
      ...["X", "1", "Connection", "upgrade", "Upgrade", "websocket"],
    ]);
  });
});

describe("the fields that everything behind the listener sees", () => {
  it("are the same list where nothing is wrong with them", () => {
    const fields = ["Host", "a.test", "Connection", "keep-alive, Upgrade", "X-Custom", "1"];
    expect(believed(fields, false)).toBe(fields);
    const proxied = ["X-Forwarded-For", "1.2.3.4", "Connection", "close"];
    expect(believed(proxied, true)).toBe(proxied);
  });

  it("are without what the origin is not going to see", () => {
    const fields = [
      "A",
      "1",
      "X-Theme",
      "dark",
      "X-Forwarded-Proto",
      "https",
      "Forwarded",
      "for=x",
      "Connection",
      "x-theme",
    ];
    expect(believed(fields, false)).toEqual(["A", "1", "Connection", "x-theme"]);
    expect(believed(fields, true)).toEqual([
      ...["A", "1", "X-Forwarded-Proto", "https", "Forwarded", "for=x", "Connection", "x-theme"],
    ]);
  });
});

describe("the request id", () => {
  const idOf = (...fields: string[]) => requestIdOf({ fields }, () => "made");

  it("is the client's where it is sane", () => {
    expect(idOf("X-Request-ID", "0af7651916cd43dd")).toBe("0af7651916cd43dd");
    expect(idOf("x-request-id", "~".repeat(128))).toBe("~".repeat(128));
  });

  it("is made otherwise", () => {
    for (const value of ["", "a b", 'a"b', "a\\\\b", "a\tb", "a\nb", "\u00fc", "\u0000", "x".repeat(129)]) {
      expect(idOf("X-Request-Id", value)).toBe("made");
    }
    expect(idOf()).toBe("made");
    expect(idOf("X-Request-Id", "a", "X-Request-Id", "b")).toBe("made");
  });
});

describe("a loop", () => {
  const via = (value: string) => isLoop({ fields: ["Via", value] });

  it("is more than eight sidecars in one chain", () => {
    expect(via(Array(8).fill("1.1 forebay").join(", "))).toBe(false);
    expect(via(Array(9).fill("1.1 forebay").join(", "))).toBe(true);
    expect(via(Array(9).fill("HTTP/1.1 Forebay (a comment)").join(","))).toBe(true);
  });

  it("is not made by others", () => {
    expect(via(Array(9).fill("1.1 forebay2, 1.1 p (forebay), 1.1 x.forebay").join(", "))).toBe(false);
    expect(isLoop({ fields: [] })).toBe(false);
  });

  it("is found after going round through ourselves", () => {
    let fields: Fields = [];
    let rounds = 0;
    while (!isLoop({ fields })) {
      fields = towardsOrigin(ask(fields), trusted);
      rounds++;
    }
    expect(rounds).toBe(9);
  });
});
