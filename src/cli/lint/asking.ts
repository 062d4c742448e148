// What do Redis and the origin say of themselves? Redis is asked whenever the file names one, and may take a second; the
// origin only where the user wants that (--ask), with GETs of paths that the file itself names. Where somebody does not
// answer, nothing is concluded: it is said that nobody was asked.

import type { CachePolicy } from "../../cache/policy.ts";
import { escaped } from "../../config/mistakes.ts";
import { createRouter } from "../../config/router.ts";
import type { Config } from "../../config/schema.ts";
import type { Warning } from "./rules.ts";

export interface Heard {
  readonly warnings: readonly Warning[];
  /** Who could not be asked, and why. */
  readonly notes: readonly string[];
}

const REDIS_MS = 1000;
const ORIGIN_MS = 5000;
const MAX_PATHS = 32;

/** Its eviction policy, and whether the store may live there. */
export async function askRedis({ store: { redis } }: Config): Promise<Heard> {
  if (redis === undefined) return { warnings: [], notes: [] };
  const path = ["store", "redis", redis.url ? "url" : redis.sentinel ? "sentinel" : "cluster"];
  // Loaded where it is used: 20 MB.
  const { createDialler } = await import("../../store/redis-client.ts");
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${REDIS_MS} ms`)), REDIS_MS);
  try {
    const dialler = createDialler(redis, REDIS_MS);
    try {
      const { client, risk } = await dialler.dial(late.signal);
      client.destroy();
      return { warnings: risk === undefined ? [] : [{ rule: "eviction-policy", path, text: risk }], notes: [] };
    } finally {
      dialler.close();
    }
  } catch (error) {
    const reason = escaped((late.signal.reason ?? error).message || "no connection");
    // In the words of store/server-info.ts.
    if (/\bthis (?:is|Redis is) a\b/.test(reason)) {
      return { warnings: [{ rule: "redis-unsuitable", path, text: reason }], notes: [] };
    }
    return { warnings: [], notes: [`Redis was not asked for its eviction policy: ${reason}`] };
  } finally {
    clearTimeout(timer);
  }
}

/** What it answers for the paths of cached routes that have no parameters, and for those that `tests` ask for. */
export async function askOrigin(config: Config): Promise<Heard> {
  const origin = config.origin.url[0] ?? "";
  const warnings: Warning[] = [];
  const notes: string[] = [];
  for (const { index, target } of pathsToAsk(config).slice(0, MAX_PATHS)) {
    const policy = config.routes[index]?.cache;
    if (!policy) continue;
    const answer = await got(origin + target);
    if (typeof answer === "string") notes.push(`the origin was not asked for ${target}: ${answer}`);
    else if (answer.status < 400) warnings.push(...judge(answer.headers, { policy, index, target }));
  }
  return { warnings, notes: [...new Set(notes)] };
}

function pathsToAsk({ routes, tests }: Config): { index: number; target: string }[] {
  const match = createRouter(routes);
  const written = routes.flatMap(({ path }) => (/[:*]/.test(path) ? [] : [path]));
  const tested = tests.flatMap(({ steps }) =>
    steps.flatMap(({ request }) =>
      request?.method === "GET" && request.authority === undefined ? [request.target] : [],
    ),
  );
  return [...new Set([...written, ...tested])].flatMap((target) => {
    const found = match("", target.split("?")[0] ?? "");
    return found === undefined ? [] : [{ index: routes.indexOf(found.route), target }];
  });
}

/** With a cookie, as browsers have: some origins say only then that they read it. */
async function got(url: string): Promise<Response | string> {
  try {
    const headers = { cookie: "forebay-check=1" };
    const answer = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(ORIGIN_MS) });
    await answer.body?.cancel();
    return answer;
  } catch (error) {
    const { cause, message } = error as Error;
    return escaped(cause instanceof Error && cause.message !== "" ? cause.message : message);
  }
}

interface Asked {
  readonly policy: CachePolicy;
  readonly index: number;
  readonly target: string;
}

function judge(headers: Headers, { policy, index, target }: Asked): Warning[] {
  const path = ["routes", index, "cache"];
  const vary = (headers.get("vary") ?? "").toLowerCase().split(/\s*,\s*/);
  const control = (headers.get("cache-control") ?? "").toLowerCase();
  const found: Warning[] = [];
  const say = (rule: Warning["rule"], text: string) =>
    found.push({ rule, path, text: `the origin answers ${escaped(target).slice(0, 200)} with ${text}` });
  const { cookies, headers: keyed } = policy.key;
  for (const name of ["cookie", "authorization"]) {
    const isKeyed = keyed.includes(name) || (name === "cookie" && cookies.length > 0);
    if (!vary.includes(name) || isKeyed) continue;
    const text = `Vary: ${name}, so each client has a response of its own and hits are few; name what counts in key.${name === "cookie" ? "cookies" : "headers"} and drop it from Vary, or write cache: false`;
    say("credentials-not-keyed", text);
  }
  if (vary.includes("*"))
    say(
      "origin-forbids-caching",
      "Vary: *, which nothing stored may answer; correct the origin, or write cache: false",
    );
  const forbidden = /(?:^|[\s,])(no-store|private)(?:$|[\s,=])/.exec(control)?.[1];
  if (forbidden !== undefined) {
    say(
      "origin-forbids-caching",
      `Cache-Control: ${forbidden}, which no setting overrides; correct the origin, or write cache: false`,
    );
  }
  if (headers.has("set-cookie") && policy.setCookie === "refuse") {
    say("origin-forbids-caching", "Set-Cookie, so it is not stored; correct the origin, or write setCookie: strip");
  }
  const stated = /(?:^|[\s,])((?:s-maxage|max-age)=\d+)/.exec(control)?.[1];
  if (stated !== undefined && policy.ttl !== undefined && !policy.override) {
    say("has-no-effect", `${stated}, which wins over ttl; leave ttl out, or add override: true`);
  }
  return found;
}
