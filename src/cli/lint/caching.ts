// What of a route's caching gives one client's answer to another, or keeps an error, or says what can never happen? Only
// what the file itself is evidence of; what an origin does is asked in asking.ts.

import type { CachePolicy } from "../../cache/policy.ts";
import type { Config } from "../../config/schema.ts";
import type { Warning } from "./rules.ts";

type At = Omit<Warning, "rule" | "path"> & { readonly rule: Warning["rule"]; readonly key: Warning["path"] };

/** Segments of a path that is about whoever asks. */
const PRIVATE =
  /^(?:accounts?|me|my|self|profiles?|carts?|baskets?|checkout|sessions?|log-?in|log-?out|sign-?in|settings|preferences|dashboard|inbox|messages|notifications|wallet|billing|invoices|payments?|orders|wish-?lists?|favou?rites|admin)$/i;
const LONG_ERROR = 30;
const LONG_REFUSAL = 3600;

/** `isWritten`: whether the file says something there, as Inspected does. */
export function lintCaching(config: Config, isWritten: (path: Warning["path"]) => boolean): Warning[] {
  const routes = config.routes.flatMap(({ cache, path }, index) => {
    if (cache === false) return [];
    const found = [
      ...lintSharing(cache, path),
      ...lintErrors(cache),
      ...lintLifetimes(cache),
      ...lintCollapsing(cache, config),
    ];
    return found.map(({ rule, key, text }) => ({ rule, path: ["routes", index, "cache", ...key], text }));
  });
  return [...routes, ...lintTrust(config, isWritten)];
}

function lintSharing({ setCookie, ttl, override, key }: CachePolicy, path: string): At[] {
  const found: At[] = [];
  if (setCookie === "store") {
    const text =
      "gives the cookie that one client was sent to every other, a session say; write strip, or refuse, or allow this where no cookie is anybody's own";
    found.push({ rule: "shares-set-cookie", key: ["setCookie"], text });
  }
  const segment = path.split("/").find((text) => PRIVATE.test(text));
  const isKeyed = key.cookies.length > 0 || key.headers.some((name) => name === "cookie" || name === "authorization");
  if (segment !== undefined && ttl !== undefined && ttl > 0 && !isKeyed) {
    const even = override ? ", even where the origin states that it is stale" : "";
    const text = `stores ${path} for every client alike${even}, though what is below "${segment}" is often of one client alone; name what tells clients apart in key.cookies or key.headers, write cache: false, or allow this where it is the same for all`;
    found.push({ rule: "private-path", key: [override ? "override" : "ttl"], text });
  }
  return found;
}

function lintErrors({ statuses }: CachePolicy): At[] {
  return Object.entries(statuses).flatMap(([status, lifetime]): At[] => {
    const at = { rule: "errors-cached", key: ["statuses", status] } as const;
    const code = Number(status);
    if (/^40[137]$/.test(status) && lifetime > 0) {
      return [{ ...at, text: `keeps what one client was refused for all of them; leave ${status} out` }];
    }
    if (code >= 500 && lifetime > LONG_ERROR) {
      return [
        { ...at, text: `keeps an error for ${lifetime}s after the origin has recovered; write ${LONG_ERROR}s or less` },
      ];
    }
    if (code >= 400 && lifetime > LONG_REFUSAL) {
      return [{ ...at, text: `keeps an error for ${lifetime}s, though what is missing may appear; write 1h or less` }];
    }
    return [];
  });
}

/** What is written and can never come to pass (freshness.ts says what wins). */
function lintLifetimes(cache: CachePolicy): At[] {
  const { ttl, override, statuses, jitter, heuristic, staleWhileRevalidate, refreshAhead } = cache;
  const found: At[] = [];
  const noEffect = (key: string, text: string) => found.push({ rule: "has-no-effect", key: [key], text });
  if (override && ttl === undefined)
    noEffect("override", "has no ttl to put above the origin's; write ttl, or leave override out");
  if (jitter > 0 && !(ttl ?? 0) && !Object.values(statuses).some((lifetime) => lifetime > 0)) {
    noEffect("jitter", "has no ttl and no statuses to shorten; write ttl, or leave jitter out");
  }
  if (refreshAhead > 0 && ttl === 0 && override)
    noEffect("refreshAhead", "never sees a fresh response with ttl: 0s; write a longer ttl");
  if (heuristic && ttl !== undefined) {
    if (override) noEffect("heuristic", "is never asked, for ttl with override wins; leave it out");
    else
      noEffect(
        "ttl",
        "loses to the heuristic wherever the origin sends Last-Modified; leave heuristic out, or add override: true",
      );
  }
  if (ttl === 0 && staleWhileRevalidate > 0 && (override || !heuristic)) {
    const text = `never lets anything be fresh: every answer of up to ${staleWhileRevalidate}s is stale, and each asks the origin behind it; write the ttl that is meant, 1s say`;
    found.push({ rule: "always-stale", key: ["ttl"], text });
  }
  return found;
}

/** The lease passes between sidecars only. */
function lintCollapsing({ collapse }: CachePolicy, { store, origin }: Config): At[] {
  if (collapse === false || store.redis === undefined) return [];
  const { wait, lease } = collapse;
  const longest = origin.timeout.connect + origin.timeout.headers;
  const found: At[] = [];
  if (lease > longest) {
    const text = `lasts ${lease}ms, longer than the origin may take (${longest}ms): a sidecar that dies delays the others longer than an origin that is down; write ${longest}ms or less`;
    found.push({ rule: "lease-outlasts-origin", key: ["collapse", "lease"], text });
  }
  if (wait > 0 && wait < lease) {
    const text = `ends after ${wait}ms, before the lease of ${lease}ms does: when a sidecar dies in a fetch, all who wait ask the origin at once; write wait longer than lease`;
    found.push({ rule: "wait-ends-before-lease", key: ["collapse", "wait"], text });
  }
  return found;
}

function lintTrust({ store, routes }: Config, isWritten: (path: Warning["path"]) => boolean): Warning[] {
  const path = ["store", "memory", "trust"];
  const trust = store.memory.trust / 1000;
  if (trust === 0) return [];
  if (store.redis === undefined) {
    if (!isWritten(path)) return [];
    const text = "is about asking Redis, and there is none; leave it out";
    return [{ rule: "has-no-effect", path, text }];
  }
  const lifetimes = routes.flatMap(({ cache }) => (cache !== false && cache.ttl ? [cache.ttl] : []));
  const shortest = Math.min(...lifetimes);
  if (trust < shortest) return [];
  const text = `lasts ${trust}s, as long as the shortest ttl (${shortest}s): memory never asks whether such a response was invalidated elsewhere, and relies on notices alone; write a shorter trust`;
  return [{ rule: "trust-outlasts-ttl", path, text }];
}
