// Can it be proved that caching is safe here? Some routes are watched: those in shadow mode (shadow.ts), which the cache does
// not answer, and those of which a share of the hits is verified (verifying.ts).

import type { Response } from "../http/message.ts";
import type { Soon } from "../store/store.ts";
import { createJudge, type JudgeParts } from "./finding.ts";
import type { CachePolicy } from "./policy.ts";
import { createShadow, type ShadowParts } from "./shadow.ts";
import { createVerify, type VerifyParts } from "./verifying.ts";
import type { Found, Visit } from "./visit.ts";

/** Answers a visit of a watched route; `reuse` is how an unwatched one is answered. */
export type Watch = (visit: Visit, found: Found, reuse: Answering) => Soon<Response>;

type Answering = (visit: Visit, found: Found) => Soon<Response>;

export function isWatched({ mode, verify }: CachePolicy): boolean {
  return mode === "shadow" || verify > 0;
}

export function createWatch(parts: Omit<ShadowParts & VerifyParts, "judge"> & JudgeParts): Watch {
  const { judge } = createJudge(parts);
  const shadow = createShadow({ ...parts, judge });
  const verify = createVerify({ ...parts, judge });
  return (visit, found, reuse) => {
    const { policy } = visit;
    if (policy.mode === "shadow") return shadow(visit, found);
    const { decision } = found;
    const isFresh = decision.kind === "fresh" && decision.ttl >= 0;
    if (isFresh && parts.random() < policy.verify) verify(visit, decision.stored);
    return reuse(visit, found);
  };
}
