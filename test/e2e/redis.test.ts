// What sidecars promise of the Redis they share, seen from outside: how often it is asked, and that its troubles are
// nobody else's.

import { createConnection, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { freePort } from "../support/ports.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("a hundred requests for one cold key on two sidecars make one origin request, and followers are woken", async () => {
  const redis = await withRedis();
  const origin = await withOrigin((_request, response) => {
    setTimeout(() => response.setHeader("cache-control", "max-age=60").end("slow"), 100);
  });
  const yaml = configFor(origin, redis.url);
  const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
  // A machine that stands still for longer than a heartbeat or a lease cuts its sidecars off, and then nothing is promised:
  // what counts is the first burst in which it did not.
  for (let burst = 0; ; burst++) {
    const began = performance.now();
    const asked = Array.from({ length: 100 }, (_, i) => (i % 2 ? one : two).fetch(`/cold/${burst}`));
    const answers = await Promise.all(asked);
    const statuses = answers.map(({ headers }) => headers.get("cache-status") ?? "");
    const isCutOff = statuses.some((status) => /fwd-status/.test(status) && !/stored|collapsed/.test(status));
    if (isCutOff || performance.now() - began > 2000) continue;
    expect(new Set(await Promise.all(answers.map((answer) => answer.text())))).toEqual(new Set(["slow"]));
    expect(origin.count(`/cold/${burst}`)).toBe(1);
    expect(statuses.filter((status) => status.includes("collapsed")).length).toBeGreaterThan(0);
    return;
  }
});

test("a hit with a limit costs one round trip to Redis, and no command that searches or evaluates text", async () => {
  const redis = await withRedis();
  const relay = await withRelay(redis.port);
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const yaml = `${configFor(origin, relay.url)}\n    rateLimit: { limit: 1000, window: 1m }`;
  const sidecar = await withSidecar(yaml);
  for (let i = 0; i < 3; i++) await sidecar.fetch("/a");
  await untilHit(sidecar);
  const monitor = await withMonitor(redis.port);
  const before = relay.roundTrips(isOfRequests);
  const answer = await sidecar.fetch("/a");
  expect(answer.headers.get("cache-status")).toContain("; hit");
  expect(answer.headers.get("x-ratelimit-limit")).toBe("1000");
  expect(relay.roundTrips(isOfRequests) - before).toBe(1);
  const commands = (await monitor.commands()).filter((command) => isOfRequests(command));
  expect(commands.map((command) => command.split(" ")[0])).toEqual(["bitfield_ro", "evalsha"]);
});

test("a write costs two round trips to Redis, limit included: it is noted before it goes out, and invalidates", async () => {
  const redis = await withRedis();
  const relay = await withRelay(redis.port);
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const yaml = `${configFor(origin, relay.url)}\n    rateLimit: { limit: 1000, window: 1m }`;
  const sidecar = await withSidecar(yaml);
  await untilHit(sidecar);
  await sidecar.fetch("/b", { method: "POST" });
  const before = relay.roundTrips(isOfRequests);
  const written = await sidecar.fetch("/a", { method: "POST" });
  expect(written.headers.get("x-ratelimit-limit")).toBe("1000");
  expect(relay.roundTrips(isOfRequests) - before).toBeLessThanOrEqual(2);
});

test("a write that waits for a replica in vain is answered all the same, and that is in the log once a second", async () => {
  const redis = await withRedis();
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const url = "url:";
  const sidecar = await withSidecar(configFor(origin, redis.url).replace(url, `wait: { timeout: 20ms }, ${url}`));
  await untilHit(sidecar);
  const began = performance.now();
  for (let i = 0; i < 5; i++) expect((await sidecar.fetch("/a", { method: "POST" })).status).toBe(200);
  const seconds = (performance.now() - began) / 1000;
  const ready = await fetch(`${sidecar.admin}/readyz`).then((answer) => answer.text());
  expect(ready).toMatch(/\d times too few replicas in time/);
  const told = sidecar.lines.filter(({ msg }) => msg === "too few replicas have a write");
  expect(told[0]).toMatchObject({ count: 1, reason: "1 replica did not confirm it within 20 ms" });
  expect(told.length).toBeLessThanOrEqual(1 + Math.ceil(seconds));
  expect((await sidecar.fetch("/a")).headers.get("cache-status")).toContain("fwd=stale");
});

test("a hit that is not in the sidecar's memory costs one round trip too", async () => {
  const redis = await withRedis();
  const relay = await withRelay(redis.port);
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  const first = await withSidecar(configFor(origin, redis.url));
  await untilHit(first);
  const second = await withSidecar(configFor(origin, relay.url));
  let before = relay.roundTrips(isOfRequests);
  let answer = await second.fetch("/a");
  while (answer.headers.get("cache-status")?.includes("store-away")) {
    before = relay.roundTrips(isOfRequests);
    answer = await second.fetch("/a");
  }
  expect(answer.headers.get("cache-status")).toContain("; hit");
  expect(relay.roundTrips(isOfRequests) - before).toBe(1);
});

