import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { requestIdOf } from "../src/http/forwarding.ts";
import { type AccessLine, createLog, type Log, type LogOptions } from "../src/log.ts";
import { standStill } from "./support/stand-still.ts";

const LINE: AccessLine = {
  method: "GET",
  authority: "example.com",
  target: "/products/7?token=secret",
  route: "/products/:id",
  status: 200,
  complete: true,
  cache: "hit",
  limit: "allowed",
  ms: 1.23456,
  msStore: 0.5,
  msOrigin: 0,
  requestId: "0123",
  client: "203.0.113.7",
};

/** A flush waits for the disk, which may have other work. */
const MEMORY = "/dev/shm";

let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "forebay-log-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** What is written when `say` has said it. */
async function written(say: (log: Log) => void, options: Partial<LogOptions> = {}): Promise<string> {
  const name = join(folder, `${count++}.log`);
  const file = await open(name, "a");
  const log = createLog({ level: "info", destination: file.fd, ...options });
  say(log);
  await log.flush();
  await file.close();
  return readFile(name, "utf8");
}

async function lines(say: (log: Log) => void, options: Partial<LogOptions> = {}): Promise<Record<string, unknown>[]> {
  const text = await written(say, options);
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

describe("the log", () => {
  it("is written to its end although the process stood still meanwhile", async () => {
    const name = join(folder, `${count++}.log`);
    const file = await open(name, "a");
    const log = createLog({ level: "info", destination: file.fd });
    for (let i = 0; i < 1000; i++) log.info("x".repeat(100));
    const flushed = log.flush();
    standStill(1200);
    expect(await flushed).toBe(true);
    await file.close();
    expect((await readFile(name, "utf8")).split("\n")).toHaveLength(1001);
  });

  it("writes one JSON line for each message, in order", async () => {
    const said = await lines((log) => {
      log.info("listening", { listen: "http://127.0.0.1:1", admin: null });
      log.access(LINE);
      log.warn("100 % of %s");
    });
    expect(said).toMatchObject([
      { level: "info", msg: "listening", listen: "http://127.0.0.1:1", admin: null },
      { level: "info", msg: "request" },
      { level: "warn", msg: "100 % of %s" },
    ]);
    expect(said[0]?.time).toBeTypeOf("number");
  });

  it("is printable ASCII, whatever is said", async () => {
    const detail = "\u001b[2J\u007f\u009b31m\u2028ä\n";
    const text = await written((log) => log.warn("purged", { detail }));
    expect(text).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(text)).toMatchObject({ detail });
  });

  it("leaves out what is below its level", async () => {
    const say = (log: Log) => {
      log.debug("a");
      log.info("b");
      log.access(LINE);
      log.warn("c");
      log.error("d");
    };
    const messages = async (level: LogOptions["level"]) => (await lines(say, { level })).map(({ msg }) => msg);
    expect(await messages("debug")).toEqual(["a", "b", "request", "c", "d"]);
    expect(await messages("info")).toEqual(["b", "request", "c", "d"]);
    expect(await messages("warn")).toEqual(["c", "d"]);
    expect(await messages("silent")).toEqual([]);
  });

  it("says whether access lines are wanted at all", () => {
    const wanted = (level: LogOptions["level"]) => createLog({ level, destination: 1 }).accessEnabled;
    expect((["debug", "info", "warn", "error", "silent"] as const).map(wanted)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it("writes an error with its stack and its cause", async () => {
    const error = new Error("connect to Redis: refused", { cause: new Error("ECONNREFUSED") });
    const [line] = await lines((log) => log.error("store", { error }));
    expect(line?.error).toMatchObject({ message: expect.stringContaining("ECONNREFUSED"), type: "Error" });
  });

  it("writes everything said before flush, however much", async () => {
    const said = await lines((log) => {
      for (let i = 0; i < 5000; i++) log.access({ ...LINE, requestId: `${i}` });
    });
    expect(said.map(({ id }) => id)).toEqual(Array.from({ length: 5000 }, (_, i) => `${i}`));
  });
});

describe("an access line", () => {
  it("shows of its query what was to be shown when its request ended", async () => {
    const said = await lines((log) => {
      log.access(LINE);
      log.adjust({ level: "info", showQuery: true });
      log.access(LINE);
    });
    expect(said.map(({ path }) => path)).toEqual(["/products/7?...", LINE.target]);
  });

  it("has the time at which its request ended, whenever it is written", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1000 });
    onTestFinished(() => void vi.useRealTimers());
    const said = await lines((log) => {
      log.access(LINE);
      vi.setSystemTime(1007);
      log.access(LINE);
    });
    expect(said.map(({ time }) => time)).toEqual([1000, 1007]);
  });

  it("has the route, the outcomes and the times", async () => {
    expect(await lines((log) => log.access(LINE))).toMatchObject([
      {
        method: "GET",
        host: "example.com",
        path: "/products/7?...",
        route: "/products/:id",
        status: 200,
        cache: "hit",
        limit: "allowed",
        ms: 1.23,
        msStore: 0.5,
        msOrigin: 0,
        id: "0123",
        client: "203.0.113.7",
      },
    ]);
  });

  it("shows no query unless asked to", async () => {
    expect(await written((log) => log.access(LINE))).not.toContain("token");
    expect(await lines((log) => log.access(LINE), { showQuery: true })).toMatchObject([{ path: LINE.target }]);
  });

  it("says null for what was not asked", async () => {
    const said = await lines((log) => log.access({ ...LINE, route: undefined, cache: undefined, limit: undefined }));
    expect(said).toMatchObject([{ route: null, cache: null, limit: null }]);
  });

  it("is printable ASCII in one line, whatever the client sent, and can be read back", async () => {
    const hostile = '"\\\n\r\0\u001b[2J\u007f\u009b31m\u2028ä\ud800",\n{"level":"error"}';
    const fields = ["X-Request-Id", hostile];
    const requestId = requestIdOf({ fields }, () => "made");
    const line = { ...LINE, method: hostile, authority: hostile, target: hostile, requestId };
    const text = await written((log) => log.access(line));
    expect(text).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(text)).toMatchObject({ method: hostile, host: hostile, path: hostile, id: "made" });
  });

  it("ends long values", async () => {
    const text = await written((log) => log.access({ ...LINE, target: `/${"a".repeat(64 * 1024)}` }));
    expect(text.length).toBeLessThan(2000);
  });
});

