// What kinds of things happen in a sidecar that others, and an operator, are told of? And how is one that came over the
// wire read: whoever can write to Redis can write anything.

/** `tags` undefined: everything. Of many tags the first few are told, and how many `more` there are. */
interface Named {
  readonly tags: readonly string[] | undefined;
  readonly more: number;
}

export type Happening =
  /** So many responses were stored since this was last told. */
  | { readonly kind: "stored"; readonly count: number }
  /** By a write. */
  | ({ readonly kind: "invalidated" } & Named)
  /** By an operator. */
  | ({ readonly kind: "purged"; readonly clock: number; readonly soft?: boolean } & Named)
  /** So many requests to a route were over a limit since this was last told. */
  | { readonly kind: "refused"; readonly route: string; readonly count: number }
  /** The store is left alone for a while, and why; or it is in use again. */
  | { readonly kind: "breaker"; readonly open: boolean; readonly reason: string };

const MAX_TAGS = 10;
const MAX_TEXT = 256;

/** `tags` as they are told. */
export function named(tags: readonly string[] | undefined): Named {
  const told = tags?.slice(0, MAX_TAGS).map((tag) => tag.slice(0, MAX_TEXT));
  return { tags: told, more: (tags?.length ?? 0) - (told?.length ?? 0) };
}

/** What another sidecar told; undefined: nothing that is known here. */
export function read(what: unknown): Happening | undefined {
  if (typeof what !== "object" || what === null) return undefined;
  const told = what as Readonly<Record<string, unknown>>;
  switch (told.kind) {
    case "stored":
      return isCount(told.count) ? { kind: "stored", count: told.count } : undefined;
    case "invalidated":
      return areTags(told.tags) ? { kind: "invalidated", ...namedAgain(told.tags, told.more) } : undefined;
    case "purged":
      return areTags(told.tags) && isCount(told.clock)
        ? { kind: "purged", clock: told.clock, ...softly(told.soft), ...namedAgain(told.tags, told.more) }
        : undefined;
    case "refused":
      return isText(told.route) && isCount(told.count)
        ? { kind: "refused", route: told.route.slice(0, MAX_TEXT), count: told.count }
        : undefined;
    case "breaker":
      return typeof told.open === "boolean" && isText(told.reason)
        ? { kind: "breaker", open: told.open, reason: told.reason.slice(0, MAX_TEXT) }
        : undefined;
    default:
      return undefined;
  }
}

function namedAgain(tags: readonly string[] | undefined, more: unknown): Named {
  const again = named(tags);
  return isCount(more) ? { ...again, more: again.more + more } : again;
}

function softly(soft: unknown): { readonly soft?: true } {
  return soft === true ? { soft } : {};
}

function areTags(tags: unknown): tags is readonly string[] | undefined {
  return tags === undefined || (Array.isArray(tags) && tags.every(isText));
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
