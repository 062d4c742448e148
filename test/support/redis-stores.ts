// Redis stores for tests: made with settings for haste, closed all together, on one Redis per test file.

import { afterAll, afterEach, beforeAll } from "vitest";
import { createRedisStore, type RedisOptions, type RedisStore } from "../../src/store/redis.ts";
import { textCodec } from "../store/contract.ts";
import { startRedis, type TestRedis } from "./redis.ts";

export interface RedisStores {
  /** Only within tests and hooks. */
  readonly redis: TestRedis;
  /** A store that may not be connected yet; closed after the test. */
  create(options?: Partial<RedisOptions<string>>): RedisStore<string>;
  /** A connected one. */
  connected(options?: Partial<RedisOptions<string>>): Promise<RedisStore<string>>;
}

/** To be called at the top of a test file. `args` are appended to the command line of the Redis. */
export function redisStores(args: readonly string[] = []): RedisStores {
  let redis: TestRedis | undefined;
  const stores: RedisStore<string>[] = [];
  beforeAll(async () => {
    redis = await startRedis(args);
  });
  afterEach(async () => {
    redis?.thaw(); // also where a test failed while it was frozen
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });
  afterAll(async () => void (await redis?.stop()));
  const running = () => {
    if (redis === undefined) throw new Error("use Redis: it is started in beforeAll");
    return redis;
  };
  const create = (options: Partial<RedisOptions<string>> = {}) => {
    const store = createRedisStore<string>({
      url: running().url,
      prefix: "forebay",
      connections: 2,
      deadline: 5000,
      writeDeadline: 1000,
      settle: 0,
      slots: 1 << 16,
      codec: textCodec,
      ...options,
    });
    stores.push(store);
    return store;
  };
  return {
    get redis() {
      return running();
    },
    create,
    async connected(options) {
      const store = create(options);
      await store.connected();
      return store;
    },
  };
}
