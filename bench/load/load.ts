// The bench's side of the load generator: one process for the whole run, started on the load core.

import { type Program, startProgram } from "../programs/program.ts";
import type { Burst, BurstAsk } from "./burst.ts";
import type { Paced, PacedAsk } from "./paced.ts";
import type { Order } from "./process.ts";
import type { Steady, SteadyAsk } from "./steady.ts";

/** Makes requests. Each method rejects when the generator fails or takes far longer than asked. One at a time. */
export interface Load {
  steady(ask: SteadyAsk): Promise<Steady>;
  paced(ask: PacedAsk): Promise<Paced[]>;
  burst(ask: BurstAsk): Promise<Burst[]>;
}

/** Starts the load generator. */
export async function startLoad(): Promise<Load> {
  const program = await startProgram("load generator", "../load/process.ts", { core: "load" });
  return {
    steady: (ask) => perform<Steady>(program, { kind: "steady", ask }, ask.seconds),
    paced: (ask) => perform<Paced[]>(program, { kind: "paced", ask }, ask.seconds),
    burst: (ask) => perform<Burst[]>(program, { kind: "burst", ask }, 5),
  };
}

async function perform<T>(program: Program, order: Order, seconds: number): Promise<T> {
  const reply = (await program.ask(order, seconds * 1000 + 30_000)) as { result: T } | { failure: string };
  if ("failure" in reply) throw new Error(`Generate load: ${reply.failure}`);
  return reply.result;
}
