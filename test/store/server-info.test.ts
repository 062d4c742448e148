// What INFO tells of a server, and what is concluded where it tells nothing.

import { describe, expect, test } from "vitest";
import { readServerInfo } from "../../src/store/server-info.ts";

const info = (...lines: string[]) => ["# Server", "redis_version:7.0.15", ...lines, ""].join("\r\n");

describe("the process", () => {
  test("is a number from 1 to 2^52, the same for the same run_id", () => {
    const [one, again, other] = ["a", "a", "b"].map((id) => readServerInfo(info(`run_id:${id}`)).process ?? 0);
    expect(one).toBe(again);
    expect(one).not.toBe(other);
    expect(one).toBeGreaterThan(0);
    expect(one).toBeLessThanOrEqual(2 ** 52);
  });

  test("is unknown where INFO is refused, or tells no run_id", () => {
    for (const reply of [undefined, null, "", new Error("NOPERM"), info("redis_mode:standalone")]) {
      expect(readServerInfo(reply)).toEqual({ process: undefined, refusal: undefined, risk: undefined });
    }
  });
});

test("a master alone is not refused, nor one of Valkey's", () => {
  expect(readServerInfo(info("redis_mode:standalone", "role:master")).refusal).toBeUndefined();
  expect(readServerInfo(info("server_mode:standalone", "role:master")).refusal).toBeUndefined();
  expect(readServerInfo(info("server_mode:cluster", "role:master")).refusal).toContain("Cluster");
  expect(readServerInfo(info("redis_mode:cluster", "role:master"), true).refusal).toBeUndefined();
  expect(readServerInfo(info("redis_mode:cluster", "role:slave"), true).refusal).toContain("replica");
  expect(readServerInfo(info("redis_mode:standalone", "role:slave")).refusal).toContain("replica");
});

test("a policy hurts only where there is a bound", () => {
  const riskOf = (maxmemory: string, policy: string) =>
    readServerInfo(info(`maxmemory:${maxmemory}`, `maxmemory_policy:${policy}`)).risk;
  expect(riskOf("0", "allkeys-lru")).toBeUndefined();
  expect(riskOf("1000", "allkeys-lru")).toContain("fence");
  expect(riskOf("1000", "noeviction")).toContain("noeviction");
  expect(riskOf("1000", "volatile-ttl")).toBeUndefined();
});
