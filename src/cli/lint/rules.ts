// What does the linter look for? The names of its rules, which stay as they are once they are given: configurations name
// them to allow what they find. Each is one kind of danger in what is otherwise legal.

import type { Path } from "../../config/mistakes.ts";

export const RULES = [
  "admin-unprotected",
  "allow-unknown",
  "allow-unused",
  "always-stale",
  "credentials-not-keyed",
  "errors-cached",
  "eviction-policy",
  "has-no-effect",
  "invalidates-nothing-cached",
  "lease-outlasts-origin",
  "limit-behind-proxy",
  "limit-evadable",
  "limit-excepts-everyone",
  "missing-file",
  "origin-forbids-caching",
  "pattern-like-regexp",
  "plain-text-password",
  "private-path",
  "purge-from-everywhere",
  "redis-unsuitable",
  "shares-set-cookie",
  "trust-outlasts-ttl",
  "trusts-everyone",
  "unreachable-route",
  "wait-ends-before-lease",
  "write-invalidates-nothing",
] as const;

export type Rule = (typeof RULES)[number];

/** "what, why; how to mend it", and where. */
export interface Warning {
  readonly rule: Rule;
  readonly path: Path;
  readonly text: string;
}
