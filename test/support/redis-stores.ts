// Redis stores for tests: made with settings for haste, closed all together, on one Redis per test file.

import { afterAll, afterEach, beforeAll } from "vitest";
import { createRedisStore, type RedisOptions, type RedisStore } from "../../src/store/redis.ts";
import { textCodec } from "../store/contract.ts";
import { startRedis, type TestRedis } from "./redis.ts";

export interface Stores {
  /** A store that may not be connected yet; closed after the test. */
  create(options?: Partial<RedisOptions<string>>): RedisStore<string>;
  /** A connected one. */
  connected(options?: Partial<RedisOptions<string>>): Promise<RedisStore<string>>;
  /** How often one of these has said that it lost its Redis. */
  lossesOf(store: RedisStore<string>): number;
}

export interface RedisStores extends Stores {
  /** Only within tests and hooks. */
  readonly redis: TestRedis;
}

/** To be called at the top of a test file. `args` are appended to the command line of the Redis. */
export function redisStores(args: readonly string[] = []): RedisStores {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    redis = await startRedis(args);
  });
  const running = () => {
    if (redis === undefined) throw new Error("use Redis: it is started in beforeAll");
    return redis;
  };
  const stores = storesAt(
    () => ({ url: running().url }),
    () => redis?.thaw(),
  );
  afterAll(async () => void (await redis?.stop()));
  return {
    get redis() {
      return running();
    },
    ...stores,
  };
}

/**
 * To be called at the top of a test file. `where` says, each time, where Redis is and what else is not as usual; `thaw` is
 * called before the stores are closed: a test may have failed while Redis was frozen.
 */
export function storesAt(where: () => Partial<RedisOptions<string>>, thaw: () => void = () => {}): Stores {
  const stores: RedisStore<string>[] = [];
  const losses = new WeakMap<RedisStore<string>, () => number>();
  afterEach(async () => {
    thaw();
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });
  const create = (options: Partial<RedisOptions<string>> = {}) => {
    const settings: RedisOptions<string> = {
      prefix: "forebay",
      connections: 2,
      deadline: 5000,
      writeDeadline: 1000,
      settle: 0,
      slots: 1 << 16,
      codec: textCodec,
      ...where(),
      ...options,
    };
    let lost = 0;
    const store = createRedisStore<string>({
      ...settings,
      log(state, detail) {
        if (state === "degraded") lost++;
        settings.log?.(state, detail);
      },
    });
    losses.set(store, () => lost);
    stores.push(store);
    return store;
  };
  return {
    create,
    async connected(options) {
      const store = create(options);
      await store.connected();
      return store;
    },
    lossesOf: (store) => losses.get(store)?.() ?? 0,
  };
}
