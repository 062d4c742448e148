// Which keys may proxy.config.yaml have, what do they mean, what are they where left out? The one table: load.ts checks
// with it, table.ts prints it. Defaults stand here as one would write them in the file. A value keeps its key's name
// and becomes what the program counts in: seconds where RFC 9111 does, else milliseconds, and bytes.

import * as z from "zod";
import type { CachePolicy } from "../cache/policy.ts";
import { type Address, address, host, network, originUrl } from "./addresses.ts";
import { defaultRateLimits, rateLimits } from "./rate-limit-schema.ts";
import { store } from "./store-schema.ts";
import { routeTests } from "./tests-schema.ts";
import {
  complaint,
  count,
  either,
  fieldName,
  flag,
  formed,
  list,
  mapping,
  milliseconds,
  oneOf,
  pattern,
  seconds,
  share,
  size,
  text,
  token,
} from "./values.ts";

export const DEFAULT_LISTEN = "127.0.0.1:8080";
export const DEFAULT_ADMIN = "127.0.0.1:8081";

/** The one route where there are none. */
export const EVERYTHING = { path: "/*", cache: {} } as const;

const MANY = 1024;

/** Never stored: parts, and what is about the client alone (cache/storing.ts). */
const UNSTORABLE: ReadonlySet<string> = new Set(["206", "304", "416", "428", "429", "431", "511"]);

const storableStatus = () =>
  text({
    name: "a status code from 200 to 599",
    example: "404",
    form: /^[2-5]\d\d$/,
    read: (input) => (/^[2-5]\d\d$/.test(input) && !UNSTORABLE.has(input) ? input : undefined),
    wanted: (input) => (UNSTORABLE.has(input) ? "a status whose responses may be stored" : ""),
  });

const off = z.literal(false);

/** What was found instead is not said: it may be the token. */
const adminToken = () => {
  const error =
    "expected a token of 16 to 256 letters, digits and - . _ ~ + / =; write it in quotes, or as an environment variable";
  return z
    .string({ error })
    .regex(/^(?:[\w.~+/=-]{16,256})?$/, { error })
    .meta({ title: "token" });
};

const tag = () =>
  formed(/^(?:[^{}\s,]|\{[A-Za-z][A-Za-z0-9_]*\}){1,256}$/, "a tag without spaces and commas", "product:{id}");

const origin = mapping({
  url: either(
    [originUrl(), list(originUrl(), 64, "[http://127.0.0.1:3000]")],
    "a URL or a list of them",
    "http://127.0.0.1:3000",
  )
    .transform((url): readonly string[] => (typeof url === "string" ? [url] : url))
    .describe("Where the service is: one URL, or several, taken in turn."),
  connections: count(1, 65_536).prefault(128).describe("Connections to each URL, at most."),
  timeout: mapping({
    connect: milliseconds({ from: "1ms" }).prefault("2s").describe("Until a connection stands."),
    headers: milliseconds({ from: "1ms" }).prefault("15s").describe("Until the head of a response is there."),
    body: milliseconds({ from: "1ms" }).prefault("30s").describe("Between two pieces of a response's content."),
  })
    .prefault({})
    .describe("How long the origin may take."),
});

