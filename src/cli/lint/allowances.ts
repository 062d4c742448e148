// Which findings did somebody look at and allow? A comment beside what is meant, or on a line of its own above it:
//
//   trustedProxies: [0.0.0.0/0]   # forebay-lint: allow trusts-everyone (only the mesh reaches this port)
//
// A comment and no key: it stands where the danger stands and goes when that goes, the reason beside it; serve never reads
// it; and it allows one line, so that what is added elsewhere is still looked at. What allows nothing is said.

import { escaped, type Finding } from "../../config/mistakes.ts";
import { RULES, type Rule } from "./rules.ts";

/** A finding of a rule. */
export interface Ruled extends Finding {
  readonly rule: Rule;
}

interface Allowance {
  readonly name: string;
  /** Where it stands, and which line it is about. */
  readonly line: number;
  readonly column: number;
  readonly about: number;
}

const COMMENT = /(?:^|\s)#\s*forebay-lint:\s*allow\s+(.*)$/;
const IS_COMMENT_OR_EMPTY = /^\s*(?:#.*)?$/;

/** The findings that nobody has allowed, and what is wrong with the comments that allow; `text` is the file's. */
export function withoutAllowed(findings: readonly Ruled[], text: string, file: string): Ruled[] {
  const allowances = readAllowances(text);
  const found = new Set(findings.map(({ line, rule }) => `${line} ${rule}`));
  const allowed = new Set(allowances.map(({ about, name }) => `${about} ${name}`));
  const needless = allowances.filter(({ about, name }) => !found.has(`${about} ${name}`));
  return [
    ...findings.filter(({ line, rule }) => !allowed.has(`${line} ${rule}`)),
    ...needless.map((allowance) => complaint(allowance, file)),
  ];
}

function complaint({ name, line, column }: Allowance, file: string): Ruled {
  const at = { file, line, column, path: "" };
  if (!(RULES as readonly string[]).includes(name)) {
    const text = `allows ${escaped(name.slice(0, 80))}, which is no rule; the rules are ${RULES.join(", ")}`;
    return { ...at, rule: "allow-unknown", text };
  }
  return { ...at, rule: "allow-unused", text: `allows ${name}, and nothing here needs it; leave the comment out` };
}

function readAllowances(text: string): Allowance[] {
  const allowances: Allowance[] = [];
  let next = 0; // the nearest line below that is neither empty nor a comment
  for (const [index, line] of [...text.split(/\r?\n/).entries()].reverse()) {
    const isOwnLine = IS_COMMENT_OR_EMPTY.test(line);
    if (!isOwnLine) next = index + 1;
    const found = COMMENT.exec(line);
    if (found === null) continue;
    const [listed = ""] = (found[1] ?? "").split("("); // a reason follows
    const at = { line: index + 1, column: line.indexOf("#", found.index) + 1, about: isOwnLine ? next : index + 1 };
    allowances.push(...listed.split(",").map((name) => ({ name: name.trim(), ...at })));
  }
  return allowances;
}
