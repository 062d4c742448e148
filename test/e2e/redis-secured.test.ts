// A sidecar as it is run where Redis is not trusted to the network: over TLS, as a user with the least rights.

import { afterAll, expect, test } from "vitest";
import { createAuthority } from "../support/certificates.ts";
import { startOrigin } from "../support/origin.ts";
import { freePort } from "../support/ports.ts";
import { startRedis } from "../support/redis.ts";
import { aclOf, COMMANDS } from "../support/redis-acl.ts";
import { startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

test("a sidecar serves from a Redis over TLS, tells what is refused, and never its password", async () => {
  const authority = createAuthority();
  cleanups.push(() => authority.remove());
  const { cert, key } = authority.certify("DNS:localhost");
  const port = await freePort();
  const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority.ca];
  const redis = await startRedis(["--tls-port", String(port), ...files, "--tls-auth-clients", "no"]);
  cleanups.push(() => redis.stop());
  const withoutSet = COMMANDS.filter((command) => command !== "set");
  await redis.command(...aclOf(withoutSet));
  const origin = await startOrigin((_, response) => {
    response.setHeader("cache-control", "max-age=600").end("hello");
  });
  cleanups.push(() => origin.close());
  const access = `username: forebay, password: secret, tls: { ca: "${authority.ca}" }`;
  const sidecar = await startSidecarProcess(
    `origin: ${origin.url}\nstore: { redis: { url: "rediss://localhost:${port}", ${access} } }`,
  );
  cleanups.push(() => sidecar.stop());
  await sidecar.line(({ msg, detail }) => msg === "store degraded" && String(detail).includes("run set"));
  const ready = await (await fetch(`${sidecar.admin}/readyz`)).text();
  expect(ready).toContain("does not let this user run set");
  await redis.command(...aclOf());
  await sidecar.line(({ msg }) => msg === "store ok");
  while (!(await sidecar.fetch("/a")).headers.get("cache-status")?.includes("; hit")) {
    // What it fetched is stored after its answer.
  }
  expect(await redis.command("EXISTS", "forebay:{fence}:slots")).toBe(1);
  expect(JSON.stringify(sidecar.lines) + ready).not.toContain("secret");
  // The same refusal, again and again, is one line.
  expect(sidecar.lines.filter(({ detail }) => String(detail).includes("run set"))).toHaveLength(1);
});
