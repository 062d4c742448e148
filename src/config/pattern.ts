// How is a path pattern written, and when are two paths the same path? Patterns: literal text, `:name` for one whole
// segment, `*` at the very end for any rest. Paths are compared in the normal form of RFC 3986 §6.2.2, as origins do,
// so that /%61dmin or /x/../admin cannot walk around the route /admin. No request is changed by this: what is sent on
// is what came.

export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "param"; readonly name: string }
  /** Last only: any rest that begins with `prefix`. */
  | { readonly kind: "rest"; readonly prefix: string };

const ENCODED = /%([0-9a-fA-F]{2})/g;
const UNRESERVED = /[A-Za-z0-9\-._~]/;
const LITERAL = /^(?:[A-Za-z0-9\-._~!$&'()+,;=:@]|%[0-9A-F]{2})*$/;
const PARAM = /^:[A-Za-z][A-Za-z0-9_]*$/;
/** Without any of these a path is in normal form. */
const UNUSUAL = /%|\\|\/[./]/;
/** Dot segments between slashes of any writing. */
const HIDDEN_DOTS = /(?:%2F|%5C|[/\\])\.\.?(?:%2F|%5C|[/\\]|$)/;
const ANY_SLASH = /%2F|%5C|\\/g;
const MAX_PATTERN_LENGTH = 2048;

/** The segments of `pattern`, its literals in normal form; undefined: it is none. */
export function parsePattern(pattern: string): readonly Segment[] | undefined {
  if (!pattern.startsWith("/") || pattern.length > MAX_PATTERN_LENGTH || !pattern.isWellFormed()) return undefined;
  const texts = pattern.slice(1).split("/");
  const segments = texts.map((text, index) => parseSegment(text, index === texts.length - 1));
  if (segments.some((segment) => segment === undefined)) return undefined;
  const names = paramNames(segments as Segment[]);
  return new Set(names).size === names.length ? (segments as Segment[]) : undefined;
}

/** `segments` as text again, in normal form. */
export function patternText(segments: readonly Segment[]): string {
  return `/${segments.map((segment) => segmentText(segment)).join("/")}`;
}

/** Equal for two patterns exactly if they match the same paths: the text without the names. */
export function patternShape(segments: readonly Segment[]): string {
  return `/${segments.map((segment) => (segment.kind === "param" ? ":" : segmentText(segment))).join("/")}`;
}

export function paramNames(segments: readonly Segment[]): string[] {
  return segments.flatMap((segment) => (segment.kind === "param" ? [segment.name] : []));
}

/**
 * `path` (no query) in normal form: percent-encoded unreserved characters decoded, other encodings in upper case, dot
 * segments resolved, repeated slashes merged (RFC 3986 §6.2.2; slashes as nginx does). Where an encoded slash or a
 * backslash stands beside a dot segment it counts as a slash, since some origins take it for one: otherwise
 * /static/..%2fadmin would have the admin page stored by the rules of /static. Malformed encodings stay.
 */
export function normalPath(path: string): string {
  if (!UNUSUAL.test(path)) return path;
  const decoded = normalEncoding(path);
  const resolved = HIDDEN_DOTS.test(decoded) ? decoded.replace(ANY_SLASH, "/") : decoded;
  return resolved.includes("//") || resolved.includes("/.") ? withoutDotSegments(resolved) : resolved;
}

function parseSegment(text: string, isLast: boolean): Segment | undefined {
  if (text.startsWith(":")) return PARAM.test(text) ? { kind: "param", name: text.slice(1) } : undefined;
  const isRest = isLast && text.endsWith("*");
  const literal = normalEncoding(encodeForeign(isRest ? text.slice(0, -1) : text));
  if (!LITERAL.test(literal) || literal === "." || literal === "..") return undefined;
  if (isRest) return { kind: "rest", prefix: literal };
  return literal === "" && !isLast ? undefined : { kind: "literal", text: literal };
}

function segmentText(segment: Segment): string {
  if (segment.kind === "param") return `:${segment.name}`;
  return segment.kind === "rest" ? `${segment.prefix}*` : segment.text;
}

/** /café is sent as /caf%C3%A9. */
function encodeForeign(text: string): string {
  return text.replace(/[\u{a1}-\u{10ffff}]/gu, encodeURIComponent);
}

function normalEncoding(path: string): string {
  return path.replace(ENCODED, (whole: string, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : whole.toUpperCase();
  });
}

function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/");
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const last = segments.at(-1);
  const slash = kept.length > 0 && (last === "" || last === "." || last === "..");
  return `/${kept.join("/")}${slash ? "/" : ""}`;
}
