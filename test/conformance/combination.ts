// One run of the suite: its server as origin, Forebay in front of it as a process of its own, its client here. The client
// keeps its results in its modules and changes the tests it runs, so that this is a process too, one for each run.
// Started by run.ts, which gets the results as one message; FOREBAY_RUNTIME names the runtime of Forebay.
// Arguments: the store, and the one test to run, showing what goes over the wire (left out: all).

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { getResults, runTests } from "http-cache-tests/client/runner.mjs";
import fetch from "node-fetch";
import { freePort } from "../support/ports.ts";
import { startRedis } from "../support/redis.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";
import { type Section, sections } from "./suite.ts";
import type { Results } from "./verdicts.ts";

/** The message. */
export interface Outcome {
  readonly results: Results;
  /** The machine stood still for so long that Forebay took Redis for lost: what it did then says nothing of HTTP. */
  readonly wasStoreAway: boolean;
}

const [store = "memory", id] = process.argv.slice(2);
const endings: (() => Promise<unknown>)[] = [];
const giveUp = () => void end().finally(() => process.exit(1));

// Nobody waits for the results any more.
process.once("disconnect", giveUp);
try {
  const redis = store === "redis" ? await startStore() : "";
  const sidecar = await startForebay(await startOrigin(), redis);
  await runTests(id === undefined ? sections : only(id), fetch, false, sidecar.url);
  const wasStoreAway = sidecar.lines.some(({ msg }) => msg === "store degraded");
  process.send?.({ results: getResults(), wasStoreAway } satisfies Outcome);
} finally {
  process.off("disconnect", giveUp);
  await end();
  if (process.connected) process.disconnect?.();
}

async function startForebay(origin: string, redis: string): Promise<SidecarProcess> {
  const routes = "routes:\n  - path: /*\n    cache: { heuristic: true }\n";
  const sidecar = await startSidecarProcess(`origin: ${origin}\n${redis}${routes}`);
  endings.push(sidecar.stop);
  // Until then it answers from the origin alone, as it does while Redis is away.
  if (redis !== "") await sidecar.line(({ msg }) => msg === "store ok");
  return sidecar;
}

/** Resolves with the lines of the configuration that name it. */
async function startStore(): Promise<string> {
  const redis = await startRedis();
  endings.push(redis.stop);
  // A stalled machine is not what is tested: with the default of 50 ms it would look like a Redis that is away.
  return `store: { redis: { url: "${redis.url}", deadline: 1s } }\n`;
}

/** Starts the suite's server, which takes its settings from where npm puts them. Resolves with its URL. */
async function startOrigin(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "forebay-conformance-"));
  endings.push(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const program = fileURLToPath(import.meta.resolve("http-cache-tests/server/server.mjs"));
  const env = {
    ...process.env,
    npm_config_port: String(port),
    npm_config_protocol: "http",
    npm_config_pidfile: join(folder, "server.pid"),
  };
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "inherit"] });
  endings.push(() => stop(child));
  await said(child);
  return `http://127.0.0.1:${port}`;
}

/** Waits for the first line, which says that it listens. The later ones are for whoever looks at one test. */
async function said(child: ChildProcess): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw new Error("start the suite's server: its output is not piped");
  const ended = once(child, "exit").then(() => {
    throw new Error("start the suite's server: it ended before it served");
  });
  await Promise.race([once(stdout, "data"), ended]);
  ended.catch(() => {}); // at the end it is told to
  if (id === undefined) stdout.resume();
  else stdout.pipe(process.stdout);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

/** `dump` makes the suite show what its client and server send and get. */
function only(wanted: string): Section[] {
  return sections.map((section) => ({
    ...section,
    tests: section.tests.filter((test) => test.id === wanted).map((test) => ({ ...test, dump: true })),
  }));
}

/** Ends what was started, the last first. */
async function end(): Promise<void> {
  for (let ending = endings.pop(); ending !== undefined; ending = endings.pop()) await ending();
}
