// What does an operator get who purges? The time of it on the fence's clock, and how many sidecars have said within how
// many ms that they have heard of it. The fence does not depend on that: what was purged is used by nobody who asks it,
// from that time on. Who trusts memory for a while (`memory.trust`) uses it until it hears, or until that while is over.

import type { Bus } from "./bus.ts";
import type { Event, Events } from "./events.ts";
import { named } from "./happenings.ts";
import type { Crowd, PurgeOptions, Store } from "./store.ts";

export interface Receipt {
  /** null: the store did not take it in time; it is kept, and given when the store answers. */
  readonly clock: number | null;
  /** The tags that were purged; null: everything. */
  readonly tags: readonly string[] | null;
  /** True: softly. */
  readonly soft?: boolean;
  /** How many there are, this one included. */
  readonly sidecars: number;
  /** How many of them have heard of it. */
  readonly seen: number;
  /** From the purge to the last of their answers that was waited for. */
  readonly ms: number;
}

export interface Receipts {
  /** Purges `tags` (undefined: everything). `waitMs`: how long it is waited for those who have not said that they heard. */
  purge(tags: readonly string[] | undefined, waitMs: number, options?: PurgeOptions): Promise<Receipt>;
}

interface ReceiptsOptions {
  readonly store: Pick<Store<unknown>, "purge">;
  readonly events: Events;
  /** undefined: there are no others. */
  readonly bus?: Bus | undefined;
  readonly crowd?: (() => Crowd) | undefined;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
}

interface RollCall {
  readonly seen: Set<string>;
  changed(): void;
}

/** Purges whose answers are waited for at the same time. */
const MAX_CALLS = 100;
const MAX_SIDECARS = 10_000;
const ANSWER = /^(\d{1,15}) ([\w-]{1,32})$/;

/** From now on this sidecar answers the others' purges. */
export function createReceipts({ store, events, bus, crowd, elapsed }: ReceiptsOptions): Receipts {
  /** By the number of the event that tells of the purge. */
  const calls = new Map<number, RollCall>();

  events.listen(({ from, seq, what }: Event) => {
    if (what.kind !== "purged" || from === events.id || bus === undefined) return;
    // Notices of invalidations came before this one, on the same connection.
    bus.publish(subjectOf(from), `${seq} ${events.id}`).catch(() => {});
  });

  bus?.listen(subjectOf(events.id), (message) => {
    const [, seq, from = ""] = ANSWER.exec(message) ?? [];
    const call = calls.get(Number(seq));
    if (call === undefined || call.seen.size >= MAX_SIDECARS) return;
    call.seen.add(from);
    call.changed();
  });

  /** How many there are and how many have answered, when all have or the time is over. */
  async function call({ tags, ...what }: { clock: number; tags: readonly string[] | undefined }, waitMs: number) {
    const seen = new Set([events.id]);
    const all = Promise.withResolvers<void>();
    let known = crowd?.().size ?? 1;
    let isCounted = false;
    const changed = () => {
      if (isCounted && seen.size >= known) all.resolve();
    };
    const seq = events.tell({ kind: "purged", ...what, ...named(tags) });
    if (bus !== undefined && calls.size < MAX_CALLS) {
      calls.set(seq, { seen, changed });
      const timer = setTimeout(all.resolve, waitMs);
      void events.flush().then((told) => {
        known = Math.max(known, told);
        isCounted = true;
        changed();
      });
      await all.promise;
      clearTimeout(timer);
      calls.delete(seq);
    }
    return { sidecars: Math.max(known, seen.size), seen: seen.size };
  }

  return {
    async purge(tags, waitMs, { soft = false } = {}) {
      const began = elapsed();
      const { clock } = await store.purge(tags, { soft });
      const how = soft ? { soft } : {};
      const heard =
        clock === undefined ? { sidecars: crowd?.().size ?? 1, seen: 1 } : await call({ clock, tags, ...how }, waitMs);
      return {
        clock: clock ?? null,
        tags: tags ?? null,
        ...how,
        ...heard,
        ms: Math.round((elapsed() - began) * 10) / 10,
      };
    },
  };
}

function subjectOf(id: string): string {
  return `seen:${id}`;
}
