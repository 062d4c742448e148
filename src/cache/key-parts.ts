// What does a primary key say? Read back from the key itself (key.ts, which writes it so that this can be done), so that
// what is told of a key is what it is.

export interface KeyParts {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** What a trusted proxy says the host is, where that is not the authority. */
  readonly forwardedHost: string | null;
  /** Pairs as they are keyed, in order; null: the request has no query. */
  readonly query: readonly string[] | null;
  /** null: absent. */
  readonly headers: readonly { readonly name: string; readonly value: string | null }[];
  /** Every value of each. */
  readonly cookies: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** `key` must be one that primaryKey or shadowKey made. */
export function keyParts(key: string): KeyParts {
  const cursor = createCursor(key);
  cursor.takes("~");
  const form = cursor.part();
  const [query, headers, cookies] = form === undefined ? PLAIN : (JSON.parse(form) as FormText);
  const scheme = cursor.part() ?? "";
  const authority = cursor.part() ?? "";
  const path = cursor.part() ?? "";
  const forwardedHost = cursor.takes("@") ? (cursor.part() ?? null) : null;
  const parts: (string | undefined)[] = [];
  while (cursor.isAtPart()) parts.push(cursor.part());
  const isQueryKeyed = parts.length > headers.length;
  const text = isQueryKeyed ? (parts.shift() ?? "") : undefined;
  return {
    ...{ scheme, authority, path, forwardedHost },
    query: text === undefined ? null : text === "" && query !== "all" ? [] : text.split("&"),
    headers: headers.map((name, i) => ({ name, value: parts[i] ?? null })),
    cookies: cookies.map((name) => ({ name, values: cursor.values() })),
  };
}

/** What variantKey made of request fields: what each says. null: absent. */
export function variantParts(variant: string): KeyParts["headers"] {
  const cursor = createCursor(variant);
  const found: { name: string; value: string | null }[] = [];
  while (cursor.isAtPart()) found.push({ name: cursor.part() ?? "", value: cursor.part() ?? null });
  return found;
}

type FormText = readonly [query: "all" | readonly string[], headers: readonly string[], cookies: readonly string[]];
const PLAIN: FormText = ["all", [], []];

function createCursor(key: string) {
  let at = 0;

  function number(end: ":" | ";"): number {
    const stop = key.indexOf(end, at);
    const count = Number(key.slice(at, stop));
    at = stop + 1;
    return count;
  }

  function takes(character: string): boolean {
    if (key[at] !== character) return false;
    at += 1;
    return true;
  }

  function part(): string | undefined {
    if (takes("-")) return undefined;
    const length = number(":");
    at += length;
    return key.slice(at - length, at);
  }

  return {
    takes,
    part,
    /** Whether a component comes next, and neither the end nor the cookies. */
    isAtPart: () => key[at] === "-" || /^\d+:/.test(key.slice(at, at + 20)),
    /** A cookie's, without what parts them from its name. */
    values: () => Array.from({ length: number(";") }, () => (part() ?? "").slice(1)),
  };
}
