import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { address, host, network, originUrl, redisUrl } from "../../src/config/addresses.ts";
import { fieldName, milliseconds, pattern, seconds, share, size } from "../../src/config/values.ts";

/** The value, or what is said against it. */
function read(kind: z.ZodType, input: unknown): unknown {
  const { data, error } = kind.safeParse(input);
  return error === undefined ? data : error.issues[0]?.message;
}

describe("a duration", () => {
  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["1.5s", 1500],
    ["0.29s", 290],
    ["0s", 0],
  ])("%s is %d ms", (text, value) => {
    expect(read(milliseconds(), text)).toBe(value);
  });

  it("of RFC 9111 is in seconds", () => {
    expect(read(seconds(), "5m")).toBe(300);
    expect(read(seconds(), "250ms")).toBe(0.25);
  });

  it.each([
    ["5 min", "5m"],
    ["5minutes", "5m"],
    ["90 sec", "90s"],
    ["1w", "7d"],
    ["-5m", "5m"],
    ["300", "300s / 300ms"],
    [300, "300s / 300ms"],
    [0.5, "0.5s / 0.5ms"],
    ["5M", "5m"],
    [" 5m", "5s"],
    ["1h30m", "5s"],
    ["", "5s"],
    ["NaN", "5s"],
    ["Infinity", "5s"],
    [true, "5s"],
    [null, "5s"],
    [{}, "5s"],
    ["9".repeat(5000), "5s"],
  ])("is not written %j but %s", (text, write) => {
    expect(read(milliseconds(), text)).toMatch(/^expected a duration, got .*; write it as /);
    expect(String(read(milliseconds(), text)).split("; write it as ")[1]).toBe(write);
  });

  it("must lie in its range", () => {
    expect(read(milliseconds({ from: "1ms" }), "0s")).toContain("a duration from 1ms to 24d");
    expect(read(milliseconds({ to: "1h" }), "2h")).toContain('got "2h"; write it as 1h');
  });
});

describe("a share", () => {
  it.each([
    ["10%", 0.1],
    ["0%", 0],
    ["100%", 1],
    ["2.5%", 0.025],
    [0.1, 0.1],
    [0, 0],
    [1, 1],
  ])("%s is %d", (input, value) => {
    expect(read(share("10%"), input)).toBe(value);
  });

  it.each([
    [10, "10%"],
    ["10", "10%"],
    ["0.1", "0.1"],
    ["10 %", "10%"],
    ["101%", "100%"],
    [101, "100%"],
    [-0.1, "15%"],
    ["a tenth", "15%"],
    [true, "15%"],
    [null, "15%"],
  ])("is not written %j but %s", (input, write) => {
    expect(read(share("15%"), input)).toMatch(
      new RegExp(`^expected a share from 0% to 100%, got .*; write it as ${write}$`),
    );
  });
});

describe("a size", () => {
  it.each([
    ["64kb", 65_536],
    ["1mb", 1_048_576],
    ["1MB", 1_048_576],
    ["1.5kb", 1536],
    ["12b", 12],
    ["0b", 0],
  ])("%s is %d bytes", (text, value) => {
    expect(read(size("1gb", "1mb"), text)).toBe(value);
  });

  it.each([
    ["1 mb", "1mb"],
    ["64k", "64kb"],
    ["1MiB", "1mb"],
    ["100", "100b"],
    [100, "100b"],
    ["2gb", "1gb"],
    ["-1mb", "1mb"],
    ["lots", "1mb"],
    [null, "1mb"],
  ])("is not written %j but %s", (text, write) => {
    expect(read(size("1gb", "1mb"), text)).toMatch(new RegExp(`^expected a size.*; write it as ${write}$`));
  });
});

