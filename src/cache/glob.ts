// Can a path match both what an operator typed, with * for any rest and ? for any character, and the pattern of a route?
// Where that cannot be told for sure the answer is yes: then more is purged than was meant, never less.

/** One character; "/" but no other is told apart from what a parameter stands for. */
type Step = { readonly kind: "one"; readonly character: string } | { readonly kind: Wild };
/** One character, a rest of a segment, any rest. */
type Wild = "any" | "segment" | "rest";

const REST: Step = { kind: "rest" };
const ANY: Step = { kind: "any" };
const SEGMENT: Step = { kind: "segment" };

/**
 * Whether some path matches both. `pattern` as in the configuration: text, `:name` for one segment, a trailing `*`. Case
 * does not count, nor how slashes are repeated, nor one at the end of the route's; an escape, and what must be escaped, may stand for anything,
 * and a "?" may begin a query, which is none of a path's.
 */
export function mayMeet(glob: string, pattern: string): boolean {
  const bare = pattern.replace(/\/$/, "");
  return meets(glob, bare) || meets(glob, `${bare}/`);
}

function meets(glob: string, pattern: string): boolean {
  const steps = stepsOf(pattern, /:[a-z]\w*|\*/gi, (wild) => (wild === "*" ? REST : SEGMENT));
  let reached: ReadonlySet<number> = withSkipped([0], steps);
  for (const step of stepsOf(glob, /[*?]/g, (wild) => (wild === "*" ? REST : ANY))) {
    if (step === ANY && reached.has(steps.length)) return true; // what begins here may be meant as a query
    reached = withSkipped(reachedBy(step, reached, steps), steps);
    if (reached.size === 0) return false;
  }
  return reached.has(steps.length);
}

/** Where in `steps` one may be after `step`, from each place in `from`. */
function reachedBy(step: Step, from: ReadonlySet<number>, steps: readonly Step[]): number[] {
  if (step.kind === "rest" || step.kind === "segment") {
    const first = Math.min(...from);
    return Array.from({ length: steps.length - first + 1 }, (_, i) => first + i);
  }
  return [...from].flatMap((at) => {
    const other = steps[at];
    if (other === undefined || !areAlike(step, other)) return [];
    return other.kind === "rest" || other.kind === "segment" ? [at] : [at + 1];
  });
}

function areAlike(step: Step, other: Step): boolean {
  if (step.kind !== "one") return true;
  if (other.kind === "one") return step.character === other.character;
  return other.kind !== "segment" || step.character !== "/";
}

/** What stands for any length stands for nothing, too. */
function withSkipped(places: readonly number[], steps: readonly Step[]): ReadonlySet<number> {
  const reached = new Set(places);
  for (const at of reached) {
    const kind = steps[at]?.kind;
    if (kind === "rest" || kind === "segment") reached.add(at + 1);
  }
  return reached;
}

const PLAIN = /^[\w/.~!$&'()+,;=:@-]$/;

function stepsOf(text: string, wilds: RegExp, stepFor: (wild: string) => Step): Step[] {
  const steps: Step[] = [];
  const plain = (part: string) => {
    for (const character of part.toLowerCase().replace(/%[\da-f]{2}/g, "%")) {
      const isRepeated = character === "/" && isSlash(steps.at(-1));
      if (!isRepeated) steps.push(PLAIN.test(character) ? { kind: "one", character } : REST);
    }
  };
  let end = 0;
  for (const found of text.matchAll(wilds)) {
    plain(text.slice(end, found.index));
    steps.push(stepFor(found[0]));
    end = found.index + found[0].length;
  }
  plain(text.slice(end));
  return steps;
}

function isSlash(step: Step | undefined): boolean {
  return step?.kind === "one" && step.character === "/";
}