test("a hit of a response with ten tags of its own costs one round trip, in memory and not", async () => {
  const redis = await withRedis();
  const relay = await withRelay(redis.port);
  const tags = Array.from({ length: 10 }, (_, i) => `tag-${i}`).join(" ");
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").setHeader("surrogate-key", tags).end("hello");
  });
  const first = await withSidecar(configFor(origin, redis.url));
  await untilHit(first);
  // Too little memory for anything: what it knows of the tags is what it remembers from its first look.
  const yaml = configFor(origin, relay.url).replace("deadline: 1s }", "deadline: 1s }, memory: { max: 1b }");
  const second = await withSidecar(yaml);
  for (let i = 0; i < 3; i++) await untilHit(second);
  const monitor = await withMonitor(redis.port);
  const before = relay.roundTrips(isOfHits);
  const answers = [await second.fetch("/a"), await first.fetch("/a")];
  for (const { headers } of answers) expect(headers.get("cache-status")).toContain("; hit");
  expect(relay.roundTrips(isOfHits) - before).toBe(1);
  const commands = (await monitor.commands()).filter(isOfHits);
  expect(commands.map((command) => command.split(" ")[0])).toEqual(["get", "get", "bitfield_ro", "bitfield_ro"]);
  // The clock, the floor, the clock of soft purges, its path, its route and the ten.
  for (const command of commands.slice(2)) expect(command.match(/ get /g)).toHaveLength(15);
});

test("a frozen Redis fails no request, and hits return after it is thawed", async () => {
  const redis = await withRedis();
  const origin = await withOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=600").end("hello");
  });
  const sidecar = await withSidecar(configFor(origin, redis.url));
  await sidecar.fetch("/a");
  const lines = sidecar.lines.length;
  redis.freeze();
  const degraded = sidecar.line(({ msg }) => msg === "store degraded", lines);
  let isNoticed = false;
  void degraded.then(() => {
    isNoticed = true;
  });
  for (let i = 0; i < 200 || !isNoticed; i++) {
    const answer = await sidecar.fetch("/a");
    expect([answer.status, await answer.text()]).toEqual([200, "hello"]);
  }
  const since = sidecar.lines.length;
  redis.thaw();
  await sidecar.line(({ msg }) => msg === "store ok", since);
  await sidecar.fetch("/a");
  expect((await sidecar.fetch("/a")).headers.get("cache-status")).toContain("; hit");
});

test("a write taken while Redis is frozen is not forgotten when it is back", async () => {
  const redis = await withRedis();
  let version = 1;
  const origin = await withOrigin((request, response) => {
    if (request.method === "POST") version += 1;
    response.setHeader("cache-control", "max-age=600").end(`v${version}`);
  });
  const yaml = configFor(origin, redis.url);
  const [one, two] = await Promise.all([withSidecar(yaml), withSidecar(yaml)]);
  expect(await (await two.fetch("/a")).text()).toBe("v1");
  const lines = two.lines.length;
  redis.freeze();
  await one.fetch("/a", { method: "POST" });
  expect(await (await two.fetch("/a")).text()).toBe("v2");
  redis.thaw();
  await two.line(({ msg }) => msg === "store ok", lines);
  expect(await (await two.fetch("/a")).text()).toBe("v2");
});

