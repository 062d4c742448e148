// What /api/explain says of a request, in words. The same words as `forebay explain` prints (src/cli/explain-text.ts).

import { make } from "./drawing.js";
import { duration } from "./numbers.js";

/** An element to be shown. */
export function explanation(said) {
  const list = make("dl", "said");
  const section = (title, rows) => {
    if (rows.length === 0) return;
    const lines = rows.map((cells) =>
      make("div", "", ...cells.map((cell, i) => cellOf(cell, i === 0 && cells.length > 1))),
    );
    list.append(make("dt", "", title), make("dd", "", ...lines));
  };
  section("Route", routeRows(said));
  section("Client", clientRows(said.client));
  section("Limits", said.route === null ? [] : limitRows(said.limits));
  if (said.key !== null) section("Key", keyRows(said.key));
  section("Ignored", ignoredRows(said));
  if (said.freshness !== null) section("Freshness", freshnessRows(said.freshness));
  section(
    "Tags",
    said.tags.map((tag) => [code(tag)]),
  );
  section("A write invalidates", said.route === null ? [] : said.invalidates.tags.map((tag) => [code(tag)]));
  if (said.stored !== undefined) section("Stored", storedRows(said.stored));
  return list;
}

function cellOf(cell, isFirst) {
  const { text, ink = "" } = typeof cell === "string" ? { text: cell } : cell;
  return make("span", `${isFirst ? "first " : ""}${ink}`.trim(), text);
}

const code = (text) => ({ text, ink: "mono" });
const good = (text) => ({ text, ink: "good" });
const warn = (text) => ({ text, ink: "warn" });
const dim = (text) => ({ text, ink: "dim" });

const WAYS = {
  read: "answered from what is stored, or fetched, and stored where it may be",
  shadow: "passed on, and compared with what the cache would answer",
  write: "passed on; the client hears of it after what it names has been invalidated",
  pass: "passed on; nothing is stored and nothing invalidated",
  purge: "purged",
  "purge-refused": "403: not from there",
  "no-route": "404: no route matches",
  loop: "508: it has passed this proxy again and again",
};

function routeRows({ route, way, otherRoutes }) {
  const params = Object.entries(route?.params ?? {}).map(([name, value]) => code(`${name} = ${value}`));
  const rows = [[route === null ? warn("none") : { text: route.id, ink: "mono good" }, ...params], [WAYS[way] ?? way]];
  for (const { id, why } of otherRoutes.routes) rows.push([{ text: id, ink: "mono dim" }, dim(`not: ${whyText(why)}`)]);
  if (otherRoutes.others > 0) rows.push([dim(`${otherRoutes.others} others`)]);
  return rows;
}

function whyText(why) {
  const part = (text) => (text === "" ? "the end" : /^:|\*$/.test(text) ? text : `“${text}”`);
  switch (why.kind) {
    case "host":
      return `is for the host ${why.wants}`;
    case "segment":
      return `segment ${why.segment} is “${why.got}”, not ${part(why.wants)}`;
    case "path-ends":
      return why.wants === "" ? "the path has no trailing slash" : `the path ends before ${part(why.wants)}`;
    case "path-goes-on":
      return `the path goes on with “${why.got}”`;
    case "less-specific-host":
      return `matches too, but the route for ${why.than} is the more specific`;
    case "less-specific":
      return `matches too, but in segment ${why.segment} ${part(why.than)} is more specific than ${part(why.own)}`;
    default:
      return why.kind;
  }
}

const VERDICTS = {
  client: "the client",
  proxy: "believed: a trusted proxy",
  unreadable: "cannot be read, so who named it counts",
  "not-believed": "not believed: named by one that is no trusted proxy",
  "too-far": "not looked at: too many hops",
  shadowed: "not looked at: there is X-Forwarded-For",
};

function clientRows({ counted, hops }) {
  const trace = hops.map(({ from, text, verdict }) => [code(text), dim(from), VERDICTS[verdict] ?? verdict]);
  return [[code(counted)], ...trace];
}

function limitRows(limits) {
  if (limits.length === 0) return [["none"]];
  return limits.map(({ name, algorithm, limit, windowMs, by, client, enforced }) => {
    const whose = client === null ? "not counted: excepted" : `bucket ${client} (by ${by.join(" and ")})`;
    const rate = `${limit} per ${windowMs / 1000} s, ${algorithm}${enforced ? "" : ", not enforced"}`;
    return [code(name), rate, dim(whose)];
  });
}

