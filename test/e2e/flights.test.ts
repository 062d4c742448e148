// One fetch for two sidecars, whatever becomes of the one that makes it: whoever waits on the other sidecar is answered, after
// one more origin request at the most, and never waits longer than `wait`.

import type { ServerResponse } from "node:http";
import { request } from "undici";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { ROUNDS, ROUNDS_MS, watchCutOffs } from "../support/undisturbed.ts";

const FRESH = { "cache-control": "max-age=60", etag: '"1"' };
const WAIT_MS = 20_000;
/** Its leader is cut off from Redis, and says so, before it can lose it. */
const LONG_LEASE = "1500ms";

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

async function withSidecar({ lease = "900ms", wait = "20s" }: Collapse = {}): Promise<SidecarProcess> {
  const yaml = `
origin: ${origin.url}
store: { prefix: test${tests}, redis: { url: ${redis.url}, deadline: 1s } }
routes: [{ path: /*, cache: { maxBody: 1kb, collapse: { wait: ${wait}, lease: ${lease} } } }]`;
  const sidecar = await startSidecarProcess(yaml, ["--log-level", "debug"]);
  sidecars.push(sidecar);
  await sidecar.line(({ msg }) => msg === "store ok");
  return sidecar;
}

interface Flight {
  readonly one: SidecarProcess;
  readonly two: SidecarProcess;
  readonly path: string;
  readonly leaving: AbortController;
  /** What the client of the sidecar that fetches gets; undefined: nothing. */
  readonly led: Promise<string | undefined>;
  readonly followed: Promise<{ text: string; cacheStatus: string }>;
  /** The origin's response to the one fetch. */
  readonly response: ServerResponse;
}

interface Collapse {
  readonly lease?: string;
  readonly wait?: string;
}

interface FlightOptions extends Collapse {
  /** Comes before the fetch; is given the sidecar and the path. */
  readonly prepare?: (sidecar: SidecarProcess, path: string) => Promise<unknown>;
}

/** A fetch under way on one sidecar, and a request on the other that waits for it. Begun anew where the machine stood still and
 * cut one of them off from Redis meanwhile. */
async function flight({ prepare = async () => {}, ...options }: FlightOptions = {}): Promise<Flight> {
  tests += 1;
  const [one, two] = await Promise.all([withSidecar(options), withSidecar(options)]);
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
      return { one, two, path, leaving, led, followed, response };
    const over = answering(
      () => held.slice(before),
      (each) => each.writeHead(200, FRESH).end("cut off"),
    );
    await Promise.all([led, followed]);
    await over();
  }
}

/** What `play` gives of such a flight during which neither sidecar was cut off: else, with other ones, another is begun. */
async function wholeFlight<T>(
  options: FlightOptions,
  play: (flight: Flight, isCutOff: () => boolean) => Promise<T>,
): Promise<T> {
  return firstWhole(async (watch) => {
    const begun = await flight(options);
    return play(begun, watch([begun.one, begun.two]));
  });
}

/** What `play` gives where none of the sidecars that it watches was cut off since it began to: the function that it gets for them
 * says whether one was. Where the machine stood still it is played anew. */
