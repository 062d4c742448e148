import { describe, expect, it } from "vitest";
import { field } from "../../src/http/fields.ts";
import { problem } from "../../src/http/problem.ts";

function read(response: ReturnType<typeof problem>) {
  if (!(response.content instanceof Uint8Array)) throw new Error("read a problem: got no bytes");
  return JSON.parse(new TextDecoder().decode(response.content));
}

describe("a problem", () => {
  it("is problem+json that nobody stores, with its exact length", () => {
    const response = problem(502, "The origin closed the connection.");
    expect(response.status).toBe(502);
    expect(field(response.fields, "content-type")).toBe("application/problem+json");
    expect(field(response.fields, "cache-control")).toBe("no-store");
    expect(field(response.fields, "content-length")).toBe(String((response.content as Uint8Array).byteLength));
    expect(read(response)).toEqual({
      type: "about:blank",
      title: "Bad Gateway",
      status: 502,
      detail: "The origin closed the connection.",
    });
  });

  it.each([
    [400, "Bad Request"],
    [404, "Not Found"],
    [413, "Content Too Large"],
    [414, "URI Too Long"],
    [429, "Too Many Requests"],
    [431, "Request Header Fields Too Large"],
    [500, "Internal Server Error"],
    [503, "Service Unavailable"],
    [504, "Gateway Timeout"],
    [508, "Loop Detected"],
    [418, "Client Error"],
    [599, "Server Error"],
  ])("of status %i is titled %s", (status, title) => {
    expect(read(problem(status, "x")).title).toBe(title);
  });

  it("carries further fields", () => {
    const response = problem(429, "Try again later.", ["Retry-After", "7"]);
    expect(field(response.fields, "retry-after")).toBe("7");
    expect(field(problem(429, "Try again later.").fields, "retry-after")).toBeUndefined();
  });

  it("counts bytes, not characters, and escapes what is not plain text", () => {
    const response = problem(404, 'nothing at "/\u00fc\n\u0000"');
    expect(Number(field(response.fields, "content-length"))).toBe((response.content as Uint8Array).byteLength);
    expect(read(response).detail).toBe('nothing at "/\u00fc\n\u0000"');
  });

  it("keeps the content of a repeated one, and of a different one apart", () => {
    expect(problem(503, "a").content).toBe(problem(503, "a").content);
    expect(read(problem(503, "b")).detail).toBe("b");
    expect(read(problem(504, "a")).status).toBe(504);
  });
});