const cache = mapping({
  mode: oneOf(["on", "shadow"])
    .prefault("on")
    .describe("`shadow`: nothing is answered from the cache; what would have been is counted and compared."),
  verify: share("0.1%")
    .prefault("0%")
    .describe(
      "For which share of the hits the origin is asked again behind the client's back, to report what differs. Not with `mode: shadow`, which compares all.",
    ),
  ttl: seconds().optional().describe("Freshness lifetime where the origin states none."),
  override: flag().prefault(false).describe("`ttl` wins over the origin's freshness, never over no-store and private."),
  statuses: z
    .record(storableStatus(), seconds({ example: "10s" }), {
      error: ({ input }) => complaint(input, "a mapping of status codes to durations", "{ 404: 10s }"),
    })
    .prefault({})
    .describe("Freshness lifetime by status code. Errors are not stored unless named here."),
  jitter: share("10%")
    .prefault("0%")
    .describe("Shortens `ttl` and `statuses` by up to this much, at random, so that not all expires at once."),
  heuristic: flag()
    .prefault(false)
    .describe("RFC 9111 §4.2.2: a tenth of the time since Last-Modified, where nothing else is stated."),
  refreshAhead: count(0, 1000)
    .prefault(0)
    .describe(
      "How many times its own fetch's duration before it becomes stale a response in demand is fetched anew behind a hit, about; 0: never.",
    ),
  clientDirectives: oneOf(["honor", "ignore"])
    .prefault("honor")
    .describe("Whether a client's Cache-Control may force the origin to be asked."),
  setCookie: oneOf(["refuse", "strip", "store"])
    .prefault("refuse")
    .describe("A response with Set-Cookie: not stored, stored without that field, or with it, for every client."),
  staleWhileRevalidate: seconds({ example: "30s" })
    .prefault("0s")
    .describe("How long a stale response may be answered with while it is validated, where the origin does not say."),
  staleIfError: seconds({ example: "10m" })
    .prefault("0s")
    .describe("How long a stale response may stand in for an origin that fails, where the origin does not say."),
  key: mapping({
    query: either(
      [oneOf(["all", "none"]), list(formed(/^.{1,256}$/s, "the name of a query parameter", "page"), MANY, "[page]")],
      "all, none or a list of names",
      "[page, sort]",
    )
      .prefault("all")
      .describe("Query parameters that make another response: `all`, `none` or their names."),
    headers: list(fieldName(), 64, "[accept-language]")
      .prefault([])
      .describe("Request header fields that do, whatever Vary says."),
    cookies: list(token("the name of a cookie", "currency"), 64, "[currency]")
      .prefault([])
      .describe("Cookies that do."),
  })
    .prefault({})
    .describe("What tells responses of one path apart, besides the authority."),
  tags: list(tag(), 64, '["product:{id}"]')
    .prefault([])
    .describe("Names to invalidate by. `{id}` is the parameter `:id` of the path."),
  exposeTags: flag().prefault(false).describe("Pass Surrogate-Key and Cache-Tag of the origin on to clients."),
  maxBody: size("512mb", "1mb").prefault("1mb").describe("Longer content is passed on, not stored."),
  collapse: either(
    [
      off,
      mapping({
        wait: milliseconds()
          .prefault("5s")
          .describe(
            "How long a request waits for the fetch of another, before it asks with those whose wait is over then, too.",
          ),
        lease: milliseconds({ from: "1ms", example: "3s" })
          .prefault("3s")
          .describe("How long a sidecar that died in its fetch delays the others, at most."),
        followers: count(1, 1_000_000)
          .prefault(10_000)
          .describe(
            "How many requests may wait for one fetch, in each sidecar, and 50,000 for all its fetches; what is beyond gets a 503.",
          ),
      }),
    ],
    "a mapping or false",
    "{ wait: 5s, lease: 3s, followers: 10000 }",
  )
    .prefault({})
    .describe("Many requests for one response, one fetch; `false`: each for itself."),
});

const invalidate = mapping({
  paths: list(pattern(), MANY, '[/products, "/search*"]')
    .prefault([])
    .describe("Path patterns. A `:param` of the route's own path is filled in, any other stands for everything."),
  tags: list(tag(), MANY, '["product:{id}"]').prefault([]).describe("Tags of stored responses, `{id}` filled in."),
});

const routeKeys = {
  cache: either([off, cache], "a mapping or false", "{ ttl: 5m }")
    .optional()
    .describe("What is stored. `{}`: what the origin itself makes fresh; `false` or left out: nothing."),
  rateLimit: rateLimits()
    .optional()
    .describe(
      "How often one client may ask on this route: a limit, or a list of them. Who is refused by one takes nothing of the others.",
    ),
  invalidate: invalidate.optional().describe("What an unsafe request invalidates, besides its own path."),
  onStoreFailure: oneOf(["proceed", "refuse"])
    .prefault("proceed")
    .describe("Unsafe requests while Redis is away: take them and invalidate later, or refuse them with 503."),
};

const route = mapping({
  path: pattern().describe("Text, `:param` for one segment, `*` at the end for any rest. The most specific one wins."),
  host: host().optional().describe("Only requests for this host; without port: on any port."),
  ...routeKeys,
});

