// Which routes does no request reach, which patterns do not mean what they seem to, and which writes leave something
// stored that they should not? Patterns are compared with patterns; no request is needed.

import { nearest } from "../../config/mistakes.ts";
import { parsePattern, type Segment } from "../../config/pattern.ts";
import { createRouter } from "../../config/router.ts";
import type { Config, RouteConfig } from "../../config/schema.ts";
import type { Warning } from "./rules.ts";

/** What stands for any text in a path that is made up to try a route with. */
const SAMPLE = "forebay-sample";
const ANY_HOST = "forebay.test";
const LIKE_REGEXP = /\.\+|\$$|\(\.|\)\+/; // /feed.* may well be meant

export function lintRouting({ routes }: Config): Warning[] {
  return [
    ...lintReach(routes),
    ...routes.flatMap(lintPatterns),
    ...routes.flatMap((route, index) => lintInvalidation(route, index, routes)),
    ...lintWrites(routes),
  ];
}

/** Each route is tried with paths made from its own pattern; a rest may be nothing, one segment, or deeper than any other route. */
function lintReach(routes: readonly RouteConfig[]): Warning[] {
  const match = createRouter(routes);
  const deepest = Math.max(0, ...routes.map(({ path }) => path.split("/").length));
  const rests = ["", SAMPLE, `${SAMPLE}/`.repeat(deepest) + SAMPLE];
  return routes.flatMap((route, index) => {
    const tried = rests.map((rest) => {
      const path = segmentsOf(route.path).map((segment) => sampleOf(segment, rest));
      return match(route.host ?? ANY_HOST, `/${path.join("/")}`)?.route;
    });
    if (tried.includes(route)) return [];
    const [other] = tried;
    const instead = other === undefined ? "no route matches what it describes" : `${other.id} takes what it describes`;
    const text = `is reached by no request, for ${instead} (paths are compared with dot segments resolved); write the path as it is after that`;
    return [{ rule: "unreachable-route", path: ["routes", index, "path"], text } as const];
  });
}

function sampleOf(segment: Segment, rest: string): string {
  if (segment.kind === "literal") return segment.text;
  return segment.kind === "param" ? SAMPLE : segment.prefix + rest;
}

function lintPatterns({ path, invalidate }: RouteConfig, index: number): Warning[] {
  const patterns = [
    { path: ["routes", index, "path"], pattern: path },
    ...(invalidate?.paths ?? []).map((pattern, i) => ({ path: ["routes", index, "invalidate", "paths", i], pattern })),
  ];
  return patterns.flatMap(({ path, pattern }): Warning[] => {
    if (!LIKE_REGEXP.test(pattern)) return [];
    const text = `looks like a regular expression, but ${JSON.stringify(pattern)} is taken as text: only :param and a * at the end stand for something; write ${plainer(pattern)}`;
    return [{ rule: "pattern-like-regexp", path, text }];
  });
}

function plainer(pattern: string): string {
  const guess = pattern.replace(/\$$/, "").replace(/\/\(?(?:\.\*|\.\+)\)?$/, "/*");
  return LIKE_REGEXP.test(guess) || guess === pattern ? "/users/:id or /files/*" : guess;
}

/** What is invalidated must be stored by some route, or the origin must name it. */
function lintInvalidation(route: RouteConfig, index: number, routes: readonly RouteConfig[]): Warning[] {
  const { invalidate } = route;
  if (invalidate === undefined) return [];
  const cached = routes.filter(({ cache }) => cache !== false);
  const at = (key: string, i: number) => ["routes", index, "invalidate", key, i];
  const paths = invalidate.paths.flatMap((path, i): Warning[] => {
    if (cached.some((other) => meetAt(route, path, other))) return [];
    const text = `names ${path}, of which no cached route stores anything; correct the path, or leave it out`;
    return [{ rule: "invalidates-nothing-cached", path: at("paths", i), text }];
  });
  const known = [...new Set(cached.flatMap(({ tags }) => tags))];
  const tags = invalidate.tags.flatMap((tag, i): Warning[] => {
    const near = known.includes(tag) ? undefined : nearest(tag, known);
    if (near === undefined) return []; // the origin may name it
    const text = `names ${tag}, which no cached route carries; did you mean ${near}? (allow this where the origin names it)`;
    return [{ rule: "invalidates-nothing-cached", path: at("tags", i), text }];
  });
  return [...paths, ...tags];
}

/** A write to one of a list's things changes the list. Where nothing is invalidated anywhere that is said once. */
function lintWrites(routes: readonly RouteConfig[]): Warning[] {
  const empty = routes.flatMap(({ invalidate }, index): Warning[] => {
    if (invalidate === undefined || invalidate.paths.length + invalidate.tags.length > 0) return [];
    const text = "names nothing, so a write invalidates its own path alone; name paths or tags, or leave it out";
    return [{ rule: "write-invalidates-nothing", path: ["routes", index, "invalidate"], text }];
  });
  const lists = routes.filter(({ cache, path }) => cache !== false && !path.endsWith("*"));
  const left = routes.flatMap((route, index): Warning[] => {
    const list = lists.find((other) => isListOf(other, route));
    if (list === undefined || covers(route, list)) return [];
    const text = `a write to ${route.path} leaves ${list.path} as it was stored, an old list; write invalidate: { paths: [${list.path}] }, or allow this where nothing is written through Forebay`;
    return [{ rule: "write-invalidates-nothing", path: ["routes", index, "path"], text }];
  });
  const isNew = routes.every(({ invalidate }) => invalidate === undefined);
  return [...empty, ...(isNew ? left.slice(0, 1) : left)];
}

/** /products of /products/:id, with a slash at the end or without. */
function isListOf(list: RouteConfig, route: RouteConfig): boolean {
  const found = /^(.+)\/:\w+\/?$/.exec(route.path);
  return found?.[1] === list.path.replace(/(?<=.)\/$/, "") && list.host === route.host;
}

function covers(route: RouteConfig, list: RouteConfig): boolean {
  const { paths = [], tags = [] } = route.invalidate ?? {};
  return paths.some((path) => meetAt(route, path, list)) || tags.some((tag) => list.tags.includes(tag));
}

/** Whether some path matches both; case aside, as invalidations are compared. */
function meetAt(writer: RouteConfig, path: string, stored: RouteConfig): boolean {
  const isSameHost = writer.host === undefined || stored.host === undefined || writer.host === stored.host;
  return isSameHost && meet(segmentsOf(path.toLowerCase()), segmentsOf(stored.path.toLowerCase()));
}

function meet([one, ...more]: readonly Segment[], [other, ...others]: readonly Segment[]): boolean {
  if (one === undefined && other === undefined) return true;
  if (one === undefined || other === undefined) return isNothing(one ?? other);
  if (one.kind === "rest") return mayBegin(other, one.prefix);
  if (other.kind === "rest") return mayBegin(one, other.prefix);
  if (one.kind === "literal" && other.kind === "literal" && one.text !== other.text) return false;
  return meet(more, others);
}

function mayBegin(segment: Segment, prefix: string): boolean {
  if (segment.kind === "param") return true;
  if (segment.kind === "literal") return segment.text.startsWith(prefix);
  return segment.prefix.startsWith(prefix) || prefix.startsWith(segment.prefix);
}

/** A slash at the end, or a rest that may be empty: /lists/* covers /lists. */
function isNothing(segment: Segment | undefined): boolean {
  return (
    segment === undefined ||
    (segment.kind === "rest" ? segment.prefix === "" : segment.kind === "literal" && segment.text === "")
  );
}

function segmentsOf(path: string): readonly Segment[] {
  return parsePattern(path) ?? [];
}
