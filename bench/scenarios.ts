// The scenarios that measure throughput and CPU time: which candidates, what is asked for, what must be seen before
// anything is measured, and what is expected. The first candidate is the one the others are compared with.

import type { IncomingHttpHeaders } from "node:http";
import type { CandidateName } from "./candidates/candidates.ts";
import { isHit } from "./load/asking.ts";
import { cpuAtMost, type Expectation, nothingFailed, nothingForwarded } from "./outcome.ts";

/** A throughput scenario. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** The area of paths: each candidate treats /<area>/… as this scenario wants. */
  readonly area: "hit" | "miss" | "pass" | "pass-limited" | "over";
  /** How many different paths are asked for in turn; "unique": never one twice. */
  readonly keys: number | "unique";
  /** The status of every response that counts as a success. */
  readonly status: 200 | 429;
  readonly candidates: readonly CandidateName[];
  /** What a response must look like once every path has been asked for; undefined: it is right. */
  wrong(fields: IncomingHttpHeaders, candidate: CandidateName): string | undefined;
  readonly expects: readonly Expectation[];
}

const bare = "bare node:http";
const unlimited: readonly CandidateName[] = [bare, "origin", "nginx", "varnish"];
const plain: readonly CandidateName[] = [bare, "origin"];

export const scenarios: readonly Scenario[] = [
  {
    name: "bare",
    title: "No proxy: what node:http itself costs",
    area: "pass",
    keys: 32,
    status: 200,
    candidates: [bare, "origin"],
    wrong: () => undefined,
    expects: [nothingFailed(bare), nothingFailed("origin")],
  },
  {
    name: "memory-hit",
    title: "Hit in memory, limit held locally",
    area: "hit",
    keys: 32,
    status: 200,
    candidates: [bare, "forebay, memory", "nginx", "varnish"],
    wrong: (fields, candidate) => notHit(fields, candidate) ?? noLimit(fields, candidate),
    expects: [cpuAtMost(1.6, "forebay, memory", bare), ...noneLost("forebay, memory")],
  },
  {
    name: "metrics",
    title: "Hit in memory, with metrics and an access line for each request, against neither",
    area: "hit",
    keys: 32,
    status: 200,
    candidates: ["forebay, memory", "forebay, observed"],
    wrong: notHit,
    expects: [cpuAtMost(1.1, "forebay, observed", "forebay, memory"), ...noneLost("forebay, observed")],
  },
  {
    name: "redis-hit",
    title: "Hit with the limit and the fence asked of Redis each time",
    area: "hit",
    keys: 32,
    status: 200,
    candidates: [bare, "forebay, redis", "forebay, redis, trust 1s"],
    wrong: (fields, candidate) => notHit(fields, candidate) ?? noLimit(fields, candidate),
    expects: [cpuAtMost(3, "forebay, redis", bare), ...noneLost("forebay, redis")],
  },
  {
    name: "miss",
    title: "Miss: every path asked for once, fetched and stored",
    area: "miss",
    keys: "unique",
    status: 200,
    candidates: [bare, "forebay, memory", "forebay, redis", "nginx", "varnish"],
    wrong: (fields) => (isHit(fields) ? "a path never asked for before is called a hit" : undefined),
    expects: [nothingFailed("forebay, memory"), nothingFailed("forebay, redis")],
  },
  {
    name: "pass-through",
    title: "Pass-through: a route without cache or limit",
    area: "pass",
    keys: 32,
    status: 200,
    candidates: ["fast-proxy", "forebay, memory", "fast-proxy, undici", "nginx", "varnish"],
    wrong: (fields) => (isHit(fields) ? "passed through, but called a hit" : undefined),
    expects: [cpuAtMost(1, "forebay, memory", "fast-proxy"), nothingFailed("forebay, memory")],
  },
  {
    name: "pass-limited",
    title: "Pass-through with a limit",
    area: "pass-limited",
    keys: 32,
    status: 200,
    candidates: ["express stack", "forebay, memory", "forebay, redis", "nginx"],
    wrong: (fields, candidate) => noLimit(fields, candidate),
    expects: [cpuAtMost(1, "forebay, memory", "express stack"), nothingFailed("forebay, memory")],
  },
  {
    name: "over-limit",
    title: "429: a client far over its limit",
    area: "over",
    keys: 1,
    status: 429,
    candidates: [bare, "forebay, memory", "forebay, redis", "nginx", "express stack"],
    wrong: (fields, candidate) => noLimit(fields, candidate) ?? noRetryAfter(fields, candidate),
    expects: [cpuAtMost(2, "forebay, redis", bare), ...noneLost("forebay, redis")],
  },
];

function noneLost(candidate: CandidateName): Expectation[] {
  return [nothingFailed(candidate), nothingForwarded(candidate)];
}

function notHit(fields: IncomingHttpHeaders, candidate: CandidateName): string | undefined {
  if (plain.includes(candidate) || isHit(fields)) return undefined;
  return `not a hit: cache-status ${fields["cache-status"]}, x-cache ${fields["x-cache"]}`;
}

function noLimit(fields: IncomingHttpHeaders, candidate: CandidateName): string | undefined {
  if (unlimited.includes(candidate) || fields["x-ratelimit-limit"] !== undefined) return undefined;
  return "no X-RateLimit-Limit in the response";
}

function noRetryAfter(fields: IncomingHttpHeaders, candidate: CandidateName): string | undefined {
  if (unlimited.includes(candidate) || fields["retry-after"] !== undefined) return undefined;
  return "no Retry-After in the response";
}
