// What the origin serves and how the sidecars are told of it. A *subject* is something that changes: it has a version. A
// resource tells of one subject or several, and a write changes one; how the write reaches the resource is a different
// one of the fence's ways for each kind:
//
//   /items/N   its own path                      /views/N   a tag, filled in from the path
//   /lists/N   a pattern of invalidate.paths     /teams/N   a group that only responses name (RFC 9875)
//   /tagged/N  a tag that only responses name (Surrogate-Key, Cache-Tag), beside one that changes with each version
//   /quiet/N   like /items, but seldom written: what is lost there, no later write hides

import type { Random } from "./random.ts";

/** By which the sidecars are asked. */
export const HOST = "app.test";
export const ITEMS = 6;
export const TEAMS = 2;
export const LISTS = 2;
export const TAGGED = 2;
export const QUIET = 28;
/** Of the quiet ones those from here on are written now and then, in ways that leave the client without an answer. */
export const LONELY = 16;

/** How a resource may be stored. */
export type Freshness = "long" | "short";

export interface Resource {
  /** That its content tells of. */
  readonly subjects: readonly string[];
  /** That it belongs to. */
  readonly group: string | undefined;
  /** That its response names, for the caches alone. */
  readonly tag: string | undefined;
  readonly freshness: Freshness;
}

export interface Change {
  readonly subject: string;
  /** That the response names as invalidated. */
  readonly group: string | undefined;
}

const FETCH = "fetch of ";
const all = Array.from({ length: ITEMS }, (_, id) => `item${id}`);

/** What a path tells of; undefined: there is no such resource. */
export function resourceAt(path: string): Resource | undefined {
  const [, kind, id] = path.split("/");
  const freshness = Number(id) % 2 === 0 ? "long" : "short";
  const plain = { group: undefined, tag: undefined, freshness } as const;
  switch (kind) {
    case "items":
    case "views":
      return { ...plain, subjects: [`item${id}`] };
    case "lists":
      return { ...plain, subjects: all };
    case "teams":
      return { ...plain, subjects: [`team${id}`], group: `team-${id}` };
    case "tagged":
      return { ...plain, subjects: [`tagged${id}`], tag: `key-${id}` };
    case "quiet":
      return { ...plain, subjects: [`quiet${id}`], freshness: "long" };
    default:
      return undefined;
  }
}

/** What an unsafe request to a path changes. */
export function changeAt(path: string): Change | undefined {
  const [, kind, id] = path.split("/");
  if (kind === "items") return { subject: `item${id}`, group: undefined };
  if (kind === "quiet") return { subject: `quiet${id}`, group: undefined };
  if (kind === "joins") return { subject: `team${id}`, group: `team-${id}` };
  if (kind === "marks") return { subject: `tagged${id}`, group: undefined };
  return undefined;
}

/** The paths of all that an unsafe request to `path` invalidates, whether it changes anything or not. */
export function overtakenBy(path: string): readonly string[] {
  const [, kind, id] = path.split("/");
  if (kind === "items") return [path, `/views/${id}`, ...paths("lists", LISTS)];
  if (kind === "quiet") return [path];
  if (kind === "joins") return [`/teams/${id}`];
  if (kind === "marks") return [`/tagged/${id}`];
  return [];
}

/** What a response tells of its own fetch: its "version" is the time (monotonic ms) at which the origin was asked. */
export function fetchOf(path: string): string {
  return `${FETCH}${path}`;
}

export function isFetch(subject: string): boolean {
  return subject.startsWith(FETCH);
}

/** What an operator may purge, and the paths of all that this covers. */
export interface Purge {
  readonly what: Readonly<Record<string, string | true>>;
  readonly covers: readonly string[];
}

/**
 * A purge of each kind but that of everything; none of the quiet ones, since it would hide what is lost there; and none that
 * is soft, since what that promises is not a later fetch.
 */
export function purgesOf(random: Random): readonly Purge[] {
  const [item, tagged, team] = [random.below(ITEMS), random.below(TAGGED), random.below(TEAMS)];
  return [
    { what: { tag: `item:${item}` }, covers: [`/items/${item}`, `/views/${item}`] },
    { what: { tag: `key-${tagged}` }, covers: [`/tagged/${tagged}`] },
    { what: { path: `/items/${item}`, host: HOST }, covers: [`/items/${item}`] },
    { what: { url: `http://${HOST}/teams/${team}` }, covers: [`/teams/${team}`] },
    { what: { group: `team-${team}`, host: HOST }, covers: [`/teams/${team}`] },
    { what: { route: "/views/:id" }, covers: paths("views", ITEMS) },
    { what: { glob: "/list?/*" }, covers: paths("lists", LISTS) },
  ];
}

export const PURGE_OF_EVERYTHING: Purge = {
  what: { all: true },
  covers: [
    ...["items", "views"].flatMap((kind) => paths(kind, ITEMS)),
    ...paths("lists", LISTS),
    ...paths("teams", TEAMS),
    ...paths("tagged", TAGGED),
    ...paths("quiet", QUIET),
  ],
};

function paths(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, id) => `/${kind}/${id}`);
}

export interface Timing {
  /** `store.redis`, ms. */
  readonly deadlineMs: number;
  readonly writeDeadlineMs: number;
  readonly settleMs: number;
  /** `store.memory.trust`, ms. */
  readonly trustMs: number;
}

/** The configuration of a sidecar. `redis`: a line of `store.redis` that says where it is. */
export function configuration(at: { origin: string; redis: string; admin: string }, timing: Timing): string {
  return `
admin: ${at.admin}
origin: { url: "${at.origin}", connections: 256 }
log: { access: false }
store:
  redis:
    ${at.redis}
    connections: 2
    deadline: ${timing.deadlineMs}ms
    writeDeadline: ${timing.writeDeadlineMs}ms
    settle: ${timing.settleMs}ms
  fence: { slots: 65536 }
  memory: { trust: ${timing.trustMs}ms }
routes:
  - path: /items/:id
    cache: { staleIfError: 10s, tags: ["item:{id}"] }
    invalidate: { paths: ["/lists/*"], tags: ["item:{id}"] }
  - path: /views/:id
    cache: { tags: ["item:{id}"], staleIfError: 10s }
  - path: /lists/:id
    cache: {}
  - path: /teams/:id
    cache: {}
  - path: /tagged/:id
    cache: {}
  - path: /marks/:id
    invalidate: { tags: ["key-{id}"] }
  - path: /quiet/:id
    cache: { tags: ["quiet:{id}"] }
  - path: /joins/:id
`;
}
