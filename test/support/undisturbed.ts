// What sidecars promise together they promise while they reach their Redis. A machine that stands still for a moment cuts
// them off from it, for as long as they settle: then each fetches and counts by itself, and what is seen says nothing.

import { vi } from "vitest";
import type { Line, SidecarProcess } from "./sidecar.ts";

/** A machine that disturbs so many in a row is none to test on; or it is no machine that does. */
export const ROUNDS = 10;
/** For tests that play several rounds, ms. */
export const ROUNDS_MS = 180_000;

/** The second of them is at level debug. */
const tellsOfCutOff = ({ msg }: Line): boolean => msg === "store degraded" || msg === "store failed";

/** What is returned gives the lines since in which one of these said that it has to do without Redis. */
export function watchCutOffs(sidecars: readonly SidecarProcess[]): () => Line[] {
  const from = sidecars.map(({ lines }) => lines.length);
  return () => sidecars.flatMap(({ lines }, i) => lines.slice(from[i]).filter(tellsOfCutOff));
}

/** What comes of the first round of `play` in which none of these sidecars, which log at level debug, had to do without Redis.
 * `play` is given the round's number, for a path or a client of its own. Around each round the sidecars are asked for
 * something below `under`, where they must have a route that asks Redis. */
export async function undisturbed<T>(
  sidecars: readonly SidecarProcess[],
  play: (round: number) => Promise<T>,
  under = "",
): Promise<T> {
  const target = `${under}/beside`;
  for (let round = 1; ; round++) {
    await Promise.all(sidecars.map((sidecar) => untilInUse(sidecar, target)));
    const cutOffsSince = watchCutOffs(sidecars);
    const [played] = await Promise.allSettled([play(round)]);
    await Promise.all(sidecars.map((sidecar) => untilLogged(sidecar, target)));
    const cutOffs = cutOffsSince();
    if (cutOffs.length > 0 && round < ROUNDS) continue;
    if (played.status === "rejected") throw played.reason;
    if (cutOffs.length > 0) throw new Error(`each of ${ROUNDS} rounds was disturbed: ${JSON.stringify(cutOffs)}`);
    return played.value;
  }
}

/** Resolves when it may read Redis. A store that was left alone is tried again only when something is asked. */
async function untilInUse(sidecar: SidecarProcess, target: string): Promise<void> {
  const isInUse = async () => {
    await untilLogged(sidecar, target);
    return (await (await fetch(`${sidecar.admin}/readyz`)).text()).includes('"status":"ok"');
  };
  await vi.waitUntil(isInUse, { timeout: 20_000 });
}

/** Asks for `target` and waits for the line about that: those before it are there, too. */
async function untilLogged(sidecar: SidecarProcess, target: string): Promise<void> {
  const from = sidecar.lines.length;
  await sidecar.fetch(target);
  await sidecar.line(({ path }) => path === target, from);
}
