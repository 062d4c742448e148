// Which mechanisms can be switched off, to show that the checker notices? Each by edits of exact texts, without a hook in
// the product (mutate.ts), and each with the faults that bring out what it is for.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PlanName } from "./faults.ts";

export interface Edit {
  /** Below src. */
  readonly file: string;
  /** Found exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  /** What is switched off, in words. */
  readonly mechanism: string;
  readonly edits: readonly Edit[];
  /** The faults that show it; none: the workload alone does. */
  readonly plans: readonly PlanName[];
  /** Those on a Cluster, where others show it. */
  readonly plansOnCluster?: readonly PlanName[];
  /** `store.memory.trust`, ms. */
  readonly trustMs?: number;
}

export const mutations: readonly Mutation[] = [
  {
    name: "stamp",
    mechanism: "the stamp is the clock as it stood before the fetch",
    edits: [
      {
        file: "store/highest-clock.ts",
        find: "if (clock > highest && Number.isSafeInteger(clock)) highest = clock;",
        replace: "if (clock > highest) (globalThis as any).lateStamp = highest = clock;",
      },
      {
        file: "cache/marks.ts",
        find: "stamp: reading.fence.clock",
        replace: "stamp: (globalThis as any).lateStamp ?? reading.fence.clock",
      },
    ],
    plans: [],
  },
  {
    name: "slots",
    mechanism: "the slots of a stored response's tags are compared with its stamp",
    edits: [
      {
        file: "store/trips.ts",
        find: "const latest = Math.max(fence.latest, latestOf(answer, own));",
        replace: "const latest = latestOf(answer, []);",
      },
    ],
    plans: [],
  },
  {
    name: "own-tags",
    mechanism: "tags that only the response names are asked for in a second trip",
    edits: [
      {
        file: "store/trips.ts",
        find: "const own = slotsOf(stored.tags);",
        replace: "const own = slotsOf(stored.tags).filter((slot) => answer.fence.has(slot));",
      },
    ],
    plans: [],
  },
  {
    name: "joining",
    mechanism: "who may join a flight, and the follower's second look",
    edits: [
      {
        file: "cache/flights.ts",
        find: "fence.shared && fence.latest <= flight.fence.clock",
        replace: "fence.shared",
      },
      {
        file: "cache/following.ts",
        find: "return fence.shared && fence.latest <= stamp && (fence.soft ?? 0) <= stamp;",
        replace: "return true;",
      },
    ],
    plans: [],
  },
  {
    name: "sharing",
    mechanism: "equal questions share an answer only until one has left",
    edits: [
      { file: "store/batch.ts", find: "for (const { ask } of this.#asked) ask.leaving?.();", replace: "" },
      // Else it ends with the first refusal.
      { file: "store/sharing.ts", find: "reading.catch(over);", replace: "reading.catch(() => {});" },
    ],
    plans: [],
  },
  {
    name: "journal",
    mechanism: "a write is noted before it is forwarded",
    edits: [
      { file: "store/notes.ts", find: "this.#underWay.add(line);", replace: "" },
      {
        file: "store/notes.ts",
        find: "return this.#note([line], on);",
        replace: "return Promise.resolve(on);",
      },
    ],
    plans: ["kill-in-write"],
  },
  {
    name: "server-error",
    mechanism: "a write that the origin answers with 5xx invalidates",
    edits: [
      {
        file: "proxy.ts",
        find: "const isRefused = response.status >= 400 && response.status < 500;",
        replace: "const isRefused = response.status >= 400;",
      },
    ],
    plans: [],
  },
  {
    name: "going-on",
    mechanism: "a write that was given up is invalidated for once more",
    edits: [
      {
        file: "proxy.ts",
        find: "end: isUnsent ? undefined : { mayGoOn: true }",
        replace: "end: isUnsent ? undefined : {}",
      },
    ],
    plans: [],
  },
  {
    name: "purge",
    mechanism: "a purge reaches the fence before its receipt is given",
    edits: [
      {
        file: "store/redis.ts",
        find: "purge: async (...what) => ({ clock: await journal.purge(...what) }),",
        replace: "purge: async (tags, soft) => ({ clock: await journal.purge(tags && [], soft) }),",
      },
    ],
    plans: [],
  },
  {
    name: "replay",
    mechanism: "what Redis did not take is replayed when it is back",
    edits: [
      {
        file: "store/journal.ts",
        find: "for (const invalidation of [...this.#owed]) {",
        replace: "for (const invalidation of [] as Invalidation[]) {",
      },
    ],
    plans: ["freeze"],
  },
  {
    name: "tell",
    mechanism: "a sidecar that has lost some of its connections tells Redis on the others",
    edits: [
      {
        file: "store/reach.ts",
        find: "return lines.find((line) => line.isFresh() && line.openedAt < this.#outSince);",
        replace: "return lines.find(() => false);",
      },
    ],
    plans: ["partition-in-part"],
  },
  {
    name: "settle",
    mechanism: "nothing is read until everybody has had the time to replay",
    edits: [{ file: "store/reach.ts", find: "}, ms);", replace: "}, 0);" }],
    plans: ["freeze-apart"],
  },
  {
    name: "loss-by-clock",
    mechanism: "a clock or a floor that is gone or behind is a loss",
    edits: [
      {
        file: "store/highest-clock.ts",
        find: "return clock === 0 || clock < before || !Number.isSafeInteger(clock);",
        replace: "return clock < before && clock === -1;",
      },
      {
        file: "store/highest-clock.ts",
        find: "return floor === 0 || floor > clock;",
        replace: "return floor === -1 && clock === -1;",
      },
      {
        file: "store/scripts/fence.lua",
        find: "local lost = clock == 0 or clock < seen",
        replace: "local lost = false",
      },
    ],
    plans: ["flush-in-fetch"],
  },
  {
    name: "loss-by-run-id",
    mechanism: "another Redis process is a loss, whatever its clock says",
    edits: [{ file: "store/reach.ts", find: "this.#process = this.#identify();", replace: "this.#process = 1;" }],
    plans: ["restart-behind"],
    plansOnCluster: ["failover-behind"],
  },
  {
    name: "trust",
    mechanism: "memory answers by itself for no longer than it is trusted",
    edits: [
      {
        file: "store/tiered.ts",
        find: "return monotonic() - verifiedAt < trustMs;",
        replace: "return monotonic() - verifiedAt < trustMs * 1e6;",
      },
    ],
    plans: ["partition"],
    trustMs: 300,
  },
];

/** Throws where there is none of that name. */
export function mutationNamed(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found) return found;
  const names = mutations.map((mutation) => mutation.name).join(", ");
  throw new Error(`Read --mutation: expected one of ${names}, or all, got "${name}"`);
}

export function pathOf({ file }: Edit): string {
  return fileURLToPath(new URL(`../../src/${file}`, import.meta.url));
}

/** `source` (left out: the file as it is) with the edit made. Throws where its text is not found exactly once. */
export function applied(edit: Edit, source: string = readFileSync(pathOf(edit), "utf8")): string {
  const parts = source.split(edit.find);
  if (parts.length === 2) return parts.join(edit.replace);
  throw new Error(`Mutate src/${edit.file}: expected "${edit.find}" once, found it ${parts.length - 1} times`);
}
