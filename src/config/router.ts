// Which route is a request for? A tree of path segments per host. Reading a pattern from left to right, literal text
// beats :param beats a trailing *, and a route with a host beats one without. Compared are normal forms (pattern.ts);
// a trailing slash is ignored where no pattern names it. Parameter values are slices of the path in normal form, never
// decoded further, so that two values are equal only if the origin must take them for equal.
// No cache of past answers: a match costs about as much as looking one up, and a flood of new paths cannot clear it.

import { normalPath, paramNames, parsePattern, type Segment } from "./pattern.ts";

/** What the router needs to know of a route. */
export interface Routable {
  readonly path: string;
  /** Lower-case, with or without port; undefined: any. */
  readonly host: string | undefined;
}

interface Match<Route> {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

interface Leaf<Route> {
  /** What to answer with where the pattern has no parameters. */
  readonly match: Match<Route>;
  readonly names: readonly string[];
}

interface Branch<Route> {
  readonly literals: Literals<Route>;
  /** `text*`, the longest first. */
  readonly prefixes: { readonly prefix: string; readonly leaf: Leaf<Route> }[];
  param: Branch<Route> | undefined;
  /** `*` alone. */
  rest: Leaf<Route> | undefined;
  end: Leaf<Route> | undefined;
}

/**
 * The returned function takes an authority (lower-case, as in Request) and a path without query, whatever a client
 * typed; undefined: no route. It never throws. Of two routes of the same shape the first wins; load.ts refuses those.
 */
export function createRouter<Route extends Routable>(
  routes: readonly Route[],
): (authority: string, path: string) => Match<Route> | undefined {
  const hosts = new Map<string, Branch<Route>>();
  const anyHost = sprout<Route>();
  for (const route of routes) add(route.host === undefined ? anyHost : hostBranch(hosts, route.host), route);
  const find = createFinder<Route>();
  if (hosts.size === 0) return (_, path) => find(anyHost, path);
  return (authority, path) =>
    find(hosts.get(authority), path) ?? find(hosts.get(hostOf(authority)), path) ?? find(anyHost, path);
}

function hostBranch<Route>(hosts: Map<string, Branch<Route>>, host: string): Branch<Route> {
  const branch = hosts.get(host) ?? sprout<Route>();
  hosts.set(host, branch);
  return branch;
}

/** Without port, and without the dot that ends an absolute name. */
export function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  const host = colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

function sprout<Route>(): Branch<Route> {
  return { literals: new Literals(), prefixes: [], param: undefined, rest: undefined, end: undefined };
}

function add<Route extends Routable>(root: Branch<Route>, route: Route): void {
  const segments = parsePattern(route.path);
  if (segments === undefined) throw new TypeError(`Not a path pattern: ${route.path}`);
  const leaf = { match: Object.freeze({ route, params: Object.freeze({}) }), names: paramNames(segments) };
  const branch = segments.reduce(grow, root);
  const last = segments.at(-1);
  if (last?.kind !== "rest") branch.end ??= leaf;
  else if (last.prefix === "") branch.rest ??= leaf;
  else addPrefix(branch, last.prefix, leaf);
}

function grow<Route>(branch: Branch<Route>, segment: Segment): Branch<Route> {
  if (segment.kind === "rest") return branch;
  if (segment.kind === "literal") return branch.literals.add(segment.text);
  branch.param ??= sprout<Route>();
  return branch.param;
}

function addPrefix<Route>({ prefixes }: Branch<Route>, prefix: string, leaf: Leaf<Route>): void {
  if (prefixes.some((other) => other.prefix === prefix)) return;
  prefixes.push({ prefix, leaf });
  prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
}

/** Comparing with a few texts where they stand is faster than cutting the segment out and hashing it. */
const FEW = 8;

/** The branches for literal text. */
class Literals<Route> {
  readonly #all = new Map<string, Branch<Route>>();
  readonly #list: { readonly text: string; readonly branch: Branch<Route> }[] = [];

  add(text: string): Branch<Route> {
    const known = this.#all.get(text);
    if (known !== undefined) return known;
    const branch = sprout<Route>();
    this.#all.set(text, branch);
    this.#list.push({ text, branch });
    return branch;
  }

  /** The branch for the segment of `path` from `start` to `end`. */
  at(path: string, start: number, end: number): Branch<Route> | undefined {
    if (this.#list.length > FEW) return this.#all.get(path.slice(start, end));
    for (const { text, branch } of this.#list) {
      if (text.length === end - start && path.startsWith(text, start)) return branch;
    }
    return undefined;
  }
}

/** Every branch is visited once at most, for it belongs to one place in the path. Depth is that of the patterns. */
function createFinder<Route>(): (root: Branch<Route> | undefined, path: string) => Match<Route> | undefined {
  const values: string[] = []; // of the parameters on the way to the branch being looked at
  return (root, path) => {
    if (root === undefined || !path.startsWith("/")) return undefined;
    values.length = 0;
    const leaf = search(root, normalPath(path), 1);
    return leaf === undefined || leaf.names.length === 0 ? leaf?.match : matchWith(leaf);
  };

  function search(branch: Branch<Route>, path: string, start: number): Leaf<Route> | undefined {
    const slash = path.indexOf("/", start);
    const end = slash < 0 ? path.length : slash;
    const literal = branch.literals.at(path, start, end);
    const found = literal && below(literal, path, slash);
    if (found !== undefined) return found;
    for (const { prefix, leaf } of branch.prefixes) if (path.startsWith(prefix, start)) return leaf;
    if (start === end) return branch.rest ?? (slash < 0 ? branch.end : undefined);
    if (branch.param === undefined) return branch.rest;
    values.push(path.slice(start, end));
    const taken = below(branch.param, path, slash);
    if (taken !== undefined) return taken;
    values.pop();
    return branch.rest;
  }

  function below(branch: Branch<Route>, path: string, slash: number): Leaf<Route> | undefined {
    return slash < 0 ? branch.end : search(branch, path, slash + 1);
  }

  function matchWith({ match, names }: Leaf<Route>): Match<Route> {
    const params: Record<string, string> = {};
    for (let index = 0; index < names.length; index++) params[names[index] ?? ""] = values[index] ?? "";
    return { route: match.route, params };
  }
}