describe("an address", () => {
  it.each([
    ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
    ["localhost:0", { host: "localhost", port: 0 }],
    [":8080", { host: "::", port: 8080 }],
    ["[::1]:8080", { host: "::1", port: 8080 }],
    ["unix:/run/forebay.sock", { path: "/run/forebay.sock" }],
  ])("may be %s", (text, value) => {
    expect(read(address(":1"), text)).toEqual(value);
  });

  it.each([
    [8080, "127.0.0.1:8080"],
    ["8080", "127.0.0.1:8080"],
    ["localhost", "localhost:8080"],
    ["http://127.0.0.1:8080/", "127.0.0.1:8080"],
    ["::1:8080", "[::1]:8080"],
    ["1.2.3:80", ":1"],
    ["a:65536", ":1"],
    ["unix:run.sock", ":1"],
    [`unix:/${"a".repeat(200)}`, ":1"],
    ["a b:1", ":1"],
  ])("is not %j but %s", (text, write) => {
    expect(String(read(address(":1"), text)).split("; write it as ")[1]).toBe(write);
  });
});

describe("an origin", () => {
  it.each([
    ["http://127.0.0.1:3000", "http://127.0.0.1:3000"],
    ["http://127.0.0.1:3000/", "http://127.0.0.1:3000"],
    ["https://API.example.com:443", "https://api.example.com"],
    ["http://[::1]:80", "http://[::1]"],
  ])("%s is %s", (text, value) => {
    expect(read(originUrl(), text)).toBe(value);
  });

  it.each([
    ["localhost:3000", "http://localhost:3000"],
    [3000, "http://127.0.0.1:3000"],
    ["http://a/path?x#y", "http://a"],
    ["http://me:pw@a/", "http://a"],
    ["ftp://a", "http://127.0.0.1:3000"],
    ["http://", "http://127.0.0.1:3000"],
    ["http:a", "http://127.0.0.1:3000"],
    ["", "http://127.0.0.1:3000"],
    ["http://a:99999", "http://127.0.0.1:3000"],
  ])("is not %j but %s", (text, write) => {
    expect(String(read(originUrl(), text)).split("; write it as ")[1]).toBe(write);
  });
});

describe("Redis", () => {
  it.each(["redis://127.0.0.1:6379/0", "rediss://:pw@cache.example.com:6380", "redis://h"])("may be at %s", (text) => {
    expect(read(redisUrl(), text)).toBe(text);
  });

  it.each(["http://h", "redis://", "redis:///0", "redis://h/name", "h:6379", 6379])("is not at %s", (text) => {
    expect(read(redisUrl(), text)).toMatch(/^expected a redis:\/\/ or rediss:\/\/ URL, got /);
  });
});

describe("a network", () => {
  it.each([
    ["loopback", "loopback"],
    ["private", "private"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["fd00::/8", "fd00::/8"],
    ["::1", "::1/128"],
  ])("%s is %s", (text, value) => {
    expect(read(network(), text)).toBe(value);
  });

  it.each(["10.0.0.0/33", "10/8", "10.0.0.0/", "::/129", "::1%eth0", "10.0.0.0/8/8", "example.com", "*", ""])(
    "is not %s",
    (text) => {
      expect(read(network(), text)).toMatch(/^expected a CIDR/);
    },
  );
});

describe("a host", () => {
  it.each([
    ["API.Example.com", "api.example.com"],
    ["localhost:3000", "localhost:3000"],
    ["[::1]:3000", "[::1]:3000"],
  ])("%s is %s", (text, value) => {
    expect(read(host(), text)).toBe(value);
  });

  it.each([
    ["http://api.example.com/", "api.example.com"],
    ["api.example.com.", "api.example.com"],
    ["api.example.com:80", "api.example.com"],
    ["*.example.com", "api.example.com"],
    ["a b", "api.example.com"],
  ])("is not %s but %s", (text, write) => {
    expect(String(read(host(), text)).split("; write it as ")[1]).toBe(write);
  });
});

describe("a path pattern", () => {
  it.each([
    ["/products?page=1", "/products, since a path has no query (cache.key.query names those that count)"],
    ["products/:id", "/products/:id"],
    ["/a*b", "/a*"],
    ["//a", "/a"],
    ["/:id/:id", "/users/:user/orders/:order, each name once"],
    [5, "/products/:id"],
  ])("is not %s but %s", (text, write) => {
    expect(String(read(pattern(), text)).split("; write it as ")[1]).toBe(write);
  });
});

it("a field name becomes lower-case and holds no other characters than a token", () => {
  expect(read(fieldName(), "Accept-Language")).toBe("accept-language");
  expect(read(fieldName(), "Accept Language")).toContain("the name of a header field");
});
