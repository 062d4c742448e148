// How is a limit written (rateLimit, routes[].rateLimit)? What its keys mean stands in limit/plan.ts, how it is counted in
// store/limits.ts. Several limits are a list; one alone is a list of one from here on.

import type * as z from "zod";
import { network } from "./addresses.ts";
import { count, either, flag, list, mapping, milliseconds, oneOf, text } from "./values.ts";

const MOST = 1_000_000_000;
/** Each request is remembered for a window, 100 bytes in Redis: past it a client could fill it. */
const MOST_LOGGED = 10_000;
const MAX_LIMITS = 16;
const MAX_TRAITS = 8;
const MAX_EXCEPTIONS = 1024;

const TRAITS = "ip, header:NAME, cookie:NAME or a list of them";
const noTrait = () => "is empty; write it as ip";
const noLimit = () => `is empty; write it as ${SEVERAL}, or leave it out`;
const SEVERAL = "[{ limit: 10, window: 1s }, { limit: 1000, window: 1h }]";

const trait = () =>
  text({
    name: "ip, header:NAME or cookie:NAME",
    example: "header:x-api-key",
    form: /^(?:ip$|(?:header|cookie):.)/,
    read: (input) => {
      if (input === "ip" || /^cookie:[\w!#$%&'*+.^`|~-]{1,256}$/.test(input)) return input;
      return /^header:[\w!#$%&'*+.^`|~-]{1,256}$/.test(input) ? input.toLowerCase() : undefined;
    },
    hint: (input) => {
      const words = /^\s*(header|cookie)[\s:=]+([\w-]+)\s*$/i.exec(String(input));
      return words === null ? undefined : `${words[1]?.toLowerCase()}:${words[2]}`;
    },
  });

const unchecked = mapping({
  limit: count(1, MOST).describe("Requests allowed to each client per window."),
  window: milliseconds({ from: "1ms", example: "1m" }).describe("How long a window is."),
  algorithm: oneOf(["sliding-window", "fixed-window", "sliding-log", "token-bucket"])
    .prefault("sliding-window")
    .describe(
      "sliding-window: the window before counts by the share of it still covered. fixed-window: begins with a client's first request. sliding-log: exact in any window, remembers each request. token-bucket: `limit` tokens come in a window, evenly; `burst` are kept.",
    ),
  burst: count(1, MOST)
    .optional()
    .describe("With token-bucket: how many requests at once, at most. Left out: `limit`."),
  by: either([trait(), list(trait(), MAX_TRAITS, "[ip, header:x-api-key]").min(1, { error: noTrait })], TRAITS, "ip")
    .transform((by): readonly string[] => (typeof by === "string" ? [by] : by))
    .prefault("ip")
    .describe(
      "What tells clients apart: `ip` (IPv6 by /64), `header:NAME`, `cookie:NAME`, or several together. Where a value is missing, empty or sent twice the address stands in for it. Who can invent values is held by a limit by ip beside it.",
    ),
  reserve: count(1, MOST_LOGGED)
    .prefault(1)
    .describe(
      "With fixed-window or sliding-window: requests that a sidecar takes from Redis at once, to admit them without asking. Never more than the limit are admitted, possibly fewer, by as many as each sidecar does not spend before the window ends.",
    ),
  except: list(network(), MAX_EXCEPTIONS, "[10.0.0.0/8]")
    .prefault([])
    .describe("Clients that are not counted: CIDRs, `loopback`, `private`."),
  enforce: flag()
    .prefault(true)
    .describe("`false`: counted and logged (would-refuse), never refused; clients are not told of it."),
  onStoreFailure: oneOf(["local", "allow", "deny"])
    .prefault("local")
    .describe(
      "While Redis does not answer: each sidecar admits its share of the limit, or everything is allowed, or refused with 503.",
    ),
});

const rateLimit = unchecked.check((context) => {
  for (const { key, text } of mistakesIn(context.value)) {
    context.issues.push({ code: "custom", path: [key], message: text, input: context.value });
  }
});

/** One limit or several, as a list. */
export const rateLimits = () =>
  either(
    [rateLimit, list(rateLimit, MAX_LIMITS, SEVERAL).min(1, { error: noLimit })],
    "a mapping or a list of mappings",
    "{ limit: 100, window: 1m }",
  ).transform((limits) => (Array.isArray(limits) ? limits : [limits]));

/** The same in `defaults`, where keys may be missing that the routes have. */
export const defaultRateLimits = () =>
  either(
    [unchecked.partial(), list(unchecked.partial(), MAX_LIMITS, SEVERAL)],
    "a mapping or a list of mappings",
    "{ limit: 100, window: 1m }",
  );

type Limit = z.output<typeof unchecked>;

/** What is wrong between values that are each right by themselves. */
function mistakesIn({ limit, window, algorithm, burst, reserve }: Limit): { key: keyof Limit; text: string }[] {
  const mistakes: { key: keyof Limit; text: string }[] = [];
  if (burst !== undefined && algorithm !== "token-bucket") {
    mistakes.push({
      key: "burst",
      text: `has no meaning with ${algorithm}; leave it out, or write algorithm: token-bucket`,
    });
  }
  if (reserve > 1 && algorithm !== "fixed-window" && algorithm !== "sliding-window") {
    const text = `has no window to end with in ${algorithm}; leave it out, or write algorithm: sliding-window`;
    mistakes.push({ key: "reserve", text });
  }
  if (reserve > Math.max(1, limit))
    mistakes.push({ key: "reserve", text: `is more than the limit; write it as ${limit} or less` });
  if (algorithm === "sliding-log" && limit > MOST_LOGGED) {
    const text = `is more than ${MOST_LOGGED}, which sliding-log can remember; write less, or algorithm: sliding-window`;
    mistakes.push({ key: "limit", text });
  }
  if (Math.max(limit, burst ?? 0) * window > Number.MAX_SAFE_INTEGER) {
    mistakes.push({ key: "window", text: "is too long to count so many requests exactly; write a shorter one" });
  }
  return mistakes;
}