async function firstWhole<T>(
  play: (watch: (all: readonly SidecarProcess[]) => () => boolean) => Promise<T>,
): Promise<T> {
  for (let round = 1; ; round++) {
    let watched: readonly SidecarProcess[] = [];
    let isCutOff = () => false;
    const result = await play((all) => {
      const cutOffs = watchCutOffs(all);
      watched = all;
      isCutOff = () => cutOffs().length > 0;
      return isCutOff;
    });
    // Their last lines come with their end.
    await Promise.all(watched.map((sidecar) => sidecar.stop()));
    if (!isCutOff()) return result;
    if (round === ROUNDS) throw new Error(`in each of ${ROUNDS} rounds a sidecar was cut off from Redis`);
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

/** Answers the origin's responses with `answer`, those to come too, until it is called off. */
function answering(responses: () => readonly ServerResponse[], answer: (response: ServerResponse) => unknown) {
  let isOver = false;
  const done = until(async () => {
    for (const response of responses()) if (!response.writableEnded) answer(response);
    return isOver;
  });
  return () => {
    isOver = true;
    return done;
  };
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

test("what a frozen leader brings is no answer to who asks after a write that was made meanwhile", async () => {
  const { one, two, path, led, followed, response } = await flight();
  one.process.kill("SIGSTOP");
  await (await two.fetch(path, { method: "POST" })).text();
  const all = held.length;
  const over = answering(
    () => held.slice(all),
    (each) => each.writeHead(200, FRESH).end("new"),
  );
  expect(await (await two.fetch(path)).text()).toBe("new");
  await followed;
  one.process.kill("SIGCONT");
  response.writeHead(200, FRESH).end("old");
  expect(await led).toBe("old");
  for (const sidecar of [two, one, two, one]) expect(await (await sidecar.fetch(path)).text()).toBe("new");
  await over();
});

test("whoever has waited for another sidecar's fetch as long as they may asks the origin, which is then answering both", async () => {
  const { led, followed, response } = await flight({ wait: "500ms" });
  const next = held.indexOf(response) + 1;
  await until(async () => held.length > next);
  held[next]?.writeHead(200, FRESH).end("theirs");
  expect((await followed).text).toBe("theirs");
  response.writeHead(200, FRESH).end("mine");
  expect(await led).toBe("mine");
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

test(
  "a leader that takes longer than its lease keeps it",
  async () => {
    const { answer, more, renewals } = await wholeFlight({ lease: LONG_LEASE }, async ({ led, followed }, isCutOff) => {
      const total = held.length;
      const [lease] = (await redis.command("KEYS", `test${tests}:*:lease:*`)) as string[];
      let renewals = 0;
      let left = Number.POSITIVE_INFINITY;
      // One comes with each third of its time.
      await until(async () => {
        const now = Number(await redis.command("PTTL", String(lease)));
        if (now > left) renewals += 1;
        left = now;
        return renewals === 4 || now < 0 || isCutOff();
      });
      const over = answering(
        () => held,
        (each) => each.writeHead(200, FRESH).end("slow"),
      );
      const [answer] = await Promise.all([followed, led]);
      await over();
      return { answer, more: held.length - total, renewals };
    });
    expect(answer).toMatchObject({ text: "slow", cacheStatus: expect.stringContaining("collapsed") });
    expect([more, renewals]).toEqual([0, 4]);
  },
  ROUNDS_MS,
);

test("a validation's 304 serves the others too", async () => {
  const stored = async () => ((await redis.command("KEYS", `test${tests}:*:v:*`)) as string[]).length;
  const prepare = async (sidecar: SidecarProcess, path: string) => {
    const from = held.length;
    const over = answering(
      () => held.slice(from),
      (each) => each.writeHead(200, FRESH).end("valid"),
    );
    const before = await stored();
    // It is stored after its answer, and by a sidecar that is cut off not at all. After a write it is fetched in any case.
    const isStored = async () => {
      await sidecar.fetch(path, { method: "POST" });
      await sidecar.fetch(path);
      return (await stored()) > before;
    };
    await vi.waitUntil(isStored, { timeout: WAIT_MS });
    await sidecar.fetch(path, { method: "POST" });
    await over();
  };
  const { led, followed, response } = await flight({ prepare });
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

interface Crowd {
  readonly sidecars: readonly SidecarProcess[];
  readonly led: Promise<Response | undefined>;
  readonly followed: readonly Promise<Response | undefined>[];
  /** The origin's responses to them so far. */
  asked(): readonly ServerResponse[];
  /** Resolves when the origin is asked once more, with the number of the sidecar that asks. */
  next(): Promise<number>;
  /** Resolves when each of these sidecars' leaders has waited so many times more for another's fetch. */
  waited(sidecars: readonly SidecarProcess[], times: number): Promise<unknown>;
}

/** What `play` gives of sidecars the first of which fetches for one client; on each of them so many more wait for that. Where the
 * machine stood still and cut one of them off from Redis it is played anew, with other ones: nothing is waited for then. */
async function withCrowd<T>(
  { count, clients }: { count: number; clients: number },
  play: (crowd: Crowd) => Promise<T>,
): Promise<T> {
  return firstWhole(async (watch) => {
    tests += 1;
    const all = await Promise.all(Array.from({ length: count }, () => withSidecar({ lease: LONG_LEASE })));
    return play(await crowd(all, clients, watch(all)));
  });
}

async function crowd(sidecars: readonly SidecarProcess[], clients: number, isCutOff: () => boolean): Promise<Crowd> {
  const [first, ...others] = sidecars as [SidecarProcess, ...SidecarProcess[]];
  const ask = (sidecar: SidecarProcess) =>
    sidecar.fetch("/crowd", { headers: { "x-asked": String(sidecars.indexOf(sidecar)) } }).catch(() => undefined);
  const next = async () => {
    const before = held.length;
    await until(async () => held.length > before || isCutOff());
    return Number(origin.seen.at(-1)?.headers["x-asked"]);
  };
  const waited = async (whose: readonly SidecarProcess[], times: number) => {
    const before = await Promise.all(whose.map(leaseWaits));
    const isSo = async () =>
      (await Promise.all(whose.map(leaseWaits))).every((now, i) => now >= (before[i] ?? 0) + times);
    await vi.waitUntil(async () => isCutOff() || (await isSo()), { timeout: WAIT_MS });
  };
  const before = held.length;
  const leading = next();
  const led = ask(first);
  await leading;
  const followed = sidecars.flatMap((sidecar) => Array.from({ length: clients }, () => ask(sidecar)));
  // On each of the others one of them leads, and waits for the first sidecar.
  const areWaiting = async () =>
    (await Promise.all(sidecars.map(followers))).join() === [clients, ...others.map(() => clients - 1)].join();
  await vi.waitUntil(async () => isCutOff() || (await areWaiting()), { timeout: WAIT_MS });
  await waited(others, 1);
  return { sidecars, led, followed, asked: () => held.slice(before), next, waited };
}

const followers = (sidecar: SidecarProcess) => metric(sidecar, "forebay_followers");
const leaseWaits = (sidecar: SidecarProcess) => metric(sidecar, "forebay_lease_waits_total");

async function metric({ admin }: SidecarProcess, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (\\d+)$`, "m"))?.[1]);
}

test(
  "where the origin gives nothing but errors it is not asked for each of those who wait",
  async () => {
    const { statuses, asked } = await withCrowd({ count: 4, clients: 20 }, async (crowd) => {
      const { sidecars, led, followed, asked } = crowd;
      const second = crowd.next();
      asked()[0]?.writeHead(500).end();
      const asking = sidecars[await second];
      // Then all of them have heard of the first error, and wait for what comes of the second request.
      await crowd.waited(
        sidecars.filter((sidecar) => sidecar !== asking),
        2,
      );
      const over = answering(asked, (each) => each.writeHead(500).end());
      const answers = await Promise.all([led, ...followed]);
      await over();
      return { statuses: answers.map((answer) => answer?.status), asked: asked().length };
    });
    expect(statuses.filter((status) => status === 500)).toHaveLength(asked);
    expect(statuses.filter((status) => status === 503)).toHaveLength(81 - asked);
    // One of the first and one more; and one of a sidecar that had asked for the lease just before it heard of an error.
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(4);
  },
  ROUNDS_MS,
);

test(
  "leaders that are killed one after the other cost a request each",
  async () => {
    const { leaders, statuses, asked } = await withCrowd({ count: 3, clients: 10 }, async (crowd) => {
      const { sidecars, led, followed, asked } = crowd;
      const leaders = [0];
      for (let kills = 0; kills < 2; kills++) {
        const next = crowd.next();
        sidecars[leaders.at(-1) as number]?.process.kill("SIGKILL");
        leaders.push(await next);
      }
      const count = asked().length;
      const over = answering(asked, (each) => each.writeHead(200, FRESH).end("anew"));
      const answers = await Promise.all([led, ...followed]);
      await over();
      return { leaders, statuses: answers.map((answer) => answer?.status), asked: count };
    });
    expect(new Set(leaders)).toEqual(new Set([0, 1, 2]));
    expect(statuses[0]).toBeUndefined();
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(asked).toBe(3);
  },
  ROUNDS_MS,
);
