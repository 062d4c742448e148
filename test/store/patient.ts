// A store for tests of what it answers, not of when: on a machine that stands still for longer than a heartbeat may take, a
// store above Redis is right to be without it for a moment.

import { vi } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { StoreUnavailable } from "../../src/store/unavailable.ts";

const ASKED = new Set<string | symbol>(["look", "lead", "watch", "put", "siblings", "recall", "pass", "leased"]);
const OUTAGES = 3;

/** `store`, asked again when it is back where it had lost its Redis: what charged nothing, and a write that could not be noted. */
export function patient<V>(store: Store<V>): Store<V> {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name === "begin") return (...write: Parameters<Store<V>["begin"]>) => noted(target, write);
      if (!ASKED.has(name)) return member.bind(target);
      return async (...question: unknown[]) => {
        for (let outage = 1; ; outage++) {
          try {
            return await member.apply(target, question);
          } catch (error) {
            if (!(error instanceof StoreUnavailable) || error.verdicts || outage === OUTAGES) throw error;
            await back(target);
          }
        }
      };
    },
  });
}

async function noted<V>(store: Store<V>, asked: Parameters<Store<V>["begin"]>) {
  for (let outage = 1; ; outage++) {
    const write = await store.begin(...asked);
    if (write.noted || store.health().state === "ok" || outage === OUTAGES) return write;
    write.discard();
    await back(store);
  }
}

function back<V>(store: Store<V>): Promise<unknown> {
  return vi.waitUntil(() => store.health().state === "ok", { timeout: 20_000, interval: 5 });
}
