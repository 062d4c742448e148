// Why is a route not the one that a request matches? For people: the first thing in its pattern that the path does not
// have, or, where it matches as well, what makes the router (router.ts) prefer another one.

import { normalPath, parsePattern, patternText, type Segment } from "./pattern.ts";
import { hostOf, type Routable } from "./router.ts";

export type WhyNot =
  | { readonly kind: "host"; readonly wants: string }
  /** Segments count from 1. */
  | { readonly kind: "segment"; readonly segment: number; readonly wants: string; readonly got: string }
  /** The path ends before this segment. */
  | { readonly kind: "path-ends"; readonly segment: number; readonly wants: string }
  /** The pattern ends before this segment. */
  | { readonly kind: "path-goes-on"; readonly segment: number; readonly got: string }
  /** It matches too. */
  | { readonly kind: "less-specific-host"; readonly than: string }
  | { readonly kind: "less-specific"; readonly segment: number; readonly own: string; readonly than: string };

export interface NearMiss {
  readonly id: string;
  readonly why: WhyNot;
}

export interface NearMisses {
  /** Those that come closest first: the ones that fail late in the path, then those that match and are outdone. */
  readonly routes: readonly NearMiss[];
  /** How many others there are. */
  readonly others: number;
}

interface Named extends Routable {
  readonly id: string;
}

const MAX_SHOWN = 8;

/** Of the routes but `winner` those that a reader might have expected. */
export function nearMisses<Route extends Named>(
  routes: readonly Route[],
  asked: { readonly authority: string; readonly path: string; readonly winner: Route | undefined },
): NearMisses {
  const found = routes
    .filter((route) => route !== asked.winner)
    .map(({ id, host, path }) => ({ id, why: whyNot({ host, path }, asked) }));
  const near = found.filter(({ why }) => closeness(why) > 0).sort((a, b) => closeness(b.why) - closeness(a.why));
  const shown = near.slice(0, MAX_SHOWN);
  return { routes: shown, others: found.length - shown.length };
}

/** A host or a segment that stands in the way is named before it is asked which of two that match is the more specific. */
export function whyNot(
  { host, path: pattern }: Routable,
  { authority, path, winner }: { authority: string; path: string; winner: Routable | undefined },
): WhyNot {
  const segments = parsePattern(pattern) ?? [];
  const mismatch = pathMismatch(segments, path);
  if (mismatch !== undefined) return mismatch;
  if (host !== undefined && host !== authority && host !== hostOf(authority)) return { kind: "host", wants: host };
  if (winner?.host !== undefined && winner.host !== host) return { kind: "less-specific-host", than: winner.host };
  return outdone(segments, parsePattern(winner?.path ?? "") ?? []);
}

function pathMismatch(segments: readonly Segment[], path: string): WhyNot | undefined {
  const parts = path.startsWith("/") ? normalPath(path).slice(1).split("/") : [];
  for (const [i, segment] of segments.entries()) {
    const got = parts[i];
    const at = { segment: i + 1, wants: textOf(segment) };
    if (got === undefined) return { kind: "path-ends", ...at };
    if (segment.kind === "rest") return got.startsWith(segment.prefix) ? undefined : { kind: "segment", ...at, got };
    if (segment.kind === "param" && got === "") return { kind: "path-ends", ...at };
    if (segment.kind === "literal" && got !== segment.text) return { kind: "segment", ...at, got };
  }
  const more = parts[segments.length];
  // A trailing slash is ignored where no pattern names it.
  const isSlash = more === "" && parts.length === segments.length + 1;
  return more === undefined || isSlash ? undefined : { kind: "path-goes-on", segment: segments.length + 1, got: more };
}

function outdone(own: readonly Segment[], winner: readonly Segment[]): WhyNot {
  const at = winner.findIndex((segment, i) => own[i] === undefined || shape(own[i]) !== shape(segment));
  const index = at === -1 ? winner.length : at;
  return { kind: "less-specific", segment: index + 1, own: textOf(own[index]), than: textOf(winner[index]) };
}

function shape(segment: Segment): string {
  return segment.kind === "param" ? ":" : textOf(segment);
}

/** As in a pattern; "" for a trailing slash, or for none at all. */
function textOf(segment: Segment | undefined): string {
  return segment === undefined ? "" : patternText([segment]).slice(1);
}

/** 0: nobody would have expected it. */
function closeness(why: WhyNot): number {
  if (why.kind === "host") return 1000;
  if (why.kind === "less-specific-host") return 1;
  if (why.kind === "less-specific") return 1 + why.segment / 1000;
  return why.segment > 1 || why.kind === "path-goes-on" ? why.segment : 0;
}
