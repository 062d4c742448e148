import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseArguments } from "../../../src/cli/args.ts";
import { planOf } from "../../../src/cli/try/plan.ts";
import { ConfigError } from "../../../src/config/mistakes.ts";

const LOCAL = ["--origin", "http://127.0.0.1:3000"];

function plan(...argv: string[]) {
  const read = parseArguments(["try", ...argv]);
  if (read.kind !== "run") throw new Error(`not run, but ${JSON.stringify(read)}`);
  return planOf({ given: read.given, env: {}, prefix: "forebay-try-1" });
}

function mistakes(...argv: string[]): readonly string[] {
  try {
    plan(...argv);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

it("asks a little where nothing else is said: one path, ten connections, ten seconds, in memory", () => {
  const { config, ...rest } = plan(...LOCAL);
  expect(rest).toMatchObject({ origin: "http://127.0.0.1:3000", paths: ["/"], seconds: 10, connections: 10 });
  expect(config).toMatchObject({
    listen: { host: "127.0.0.1", port: 0 },
    admin: false,
    routes: [{ cache: { ttl: 60 } }],
  });
  expect(config.store.redis).toBeUndefined();
});

it("takes the user's rules, but neither their Redis nor the refusals of their limits", () => {
  const folder = mkdtempSync(join(tmpdir(), "forebay-test-"));
  const file = join(folder, "my.yaml");
  const limit = "rateLimit: { limit: 1, window: 1m }";
  writeFileSync(
    file,
    `origin: http://10.0.0.1\nstore: { redis: { url: "redis://10.0.0.2" } }\n${limit}\nroutes: [{ path: /a, cache: { ttl: 7s }, ${limit} }]\n`,
  );
  try {
    const { config } = plan(...LOCAL, "--config", file);
    const unenforced = [{ limit: 1, enforce: false }];
    expect(config).toMatchObject({ origin: { url: ["http://127.0.0.1:3000"] }, rateLimit: unenforced });
    expect(config.routes).toMatchObject([{ path: "/a", cache: { ttl: 7 }, rateLimit: unenforced }]);
    expect(config.store).toMatchObject({ redis: undefined, prefix: "forebay-try-1" });
    const given = plan(...LOCAL, "--config", file, "--redis", "redis://127.0.0.1:1").config.store;
    expect(given).toMatchObject({ redis: { url: "redis://127.0.0.1:1" }, prefix: "forebay-try-1" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.each([
  [[], "try: nothing to try; write --origin http://127.0.0.1:3000, or --access-log FILE, or both"],
  [
    ["--origin", "http://10.1.2.3"],
    "--origin: http://10.1.2.3 is not on this machine, and would be asked as fast as it answers; write --yes if it is yours and may be",
  ],
  [["--origin", "http://127.evil.test"], "--origin: http://127.evil.test is not on this machine"],
  [["--origin", "127.0.0.1:3000"], "--origin: expected an http:// or https:// URL without path"],
  [[...LOCAL, "--path", "a"], '--path: got "a"; write it as /products?page=1'],
  [[...LOCAL, "--path", "/a\r\nX: y"], '--path: got "/a\\r\\nX: y"; write it as /products?page=1'],
  [[...LOCAL, "--path", "/a", "--access-log", "a.log"], "--path: the log says what is asked for; leave one out"],
  [[...LOCAL, "--ttl", "5 min"], '--ttl: expected a duration, got "5 min"; write it as 5m'],
  [[...LOCAL, "--seconds", "601"], '--seconds: expected a whole number from 1 to 600, got "601"'],
  [[...LOCAL, "--connections", "1e9"], '--connections: expected a whole number from 1 to 256, got "1e9"'],
])("refuses %j before anybody is asked", (argv, message) => {
  expect(mistakes(...argv)).toEqual([expect.stringContaining(message)]);
});

it.each(["http://localhost:1", "http://127.8.8.8", "http://[::1]:3000", "https://a.localhost"])(
  "knows %s for this machine",
  (origin) => {
    expect(mistakes("--origin", origin)).toEqual([]);
  },
);

it("asks another machine where it is told that it may", () => {
  expect(plan("--origin", "https://api.example.com", "--yes").origin).toBe("https://api.example.com");
});
