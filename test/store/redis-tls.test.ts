// Redis over TLS: whose certificate is believed, and what is said where it is not. On one server, behind Sentinel, and in a
// Cluster.

import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createRedisStore, type RedisOptions, type RedisStore } from "../../src/store/redis.ts";
import { type Authority, type Certified, createAuthority } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { keyOf, storedOf, textCodec } from "./contract.ts";

const key = keyOf("k");
const PATIENCE = { timeout: 20_000, interval: 5 };

let authority: Authority;
let own: Certified;
let redis: TestRedis;
let port: number;
const stores: RedisStore<string>[] = [];

beforeAll(async () => {
  authority = createAuthority();
  own = authority.certify("DNS:client");
  const server = authority.certify("DNS:localhost,DNS:redis.test");
  port = await freePort();
  const files = ["--tls-cert-file", server.cert, "--tls-key-file", server.key, "--tls-ca-cert-file", authority.ca];
  redis = await startRedis(["--tls-port", String(port), ...files, "--tls-auth-clients", "optional"]);
});
afterEach(async () => void (await Promise.all(stores.splice(0).map((store) => store.close()))));
afterAll(async () => {
  await redis?.stop();
  authority?.remove();
});

function create(options: Partial<RedisOptions<string>>): RedisStore<string> {
  const store = createRedisStore<string>({
    url: `rediss://localhost:${port}`,
    prefix: "forebay",
    connections: 2,
    deadline: 1000,
    writeDeadline: 1000,
    settle: 0,
    slots: 1 << 16,
    codec: textCodec,
    ...options,
  });
  stores.push(store);
  return store;
}

function saying(store: RedisStore<string>, what: RegExp): Promise<unknown> {
  return vi.waitUntil(() => what.test(store.health().detail), PATIENCE);
}

async function serves(store: RedisStore<string>): Promise<void> {
  await store.connected();
  const look = async () => await store.look({ key, tags: [], limits: [] });
  await store.put(key, [], storedOf("one", { stamp: (await look()).fence.clock }));
  expect(await look()).toMatchObject({ usable: true, stored: { value: "one" } });
  await (await store.begin(["a"])).commit();
}

describe("over TLS", () => {
  test("a certificate of the authority named is believed", async () => {
    await serves(create({ tls: { ca: authority.ca } }));
  });

  test("one of an authority that nobody named is not, and that is said", async () => {
    await saying(create({}), /certificate/i);
  });

  test("one for another host is not, unless that is the name looked for", async () => {
    const url = `rediss://127.0.0.1:${port}`;
    await saying(create({ url, tls: { ca: authority.ca } }), /127\.0\.0\.1|altnames/i);
    await serves(create({ url, tls: { ca: authority.ca, serverName: "redis.test" } }));
  });

  test("a Redis that asks who we are is told", async () => {
    await redis.command("CONFIG", "SET", "tls-auth-clients", "yes");
    await saying(create({ tls: { ca: authority.ca } }), /certificate|closed|took over|ECONNRESET/i);
    await serves(create({ tls: { ca: authority.ca, ...own } }));
    await redis.command("CONFIG", "SET", "tls-auth-clients", "optional");
  });

  test("a port that speaks no TLS is told from one that does, both ways", async () => {
    await saying(
      create({ url: `rediss://127.0.0.1:${redis.port}`, tls: { ca: authority.ca } }),
      /closed|SSL|took over|disconnected/i,
    );
    await saying(create({ url: `redis://127.0.0.1:${port}` }), /closed|took over|ECONNRESET/i);
  });

  test("files are read when a connection is made: one that is missing at start is an error, later a reason", async () => {
    expect(() => create({ tls: { ca: "/nowhere/ca.pem" } })).toThrow(/store\.redis\.tls\.ca cannot be read/);
    expect(() => create({ url: redis.url, tls: {} })).toThrow(/without TLS/);
    const { cert, key } = authority.certify("DNS:client");
    const store = create({ tls: { ca: authority.ca, cert, key } });
    await serves(store);
    rmSync(cert);
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    await saying(store, /tls\.cert cannot be read/);
  });
});

const TOPOLOGIES = {
  async sentinel() {
    const { name, nodes, stop } = await startSentinel([], authority);
    return { where: { sentinel: { name, nodes } }, stop };
  },
  async cluster() {
    const { nodes, stop } = await startCluster([], authority);
    return { where: { cluster: nodes }, stop };
  },
};

describe.each([
  [
    "the sentinels and their master",
    TOPOLOGIES.sentinel,
    /^no sentinel tells which Redis is the master: self-signed certificate/,
  ],
  ["the nodes of a Cluster", TOPOLOGIES.cluster, /^no node of the Redis Cluster answers: self-signed certificate/],
] as const)("over TLS: %s", (_, start, unknownAuthority) => {
  let where: Partial<RedisOptions<string>>;
  let stop: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    ({ where, stop } = await start());
  }, 120_000);
  afterAll(() => stop?.());

  const make = (tls: RedisOptions<string>["tls"]) => create({ url: undefined, ...where, tls });
  const limits = [{ key: "l", algorithm: "fixed-window", limit: 2, windowMs: 600_000 }] as const;

  test("believed, serve as any other, and know us by our certificate", async () => {
    const [one, two] = [make({ ca: authority.ca, ...own }), make({ ca: authority.ca, ...own })];
    await Promise.all([one.connected(), two.connected()]);
    // On each of the nodes.
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      const look = async () => await two.look({ key: keyOf(name), tags: [name], limits: [] });
      await one.put(keyOf(name), [], storedOf(name, { stamp: (await look()).fence.clock, tags: [name] }));
      expect(await look()).toMatchObject({ usable: true, stored: { value: name } });
    }
    const heard = new Promise((resolve) => two.onInvalidated(resolve));
    await (await one.begin(["a"])).commit();
    expect(await heard).toMatchObject({ tags: ["a"] });
    expect(await two.look({ key: keyOf("a"), tags: ["a"], limits })).toMatchObject({
      usable: false,
      verdicts: [{ allowed: true, remaining: 1 }],
    });
  });

  test("of an authority that nobody named, or that is another, are not used, and that is said", async () => {
    const other = createAuthority();
    onTestFinished(() => other.remove());
    await saying(make({}), unknownAuthority);
    await saying(make({ ca: other.ca, ...own }), unknownAuthority);
  });

  test("are not used where they ask who we are and are not told, nor without TLS", async () => {
    await saying(make({ ca: authority.ca }), /certificate|closed|took over|ECONNRESET|in time/i);
    await saying(make(undefined), /closed|took over|ECONNRESET|in time/i);
  });
});
