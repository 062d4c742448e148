// What does an operator's purge name, and which tags of the fence are that? A URL and a path stand for all that is stored
// for them, in every query and variant; a route and a tag for what carries them on all hosts. A glob is widened to the
// routes whose paths it may match: nothing is searched for, and fetches under way are fenced like what is stored. A soft
// purge ends the freshness of all that, and leaves it to be used as any stale response is.

import { createGlob } from "./glob.ts";
import { MAX_GROUP_LENGTH } from "./groups.ts";
import { groupTag, namedTag, pathTag, routeTag } from "./invalidation.ts";
import { pathOf } from "./key.ts";
import { MAX_TAG_LENGTH } from "./own-tags.ts";

/** A route that may be purged, or whose paths may match. */
export interface PurgeableRoute {
  readonly id: string;
  /** Pattern, without host. */
  readonly path: string;
  readonly host: string | undefined;
}

export type Purge =
  /** undefined: everything. */
  | { readonly kind: "tags"; readonly tags: readonly string[] | undefined; readonly soft: boolean }
  | { readonly kind: "mistake"; readonly text: string };

const WANTED = 'Name one of "url", "path" or "group" with "host", "tag", "route", "glob", or write "all": true.';
const MAX_LENGTH = 16_384;
const MAX_GLOB_LENGTH = 256;
const NAMES = ["url", "path", "group", "tag", "route", "glob", "all"];

/** `what` is JSON as it came. */
export function purgeOf(what: unknown, routes: readonly PurgeableRoute[]): Purge {
  if (typeof what !== "object" || what === null || Array.isArray(what)) return mistake(WANTED);
  const asked = what as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(asked).find((key) => !NAMES.includes(key) && key !== "host" && key !== "soft");
  if (unknown !== undefined) return mistake(`${JSON.stringify(unknown.slice(0, 64))} is none of its keys. ${WANTED}`);
  const { soft = false } = asked;
  if (typeof soft !== "boolean") return mistake('"soft" is true or false.');
  const names = NAMES.filter((name) => asked[name] !== undefined);
  const [name = ""] = names;
  const value = asked[name];
  if (names.length !== 1) return mistake(WANTED);
  if (asked.host !== undefined && name !== "path" && name !== "group") {
    return mistake('"host" belongs to "path" and "group".');
  }
  if (name === "all") return value === true ? { ...tagged(undefined), soft } : mistake('Write "all": true.');
  if (typeof value !== "string" || value === "" || value.length > MAX_LENGTH) {
    return mistake(`"${name}" must be text of 1 to ${MAX_LENGTH} characters.`);
  }
  const named = OF[name]?.(value, { host: asked.host, routes }) ?? mistake(WANTED);
  return named.kind === "tags" ? { ...named, soft } : named;
}

/** What PURGE of one target means: all that is stored for its path. Elsewhere an asterisk is a wildcard there: nobody is to
 * believe that it was one here, too. */
export function purgeOfTarget(authority: string, target: string): Purge {
  if (pathOf(target).includes("*"))
    return mistake('A pattern is a "glob", for /api/purge; write a plain asterisk as %2A.');
  return { ...tagged([pathTag(authority, target)]), soft: false };
}

interface Context {
  readonly host: unknown;
  readonly routes: readonly PurgeableRoute[];
}

type Named = Omit<Extract<Purge, { kind: "tags" }>, "soft"> | Extract<Purge, { kind: "mistake" }>;

const OF: Readonly<Record<string, (value: string, context: Context) => Named>> = {
  url(value) {
    const url = /^https?:\/\//i.test(value) ? URL.parse(value) : null;
    if (url === null) return mistake('"url" must begin with http:// or https:// and name a host.');
    return purgeOfTarget(url.host, url.pathname);
  },
  path(value, { host }) {
    if (!value.startsWith("/")) return mistake('"path" must begin with /.');
    const authority = typeof host === "string" ? authorityOf(host) : undefined;
    if (authority === undefined) {
      return mistake('"path" is of one host: write "host" as well, as clients write it, or the whole "url".');
    }
    return purgeOfTarget(authority, value);
  },
  group(value, { host }) {
    if (value.length > MAX_GROUP_LENGTH) return mistake(`"group" must be text of 1 to ${MAX_GROUP_LENGTH} characters.`);
    const authority = typeof host === "string" ? authorityOf(host) : undefined;
    if (authority === undefined) return mistake('"group" is of one host: write "host" as well, as clients write it.');
    return tagged([groupTag(authority, value)]);
  },
  tag(value) {
    return value.length > MAX_TAG_LENGTH
      ? mistake(`"tag" must be text of 1 to ${MAX_TAG_LENGTH} characters.`)
      : tagged([namedTag(value)]);
  },
  route(value, { routes }) {
    if (!routes.some(({ id }) => id === value)) {
      return mistake(
        '"route" must be the path of a route as the configuration writes it, after its host if it has one.',
      );
    }
    return tagged([routeTag(value)]);
  },
  glob(value, { routes }) {
    if (value.length > MAX_GLOB_LENGTH) return mistake(`"glob" must be text of 1 to ${MAX_GLOB_LENGTH} characters.`);
    if (!/^[/*?]/.test(value)) return mistake('"glob" must begin with / or a wildcard: it is matched with paths.');
    const mayMeet = createGlob(value);
    const matched = routes.filter(({ path }) => mayMeet(path));
    if (matched.length === 0) return mistake("No path that the glob matches is of a route.");
    return tagged(matched.map(({ id }) => routeTag(id)));
  },
};

function authorityOf(host: string): string | undefined {
  if (host.length > 300 || /[\s/@?#\\]/.test(host)) return undefined;
  return URL.parse(`http://${host}`)?.host || undefined;
}

function tagged(tags: readonly string[] | undefined): Extract<Named, { kind: "tags" }> {
  return { kind: "tags", tags };
}

function mistake(text: string): Extract<Named, { kind: "mistake" }> {
  return { kind: "mistake", text };
}
