import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Agent, request as ask } from "undici";
import { afterEach, expect, it } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { type Line, launch, type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function originNamed(name: string): Promise<Origin> {
  const origin = await startOrigin((_, response) => void response.end(name));
  closing.push(origin.close);
  return origin;
}

async function started(yaml: string, args: readonly string[] = []): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml, args);
  closing.push(sidecar.stop);
  return sidecar;
}

/** What `act` is followed by in the log. */
async function after(sidecar: SidecarProcess, act: () => unknown, isMeant: (line: Line) => boolean): Promise<Line> {
  const from = sidecar.lines.length;
  await act();
  return sidecar.line(isMeant, from);
}

const isReplaced = ({ msg }: Line) => msg === "configuration replaced";
const isRefused = ({ msg }: Line) => msg === "configuration not replaced: the old one stays";
const limitOf = async (sidecar: SidecarProcess) => (await sidecar.fetch("/")).headers.get("ratelimit-policy");
const limiting = (origin: Origin, limit: number) =>
  `origin: ${origin.url}\nroutes:\n  - path: /*\n    rateLimit: { limit: ${limit}, window: 1m }\n`;

async function admin<T>(sidecar: SidecarProcess, path: string): Promise<T> {
  return (await fetch(sidecar.admin + path)).json() as Promise<T>;
}

interface Ready {
  readonly status: string;
  readonly parts: { readonly config: { readonly state: string; readonly detail: string } };
}

it("a file is read again however it changes: in place, renamed over, by links as of a ConfigMap, after it was away", async () => {
  const origin = await originNamed("a");
  const sidecar = await started(limiting(origin, 101));
  expect(await limitOf(sidecar)).toBe('"/*";q=101;w=60');

  await after(sidecar, () => writeFile(sidecar.file, limiting(origin, 102)), isReplaced);
  expect(await limitOf(sidecar)).toBe('"/*";q=102;w=60');

  await writeFile(`${sidecar.file}.new`, limiting(origin, 103));
  await after(sidecar, () => rename(`${sidecar.file}.new`, sidecar.file), isReplaced);
  expect(await limitOf(sidecar)).toBe('"/*";q=103;w=60');

  // As Kubernetes mounts a ConfigMap: the file is a link to ..data/<file>, ..data one to a folder for each version.
  const folder = dirname(sidecar.file);
  const version = async (name: string, limit: number) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "proxy.config.yaml"), limiting(origin, limit));
    await symlink(name, join(folder, "..data_tmp"));
    await rename(join(folder, "..data_tmp"), join(folder, "..data"));
  };
  await version("..1", 104);
  await symlink(join("..data", "proxy.config.yaml"), join(folder, "link"));
  await after(sidecar, () => rename(join(folder, "link"), sidecar.file), isReplaced);
  await after(sidecar, () => version("..2", 105), isReplaced);
  expect(await limitOf(sidecar)).toBe('"/*";q=105;w=60');

  const from = sidecar.lines.length;
  await unlink(sidecar.file);
  await after(sidecar, () => writeFile(sidecar.file, limiting(origin, 106)), isReplaced);
  expect(await limitOf(sidecar)).toBe('"/*";q=106;w=60');
  expect(sidecar.lines.slice(from).filter(isRefused)).toEqual([]);
});

it("a mistake is told with its place, in the log and by /readyz, and the old configuration stays until it is mended", async () => {
  const origin = await originNamed("a");
  const sidecar = await started(limiting(origin, 101));
  const wrong = `origin: ${origin.url}\nroutes:\n  - path: /*\n    rateLimt: { limit: 5, window: 1m }\n`;
  const line = await after(sidecar, () => writeFile(sidecar.file, wrong), isRefused);
  const mistake = `${sidecar.file}:4:5 routes[0].rateLimt: unknown key; did you mean rateLimit?`;
  expect(line).toMatchObject({ level: "error", why: "changed", mistakes: [mistake] });
  expect(await limitOf(sidecar)).toBe('"/*";q=101;w=60');
  const ready = await admin<Ready>(sidecar, "/readyz");
  expect(ready).toMatchObject({ status: "degraded", parts: { config: { state: "degraded" } } });
  expect(ready.parts.config.detail).toContain(`not replaced: ${sidecar.file}:4:5 routes[0].rateLimt; in use`);
  expect(await admin(sidecar, "/api/config")).toMatchObject({
    generation: 1,
    lastFailure: { standing: true, mistakes: [mistake] },
  });

  await after(sidecar, () => writeFile(sidecar.file, limiting(origin, 102)), isReplaced);
  expect(await admin(sidecar, "/readyz")).toMatchObject({ status: "ok", parts: { config: { state: "ok" } } });
  expect(await admin(sidecar, "/api/config")).toMatchObject({
    generation: 2,
    lastFailure: { standing: false, mistakes: [mistake] },
  });
});