describe("an access line after others", () => {
  it("says its own values, whatever was said before", async () => {
    const others: Partial<AccessLine>[] = [
      { method: "HEAD", authority: "other.test" },
      { route: "/other", status: 404, cache: undefined, limit: "none" },
      { complete: false, status: 0 },
      { client: "203.0.113.8", traceId: "4bf92f3577b34da6a3ce929d0e0e4736" },
      { sample: 0.01, ms: 12_345.678, msStore: 0, msOrigin: 0 },
      { ms: 0.004, headers: { "user-agent": 'a"b' } },
      {},
    ];
    const said = await lines((log) => {
      for (const other of others) log.access({ ...LINE, ...other });
    });
    expect(said.map(({ time: _, ...line }) => line)).toEqual(
      others.map((other) => {
        const { authority, target: _, complete, msStore, requestId, traceId, ...rest } = { ...LINE, ...other };
        const ms = Math.round(rest.ms * 100) / 100;
        return {
          ...{
            level: "info",
            msg: "request",
            ...rest,
            host: authority,
            path: "/products/7?...",
            id: requestId,
            ms,
            msStore,
          },
          ...{ route: rest.route ?? null, cache: rest.cache ?? null, limit: rest.limit ?? null },
          ...(complete ? {} : { complete }),
          ...(traceId === undefined ? {} : { trace: traceId }),
        };
      }),
    );
  });

  it("keeps the parts of a bounded number of routes and clients", async () => {
    const said = await lines((log) => {
      for (let i = 0; i < 3000; i++)
        log.access({ ...LINE, route: `/${i % 2500}`, client: `${i}`, authority: `${i}.test` });
    });
    expect(said.map(({ route, client, host }) => [route, client, host])).toEqual(
      Array.from({ length: 3000 }, (_, i) => [`/${i % 2500}`, `${i}`, `${i}.test`]),
    );
  });
});

