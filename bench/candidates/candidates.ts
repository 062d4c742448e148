// Every candidate by the name it has in the report, and how it is started.

import { startProgram } from "../programs/program.ts";
import { type ForebaySetup, startForebay } from "./forebay.ts";
import { startNginx } from "./nginx.ts";
import { type Candidate, orSkipped, type Skipped, type Stage } from "./stage.ts";
import { startVarnish } from "./varnish.ts";

type Starter = (stage: Stage) => Promise<Candidate | Skipped>;

const starters = {
  origin: program("origin.ts", {}),
  "bare node:http": program("bare.ts", {}),
  "forebay, memory": forebay(),
  "forebay, observed": forebay(undefined, true),
  "forebay, redis": forebay({ trust: "0s", memory: "64mb" }),
  "forebay, redis, trust 1s": forebay({ trust: "1s", memory: "64mb" }),
  nginx: (stage) => startNginx(stage),
  varnish: (stage) => startVarnish(stage),
  "fast-proxy": program("fast-proxy.ts", { undici: false }),
  "fast-proxy, undici": program("fast-proxy.ts", { undici: true }),
  "express stack": program("express-stack.ts", {}),
} satisfies Record<string, Starter>;

/** What a scenario may name. */
export type CandidateName = keyof typeof starters;

/** Starts a candidate; where it is not there or does not start it is skipped with the reason. */
export function startCandidate(name: CandidateName, stage: Stage): Promise<Candidate | Skipped> {
  return orSkipped(name, () => starters[name](stage));
}

function forebay(redis?: ForebaySetup["redis"], isObserved = false): Starter {
  return async (stage) => {
    if (redis !== undefined && stage.redis === undefined) return { name: "forebay", skipped: "no redis-server found" };
    const setup: ForebaySetup = { name: "forebay", isObserved, ...(redis ? { redis } : {}) };
    const sidecar = await startForebay(stage, setup);
    return { name: "forebay", urls: [sidecar.url], roots: [sidecar.running.pid] };
  };
}

function program(file: string, settings: object): Starter {
  return async (stage) => {
    const origin = `http://127.0.0.1:${stage.originPort}`;
    const started = await startProgram(file, file, { core: "proxy", settings: { origin, ...settings } });
    return { name: file, urls: [`http://127.0.0.1:${started.port}`], roots: [started.running.pid] };
  };
}
