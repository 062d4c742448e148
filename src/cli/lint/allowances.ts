// Which findings did somebody look at and allow? A comment beside what is meant, or on a line of its own above it:
//
//   trustedProxies: [0.0.0.0/0]   # forebay-lint: allow trusts-everyone (only the mesh reaches this port)
//
// A comment and no key: it stands where the danger stands and goes when that goes, the reason beside it; serve never reads
// it; and it allows one line, so that what is added elsewhere is still looked at. What allows nothing is said.

import type { Finding } from "../../config/mistakes.ts";
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
  const used = new Set<Allowance>();
  const left = findings.filter(({ line, rule }) => {
    const found = allowances.filter(({ about, name }) => about === line && name === rule);
    for (const allowance of found) used.add(allowance);
    return found.length === 0;
  });
  const wrong = allowances.filter((allowance) => !used.has(allowance)).map((allowance) => complaint(allowance, file));
  return [...left, ...wrong];
}

function complaint({ name, line, column }: Allowance, file: string): Ruled {
  const at = { file, line, column, path: "" };
  if (!(RULES as readonly string[]).includes(name)) {
    const text = `allows ${name.slice(0, 80)}, which is no rule; the rules are ${RULES.join(", ")}`;
    return { ...at, rule: "allow-unknown", text };
  }
  return { ...at, rule: "allow-unused", text: `allows ${name}, and nothing here needs it; leave the comment out` };
}

function readAllowances(text: string): Allowance[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, index) => {
    const found = COMMENT.exec(line);
    if (found === null) return [];
    const column = line.indexOf("#", found.index) + 1;
    const about = IS_COMMENT_OR_EMPTY.test(line) ? nextLine(lines, index + 1) : index;
    const [listed = ""] = (found[1] ?? "").split("("); // a reason follows
    const names = listed.split(",").map((name) => name.trim());
    return names.map((name) => ({ name, line: index + 1, column, about: about + 1 }));
  });
}

/** The next one that is neither empty nor a comment. */
function nextLine(lines: readonly string[], from: number): number {
  const found = lines.findIndex((line, index) => index >= from && !IS_COMMENT_OR_EMPTY.test(line));
  return found < 0 ? lines.length : found;
}
