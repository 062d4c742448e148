// Forebay as a candidate: one configuration for all scenarios (an area of paths each), in memory or above Redis.

import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ask, isHit } from "../load/asking.ts";
import { type Core, freePort, type Running, start } from "../processes.ts";
import { node } from "../programs/program.ts";
import { type Stage, untilAnswering } from "./stage.ts";

/** How this sidecar is set up. */
export interface ForebaySetup {
  readonly name: string;
  /** undefined: the store in memory, the limit held locally. */
  readonly redis?: { readonly trust: string; readonly memory: string };
  readonly nodeArguments?: readonly string[];
  /** YAML of more routes. */
  readonly moreRoutes?: string;
  /** Where it runs; "proxy" where left out. */
  readonly core?: Core;
  /** With the admin listener, and so metrics, and an access line for each request. */
  readonly isObserved?: boolean;
}

/** A running sidecar. */
interface Sidecar {
  readonly running: Running;
  readonly url: string;
  /** Of the admin listener, where there is one. */
  readonly admin: string | undefined;
  /** Puts another configuration in place of the one it has, and tells it so. */
  reload(moreRoutes: string): Promise<void>;
  /** From starting the process to its first answer. */
  readonly readyMs: number;
}

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Starts a sidecar; resolves with its first answer. Rejects where it ends or does not answer within 10 s. */
export async function startForebay(stage: Stage, setup: ForebaySetup): Promise<Sidecar> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const admin = setup.isObserved ? `127.0.0.1:${adminPort}` : undefined;
  const file = join(stage.dir, `forebay-${port}.yaml`);
  await writeFile(file, configuration(stage, { port, admin }, setup));
  const startedAt = performance.now();
  const level = setup.isObserved ? "info" : "warn";
  const args = [...(setup.nodeArguments ?? []), main, "--config", file, "--log-level", level];
  const running = start(node, args, { name: setup.name, core: setup.core ?? "proxy", env: imageEnv(stage) });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswering(running, `${url}/pass/ready`);
  const reload = async (moreRoutes: string) => {
    await writeFile(`${file}.new`, configuration(stage, { port, admin }, { ...setup, moreRoutes }));
    await rename(`${file}.new`, file);
    process.kill(running.pid, "SIGHUP");
  };
  return { running, url, admin: admin && `http://${admin}`, reload, readyMs: performance.now() - startedAt };
}

/** Resolves when a path of a cached route is answered from the cache. Rejects after 5 s. */
export async function untilHit(url: string): Promise<void> {
  const deadline = performance.now() + 5000;
  let answer = await ask(url);
  while (!isHit(answer.fields)) {
    if (performance.now() > deadline) throw new Error(`not a hit after 5 s: ${answer.fields["cache-status"]}`);
    await pause(5);
    answer = await ask(url);
  }
}

/** As in the Dockerfile: also the first file is compiled once. */
function imageEnv({ dir }: Stage) {
  return { NODE_ENV: "production", NODE_COMPILE_CACHE: join(dir, "compiled") };
}

function configuration(
  stage: Stage,
  { port, admin }: { port: number; admin: string | undefined },
  setup: ForebaySetup,
): string {
  return `
listen: 127.0.0.1:${port}
admin: ${admin ?? false}
origin: { url: "http://127.0.0.1:${stage.originPort}", connections: 128 }
store:
${store(stage, setup)}
routes:
  - path: /hit/:id
    cache: { ttl: 5m }
    rateLimit: { limit: 1000000000, window: 1h, by: ip }
  - path: /miss/:id
    cache: { ttl: 5m }
  - path: /cold/:ms/:id
    cache: { ttl: 5m }
  - path: /pass/:id
    cache: false
  - path: /pass-limited/:id
    cache: false
    rateLimit: { limit: 1000000000, window: 1h, by: ip }
  - path: /over/:id
    cache: false
    rateLimit: { limit: 1, window: 1h, by: ip }
${setup.moreRoutes ?? ""}`;
}

function store(stage: Stage, setup: ForebaySetup): string {
  if (setup.redis === undefined) return "  memory: { max: 64mb }";
  return `  redis: { url: "redis://127.0.0.1:${stage.redis?.port}/0" }
  memory: { max: ${setup.redis.memory}, trust: ${setup.redis.trust} }`;
}
