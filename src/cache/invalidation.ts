// Which tags does a stored response carry, and which does a write invalidate (RFC 9111 §4.4, DESIGN.md "The fence")?
// Only texts are made here; the store advances their slots. A tag shared without need costs a fetch, a missing one would
// be a stale answer: so paths that any origin might take for one another share their tags, though never a key.

import type { Request } from "../http/message.ts";
import { pathOf } from "./key.ts";

/** Every method but these may change something (RFC 9110 §9.2.1): unknown ones are unsafe. */
export function isUnsafe(method: string): boolean {
  return method !== "GET" && method !== "HEAD" && method !== "OPTIONS" && method !== "TRACE";
}

/** What a route's configuration says of tags. */
export interface TaggedRoute {
  readonly id: string;
  /** Pattern: static segments, `:param`, a trailing `*`. */
  readonly path: string;
  /** Templates: {name} stands for a path parameter. */
  readonly tags: readonly string[];
  /** `paths`: patterns; a `:param` of the writing route is filled with the write's value, any other one and `*` match all. */
  readonly invalidate: { readonly paths: readonly string[]; readonly tags: readonly string[] } | undefined;
}

export type Params = Readonly<Record<string, string | undefined>>;

/**
 * Tags of the kinds that the request alone tells. `path:` and `pattern:` hold within one authority; `route:` and `tag:` name
 * what the operator named, and hold across all authorities that the routes serve. `group:` is the response's: groups.ts.
 */
export interface Tagger {
  /** The tags of what is stored in answer to `request`. */
  carried(routeId: string, request: Request, params: Params): readonly string[];
  /** The tags that an unsafe `request` invalidates. */
  invalidated(routeId: string, request: Request, params: Params): readonly string[];
}

export function createTagger(routes: readonly TaggedRoute[]): Tagger {
  const prepared = new Map(routes.map((route) => [route.id, prepare(route)]));
  const patterns = distinct(
    [...prepared.values()].flatMap((route) => route.patterns.filter((each) => !each.isLiteral)),
  );
  return {
    carried(routeId, request, params) {
      const authority = foldedHost(request.authority);
      const path = foldedPath(request.target);
      const tags = [tagOfPath(authority, path)];
      const route = prepared.get(routeId);
      if (route !== undefined) {
        tags.push(route.tag);
        for (const template of route.carried) tags.push(template(params));
      }
      for (const pattern of patterns) {
        const values = pattern.match(path);
        if (values !== undefined) tags.push(patternTag(authority, pattern, values));
      }
      return tags;
    },
    invalidated(routeId, request, params) {
      const authority = foldedHost(request.authority);
      const path = foldedPath(request.target);
      const tags = [tagOfPath(authority, path)];
      const route = prepared.get(routeId);
      if (route === undefined) return tags;
      const own = route.captured(path) ?? params;
      for (const pattern of route.patterns) tags.push(writtenTag(authority, pattern, own));
      for (const template of route.invalidated) tags.push(template(params));
      return [...new Set(tags)];
    },
  };
}

/** The tag of everything stored for one path of one authority, in all queries and variants and under all its spellings. */
export function pathTag(authority: string, target: string): string {
  return tagOfPath(foldedHost(authority), foldedPath(target));
}

/** Both folded. An escaped slash counts as one here, though not in patterns, where a parameter's value may hold it. */
function tagOfPath(authority: string, path: string): string {
  const plain = ESCAPED_SLASH.test(path) ? resolved(path.replace(ESCAPED_SLASHES, "/")) : path;
  return `path:${authority}${plain}`;
}

const ESCAPED_SLASH = /%2f|%5c|\\/;
const ESCAPED_SLASHES = /%2f|%5c|\\/g;

/** Without the dot that ends an absolute name. */
function foldedHost(authority: string): string {
  return authority.includes(".:") || authority.endsWith(".") ? authority.replace(/\.(?=:|$)/, "") : authority;
}

/** Authorities hold no space, so the two are kept apart. */
export function groupTag(authority: string, group: string): string {
  return `group:${foldedHost(authority)} ${group}`;
}

/** What routes, origins and operators call a tag, by its plain name. */
export function namedTag(name: string): string {
  return `tag:${name}`;
}

export function routeTag(routeId: string): string {
  return `route:${routeId}`;
}

/** What a client sends escaped, and an operator may write plainly. */
const NOT_IN_PATHS = /[^\x21-\x7e]+/g;

/**
 * The path of a target with all folded that some origin folds: escapes but those of slashes (all), the case (Express), a
 * trailing slash (Express, Rails), repeated slashes and dot segments (nginx).
 */
