// One fetch for two sidecars, whatever becomes of the one that makes it: whoever waits on the other sidecar is answered, after
// one more origin request at the most, and never waits longer than `wait`.

import type { ServerResponse } from "node:http";
import { request } from "undici";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const FRESH = { "cache-control": "max-age=60", etag: '"1"' };
const WAIT_MS = 20_000;

let redis: TestRedis;
let origin: Origin;
/** The origin's responses to GETs, under way until the test ends them. */
let held: ServerResponse[] = [];
const sidecars: SidecarProcess[] = [];
let tests = 0;

beforeAll(async () => {
  redis = await startRedis();
  origin = await startOrigin(({ method }, response) => {
    if (method === "GET") held.push(response);
    else response.end("written");
  });
});

afterEach(async () => {
  for (const response of held.splice(0)) response.destroy();
  held = [];
  for (const sidecar of sidecars.splice(0)) {
    sidecar.process.kill("SIGCONT");
    await sidecar.stop();
  }
});

afterAll(async () => {
  await origin.close();
  await redis.stop();
});

async function withSidecar(): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(`
origin: ${origin.url}
store: { prefix: test${tests}, redis: { url: ${redis.url}, deadline: 1s } }
routes: [{ path: /*, cache: { maxBody: 1kb, collapse: { wait: 20s, lease: 900ms } } }]`);
  sidecars.push(sidecar);
  await sidecar.line(({ msg }) => msg === "store ok");
  return sidecar;
}

interface Flight {
  readonly one: SidecarProcess;
  readonly leaving: AbortController;
  /** What the client of the sidecar that fetches gets; undefined: nothing. */
  readonly led: Promise<string | undefined>;
  readonly followed: Promise<{ text: string; cacheStatus: string }>;
  /** The origin's response to the one fetch. */
  readonly response: ServerResponse;
}

/** A fetch under way on one sidecar, and a request on the other that waits for it. Begun anew where the machine stood still and
 * cut one of them off from Redis meanwhile. `prepare` is given the sidecar and the path. */
async function flight(prepare: (sidecar: SidecarProcess, path: string) => Promise<unknown> = async () => {}) {
  tests += 1;
  const [one, two] = await Promise.all([withSidecar(), withSidecar()]);
  for (let attempt = 0; ; attempt++) {
    const path = `/${attempt}`;
    await prepare(one, path);
    const before = held.length;
    const leaving = new AbortController();
    const led = request(one.url + path, { headers: { host: "app.test" }, signal: leaving.signal })
      .then(({ body }) => body.text())
      .catch(() => undefined);
    await until(async () => held.length > before);
    const followed = two
      .fetch(path)
      .then(async (answer) => ({ text: await answer.text(), cacheStatus: answer.headers.get("cache-status") ?? "" }));
    const isWaiting = async () => ((await redis.command("PUBSUB", "CHANNELS", "*landed*")) as unknown[]).length > 0;
    await until(async () => held.length > before + 1 || isWaiting());
    const response = held[before];
    if (held.length === before + 1 && response !== undefined)
      return { one, leaving, led, followed, response } satisfies Flight;
    for (const each of held.splice(before)) each.writeHead(200, FRESH).end("cut off");
    await Promise.all([led, followed]);
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}

/** The origin's response to one more fetch. */
async function another(): Promise<ServerResponse> {
  const before = held.length;
  await until(async () => held.length > before);
  return held[before] as ServerResponse;
}

test("a leader that is killed delays the others by its lease", async () => {
  const { one, led, followed } = await flight();
  const killedAt = performance.now();
  one.process.kill("SIGKILL");
  const more = await another();
  expect(performance.now() - killedAt).toBeLessThan(WAIT_MS / 2);
  more.writeHead(200, FRESH).end("anew");
  expect(await followed).toMatchObject({ text: "anew", cacheStatus: expect.stringContaining("fwd=uri-miss") });
  expect(await led).toBeUndefined();
});

test("a leader that is frozen does too; when it goes on, its own client is answered, and nobody else with it", async () => {
  const { one, led, followed, response } = await flight();
  one.process.kill("SIGSTOP");
  (await another()).writeHead(200, FRESH).end("anew");
  expect((await followed).text).toBe("anew");
  const total = held.length;
  one.process.kill("SIGCONT");
  response.writeHead(200, FRESH).end("late");
  expect(await led).toBe("late");
  expect(held).toHaveLength(total);
});

test("a leader whose client leaves goes on for the others", async () => {
  const { leaving, led, followed, response } = await flight();
  leaving.abort();
  expect(await led).toBeUndefined();
  const total = held.length;
  response.writeHead(200, FRESH).end("for others");
  expect((await followed).text).toBe("for others");
  expect(held).toHaveLength(total);
});

test("a leader that takes longer than its lease keeps it", async () => {
  const { followed, response } = await flight();
  const total = held.length;
  const [lease] = (await redis.command("KEYS", `test${tests}:*:lease:*`)) as string[];
  let renewals = 0;
  let left = Number.POSITIVE_INFINITY;
  await until(async () => {
    const now = Number(await redis.command("PTTL", String(lease)));
    if (now > left) renewals += 1;
    left = now;
    return renewals === 4;
  });
  response.writeHead(200, FRESH).end("slow");
  expect(await followed).toMatchObject({ text: "slow", cacheStatus: expect.stringContaining("collapsed") });
  expect(held).toHaveLength(total);
});

test("a validation's 304 serves the others too", async () => {
  let stored = 0;
  const { led, followed, response } = await flight(async (sidecar, path) => {
    const first = sidecar.fetch(path);
    (await another()).writeHead(200, FRESH).end("valid");
    await first;
    // It is stored after its answer.
    const before = stored;
    await vi.waitUntil(
      async () => {
        stored = Number(((await redis.command("KEYS", `test${tests}:*:v:*`)) as string[]).length);
        return stored > before;
      },
      { timeout: 20_000 },
    );
    await sidecar.fetch(path, { method: "POST" });
  });
  const total = held.length;
  expect(origin.seen.at(-1)?.headers["if-none-match"]).toBe('"1"');
  response.writeHead(304, FRESH).end();
  expect(await led).toBe("valid");
  expect((await followed).text).toBe("valid");
  expect(held).toHaveLength(total);
});

test.each([
  [
    "not to be stored",
    (response: ServerResponse) => response.writeHead(200, { "cache-control": "private" }).end("mine"),
  ],
  ["an error", (response: ServerResponse) => response.writeHead(500).end("mine")],
  ["too large to be stored", (response: ServerResponse) => response.writeHead(200, FRESH).end("mine".repeat(1000))],
])("where what comes is %s, whoever waited asks once, by itself", async (_what, answer) => {
  const { led, followed, response } = await flight();
  const more = another();
  answer(response);
  (await more).writeHead(200, FRESH).end("theirs");
  expect(await led).toMatch(/^(mine)+$/);
  expect((await followed).text).toBe("theirs");
});

test("where the origin's answer is garbage, whoever waited asks once, by itself", async () => {
  const { led, followed, response } = await flight();
  const more = another();
  response.socket?.end("garbage\r\n\r\n");
  (await more).writeHead(200, FRESH).end("theirs");
  expect(await led).toContain("502");
  expect((await followed).text).toBe("theirs");
});
