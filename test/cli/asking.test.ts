import { describe, expect, it } from "vitest";
import { doorAt, doorOf } from "../../src/cli/asking.ts";
import { receiptText } from "../../src/cli/purge.ts";

describe("where a sidecar is asked", () => {
  it.each([
    ["127.0.0.1:8081", "http://127.0.0.1:8081"],
    [":8081", "http://127.0.0.1:8081"],
    ["http://h:1/", "http://h:1"],
    ["https://h/forebay/", "https://h/forebay"],
    ["[::1]:8081", "http://[::1]:8081"],
  ])("--admin %s is %s", (admin, base) => {
    expect(doorAt(admin, "t")).toEqual({ base, token: "t" });
  });

  it("may be a unix socket, and is nothing else", () => {
    expect(doorAt("unix:/run/a.sock", "")).toMatchObject({ socketPath: "/run/a.sock" });
    for (const admin of ["http://a:b@h/", "h/?a", "http://h:99999", "h#a"]) expect(doorAt(admin, "")).toBeUndefined();
  });

  it("is loopback where the configuration listens on all interfaces", () => {
    expect(doorOf({ host: "::", port: 1 }, "")).toEqual({ base: "http://127.0.0.1:1", token: "" });
    expect(doorOf({ host: "::1", port: 1 }, "")).toEqual({ base: "http://[::1]:1", token: "" });
    expect(doorOf({ path: "/run/a.sock" }, "")).toMatchObject({ socketPath: "/run/a.sock" });
  });
});

describe("a receipt", () => {
  const receipt = { clock: 1_795_242_756_901_030, tags: ["tag:\u001b[2J"], soft: false, sidecars: 3, seen: 2, ms: 6.4 };
  const paint = (_: string, text: string) => text;

  it("says what was purged, when, and who knows", () => {
    expect(receiptText(receipt, paint)).toBe(
      [
        "Purged      tag:\\u001b[2J",
        "At          2026-11-21T06:32:36.901Z, clock 1795242756901030",
        "Sidecars    2 of 3 know, after 6.4 ms",
        "",
      ].join("\n"),
    );
  });

  it("says that the store has not taken it yet", () => {
    expect(receiptText({ ...receipt, clock: null }, paint)).toContain("Not yet     the store cannot be reached");
  });

  it("names twenty tags at the most", () => {
    const tags = Array.from({ length: 30 }, (_, i) => `route:/${i}`);
    expect(receiptText({ ...receipt, tags }, paint)).toContain("route:/19\n            and 10 more\n");
  });
});
