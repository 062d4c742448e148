// An explanation (explain/explanation.ts) in words, for a terminal. Whatever came from outside goes through `plain`.

import type { WhyNot } from "../config/near-misses.ts";
import type { Explanation, FreshnessRule, FreshnessSaid, KeySaid } from "../explain/explanation.ts";
import { storedRows } from "./explain-stored-text.ts";
import { REFUSALS } from "./explain-words.ts";
import { type Paint, plain, type Row, section } from "./terminal.ts";

/** Ends with a newline. */
export function explanationText(explanation: Explanation, paint: Paint): string {
  const { request, key, freshness, tags, invalidates, stored } = explanation;
  const head = `${paint("bold", plain(request.method))} http://${plain(request.authority)}${plain(request.target, 2000)}\n`;
  const sections: (readonly [title: string, rows: readonly Row[]])[] = [
    ["Route", routeRows(explanation, paint)],
    ["Client", clientRows(explanation)],
    ["Limits", limitRows(explanation)],
    ["Key", key === null ? [] : keyRows(key)],
    ["  ignored", key === null ? removedRows(explanation) : [...ignoredRows(key), ...removedRows(explanation)]],
    ["Freshness", freshness === null ? [] : freshnessRows(freshness, paint)],
    ["Tags", tags.map((tag) => [plain(tag)])],
    ["A write", explanation.route === null ? [] : writeRows(invalidates.tags)],
    ["Stored", stored === undefined ? [] : storedRows(stored, paint)],
  ];
  const texts = sections.map(([title, rows]) => section(title, rows, paint)).filter((text) => text !== "");
  return [head, ...texts].join("\n").replaceAll(/\n\n(?= {2}ignored)/g, "\n");
}

const WAYS: Readonly<Record<Explanation["way"], string>> = {
  read: "answered from what is stored, or fetched, and stored where it may be",
  shadow: "passed on, and its answer compared with what the cache would have given: shadow mode",
  write: "passed on; the client hears of it after what it names has been invalidated",
  pass: "passed on; nothing is stored and nothing invalidated",
  purge: "PURGE: what is stored for its path is purged, all queries and variants; the service does not hear of it",
  "purge-refused": "PURGE is not taken from there: 403 (purge.allow)",
  "no-route": "404: no route matches",
  loop: "508: it has passed this proxy again and again",
};

function routeRows({ route, way, otherRoutes }: Explanation, paint: Paint): Row[] {
  const params = Object.entries(route?.params ?? {}).map(([name, value]) => `${plain(name)} = ${plain(value)}`);
  const name = route === null ? paint("yellow", "none") : paint("green", plain(route.id));
  const others = otherRoutes.routes.map(({ id, why }): Row => ["not", plain(id), whyText(why)]);
  const count = `${otherRoutes.others} ${otherRoutes.others === 1 ? "other" : "others"}`;
  const rest = otherRoutes.others === 0 ? [] : [[others.length > 0 ? count : `${count}, not near`]];
  const about = way !== "read" && route?.isCached ? [["key, freshness, tags and what is stored: those of a GET"]] : [];
  return [[[name, ...params].join("   ")], [WAYS[way]], ...about, ...others, ...rest];
}

function whyText(why: WhyNot): string {
  switch (why.kind) {
    case "host":
      return `is for the host ${plain(why.wants)}`;
    case "segment":
      return `segment ${why.segment} is "${plain(why.got)}", not ${wanted(why.wants)}`;
    case "path-ends":
      return why.wants === ""
        ? "the path has no trailing slash"
        : `the path ends before segment ${why.segment}, ${wanted(why.wants)}`;
    case "path-goes-on":
      return `the path goes on with segment ${why.segment}, "${plain(why.got)}"`;
    case "less-specific-host":
      return `matches too, but the route for ${plain(why.than)} is the more specific`;
    case "less-specific":
      return why.than === ""
        ? "matches too, but not the trailing slash"
        : `matches too, but in segment ${why.segment} ${wanted(why.than)} is more specific than ${wanted(why.own)}`;
  }
}

/** Part of a pattern: literal text in quotes, :name and * as they are. */
function wanted(text: string): string {
  if (text === "") return "the end";
  return /^:|\*$/.test(text) ? plain(text) : `"${plain(text)}"`;
}

const SOURCES = { connection: "connection", "x-forwarded-for": "X-Forwarded-For", forwarded: "Forwarded" };
const VERDICTS: Readonly<Record<Explanation["client"]["hops"][number]["verdict"], string>> = {
  client: "the client",
  proxy: "believed: a trusted proxy",
  unreadable: "cannot be read, so who named it counts",
  "not-believed": "not believed: named by one that is no trusted proxy",
  "too-far": "not looked at: too many hops",
  shadowed: "not looked at: there is X-Forwarded-For",
};

function clientRows({ client: { counted, hops } }: Explanation): Row[] {
  return [
    [plain(counted)],
    ...hops.map(({ from, text, verdict }): Row => [plain(text, 80), SOURCES[from], VERDICTS[verdict]]),
  ];
}