function keyRows({ parts, variant }) {
  const { scheme, authority, path, forwardedHost, query, headers, cookies } = parts;
  const value = (text) => (text === null ? dim("absent") : code(text));
  return [
    [dim("scheme"), code(scheme)],
    [dim("authority"), code(authority)],
    ...(forwardedHost === null ? [] : [[dim("forwarded host"), code(forwardedHost)]]),
    [dim("path"), code(path)],
    [dim("query"), query === null || query.length === 0 ? dim("none") : code(query.join("&"))],
    ...headers.map((field) => [dim(`header ${field.name}`), value(field.value)]),
    ...cookies.map(({ name, values }) => [
      dim(`cookie ${name}`),
      value(values.length === 0 ? null : values.join(", ")),
    ]),
    ...(variant ?? []).map((field) => [dim(`variant ${field.name}`), value(field.value)]),
  ];
}

function ignoredRows({ key, request }) {
  const rows = ["query", "headers", "cookies"]
    .map((kind) => [kind, key?.ignored[kind] ?? []])
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => [dim(kind), code(names.join(", "))]);
  return request.removed.length === 0 ? rows : [...rows, [dim("taken away"), code(request.removed.join(", "))]];
}

const RULE_VERDICTS = {
  decides: "decides",
  outranked: "outranked",
  silent: "states none",
  off: "off",
  "if-stated": "decides where it is stated, and above none is",
  unreadable: "malformed: counts as absent",
};

function freshnessRows({ rules, response }) {
  const shown = rules.filter(({ by, verdict }) => !(by === "override" && verdict === "off"));
  const rows = shown.map(({ by, says, lifetime, verdict }) => {
    const what = [says, lifetime === null ? null : `${Math.round(lifetime * 10) / 10} s`].filter(
      (each) => each !== null,
    );
    const text = RULE_VERDICTS[verdict] ?? verdict;
    return [
      by === "ttl" ? "the route’s ttl" : by,
      code(what.join(" → ")),
      verdict === "decides" ? good(text) : dim(text),
    ];
  });
  if (response === null) return rows;
  const { status, refused, lifetime } = response;
  if (refused !== null) return [...rows, [warn(`a ${status} like this is not stored: ${refused}`)]];
  return [...rows, [`${status}: fresh for ${Math.round((lifetime ?? 0) * 10) / 10} s`]];
}

const DECISIONS = {
  fresh: "a request now is answered with it",
  "stale-while-revalidate": "a request now is answered with it, and it is validated behind that",
  validate: "a request now asks the origin whether it still holds",
  forward: "a request now goes to the origin",
  unsatisfiable: "a request now gets 504: only-if-cached, and nothing may be used",
};

const STATES = {
  invalidated: "invalidated: may be validated, is never used before that",
  "soft-purged": "purged softly: stale since then",
};

function storedRows({ answered, decision, reason, response, leaseMs, isShadowed }) {
  if (!answered) return [[warn("the store does not answer: a request now goes to the origin")]];
  const now = `${isShadowed ? "without shadow mode: " : ""}${DECISIONS[decision] ?? decision}${reason === null ? "" : ` (${reason})`}`;
  const lease = leaseMs === null ? [] : [[dim("lease"), `a sidecar fetches it; ${Math.round(leaseMs)} ms left`]];
  if (response === null) return [["nothing", now], ...lease];
  const { status, bytes, age, lifetime, ttl, etag, stamp, fetchedAt, state, because, tier, hits } = response;
  const where =
    tier === "redis" ? "in Redis" : `in the memory of this sidecar${hits === null ? "" : `, ${hits} hits here`}`;
  const usable = ttl < 0 ? warn("stale") : good("fresh");
  return [
    [
      dim("response"),
      `${status}, ${bytes === null ? "a digest" : `${bytes} bytes`}${etag === null ? "" : `, ETag ${etag}`}`,
    ],
    [dim("state"), state === "usable" ? usable : warn(STATES[state] ?? state)],
    ...because.map(({ tag, clock }) => [
      dim("because"),
      `${tag === "floor" ? "all was invalidated" : tag}, clock ${clock}`,
    ]),
    [
      dim("age"),
      `${age} s of ${Math.round(lifetime * 10) / 10} s; ${ttl < 0 ? `stale since ${-ttl} s` : `${ttl} s left`}`,
    ],
    [dim("fetched"), `${duration(Date.now() - fetchedAt)} ago, stamp ${stamp}`],
    [dim("where"), where],
    [dim("now"), now],
    ...lease,
  ];
}
