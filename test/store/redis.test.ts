// The Redis store against a real Redis: the promises that every store keeps.

import { describe, expect, test } from "vitest";
import type { LimitQuestion } from "../../src/store/store.ts";
import { redisStores } from "../support/redis-stores.ts";
import { storeContract } from "./contract.ts";

const stores = redisStores();

storeContract("redis", {
  shared: true,
  async create() {
    await stores.redis.flush();
    return { store: await stores.connected(), another: () => stores.connected(), close: async () => {} };
  },
});

describe("limits of three processes", () => {
  for (const algorithm of ["fixed-window", "sliding-window"] as const) {
    test(`${algorithm}: of 3,000 requests at once exactly the limit are admitted`, async () => {
      await stores.redis.flush();
      const asked = await Promise.all([1, 2, 3].map(() => stores.connected()));
      const question: LimitQuestion = { key: "l", algorithm, limit: 777, windowMs: 3_600_000 };
      const readings = await Promise.all(
        Array.from({ length: 3000 }, async (_, i) => {
          // A few turns of the event loop, so that there are many batches.
          for (let turn = i % 17; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
          // A machine that stands still for a moment counts as cut off: then nobody is told, and nobody let in.
          try {
            return await asked[i % 3]?.look({ key: undefined, tags: [], limits: [question] });
          } catch {
            return undefined;
          }
        }),
      );
      const verdicts = readings.map((reading) => reading?.verdicts?.[0]);
      const admitted = verdicts.filter((verdict) => verdict?.allowed);
      expect(admitted.length).toBeLessThanOrEqual(777);
      expect(new Set(admitted.map((verdict) => verdict?.remaining)).size).toBe(admitted.length);
      if (!verdicts.includes(undefined)) expect(admitted).toHaveLength(777);
    });
  }
});