describe("the log for a person", () => {
  it("shows a request in one line", async () => {
    const text = await written((log) => log.access({ ...LINE, target: "/\u001b[2J" }), { pretty: true });
    expect(text).toMatch(/GET \/\\u001b\[2J .*200.* hit .*1.23 ms/);
  });

  it("shows a message with its details", async () => {
    const text = await written((log) => log.warn("store is away", { host: "redis" }), { pretty: true });
    expect(text).toContain('store is away host="redis"');
  });
});

/** A process that says 8 MB without pause, then says "said" on stderr; when told to, flushes and says what came of it. */
const TALKER = `
  import { createLog } from ${JSON.stringify(new URL("../src/log.ts", import.meta.url).href)};
  const log = createLog({ level: "info" });
  const line = ${JSON.stringify({ ...LINE, requestId: "i".repeat(1000) })};
  for (let i = 0; i < 8000; i++) {
    log.access(line);
    if (i % 20 === 0) await new Promise(setImmediate);
  }
  console.error("said", log.dropped() > 1000);
  process.stdin.once("data", async () => console.error("flushed", await log.flush()));
`;

/** A process that talks without pause into a stdout that takes nothing, and tells how long its event loop stood still. */
const BLOCKED = `
  import { createLog } from ${JSON.stringify(new URL("../src/log.ts", import.meta.url).href)};
  const log = createLog({ level: "info" });
  const line = ${JSON.stringify({ ...LINE, requestId: "i".repeat(1000) })};
  let turns = 0;
  for (let i = 0; i < 10000; i++) {
    log.access(line);
    if (i % 50 === 0) log.warn("said", { i });
    if (i % 20 === 0) await new Promise(setImmediate), turns++;
  }
  console.error(JSON.stringify({ turns, flushed: await log.flush() }));
  process.exitCode = 7;
`;

describe.skipIf(process.platform !== "linux")("a stdout that takes nothing", () => {
  it.each([
    ["a full disk", "exec 1>/dev/full", ""],
    ["a pipe whose reader has gone", "", " | true"],
    ["a closed descriptor", "exec 1>&-", ""],
  ])("neither ends the process nor is waited for: %s", async (_name, before, after) => {
    const command = `${before}\n"$NODE" --input-type=module -e "$BLOCKED"${after}`;
    const env = { ...process.env, NODE: process.execPath, BLOCKED };
    const talker = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
    const [text] = await once(talker.stderr, "data");
    expect(JSON.parse(`${text}`)).toMatchObject({ turns: 500 });
    if (talker.pid !== undefined) process.kill(-talker.pid, "SIGKILL"); // the shell, and what it started
  });
});

describe("a reader of stdout that stops", () => {
  let talker: ChildProcess & { stdin: NodeJS.WritableStream; stdout: Readable; stderr: Readable };

  /** The next line on stderr. */
  const told = async () => `${(await once(talker.stderr, "data"))[0]}`.trim();

  beforeEach(async () => {
    talker = spawn(process.execPath, ["--input-type=module", "-e", TALKER], { stdio: "pipe" });
    expect(await told()).toBe("said true"); // counted while nobody reads
  });

  afterEach(() => talker.kill("SIGKILL"));

  it("is not waited for, not even at the end", async () => {
    talker.stdin.write("flush");
    expect(await told()).toBe("flushed false");
  });

  it("is told how much it missed when it reads again", async () => {
    const read: Record<string, unknown>[] = [];
    for await (const text of createInterface(talker.stdout)) {
      const line = JSON.parse(text);
      read.push(line);
      if (line.msg !== "request") break;
    }
    const { msg, lines: missed } = read.pop() ?? {};
    expect(msg).toMatch("log lines dropped");
    expect(read.length + Number(missed)).toBe(8000);
    expect(read.length).toBeGreaterThan(1000);
    talker.stdin.write("flush");
    expect(await told()).toBe("flushed true");
  });
});
