// A backend that nobody here wrote, unchanged, behind two sidecars on one real Redis.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { freePort } from "../support/ports.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS_MS, undisturbed } from "../support/undisturbed.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Post {
  readonly title: string;
}

interface Backend {
  readonly url: string;
  readonly process: ChildProcess;
  readonly folder: string;
}

let redis: TestRedis;
let backend: Backend;
let one: SidecarProcess;
let two: SidecarProcess;

beforeAll(async () => {
  [redis, backend] = await Promise.all([startRedis(), startJsonServer()]);
  const yaml = `
origin: ${backend.url}
store: { redis: { url: ${redis.url}, deadline: 2s } }
routes:
  - path: /posts/:id
    cache: { ttl: 5m, override: true, tags: ["post:{id}"] }
    invalidate: { paths: [/posts], tags: ["post:{id}"] }
  - path: /posts
    cache: { ttl: 5m, override: true }
  - path: /comments
    cache: { ttl: 5m, override: true }
    rateLimit: { limit: 10, window: 1m, algorithm: fixed-window, by: header:x-api-key }
  - path: /*
`;
  const start = () => startSidecarProcess(yaml, ["--log-level", "debug"]);
  [one, two] = await Promise.all([start(), start()]);
  await Promise.all([inUse(one), inUse(two)]);
});

afterAll(async () => {
  await Promise.all([one?.stop(), two?.stop()]);
  if (backend !== undefined) await stopJsonServer(backend);
  await redis?.stop();
});

test(
  "a GET becomes a hit, on the sidecar that fetched and on the other",
  async () => {
    await together(async (round) => {
      const path = `/posts/1?round=${round}`;
      expect(await title(one, path)).toEqual(["first", "uri-miss"]);
      expect(await title(one, path)).toEqual(["first", "hit"]);
      expect(await title(two, path)).toEqual(["first", "hit"]);
    });
  },
  ROUNDS_MS,
);

test("a PUT through one sidecar makes the next GET fresh on the other", async () => {
  await title(two);
  const lists = await two.fetch("/posts?_sort=id");
  expect(await lists.json()).toHaveLength(2);
  const put = await one.fetch("/posts/1", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ title: "second" }),
  });
  expect(put.status).toBe(200);
  const [text, outcome] = await title(two);
  expect(text).toBe("second");
  expect(outcome).not.toBe("hit");
  const list = await two.fetch("/posts?_sort=id");
  expect(((await list.json()) as Post[])[0]?.title).toBe("second");
});

test(
  "a burst over the limit gets 429, whichever sidecar it reaches",
  async () => {
    const burst = await together((round) => {
      const asked = { headers: { "x-api-key": `${round}` } };
      return Promise.all(Array.from({ length: 30 }, (_, i) => (i % 2 ? one : two).fetch("/comments", asked)));
    });
    expect(burst.filter(({ status }) => status === 200)).toHaveLength(10);
    const refused = burst.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(20);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refused[0]?.json()).toMatchObject({ status: 429, title: "Too Many Requests" });
  },
  ROUNDS_MS,
);

test("a killed Redis is not noticed by clients, and hits return after it has", async () => {
  await redis.kill();
  for (let i = 0; i < 20; i++) {
    const answer = await (i % 2 ? one : two).fetch("/posts/1");
    expect([answer.status, ((await answer.json()) as Post).title]).toEqual([200, "second"]);
  }
  expect(await readiness(one)).toMatchObject({ status: "degraded" });
  const lines = one.lines.length;
  await redis.start();
  await inUse(one, lines);
  await vi.waitFor(async () => expect(await title(one)).toEqual(["second", "hit"]), { timeout: 20_000 });
});

/** What `play` gives where both sidecars reach Redis. */
function together<T>(play: (round: number) => Promise<T>): Promise<T> {
  return undisturbed([one, two], play, "/posts");
}

/** The post's title, and how the cache answered. */
async function title(sidecar: SidecarProcess, path = "/posts/1"): Promise<[string, string]> {
  const answer = await sidecar.fetch(path);
  const status = answer.headers.get("cache-status") ?? "";
  return [
    ((await answer.json()) as Post).title,
    status.includes("; hit") ? "hit" : (/fwd=([a-z-]+)/.exec(status)?.[1] ?? status),
  ];
}

/** Resolves when the sidecar says that Redis is in use, in its log from the `from`th line on. */
function inUse(sidecar: SidecarProcess, from = 0): Promise<unknown> {
  return sidecar.line(({ msg }) => msg === "store ok", from);
}

async function readiness({ admin }: SidecarProcess): Promise<{ status: string }> {
  return (await fetch(`${admin}/readyz`)).json() as Promise<{ status: string }>;
}

async function startJsonServer(): Promise<Backend> {
  const folder = await mkdtemp(join(tmpdir(), "forebay-json-server-"));
  const port = await freePort();
  const file = join(folder, "db.json");
  const posts = [
    { id: 1, title: "first" },
    { id: 2, title: "other" },
  ];
  await writeFile(file, JSON.stringify({ posts, comments: [{ id: 1, postId: 1, body: "hm" }] }));
  const program = join(ROOT, "node_modules/json-server/lib/cli/bin.js");
  const child = spawn(
    join(ROOT, "node_modules/.bin/node"),
    [program, "--host", "127.0.0.1", "--port", `${port}`, file],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  // Its banner comes when it listens.
  const banner = Promise.withResolvers<void>();
  child.stdout?.on("data", (text) => {
    if (String(text).includes(`:${port}`)) banner.resolve();
  });
  await banner.promise;
  return { url: `http://127.0.0.1:${port}`, process: child, folder };
}

async function stopJsonServer({ process, folder }: Backend): Promise<void> {
  const closed = once(process, "close");
  process.kill("SIGKILL");
  await closed;
  await rm(folder, { recursive: true, force: true });
}
