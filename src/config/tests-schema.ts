// How is a route test written (tests)? A list of steps, each a request with what is expected of its answer, or time that
// passes. Part of schema.ts' one table; serve passes it over, cli/route-tests.ts runs it.

import * as z from "zod";
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
  text,
} from "./values.ts";

/** What became of a request, in the words of `expect.cache`; the last six are Cache-Status' own. */
const OUTCOMES = [
  "hit",
  "stale",
  "miss",
  "bypass",
  "uri-miss",
  "vary-miss",
  "revalidated",
  "request",
  "partial",
  "method",
] as const;

type Outcome = (typeof OUTCOMES)[number];

const MAX_TESTS = 1000;
const MAX_STEPS = 1000;
const MAX_TIMES = 10_000;
const STEP = "GET /products/1 hit";
const REQUEST_LINE =
  /^([A-Z][A-Z-]{0,31})\s+(?:(https?):\/\/([A-Za-z0-9.:[\]_-]{1,255})(?=\/))?(\/[\x21-\x7e]{0,2047})((?:\s+\S+){0,4})$/;
const DURATION_LINE = /^after\s+(\S+)$/;

export interface Line {
  readonly method: string;
  readonly scheme: "http" | "https";
  /** undefined: any host does. */
  readonly authority: string | undefined;
  readonly target: string;
  readonly expect: { readonly cache?: Outcome; readonly status?: number; readonly limited?: true };
}

const WORDS = "METHOD /path, and behind it hit, stale, miss, bypass, limited or a status";

/** METHOD target, and behind it what is expected: an outcome, a status, "limited". */
const requestLine = () => text({ name: WORDS, example: STEP, read: readLine, hint: lineHint });

function lineHint(input: unknown): string | undefined {
  const [method = "", target = "", ...words] = String(input).trim().split(/\s+/);
  const known = words.map((word) => word.toLowerCase()).filter((word) => meantBy(word) !== undefined);
  const guesses = [`${method.toUpperCase()} ${target}`, `GET ${method}`, `${method.toUpperCase()} /${target}`];
  return guesses.map((guess) => [guess, ...known].join(" ")).find((guess) => readLine(guess) !== undefined);
}

function readLine(input: string): Line | undefined {
  const found = REQUEST_LINE.exec(input.trim());
  if (found === null) return undefined;
  const [, method = "", scheme, authority, target = "", words = ""] = found;
  let expect: Line["expect"] = {};
  for (const word of words.split(/\s+/).filter((each) => each !== "")) {
    const said = meantBy(word);
    if (said === undefined || Object.keys(said).some((key) => key in expect)) return undefined;
    expect = { ...expect, ...said };
  }
  return {
    method,
    scheme: scheme === "https" ? "https" : "http",
    authority: authority?.toLowerCase(),
    target,
    expect,
  };
}

function meantBy(word: string): Line["expect"] | undefined {
  if (word === "limited") return { limited: true };
  if (/^[1-5]\d\d$/.test(word)) return { status: Number(word) };
  const cache = OUTCOMES.find((outcome) => outcome === word);
  return cache && { cache };
}

const fieldValue = () => {
  const value = formed(/^[\t\x20-\x7e]*$/, "the value of a header field", "max-age=60");
  return either([value, z.number().transform(String)], "a text or a number", "max-age=60");
};

const fields = (values: z.ZodType<string | boolean>) =>
  z.record(fieldName(), values, {
    error: ({ input }) => complaint(input, "a mapping of header fields", "{ cache-control: max-age=60 }"),
  });

const content = () =>
  z
    .string({ error: ({ input }) => complaint(input, "a text", '"hello"') })
    .max(65_536)
    .meta({ title: "text" });

