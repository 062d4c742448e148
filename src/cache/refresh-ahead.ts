// Is a fresh response to be fetched anew before it becomes stale? By chance, likelier the nearer its end is, the longer
// its fetch took and the more requests draw: mostly one of them is just early enough, and nobody ever waits (optimal
// probabilistic cache stampede prevention, Vattani, Chierichetti, Lowenstein 2015: XFetch).

import { currentAge } from "./freshness.ts";
import type { StoredResponse } from "./stored-response.ts";

interface Draw {
  /** How many times earlier than a fetch takes; the paper's beta. */
  readonly refreshAhead: number;
  /** Epoch ms. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
}

/** Whether this request is the one to have `stored` fetched anew behind it. */
export function isDueAhead(stored: StoredResponse, { refreshAhead, now, random }: Draw): boolean {
  const left = stored.lifetime - currentAge(stored, now);
  const cost = Math.max(1, stored.responseTime - stored.requestTime) / 1000;
  return left <= -cost * refreshAhead * Math.log(random);
}
