// What a route may say about caching (proxy.config.yaml, routes[].cache), as the cache sees it: times in seconds as
// in RFC 9111, waits in milliseconds, sizes in bytes. config/schema.ts makes these from YAML.

export interface CachePolicy {
  /** "shadow": every request goes to the origin, and beside it the cache is run as if (shadow.ts). */
  readonly mode: "on" | "shadow";
  /** The share, 0 to 1, of the hits that the origin is asked for again, to compare (verifying.ts). */
  readonly verify: number;
  /** Freshness lifetime where the origin states none, seconds; undefined: such responses are not stored. */
  readonly ttl: number | undefined;
  /** `ttl` wins over the origin's freshness, never over no-store and private. */
  readonly override: boolean;
  /** Freshness lifetime by status code, seconds, where the origin states none. */
  readonly statuses: Readonly<Record<string, number>>;
  /** The share, 0 to 1, by which `ttl` and `statuses` are shortened at random, at most. */
  readonly jitter: number;
  /** §4.2.2: a tenth of the time since Last-Modified where nothing else is stated. */
  readonly heuristic: boolean;
  /** How many times its own fetch's duration before its end a fresh response may be fetched anew, about; 0: never. */
  readonly refreshAhead: number;
  /** Whether a client's Cache-Control may force the origin to be asked. */
  readonly clientDirectives: "honor" | "ignore";
  /** Whether a response that sets a cookie is not stored, is stored without it, or with it. */
  readonly setCookie: "refuse" | "strip" | "store";
  /** Seconds. */
  readonly staleWhileRevalidate: number;
  /** Seconds. */
  readonly staleIfError: number;
  readonly key: {
    readonly query: "all" | "none" | readonly string[];
    readonly headers: readonly string[];
    readonly cookies: readonly string[];
  };
  /** Templates: {name} stands for a path parameter of the route. */
  readonly tags: readonly string[];
  /** Whether clients get Surrogate-Key and Cache-Tag as the origin sent them. */
  readonly exposeTags: boolean;
  /** Bytes. */
  readonly maxBody: number;
  /** false: every request fetches for itself. Milliseconds; how many may follow one fetch in this process. */
  readonly collapse: { readonly wait: number; readonly lease: number; readonly followers: number } | false;
}