const origin = () =>
  either(
    [
      oneOf(["down"]),
      mapping({
        status: count(200, 599).optional().describe("Left out: 200."),
        headers: fields(fieldValue()).optional().describe("Its header fields, Cache-Control say; none where left out."),
        body: content().optional().describe("Left out: another text for each request that reaches it."),
      }),
    ],
    "a mapping or down",
    "{ status: 200, headers: { cache-control: max-age=60 } }",
  );

const expectation = mapping({
  cache: oneOf(OUTCOMES)
    .optional()
    .describe(
      "hit, stale (answered with what is stored), miss (the origin was asked), bypass (the cache had no part), or Cache-Status' word for why.",
    ),
  status: count(100, 599).optional().describe("The status code."),
  limited: flag().optional().describe("Whether a limit refuses the request."),
  stored: flag().optional().describe("Whether the answer was stored."),
  headers: fields(either([flag(), fieldValue()], "a value, true or false", "max-age=60"))
    .optional()
    .describe("By field name: its value, `true` for any, `false` for none."),
  body: content().optional().describe("The whole content."),
});

const step = mapping({
  request: requestLine()
    .optional()
    .describe("`METHOD /path`, or with `http://host` before the path; the words of the short form may follow."),
  after: milliseconds({ to: "3650d", example: "10s" }).prefault("0s").describe("What passes on the clock before it."),
  headers: fields(fieldValue()).prefault({}).describe("Header fields of the request."),
  body: content().optional().describe("Content of the request."),
  client: formed(/^[0-9A-Fa-f.:]{2,45}$/, "an IP address", "192.0.2.1")
    .prefault("192.0.2.1")
    .describe("The address it comes from."),
  times: count(1, MAX_TIMES).prefault(1).describe("How often it is sent; what is expected is expected of each."),
  origin: origin().optional().describe("What the origin answers, for this step; key by key instead of the test's."),
  expect: expectation.prefault({}).describe("What is expected of the answer."),
}).check((context) => {
  const { request, after } = context.value;
  if (request !== undefined || after > 0) return;
  context.issues.push({
    code: "custom",
    path: ["request"],
    message: `is missing; write it as ${STEP}`,
    input: context.value,
  });
});

type LongStep = z.output<typeof step>;

const shortStep = () =>
  text({
    name: `${WORDS}; or after DURATION`,
    example: STEP,
    read: (input) => {
      const after = DURATION_LINE.exec(input.trim())?.[1];
      const read = step.safeParse(after === undefined ? { request: input } : { after });
      return read.success ? read.data : undefined;
    },
    hint: (input) => {
      const words = /^\s*(?:after|wait|sleep)\s+(\d+)\s*(ms|s|m|h|d)?/i.exec(String(input));
      return words === null ? lineHint(input) : `after ${words[1]}${words[2] ?? "s"}`;
    },
  });

const steps = () =>
  list(either([shortStep(), step], "a text or a mapping", STEP), MAX_STEPS, `[GET /a, GET /a hit]`).min(1, {
    error: () => "is empty; write it as [GET /a, GET /a hit]",
  });

/** What is written in `tests`. */
export const routeTests = () =>
  list(
    either(
      [
        steps().transform((steps) => ({ name: undefined, origin: undefined, steps, isList: true })),
        mapping({
          name: formed(/^.{1,200}$/, "a name on one line", "a write is seen at once")
            .optional()
            .describe("What it shows."),
          origin: origin().optional().describe("What the origin answers: `down`, or a mapping. Left out: 200."),
          steps: steps().describe("In order: `METHOD /path hit`, `after 10s`, or a mapping."),
        }).transform((test) => ({ ...test, isList: false })),
      ],
      "a list of steps or a mapping",
      "[GET /a, GET /a hit, POST /a, GET /a miss]",
    ),
    MAX_TESTS,
    "[[GET /a, GET /a hit]]",
  );

export type RouteTest = z.output<ReturnType<typeof routeTests>>[number];
export type RouteTestStep = LongStep;
export type ScriptedAnswer = NonNullable<LongStep["origin"]>;
