// Does a configuration do what its `tests` say? Each test is run on a Forebay of its own (rehearsal.ts), its steps in
// order; where an answer is not what was expected, it is said where that stands, what was expected and what came.

import type { Mistake, Path } from "../config/mistakes.ts";
import { escaped, shown } from "../config/mistakes.ts";
import type { Config } from "../config/schema.ts";
import type { RouteTest, RouteTestStep, ScriptedAnswer } from "../config/tests-schema.ts";
import { field, lines } from "../http/fields.ts";
import type { Fields, Response } from "../http/message.ts";
import { UpstreamFailure } from "../upstream/failure.ts";
import type { ForwardRequest } from "../upstream/upstream.ts";
import { type Answered, createRehearsal, type Rehearsal } from "./rehearsal.ts";

export interface Tested {
  readonly name: string;
  /** Where the test stands in the configuration. */
  readonly path: Path;
  /** What came otherwise than expected; what follows in the same test was not tried. Empty: nothing. */
  readonly failures: readonly Mistake[];
}

type Expected = RouteTestStep["expect"];

/** Requests of all tests together: minutes, at the most. */
const MAX_REQUESTS = 1_000_000;

/** Runs all tests, one after another. */
export async function runRouteTests(config: Config): Promise<Tested[]> {
  const budget = { left: MAX_REQUESTS };
  const tested: Tested[] = [];
  for (const [index, test] of config.tests.entries()) {
    const path = ["tests", index];
    tested.push({ name: nameOf(test), path, failures: await failuresOf(test, { config, path, budget }) });
  }
  return tested;
}

function nameOf({ name, steps }: RouteTest): string {
  if (name !== undefined) return name;
  const texts = steps.map(({ request, after }) => {
    if (request === undefined) return `after ${after / 1000}s`;
    const { method, target, expect } = request;
    return [method, target, ...Object.values(expect).map((value) => (value === true ? "limited" : value))].join(" ");
  });
  return texts.join(", ").slice(0, 200);
}

interface Run {
  readonly config: Config;
  readonly path: Path;
  readonly budget: { left: number };
}

async function failuresOf(test: RouteTest, { config, path, budget }: Run): Promise<Mistake[]> {
  const script = createScript(test);
  const rehearsal = createRehearsal(config, script.answer);
  for (const [index, step] of test.steps.entries()) {
    const at = test.isList ? [...path, index] : [...path, "steps", index];
    budget.left -= step.times;
    if (budget.left < 0)
      return [{ path: at, text: `all tests together send over ${MAX_REQUESTS} requests; send fewer` }];
    const failures = await take(step, rehearsal, script);
    if (failures.length > 0) return failures.map(({ key, text }) => ({ path: [...at, ...key], text }));
  }
  return [];
}

interface Failure {
  /** Where in the step. */
  readonly key: Path;
  readonly text: string;
}

async function take(step: RouteTestStep, rehearsal: Rehearsal, script: Script): Promise<Failure[]> {
  const { request, after, times } = step;
  rehearsal.pass(after);
  if (request === undefined) return [];
  script.follow(step.origin);
  const { method, scheme, authority, target } = request;
  const fields = Object.entries(step.headers).flatMap(([name, value]) => [name, String(value)]);
  for (let time = 1; time <= times; time++) {
    const asked = { method, scheme, authority, target, fields, body: step.body, client: step.client };
    const failures = judge({ ...request.expect, ...step.expect }, await rehearsal.ask(asked));
    const which = times > 1 ? ` (time ${time} of ${times})` : "";
    if (failures.length > 0) {
      return failures.map(({ key, text }) => ({ key, text: `${method} ${shortened(target)}${which}: ${text}` }));
    }
  }
  return [];
}