function foldedPath(target: string): string {
  const path = unescaped(pathOf(target)).toLowerCase();
  if (NEEDS_RESOLVING.test(path)) return resolved(path);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** All escapes undone that are UTF-8, but those of slashes; the others in capitals. */
function unescaped(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(ESCAPES, (run) => {
    try {
      return SLASH.test(run) ? run.toUpperCase() : decodeURIComponent(run);
    } catch {
      return run.toUpperCase();
    }
  });
}

const SLASH = /^%(?:2f|5c)$/i;
const ESCAPES = /%2f|%5c|(?:%(?!2f|5c)[\da-f]{2})+/gi;
const NEEDS_RESOLVING = /\/(?:\/|\.|%2e)/;

function resolved(path: string): string {
  const kept: string[] = [];
  for (const segment of path.replaceAll("%2e", ".").split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

interface Prepared {
  readonly tag: string;
  readonly carried: readonly Template[];
  readonly invalidated: readonly Template[];
  readonly patterns: readonly Pattern[];
  /** The folded path's values of the route's own parameters; undefined where the path is none of the route's. */
  captured(path: string): Params | undefined;
}

type Template = (params: Params) => string;

/** A pattern of `invalidate.paths` as one writing route fills it in. */
interface Pattern {
  /** Which pattern, with which parameters filled in: "/users/:id/posts/:". */
  readonly text: string;
  readonly segments: readonly Segment[];
  /** Names of the parameters filled in, in order. */
  readonly filled: readonly string[];
  /** Nothing is left open: it names one path. */
  readonly isLiteral: boolean;
  /** The folded path's values for `filled`; undefined where the path does not match. */
  match(path: string): readonly string[] | undefined;
}

type Segment =
  | { readonly kind: "static"; readonly text: string }
  | { readonly kind: "filled"; readonly name: string }
  | { readonly kind: "any" }
  /** The last one: whatever begins with `text`, slashes included. */
  | { readonly kind: "rest"; readonly text: string };

function prepare(route: TaggedRoute): Prepared {
  const own = toPattern(route.path, undefined);
  const names = new Set(own.filled);
  return {
    tag: routeTag(route.id),
    carried: route.tags.map(toTemplate),
    invalidated: (route.invalidate?.tags ?? []).map(toTemplate),
    patterns: (route.invalidate?.paths ?? []).map((path) => toPattern(path, names)),
    captured(path) {
      const values = own.match(path);
      return values && Object.fromEntries(own.filled.map((name, i) => [name, values[i]]));
    },
  };
}

function distinct(patterns: readonly Pattern[]): readonly Pattern[] {
  return [...new Map(patterns.map((pattern) => [pattern.text, pattern])).values()];
}

/** `names`: the parameters that are filled in; undefined: all. */
function toPattern(path: string, names: ReadonlySet<string> | undefined): Pattern {
  const parts = unescaped(pathOf(path.replace(NOT_IN_PATHS, encodeURIComponent))).split("/");
  if (parts.length > 2 && parts.at(-1) === "") parts.pop();
  const segments = parts.map((part, i) => toSegment(part, { isLast: i === parts.length - 1, names }));
  const prefix = prefixOf(segments);
  return {
    text: segments.map(textOf).join("/"),
    segments,
    filled: segments.flatMap((segment) => (segment.kind === "filled" ? [segment.name] : [])),
    isLiteral: segments.every((segment) => segment.kind === "static" || segment.kind === "filled"),
    match: (candidate) => (candidate.startsWith(prefix) ? matched(segments, candidate) : undefined),
  };
}

function toSegment(part: string, at: { isLast: boolean; names: ReadonlySet<string> | undefined }): Segment {
  if (at.isLast && part.endsWith("*")) return { kind: "rest", text: part.slice(0, -1).toLowerCase() };
  if (!part.startsWith(":")) return { kind: "static", text: part.toLowerCase() };
  const name = part.slice(1);
  return at.names === undefined || at.names.has(name) ? { kind: "filled", name } : { kind: "any" };
}

function textOf(segment: Segment): string {
  if (segment.kind === "any") return ":";
  if (segment.kind === "filled") return `:${segment.name}`;
  return segment.kind === "rest" ? `${segment.text}*` : segment.text;
}

/** What every path that matches begins with: most paths are told by it at once. */
function prefixOf(segments: readonly Segment[]): string {
  let prefix = "";
  for (const segment of segments) {
    if (segment.kind === "rest") return segment.text === "" ? prefix.slice(0, -1) : prefix + segment.text;
    if (segment.kind !== "static") return prefix;
    prefix += `${segment.text}/`;
  }
  return prefix.slice(0, -1);
}

function matched(segments: readonly Segment[], path: string): string[] | undefined {
  const values: string[] = [];
  let start = 0;
  for (const segment of segments) {
    // Beyond the end too: /lists/ is folded into /lists, and /lists/* covers it.
    if (segment.kind === "rest") return path.startsWith(segment.text, start) ? values : undefined;
    if (start > path.length) return undefined;
    const slash = path.indexOf("/", start);
    const end = slash === -1 ? path.length : slash;
    const part = path.slice(start, end);
    if (segment.kind === "static" && segment.text !== part) return undefined;
    if (segment.kind === "filled") values.push(part);
    start = end + 1;
  }
  return start > path.length ? values : undefined;
}

/** Values hold no slash, so slashes keep them apart. */
function patternTag(authority: string, pattern: Pattern, values: readonly string[]): string {
  return `pattern:${authority}${pattern.text} ${values.join("/")}`;
}

/** What a write invalidates by one pattern: the one path it names, or whatever matches it. */
function writtenTag(authority: string, pattern: Pattern, params: Params): string {
  const value = (name: string) => unescaped(params[name] ?? "").toLowerCase();
  if (!pattern.isLiteral) return patternTag(authority, pattern, pattern.filled.map(value));
  const parts = pattern.segments.map((segment) => (segment.kind === "filled" ? value(segment.name) : textOf(segment)));
  return tagOfPath(authority, foldedPath(parts.join("/")));
}

/** `product:{id}` with the raw value, its escapes in the one form of all paths. */
function toTemplate(text: string): Template {
  const parts = namedTag(text).split(/\{([^{}]+)\}/);
  if (parts.length === 1) return () => parts[0] as string;
  return (params) => {
    let tag = "";
    let isName = false;
    for (const part of parts) {
      tag += isName ? unescaped(params[part] ?? "") : part;
      isName = !isName;
    }
    return tag;
  };
}
