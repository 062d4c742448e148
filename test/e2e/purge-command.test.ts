// `forebay purge` as it is typed.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startOrigin } from "../support/origin.ts";
import { type Ended, runForebay, type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function withSidecar(more = ""): Promise<SidecarProcess> {
  const origin = await startOrigin((_request, response) => {
    response.writeHead(200, { "cache-control": "max-age=60", "surrogate-key": "own" }).end("hello");
  });
  cleanups.push(() => origin.close());
  const sidecar = await startSidecarProcess(`origin: ${origin.url}\n${more}\nroutes: [{ path: "/*", cache: {} }]`);
  cleanups.push(() => sidecar.stop());
  return sidecar;
}

/** Something that listens on loopback; its address as host:port. */
async function listening(server: {
  listen(port: number, host: string, then: () => void): unknown;
  address(): unknown;
  close(): unknown;
}) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const TOKEN = "a-token-of-16-or-more";
const purge = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  runForebay(["purge", ...args], { env: { ...process.env, ADMIN_TOKEN: "", ...env } });
const isHit = async (sidecar: SidecarProcess) =>
  (await sidecar.fetch("/a")).headers.get("cache-status")?.includes("; hit") === true;

test("each kind of thing is purged, and the receipt is told", async () => {
  const sidecar = await withSidecar();
  const at = ["--admin", sidecar.admin];
  const kinds = [
    ["url", "http://app.test/a"],
    ["path", "/a", "--host", "app.test"],
    ["tag", "own"],
    ["route", "/*"],
    ["glob", "/?"],
    ["all"],
    ["tag", "own", "--soft", "--wait"],
  ];
  for (const what of kinds) {
    await isHit(sidecar);
    expect(await isHit(sidecar)).toBe(true);
    const { code, stdout, stderr } = await purge([...what, ...at]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      what.includes("--soft") ? /^Stale now {3}tag:own\n/ : /^Purged {6}(?:path:|tag:|route:|everything)/,
    );
    expect(stdout).toMatch(/\nAt {10}20\d\d-\S+Z, clock \d+\nSidecars {4}1 of 1 knows, after [\d.]+ ms\n$/);
    expect(await isHit(sidecar)).toBe(false);
  }
  const { stdout } = await purge(["all", "--json", ...at]);
  expect(JSON.parse(stdout)).toMatchObject({ clock: expect.any(Number), tags: null, sidecars: 1, seen: 1 });
});

test("the address and the token come from the file where no flag says them", async () => {
  const sidecar = await withSidecar(`adminToken: ${TOKEN}`);
  const folder = await mkdtemp(join(tmpdir(), "forebay-purge-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "my.yaml");
  const admin = new URL(sidecar.admin).host;
  await writeFile(file, `origin: http://127.0.0.1:9\nadmin: ${admin}\nadminToken: ${TOKEN}`);
  expect(await purge(["all", "-c", file])).toMatchObject({ code: 0, stderr: "" });
  expect(await purge(["all", "--admin", admin, "--token", TOKEN])).toMatchObject({ code: 0, stderr: "" });
  expect(await purge(["all", "--admin", admin], { ADMIN_TOKEN: TOKEN })).toMatchObject({ code: 0, stderr: "" });
  const without = await purge(["all", "--admin", admin]);
  expect([without.code, without.stderr]).toEqual([1, expect.stringMatching(/it wants a token; give --token/)]);
  const wrong = await purge(["all", "--admin", admin, "--token", "another"]);
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/is not the sidecar's adminToken/)]);
  expect(wrong.stderr).not.toContain("another");
});

test("what is wrong is told, with exit code 2 where it was typed and 1 where it lies there", async () => {
  const sidecar = await withSidecar();
  const plain = await listening(createServer((_request, response) => response.end("hello")));
  const hostile = await listening(
    createServer((_request, response) => {
      response.writeHead(418, { "content-type": "application/json" }).end('{"detail":"\\u001b[2Jgone\\u202e"}');
    }),
  );
  const lying = await listening(createServer((_request, response) => response.end('{"clock":"\\u001b[2J"}')));
  const silent = await listening(createTcpServer((socket) => socket.destroy()));
  const closed = createTcpServer();
  const nobody = await listening(closed);
  closed.close();
  const wrong: [args: string[], code: number, text: RegExp][] = [
    [[], 2, /what is to be purged\?/],
    [["everything"], 2, /that cannot be purged/],
    [["tag"], 2, /what is missing is which/],
    [["tag", "a", "b"], 2, /one at a time/],
    [["all", "--admin", "http://[nonsense"], 2, /--admin: write a URL/],
    [["path", "/a", "--admin", sidecar.admin], 2, /"host"/],
    [["glob", "/nowhere*x", "--host", "h", "--admin", sidecar.admin], 2, /belongs to/],
    [["all", "--admin", nobody], 1, /no sidecar answers there/],
    [["all", "--admin", silent], 1, /broken off|hang up|closed/],
    [["all", "--admin", plain], 1, /not as the admin listener/],
    [["all", "--admin", hostile], 1, /418: \\u001b\[2Jgone\\u202e/],
    [["all", "--admin", lying], 1, /no receipt/],
    [["all", "--admin", `https://${plain}`], 1, /TLS is not spoken there|TLS|ssl|tls/],
  ];
  for (const [args, code, text] of wrong) {
    const ended = await purge(args);
    expect([args, ended.code, ended.stdout, ended.stderr]).toEqual([args, code, "", expect.stringMatching(text)]);
    expect(ended.stderr.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});

test("a sidecar whose admin listener is a unix socket is asked, too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "forebay-purge-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const socket = `unix:${join(folder, "admin.sock")}`;
  const origin = await startOrigin((_request, response) => {
    response.end("hello");
  });
  cleanups.push(() => origin.close());
  const file = join(folder, "my.yaml");
  await writeFile(file, `origin: ${origin.url}\nadmin: ${socket}\nlisten: 127.0.0.1:0`);
  const { launch } = await import("../support/sidecar.ts");
  const child = launch(["--config", file]);
  const ended = new Promise((resolve) => child.once("close", resolve));
  cleanups.push(() => {
    child.kill("SIGTERM");
    return ended;
  });
  await new Promise<void>((resolve) =>
    child.stdout?.on("data", (text) => String(text).includes("listening") && resolve()),
  );
  expect(await purge(["all", "-c", file])).toMatchObject({ code: 0, stderr: "" });
});
