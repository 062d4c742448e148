import { describe, expect, it } from "vitest";
import { MAX_LINE_CHARS, parseLogLine } from "../../../src/cli/try/log-line.ts";
import fc from "../../support/fast-check.ts";

const AT = Date.UTC(2026, 10, 21, 8, 0, 5);
const COMMON = '10.0.0.1 - - [21/Nov/2026:08:00:05 +0000] "GET /a?b=1 HTTP/1.1" 200 1234';
const READ = {
  ...{ time: AT, ms: 0, method: "GET", authority: undefined, target: "/a?b=1", status: 200, bytes: 1234 },
  hidesQuery: false,
};

describe("a line of an access log", () => {
  it.each([
    ["common", COMMON],
    ["combined", `${COMMON} "https://a.test/" "Mozilla/5.0 \\"quoted\\""`],
    ["with a user of several words", COMMON.replace("- -", "- Ann Other")],
    ["with what others add", `${COMMON} "-" "curl" 0.003 rt=1`],
    ["with another zone", COMMON.replace("08:00:05 +0000", "13:30:05 +0530")],
    ["west of Greenwich", COMMON.replace("08:00:05 +0000", "03:00:05 -0500")],
    ["without a protocol", COMMON.replace(" HTTP/1.1", "")],
    ["from an IPv6 address", COMMON.replace("10.0.0.1", "::1")],
  ])("is read: %s", (_, line) => {
    expect(parseLogLine(line)).toEqual(READ);
  });

  it("is read with the virtual host before it, and with a whole URL in it", () => {
    expect(parseLogLine(`a.test:443 ${COMMON}`)).toEqual({ ...READ, authority: "a.test" });
    expect(parseLogLine(`a.test:8080 ${COMMON}`)).toEqual({ ...READ, authority: "a.test:8080" });
    expect(parseLogLine(COMMON.replace("/a?b=1", "http://B.test/a?b=1"))).toEqual({ ...READ, authority: "b.test" });
    expect(parseLogLine(COMMON.replace("1234", "-"))).toEqual({ ...READ, bytes: 0 });
  });

  it("is read where Forebay wrote it: its time is that of the end, its query may be kept back", () => {
    const line = {
      ...{ level: "info", time: AT, msg: "request", method: "GET", host: "a.test:8080", path: "/p/1?...", route: "/*" },
      ...{ status: 200, cache: "uri-miss", ms: 11.5, id: "x" },
    };
    const expected = { time: AT - 11.5, ms: 11.5, authority: "a.test:8080", target: "/p/1?...", hidesQuery: true };
    expect(parseLogLine(JSON.stringify(line))).toMatchObject({ ...expected, bytes: undefined });
    expect(parseLogLine('{"level":"info","time":1,"msg":"listening"}')).toBe("other");
  });

  it.each([
    [
      "nginx",
      {
        time_iso8601: "2026-11-21T08:00:05+00:00",
        request: "GET /a?b=1 HTTP/1.1",
        status: "200",
        body_bytes_sent: "1234",
      },
    ],
    [
      "nginx by seconds",
      { msec: "1795248005.000", request_method: "GET", request_uri: "/a?b=1", status: 200, bytes_sent: 1234 },
    ],
    ["pino-http", { time: AT, req: { method: "GET", url: "/a?b=1" }, res: { statusCode: 200 }, bytes: 1234 }],
    ["Caddy", { ts: AT / 1000, request: { method: "GET", uri: "/a?b=1" }, status: 200, size: 1234 }],
    ["others", { timestamp: "2026-11-21T08:00:05Z", method: "GET", path: "/a?b=1", statusCode: 200, size: 1234 }],
  ])("is read as JSON of %s", (_, line) => {
    expect(parseLogLine(JSON.stringify(line))).toEqual(READ);
  });

  it("is read with its duration in milliseconds or seconds, never longer than an hour", () => {
    const line = { time: AT, method: "GET", path: "/a", status: 200 };
    const ms = (more: object) => parseLogLine(JSON.stringify({ ...line, ...more }));
    expect(ms({ responseTime: 20 })).toMatchObject({ ms: 20, time: AT - 20 });
    expect(ms({ request_time: "0.25" })).toMatchObject({ ms: 250 });
    expect(ms({ duration: 1e9 })).toMatchObject({ ms: 3_600_000 });
    expect(ms({ duration: -1 })).toMatchObject({ ms: 0 });
  });

  it.each([
    ["", "other"],
    ["# a comment", "malformed"],
    ["\u0016\u0003\u0001", "malformed"],
    [COMMON.replace("GET /a?b=1 HTTP/1.1", "\\x16\\x03\\x01"), "malformed"],
    [COMMON.replace("/a?b=1", "/a\u001b[2J"), "malformed"],
    [COMMON.replace("/a?b=1", "no-path"), "malformed"],
    [COMMON.replace("Nov", "Nop"), "malformed"],
    [COMMON.replace("200", "20"), "malformed"],
    [COMMON.replace('"GET', "GET"), "malformed"],
    [COMMON.replace("/a?b=1", `/${"a".repeat(9000)}`), "malformed"],
    [COMMON + "x".repeat(MAX_LINE_CHARS), "malformed"],
    ["{", "malformed"],
    ['{"method":"GET"}', "malformed"],
    ['{"method":"GET","path":"/","status":200}', "malformed"],
    ['{"method":"GET","path":"/","status":200,"time":"yesterday"}', "malformed"],
    ['{"method":"GET","path":"/","status":"ok","time":1795248005000}', "malformed"],
    ['{"method":{"a":1},"path":"/","time":1795248005000}', "malformed"],
    ['{"__proto__":{"method":"GET"},"path":"/"}', "other"],
  ])("%j is %s", (line, expected) => {
    expect(parseLogLine(line)).toBe(expected);
  });

  it("of any text neither throws nor yields what could not have been asked", () => {
    const pieces = fc.constantFrom(
      "10.0.0.1",
      " - ",
      "[21/Nov/2026:08:00:05 +0000]",
      '"',
      "GET /",
      " 200 ",
      "\\",
      "{",
      '"method":',
    );
    const hostile = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(pieces, fc.string())).map((parts) => parts.join("")),
      fc.json(),
    );
    fc.assert(
      fc.property(hostile, (line) => {
        const parsed = parseLogLine(line);
        if (typeof parsed === "string") return;
        expect(parsed.target).toMatch(/^(?:\/[!-~]*|\*)$/);
        expect(Number.isFinite(parsed.time)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("that was made to be read slowly is read in linear time", () => {
    const quotes = COMMON.replace("/a?b=1", '\\"'.repeat(20_000));
    expect(parseLogLine(quotes)).toBe("malformed");
    expect(parseLogLine("[21/Nov/2026:08:00:05 ".repeat(2000))).toBe("malformed");
  });
});