it("what cannot change is named and keeps its old value, the rest applies, and no secret is shown", async () => {
  const origin = await originNamed("a");
  const sidecar = await started(limiting(origin, 101), ["--no-watch"]);
  const token = "a-token-of-some-length";
  const next = `adminToken: ${token}\nstore: { prefix: other, redis: { url: "redis://me:secret@127.0.0.1:1/0" } }\n`;
  await writeFile(sidecar.file, next + limiting(origin, 102));
  const hangUp = () => sidecar.process.kill("SIGHUP");
  const kept = await after(sidecar, hangUp, ({ msg }) => msg.startsWith("configuration keys that need a restart"));
  expect(kept).toMatchObject({ level: "warn", keys: ["store.prefix", "store.redis"] });
  expect(await sidecar.line(isReplaced)).toMatchObject({
    why: "SIGHUP",
    generation: 2,
    keys: ["adminToken"],
    routesChanged: ["/*"],
  });
  expect(await limitOf(sidecar)).toBe('"/*";q=102;w=60');
  expect((await fetch(`${sidecar.admin}/api/config`)).status).toBe(401);
  const told = await fetch(`${sidecar.admin}/api/config`, { headers: { authorization: `Bearer ${token}` } });
  const text = await told.text();
  expect(text).not.toMatch(/secret|a-token/);
  expect(JSON.parse(text)).toMatchObject({
    generation: 2,
    file: sidecar.file,
    needRestart: ["store.prefix", "store.redis"],
    config: { adminToken: "***", store: { prefix: "forebay" }, routes: [{ id: "/*", rateLimit: [{ limit: 102 }] }] },
  });
  expect((await admin<Ready>(sidecar, "/readyz")).parts.config.detail).toContain("wait for a restart: store.prefix");

  await after(sidecar, hangUp, ({ msg }) => msg === "configuration unchanged");
});

it("without a file SIGHUP changes nothing and says so", async () => {
  const origin = await originNamed("a");
  const cwd = await mkdtemp(join(tmpdir(), "forebay-test-"));
  closing.push(() => rm(cwd, { recursive: true, force: true }));
  const child = launch(["--origin", origin.url, "--listen", "127.0.0.1:0", "--admin", "false"], { cwd });
  const exited = once(child, "exit");
  closing.push(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  if (child.stdout === null) throw new Error("not piped");
  for await (const text of createInterface({ input: child.stdout })) {
    const { msg } = JSON.parse(text) as Line;
    if (msg === "listening") child.kill("SIGHUP");
    if (msg.startsWith("configuration")) {
      expect(msg).toBe("configuration not read again: there is no file, only flags");
      break;
    }
  }
});

it("under load no request fails, old connections see the new configuration, and what is under way ends on the old one", async () => {
  const release = Promise.withResolvers<void>();
  const old = await startOrigin((incoming, response) => {
    if (incoming.url !== "/slow") return void response.end("old");
    void release.promise.then(() => response.end("old, slowly"));
  });
  closing.push(old.close);
  const young = await originNamed("young");
  const routes = Array.from({ length: 200 }, (_, i) => `  - { path: /area${i}/:id, cache: { ttl: 1m } }\n`).join("");
  const patient = "timeout: { headers: 1h }";
  const yaml = (origin: Origin) =>
    `origin: { url: "${origin.url}", ${patient} }\nroutes:\n  - { path: /*, cache: false }\n${routes}`;
  const sidecar = await started(yaml(old), ["--no-watch"]);
  const connections = Array.from({ length: 8 }, () => new Agent({ connections: 1, pipelining: 1 }));
  closing.push(() => Promise.all(connections.map((one) => one.close())));
  const read = async (path: string, dispatcher?: Agent) => {
    const { statusCode, body } = await ask(sidecar.url + path, dispatcher === undefined ? {} : { dispatcher });
    return { statusCode, text: await body.text() };
  };

  const slow = read("/slow");
  let isOver = false;
  const seen = new Map<string, number>();
  const load = connections.map(async (dispatcher, i) => {
    for (let n = 0; !isOver; n++) {
      const { statusCode, text } = await read(n % 2 === 0 ? "/plain" : `/area${i}/${n % 20}`, dispatcher);
      seen.set(`${statusCode} ${text}`, (seen.get(`${statusCode} ${text}`) ?? 0) + 1);
    }
  });
  const loaded = Promise.all(load);
  loaded.catch(() => {}); // heard of below
  for (let round = 1; round <= 3; round++) {
    const yamlNow = round % 2 === 1 ? yaml(young) : yaml(old);
    await writeFile(sidecar.file, yamlNow);
    await after(sidecar, () => sidecar.process.kill("SIGHUP"), isReplaced);
    const wanted = round % 2 === 1 ? "young" : "old";
    const answers = await Promise.all(Array.from({ length: 8 }, () => read("/plain")));
    expect(answers.map(({ text }) => text)).toEqual(answers.map(() => wanted));
  }
  isOver = true;
  await loaded;
  expect([...seen.keys()].toSorted()).toEqual(["200 old", "200 young"]);
  expect(await Promise.all(connections.map((one) => read("/plain", one)))).toEqual(
    connections.map(() => ({ statusCode: 200, text: "young" })),
  );
  release.resolve();
  expect(await slow).toEqual({ statusCode: 200, text: "old, slowly" });
});