test("a sidecar whose Redis cannot be reached at start serves, and says that it is degraded", async () => {
  const origin = await withOrigin((_request, response) => {
    response.end("hello");
  });
  const sidecar = await withSidecar(configFor(origin, `redis://127.0.0.1:${await freePort()}`), { isReachable: false });
  expect(await (await sidecar.fetch("/a")).text()).toBe("hello");
  const ready = await fetch(`${sidecar.admin}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { status: "degraded", parts: { store: { state: "degraded" } } },
  ]);
});

test("garbage in Redis under our keys reads as nothing stored", async () => {
  const redis = await withRedis();
  let version = 0;
  const origin = await withOrigin((_request, response) => {
    version += 1;
    response.setHeader("cache-control", "max-age=600").end(`v${version}`);
  });
  const first = await withSidecar(configFor(origin, redis.url));
  await untilHit(first);
  const keys = (await redis.command("KEYS", "forebay:*")) as string[];
  for (const key of keys.filter((key) => key.includes(":v:"))) await redis.command("SETRANGE", key, "20", "garbage");
  const second = await withSidecar(configFor(origin, redis.url));
  const known = version;
  expect(await (await second.fetch("/a")).text()).toBe(`v${known + 1}`);
  await untilHit(second); // what it fetched is stored after its answer
  const stored = version;
  for (const key of keys.filter((key) => key.includes("{") && !key.includes("{fence}"))) {
    await redis.command("EVAL", "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'a list')", "1", key);
  }
  const third = await withSidecar(configFor(origin, redis.url));
  expect(await (await third.fetch("/a")).text()).toBe(`v${stored + 1}`);
});

/** A machine that stands still for a moment cuts its sidecars off from Redis, for as long as they settle. */
async function untilHit(sidecar: SidecarProcess): Promise<void> {
  while (!(await sidecar.fetch("/a")).headers.get("cache-status")?.includes("; hit"));
}

function configFor({ url }: Origin, redis: string): string {
  return `
origin: ${url}
store: { redis: { url: ${redis}, deadline: 1s } }
routes:
  - path: /*
    cache: {}`;
}

async function withRedis(): Promise<TestRedis> {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  return redis;
}

async function withOrigin(handler: Parameters<typeof startOrigin>[0]): Promise<Origin> {
  const origin = await startOrigin(handler);
  cleanups.push(() => origin.close());
  return origin;
}

/** A sidecar that uses its Redis already. */
async function withSidecar(yaml: string, { isReachable = true } = {}): Promise<SidecarProcess> {
  const sidecar = await startSidecarProcess(yaml);
  cleanups.push(() => sidecar.stop());
  if (isReachable) await sidecar.line(({ msg }) => msg === "store ok");
  return sidecar;
}

/** What a sidecar sends without being asked. */
const HEARTBEAT =
  /^bitfield_ro forebay:\{fence\}:slots get u63 #0 get u63 #1 get u63 #3$|^del forebay:\{fence\}:probe$/;
const SWEEP = /^evalsha \w+ 2 forebay:\{fence\}:slots forebay:\{fence\}:w /;
const SIGN_OF_LIFE = /^(evalsha \w+ 1|zrem|zadd|zrange|zremrangebyscore|pexpire) forebay:\{fence\}:live\b/;
const OPENING = /^(hello|client|info|select|subscribe|unsubscribe|monitor|echo)\b/;

/** Neither what is stored nor what is noted: reads alone. */
function isOfHits(command: string): boolean {
  return isOfRequests(command) && !/^(?:evalsha|script|role|ping)\b/.test(command);
}

/** What sidecars tell one another, now and then (store/events.ts). */
const EVENTS = /^publish forebay:events /;

/** Of what a sidecar sends, what requests cause: everything but what it sends by itself. */
function isOfRequests(command: string): boolean {
  return ![HEARTBEAT, SWEEP, SIGN_OF_LIFE, OPENING, EVENTS].some((other) => other.test(command));
}

interface Relay {
  readonly url: string;
  /** How many times something was sent that had such a command in it. */
  roundTrips(isMeant: (command: string) => boolean): number;
}

/** Between sidecar and Redis: counts what arrives together as one. */
async function withRelay(port: number): Promise<Relay> {
  const bursts: string[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const redis = createConnection({ port, host: "127.0.0.1" });
    for (const end of [socket, redis]) {
      sockets.add(end);
      end.on("error", () => end.destroy());
    }
    socket.on("data", (bytes) => bursts.push(commandsIn(bytes.toString("latin1"))));
    socket.pipe(redis).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    url: `redis://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    roundTrips: (isMeant) => bursts.filter((burst) => burst.some(isMeant)).length,
  };
}

/** The commands in a piece of RESP, as their words. */
function commandsIn(resp: string): string[] {
  const commands = resp.split(/(?<=\n)(?=\*\d+\r\n)/);
  return commands.map((command) =>
    [...command.matchAll(/\$\d+\r\n(.*)\r\n/g)]
      .map(([, word]) => word)
      .join(" ")
      .toLowerCase(),
  );
}

/** What Redis is asked, from now on; inner calls of scripts left out. */
async function withMonitor(port: number): Promise<{ commands(): Promise<string[]> }> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  cleanups.push(() => socket.destroy());
  let text = "";
  const began = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  socket.on("data", (bytes) => {
    text += bytes;
    if (text.startsWith("+OK")) began.resolve();
    if (text.includes("the end of the test")) ended.resolve();
  });
  socket.write("MONITOR\r\n");
  await began.promise;
  return {
    async commands() {
      // Another connection's command marks the end: MONITOR tells everything in order.
      const marker = createConnection({ port, host: "127.0.0.1" });
      marker.write('ECHO "the end of the test"\r\n');
      await ended.promise;
      marker.destroy();
      const lines = text.split("\r\n").filter((line) => line.startsWith("+") && !line.includes(" lua] "));
      const words = (line: string) => [...line.slice(line.indexOf("]")).matchAll(/"([^"]*)"/g)].map(([, word]) => word);
      return lines.slice(1).map((line) => words(line).join(" ").toLowerCase());
    },
  };
}