function judge(expected: Expected, answered: Answered): Failure[] {
  const { cache, status, limited, stored, headers = {}, body } = expected;
  const member = ownCacheStatus(answered.fields);
  const told = `status ${answered.status}, Cache-Status ${member ?? "none"}`;
  const failures: Failure[] = [];
  const fail = (key: string, wanted: string, came: string) =>
    failures.push({ key: ["expect", key], text: `expected ${wanted}, but ${came} (${told})` });
  const became = outcomes(answered, member);
  if (cache !== undefined && !became.includes(cache))
    fail("cache", cache, `it was ${became.join(", ") || "no answer of the cache"}`);
  if (status !== undefined && status !== answered.status)
    fail("status", `status ${status}`, `it was ${answered.status}`);
  if (limited !== undefined && limited !== answered.isLimited) {
    fail(
      "limited",
      limited ? "a refusal by a limit" : "no refusal by a limit",
      limited ? "it was let in" : "it was refused",
    );
  }
  const wasStored = member !== undefined && /; stored(?:;|$)/.test(member);
  if (stored !== undefined && stored !== wasStored) {
    fail("stored", stored ? "it to be stored" : "it not to be stored", stored ? "it was not" : "it was");
  }
  for (const [name, wanted] of Object.entries(headers)) {
    const text = fieldFailure(answered.fields, name, wanted);
    if (text !== undefined) failures.push({ key: ["expect", "headers", name], text: `${text} (${told})` });
  }
  if (body !== undefined && body !== answered.body)
    fail("body", `the content ${shown(body)}`, `it was ${shown(answered.body)}`);
  if (answered.broken !== undefined)
    failures.push({ key: [], text: `the content broke off: ${escaped(answered.broken)}` });
  return failures;
}

function fieldFailure(fields: Fields, name: string, wanted: string | boolean): string | undefined {
  const value = name === "set-cookie" ? lines(fields, name)[0] : field(fields, name);
  if (wanted === (typeof wanted === "boolean" ? value !== undefined : value)) return undefined;
  const said = typeof wanted === "string" ? `${name}: ${shown(wanted)}` : `${wanted ? "a" : "no"} field ${name}`;
  return `expected ${said}, but ${value === undefined ? "there was none" : `it was ${shown(value)}`}`;
}

/** Of several members ours is the last. */
function ownCacheStatus(fields: Fields): string | undefined {
  return lines(fields, "cache-status").findLast((line) => line.startsWith("forebay"));
}

/** All words of `expect.cache` that fit, the plainest first. */
function outcomes({ isLimited }: Answered, member: string | undefined): string[] {
  if (isLimited || member === undefined) return [];
  const ttl = /^forebay; hit; ttl=(-?\d+)/.exec(member)?.[1];
  if (ttl !== undefined) return [Number(ttl) < 0 || member.includes("stale-if-error") ? "stale" : "hit"];
  if (member.includes("detail=stale-if-error")) return ["stale"];
  const reason = /; fwd=([\w-]+)/.exec(member)?.[1] ?? "";
  if (reason === "bypass") return ["bypass"];
  if (reason === "method") return ["bypass", "method"];
  if (reason !== "stale") return ["miss", reason];
  return member.includes("; fwd-status=304") ? ["miss", "revalidated"] : ["miss"];
}

interface Script {
  readonly answer: (request: ForwardRequest) => Response;
  /** What this step's origin answers, instead of the test's. */
  follow(origin: ScriptedAnswer | undefined): void;
}

function createScript(test: RouteTest): Script {
  let count = 0;
  let scripted: ScriptedAnswer | undefined;
  return {
    follow(origin) {
      scripted =
        typeof origin === "object" && typeof test.origin === "object"
          ? { ...test.origin, ...origin }
          : (origin ?? test.origin);
    },
    answer({ method, fields }) {
      count++;
      if (scripted === "down") throw new UpstreamFailure("refused");
      const { status = 200, headers = {}, body = `answer ${count} of the scripted origin` } = scripted ?? {};
      const said = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
      if (status === 200 && isSame(fields, said)) return { status: 304, fields: said, content: undefined };
      const content =
        method === "HEAD" || status === 204 || status === 304 ? undefined : new TextEncoder().encode(body);
      return { status, fields: content ? [...said, "Content-Length", String(content.byteLength)] : said, content };
    },
  };
}

/** Whether the answer is what the request has already, by its ETag or date (RFC 9110 §13.1). */
function isSame(asked: Fields, said: Fields): boolean {
  const [etag, date] = [field(said, "etag"), field(said, "last-modified")];
  const noneMatch = field(asked, "if-none-match");
  if (noneMatch !== undefined) return etag !== undefined && noneMatch.includes(etag);
  return date !== undefined && field(asked, "if-modified-since") === date;
}

function shortened(target: string): string {
  return target.length > 80 ? `${target.slice(0, 80)}…` : target;
}