function limitRows({ route, limits, client: { counted } }: Explanation): Row[] {
  if (route === null) return [];
  if (limits.length === 0) return [["none"]];
  return limits.flatMap((limit): Row[] => {
    const { name, algorithm, windowMs, burst, by, client, enforced, reserve } = limit;
    const extras = [
      ...(algorithm === "token-bucket" ? [`burst ${burst}`] : []),
      ...(reserve > 1 ? [`${reserve} at a time`] : []),
      ...(enforced ? [] : ["not enforced"]),
      ...(limit.onStoreFailure === "local" ? [] : [`without the store: ${limit.onStoreFailure}`]),
    ];
    const first = `${limit.limit} per ${windowMs / 1000} s, ${[algorithm, ...extras].join(", ")}`;
    const isStandIn = client === counted && !by.includes("ip");
    const how = `${plain(by.join(" and "))}${isStandIn ? "; missing, so the address stands in" : ""}`;
    const whose = client === null ? "not counted: excepted" : `bucket ${plain(client)} (by ${how})`;
    return [
      [plain(name), first],
      ["", whose],
    ];
  });
}

function keyRows({ parts, variant }: KeySaid): Row[] {
  const { scheme, authority, path, forwardedHost, query, headers, cookies } = parts;
  return [
    ["scheme", plain(scheme)],
    ["authority", plain(authority)],
    ...(forwardedHost === null ? [] : [["forwarded host", plain(forwardedHost)]]),
    ["path", plain(path, 2000)],
    ...(query === null || query.length === 0
      ? [["query", "none"]]
      : query.map((pair, i): Row => [i === 0 ? "query" : "", plain(pair)])),
    ...headers.map(({ name, value }): Row => [`header ${plain(name)}`, value === null ? "absent" : plain(value)]),
    ...cookies.map(
      ({ name, values }): Row => [
        `cookie ${plain(name)}`,
        values.length === 0 ? "absent" : values.map((value) => plain(value)).join(", "),
      ],
    ),
    ...(variant ?? []).map(
      ({ name, value }): Row => [`variant ${plain(name)}`, value === null ? "absent" : plain(value)],
    ),
  ];
}

function ignoredRows({ ignored: { query, headers, cookies } }: KeySaid): Row[] {
  const kinds = [
    { kind: "query", names: query },
    { kind: "headers", names: headers },
    { kind: "cookies", names: cookies },
  ];
  return kinds.flatMap(({ kind, names }) =>
    names.length === 0 ? [] : [[kind, names.map((name) => plain(name)).join(", ")]],
  );
}

function removedRows({ request: { removed } }: Explanation): Row[] {
  return removed.length === 0
    ? []
    : [
        [
          "taken away",
          `${removed.map((name) => plain(name)).join(", ")} (not from a trusted proxy, or of the connection)`,
        ],
      ];
}

const RULES: Readonly<Record<FreshnessRule["by"], string>> = {
  override: "override",
  "forebay-cache-control": "Forebay-Cache-Control",
  "cdn-cache-control": "CDN-Cache-Control",
  "cache-control": "Cache-Control",
  expires: "Expires",
  heuristic: "heuristic",
  ttl: "the route's ttl",
};

const RULE_VERDICTS: Readonly<Record<FreshnessRule["verdict"], string>> = {
  decides: "decides",
  outranked: "outranked",
  silent: "states none",
  off: "off",
  "if-stated": "decides if stated, unless one above is",
  unreadable: "malformed: counts as absent",
};

function freshnessRows({ rules, response }: FreshnessSaid, paint: Paint): Row[] {
  const shown = rules.filter(({ by, verdict }) => !(by === "override" && verdict === "off"));
  const rows = shown.map(({ by, says, lifetime, verdict }): Row => {
    const what = [says === null ? "" : plain(says, 100), lifetime === null ? "" : `${round(lifetime)} s`].filter(
      (each) => each !== "",
    );
    const said = RULE_VERDICTS[verdict];
    return [
      RULES[by],
      what.join(" → "),
      verdict === "decides" ? paint("green", said) : verdict === "if-stated" ? said : paint("dim", said),
    ];
  });
  if (response === null) return rows;
  const { status, refused, lifetime, staleWhileRevalidate, staleIfError, alwaysValidate } = response;
  if (refused !== null) return [...rows, [`a ${status} like this is not stored: ${refusalText(refused)}`]];
  const uses = [
    `fresh for ${round(lifetime ?? 0)} s`,
    ...(alwaysValidate ? ["never used without asking the origin"] : []),
    ...(staleWhileRevalidate > 0 ? [`stale-while-revalidate ${staleWhileRevalidate} s`] : []),
    ...(staleIfError > 0 ? [`stale-if-error ${staleIfError} s`] : []),
  ];
  return [...rows, [`${status}: ${uses.join(", ")}`]];
}

/** In words, with the word of Cache-Status and the log behind them. */
function refusalText(refused: string): string {
  const word = plain(refused);
  const text = Object.hasOwn(REFUSALS, refused) ? REFUSALS[refused] : undefined;
  return text === undefined ? word : `${text} (${word})`;
}

function writeRows(tags: readonly string[]): Row[] {
  return tags.map((tag): Row => ["invalidates", plain(tag), tagText(tag)]);
}

/** What a tag of a write stands for. */
function tagText(tag: string): string {
  if (tag.startsWith("path:")) return "all queries and variants of this path";
  if (tag.startsWith("pattern:")) return "every path of this host that matches";
  return tag.startsWith("tag:") ? "whatever carries this tag" : "";
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
