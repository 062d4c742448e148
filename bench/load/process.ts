// The load generator's process: takes orders from the bench over its channel, one at a time, so that making requests
// shares an event loop with nothing that is measured.

import { leaveWithBench, tell } from "../programs/child.ts";
import { type BurstAsk, burst } from "./burst.ts";
import { type PacedAsk, paced } from "./paced.ts";
import { type SteadyAsk, steady } from "./steady.ts";

/** What the bench may order. */
export type Order =
  | { readonly kind: "steady"; readonly ask: SteadyAsk }
  | { readonly kind: "paced"; readonly ask: PacedAsk }
  | { readonly kind: "burst"; readonly ask: BurstAsk };

process.on("message", (order: Order) => {
  perform(order).then(
    (result) => tell({ result }),
    (error: unknown) => tell({ failure: error instanceof Error ? error.message : String(error) }),
  );
});
leaveWithBench();
tell({ port: 0 });

function perform(order: Order): Promise<unknown> {
  switch (order.kind) {
    case "steady":
      return steady(order.ask);
    case "paced":
      return paced(order.ask);
    case "burst":
      return burst(order.ask);
  }
}
