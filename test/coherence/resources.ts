// What the origin serves and how the sidecars are told of it. A *subject* is something that changes: it has a version. A
// resource tells of one subject or several, and a write changes one; how the write reaches the resource is a different
// one of the fence's ways for each kind:
//
//   /items/N   its own path                      /views/N   a tag, filled in from the path
//   /lists/N   a pattern of invalidate.paths     /teams/N   a group that only responses name (RFC 9875)
//   /quiet/N   like /items, but seldom written: what is lost there, no later write hides

export const ITEMS = 6;
export const TEAMS = 2;
export const LISTS = 2;
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
  readonly freshness: Freshness;
}

export interface Change {
  readonly subject: string;
  /** That the response names as invalidated. */
  readonly group: string | undefined;
}

const all = Array.from({ length: ITEMS }, (_, id) => `item${id}`);

/** What a path tells of; undefined: there is no such resource. */
export function resourceAt(path: string): Resource | undefined {
  const [, kind, id] = path.split("/");
  const freshness = Number(id) % 2 === 0 ? "long" : "short";
  switch (kind) {
    case "items":
    case "views":
      return { subjects: [`item${id}`], group: undefined, freshness };
    case "lists":
      return { subjects: all, group: undefined, freshness };
    case "teams":
      return { subjects: [`team${id}`], group: `team-${id}`, freshness };
    case "quiet":
      return { subjects: [`quiet${id}`], group: undefined, freshness: "long" };
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
  return undefined;
}

export interface Timing {
  /** `store.redis`, ms. */
  readonly deadlineMs: number;
  readonly writeDeadlineMs: number;
  readonly settleMs: number;
  /** `store.memory.trust`, ms. */
  readonly trustMs: number;
}

/** The configuration of the sidecar whose Redis is at `redis`. */
export function configuration(at: { origin: string; redis: string }, timing: Timing): string {
  return `
admin: false
origin: { url: "${at.origin}", connections: 256 }
log: { access: false }
store:
  redis:
    url: ${at.redis}
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
  - path: /quiet/:id
    cache: { tags: ["quiet:{id}"] }
  - path: /joins/:id
`;
}
