// `forebay top` as it is typed, into a pipe.

import { afterEach, expect, test } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { runForebay, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const TOKEN = "a-token-of-16-or-more";

test("prints what the sidecar did, with its token alone", async () => {
  const origin = await startOrigin((_request, response) => void response.end("hello"));
  cleanups.push(() => origin.close());
  const yaml = `origin: ${origin.url}\nadminToken: ${TOKEN}\nroutes: [{ path: "/articles/:id", cache: { ttl: 1m } }]`;
  const sidecar = await startSidecarProcess(yaml);
  cleanups.push(() => sidecar.stop());
  for (let i = 0; i < 4; i++) await sidecar.fetch("/articles/7");
  const args = ["top", "--admin", sidecar.admin];
  const env = { ...process.env, ADMIN_TOKEN: "" };
  await expect
    .poll(async () => (await runForebay([...args, "--token", TOKEN, "--once"], { env })).stdout, { timeout: 30_000 })
    .toMatch(
      /^Forebay .*\nstore ok: .*\nconfig ok: .*\n.*\n4 requests (.*\n)+Route .*\n\/articles\/:id .* 75\.0 % .*\n\nMost asked.*\nGET app\.test\/articles\/7 +4\n$/,
    );
  const json = JSON.parse((await runForebay([...args, "--token", TOKEN, "--json"], { env })).stdout);
  expect(json.totals.requests).toBe(4);
  const refused = await runForebay(args, { env });
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("it wants a token; give --token TOKEN or set ADMIN_TOKEN");
});
