// How long does a leader wait for the lease that another sidecar has, before it asks for it again?

import { expect, test } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createWorld, respond, type World } from "../support/world.ts";

/** As long as another sidecar's lease still lasts, whenever it is asked for, ms. */
const LEFT_MS = 1000;

/** A world in which nothing lands and another sidecar has each lease, until `freeLease` is called. `waits` are those for a
 * landing, ms; `waiting` is called in each. */
function besideAnother(waiting: (world: World, waits: readonly number[]) => void) {
  const waits: number[] = [];
  let isLeaseFree = false;
  const world = createWorld("routes: [{ path: /*, cache: { collapse: { wait: 5s } } }]", (now) => {
    const store = createMemoryStore({ maxBytes: 1 << 20, slots: 1024, codec: responseCodec, now });
    return {
      ...store,
      async lead(...question) {
        const lead = await store.lead(...question);
        if (isLeaseFree) return lead;
        lead.lease?.release("failed");
        return { ...lead, lease: undefined, retryMs: LEFT_MS };
      },
      watch: () => ({
        async landed(ms) {
          waits.push(ms);
          waiting(world, waits);
          return undefined;
        },
        close() {},
      }),
    };
  });
  world.origin = () => respond("fetched", { fields: ["Cache-Control", "max-age=60"] });
  return {
    world,
    waits,
    freeLease() {
      isLeaseFree = true;
    },
  };
}

test("a leader waits as long as the lease lasts and up to 25 ms more, by chance: not all sidecars ask at once", async () => {
  const { world, waits, freeLease } = besideAnother((world, { length }) => {
    world.random = [0, 0.4, 1][length] ?? 0;
    if (length === 3) freeLease();
  });
  expect((await world.request("/a")).text).toBe("fetched");
  expect(waits).toEqual([LEFT_MS, LEFT_MS + 10, LEFT_MS + 25]);
  expect(world.seen).toHaveLength(1);
});

test("a leader waits no longer than `wait` in all, and then asks the origin without the lease", async () => {
  const { world, waits } = besideAnother((world, { length }) => {
    world.random = 1;
    world.now += length === 1 ? 4600 : 400;
  });
  expect((await world.request("/a")).text).toBe("fetched");
  expect(waits).toEqual([LEFT_MS, 400]);
  expect(world.seen).toHaveLength(1);
});
