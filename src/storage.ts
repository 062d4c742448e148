// Where responses, limits and invalidations are kept: memory alone, or memory above Redis, whose every failure is a miss.
// Put together here from its parts in store/, with what the sidecars that share it tell one another.

import { responseCodec } from "./cache/codec.ts";
import type { StoredResponse } from "./cache/stored-response.ts";
import type { Config } from "./config/schema.ts";
import type { createLimiter } from "./limit/limiter.ts";
import { sparing } from "./log/sparing.ts";
import type { Log } from "./log.ts";
import type { Tallies } from "./metrics/tallies.ts";
import { createAnnouncingStore } from "./store/announcing.ts";
import type { Bus } from "./store/bus.ts";
import { createEvents, type Events } from "./store/events.ts";
import { createFailOpenStore } from "./store/fail-open.ts";
import { createLimits } from "./store/limits.ts";
import { createMemoryStore } from "./store/memory.ts";
import type { Crowd, Health, LimitQuestion, Store } from "./store/store.ts";
import { createTieredStore } from "./store/tiered.ts";

export interface Storage {
  readonly store: Store<StoredResponse>;
  /** What counts while the store is silent. */
  readonly local: Parameters<typeof createLimiter>[0]["local"];
  readonly events: Events;
  /** Of the others that share the store, where there may be some. */
  readonly bus?: Bus;
  readonly crowd?: () => Crowd;
}

/** How many clients' quotas are counted in this process while Redis is away. */
const LOCAL_QUOTAS = 100_000;
const BREAKER = { failures: 5, openMs: 1000 };

/** Connects in the background, where there is something to connect to. */
export async function openStorage(
  { store: { prefix, redis, fence, memory } }: Config,
  log: Log,
  tallies: Pick<Tallies, "redis" | "shelf">,
): Promise<Storage> {
  const common = {
    ...{ maxBytes: memory.max, slots: fence.slots, codec: responseCodec, now: Date.now, tally: tallies.shelf },
  };
  const counts = createLimits({ now: Date.now, max: LOCAL_QUOTAS });
  // Memory never falls silent: nothing need be noted for that.
  if (redis === undefined) {
    const events = createEvents({ now: Date.now });
    const store = createAnnouncingStore(createMemoryStore(common), events);
    return { store, local: { charge: counts.charge }, events };
  }
  // Loaded where it is used: 20 MB.
  const { createRedisStore } = await import("./store/redis.ts");
  const [states, risks] = [sparing(log), sparing(log)];
  const told = (state: Health["state"], detail: string) =>
    states[state === "ok" ? "info" : "warn"](`store ${state}`, { detail });
  const warn = (risk: string) => risks.warn("store at risk", { detail: risk });
  const unreplicated = (count: number, reason: string) =>
    risks.warn("too few replicas have a write", { count, reason });
  const shared = createRedisStore({
    ...redis,
    tally: tallies.redis,
    prefix,
    slots: fence.slots,
    codec: responseCodec,
    log: told,
    warn,
    unreplicated,
  });
  const { bus, crowd } = shared;
  const events = createEvents({ bus, now: Date.now });
  const changed = (open: boolean, reason: string) => void events.tell({ kind: "breaker", open, reason });
  const store = createTieredStore(createFailOpenStore(shared, { breaker: BREAKER, log, changed }), {
    ...common,
    trustMs: memory.trust,
  });
  const charge = (questions: readonly LimitQuestion[]) => counts.charge(questions, crowd());
  const local = { charge, note: counts.note };
  return { store: createAnnouncingStore(store, events), local, events, bus, crowd };
}
