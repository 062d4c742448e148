// Can a path match both what an operator typed, with * for any rest and ? for any character, and the pattern of a route?
// Where that cannot be told for sure the answer is yes: then more is purged than was meant, never less.

/** One character; "/" but no other is told apart from what a parameter stands for. */
type Step = { readonly kind: "one"; readonly character: string } | { readonly kind: Wild };
/** One character, a rest of a segment, any rest. */
type Wild = "any" | "segment" | "rest";

const REST: Step = { kind: "rest" };
const ANY: Step = { kind: "any" };
const SEGMENT: Step = { kind: "segment" };
const SLASH: Step = { kind: "one", character: "/" };

/**
 * Whether some path matches both `glob` and what the returned function is given: a pattern as in the configuration: text,
 * `:name` for one segment, a trailing `*`. Case does not count, nor how slashes are repeated, nor one at the end of the
 * route's; an escape, and what must be escaped, may stand for anything, and a "?" may begin a query, which is none of a path's.
 * There may be thousands of routes, and all other requests wait meanwhile: a glob is taken apart once.
 */
export function createGlob(glob: string): (pattern: string) => boolean {
  const steps = stepsOf(glob, /[*?]/g, (wild) => (wild === "*" ? REST : ANY));
  return (pattern) => {
    const bare = pattern.replace(/\/+$/, "");
    return meets(steps, [...stepsOf(bare, /:[a-z]\w*|\*/gi, (wild) => (wild === "*" ? REST : SEGMENT)), SLASH]);
  };
}

/** `pattern` may end before its last step, a slash. */
function meets(glob: readonly Step[], pattern: readonly Step[]): boolean {
  const end = pattern.length;
  /** 1 where one may be in `pattern` after what was taken of `glob`. */
  let reached = new Uint8Array(end + 1);
  let next = new Uint8Array(end + 1);
  const isAtEnd = () => reached[end] === 1 || reached[end - 1] === 1;
  reached[0] = 1;
  skip(reached, pattern);
  for (const step of glob) {
    const first = reached.indexOf(1);
    if (first < 0) return false;
    if (step === ANY && isAtEnd()) return true; // what begins here may be meant as a query
    if (step === REST) {
      reached.fill(1, first);
      continue;
    }
    next.fill(0);
    for (let at = first; at < end; at++) {
      const other = pattern[at] as Step;
      if (reached[at] === 1 && areAlike(step, other)) next[isLong(other) ? at : at + 1] = 1;
    }
    skip(next, pattern);
    [reached, next] = [next, reached];
  }
  return isAtEnd();
}

/** What stands for any length stands for nothing, too. */
function skip(reached: Uint8Array, pattern: readonly Step[]): void {
  for (let at = 0; at < pattern.length; at++) {
    if (reached[at] === 1 && isLong(pattern[at] as Step)) reached[at + 1] = 1;
  }
}

function isLong({ kind }: Step): boolean {
  return kind === "rest" || kind === "segment";
}

function areAlike(step: Step, other: Step): boolean {
  if (step.kind !== "one") return true;
  if (other.kind === "one") return step.character === other.character;
  return other.kind !== "segment" || step.character !== "/";
}

const PLAIN = /^[\w/.~!$&'()+,;=:@-]$/;

function stepsOf(text: string, wilds: RegExp, stepFor: (wild: string) => Step): Step[] {
  const steps: Step[] = [];
  const push = (step: Step) => {
    if (step !== REST || steps.at(-1) !== REST) steps.push(step);
  };
  const plain = (part: string) => {
    for (const character of part.toLowerCase().replace(/%[\da-f]{2}/g, "%")) {
      const isRepeated = character === "/" && isSlash(steps.at(-1));
      if (!isRepeated) push(PLAIN.test(character) ? { kind: "one", character } : REST);
    }
  };
  let end = 0;
  for (const found of text.matchAll(wilds)) {
    plain(text.slice(end, found.index));
    push(stepFor(found[0]));
    end = found.index + found[0].length;
  }
  plain(text.slice(end));
  return steps;
}

function isSlash(step: Step | undefined): boolean {
  return step?.kind === "one" && step.character === "/";
}