/** The whole file. Routes are checked after `defaults` was merged into them, so nothing else depends on `defaults`. */
export const fileSchema = mapping({
  listen: address(DEFAULT_LISTEN)
    .prefault(DEFAULT_LISTEN)
    .describe("Where clients connect: `host:port`, `:port` or `unix:/path`."),
  admin: either([off, address(DEFAULT_ADMIN)], "host:port or false", DEFAULT_ADMIN)
    .prefault(DEFAULT_ADMIN)
    .describe("Where health is told, and purges and events are asked for; `false` turns it off."),
  origin: either(
    [originUrl().transform((url) => origin.parse({ url })), origin],
    "a URL or a mapping",
    "http://127.0.0.1:3000",
  ).describe("The service behind: its URL, or a mapping."),
  trustedProxies: list(network(), MANY, "[loopback]")
    .prefault([])
    .describe("Whose X-Forwarded-For and Forwarded are believed: CIDRs, `loopback`, `private`."),
  purge: mapping({
    allow: list(network(), MANY, "[loopback]")
      .prefault(["loopback"])
      .describe("From where; no request that was forwarded for somebody counts."),
  })
    .optional()
    .describe("Whether PURGE on `listen` purges what is stored for its path. Left out: it is a method like any other."),
  adminToken: adminToken()
    .optional()
    .describe("What to send as `Authorization: Bearer …` to purge on `admin`. Needed where that is not on loopback."),
  store: store.prefault({}).describe("Where responses, limits and invalidations are kept."),
  rateLimit: rateLimits().optional().describe("Limits for all routes together, beside those of a route."),
  defaults: mapping({ ...routeKeys, rateLimit: defaultRateLimits().optional() })
    .optional()
    .describe("Keys of a route, for those that do not set them themselves."),
  routes: list(route, 10_000, "[{ path: /products }]")
    .prefault([EVERYTHING])
    .describe("What is done with which requests; where none matches, the answer is 404."),
  drain: milliseconds({ example: "10s" }).prefault("10s").describe("How long requests under way may take at shutdown."),
  log: mapping({
    level: oneOf(["debug", "info", "warn", "error", "silent"]).prefault("info").describe("What is worth a line."),
    access: flag().prefault(true).describe("One line for each request, at level info."),
    sample: share("1%")
      .prefault("100%")
      .describe(
        "Of which share of the requests; errors (500 and above), refusals, what broke off and what was `slow` are always written.",
      ),
    slow: milliseconds({ example: "500ms" })
      .optional()
      .describe("How long a request takes to be written whatever `sample` says; left out: none is for that."),
    format: oneOf(["auto", "json", "pretty"])
      .prefault("auto")
      .describe("JSON, or lines for a person; `auto`: for a person where stdout is a terminal."),
    query: flag().prefault(false).describe("Whether query values may be written."),
    headers: list(fieldName(), 64, "[user-agent]").prefault([]).describe("Request header fields that may be written."),
  })
    .prefault({})
    .describe("Lines on stdout."),
  tests: routeTests()
    .prefault([])
    .describe("What `forebay check` tries against a scripted origin; nothing else reads it."),
});

type File = z.output<typeof fileSchema>;

/** Frozen through and through. Durations in milliseconds, except those of a CachePolicy; sizes in bytes. */
export type Config = Readonly<Omit<File, "defaults" | "routes">> & {
  readonly listen: Address;
  readonly admin: Address | false;
  readonly routes: readonly RouteConfig[];
};

export type OriginConfig = Config["origin"];
export type RateLimitConfig = NonNullable<Config["rateLimit"]>;

export interface RouteConfig {
  /** Host and path as one text, unique: "/products/:id". */
  readonly id: string;
  /** A pattern in normal form. */
  readonly path: string;
  readonly host: string | undefined;
  readonly cache: CachePolicy | false;
  /** Those of `cache`; none without. */
  readonly tags: readonly string[];
  readonly rateLimit: RateLimitConfig | undefined;
  readonly invalidate: { readonly paths: readonly string[]; readonly tags: readonly string[] } | undefined;
  readonly onStoreFailure: "proceed" | "refuse";
}

/** The configuration that a checked file means. */
export function configFrom({ defaults: _, routes, ...rest }: File): Config {
  return { ...rest, routes: routes.map(routeFrom) };
}

function routeFrom({ path, host, cache, rateLimit, invalidate, onStoreFailure }: File["routes"][number]): RouteConfig {
  return {
    id: `${host ?? ""}${path}`,
    path,
    host,
    cache: cache ? { ...cache, ttl: cache.ttl } : false,
    tags: cache ? cache.tags : [],
    rateLimit,
    invalidate,
    onStoreFailure,
  };
}
