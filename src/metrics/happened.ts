// How often has what this sidecar tells the others happened in it? Counted from the same events, so that no part has to tell
// twice. What is frequent is told, and so counted here, once a second.

import type { Events } from "../store/events.ts";

export interface Happened {
  stored: number;
  invalidations: number;
  purges: number;
  breakerOpenings: number;
  isBreakerOpen: boolean;
}

export function countHappenings(events: Pick<Events, "id" | "listen">): Happened {
  const happened: Happened = { stored: 0, invalidations: 0, purges: 0, breakerOpenings: 0, isBreakerOpen: false };
  events.listen(({ from, what }) => {
    if (from !== events.id) return;
    if (what.kind === "stored") happened.stored += what.count;
    else if (what.kind === "invalidated") happened.invalidations += 1;
    else if (what.kind === "purged") happened.purges += 1;
    else if (what.kind === "breaker") {
      happened.isBreakerOpen = what.open;
      if (what.open) happened.breakerOpenings += 1;
    }
  });
  return happened;
}
