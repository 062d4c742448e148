// The keys of `store`: where responses, limits and invalidations are kept, and how Redis is reached. Part of schema.ts'
// one table; which of them go together is checks.ts' affair.

import * as z from "zod";
import { redisNode, redisUrl } from "./addresses.ts";
import { count, formed, list, mapping, milliseconds, size } from "./values.ts";

const name = (what: string, example: string) => formed(/^[\w.-]{1,256}$/, what, example);
const user = () => formed(/^[^\s\0]{1,256}$/, "a user name", "forebay");
const file = () => formed(/^[^\0]{1,4096}$/, "a file name", "/etc/forebay/ca.pem");

// What was found instead is not said. A variable of digits alone comes as a number.
const secret = () => {
  const error = "expected a password; write it in quotes, or as an environment variable";
  const digits = z
    .number({ error })
    .int({ error })
    .nonnegative({ error })
    .meta({ title: "password" })
    .transform(String);
  return z.union([z.string({ error }).min(1, { error }).max(1024, { error }).meta({ title: "password" }), digits], {
    error,
  });
};

const sentinel = mapping({
  name: name("a name", "mymaster").describe("What the sentinels call the master."),
  nodes: list(redisNode(26_379), 64, "[10.0.0.5:26379]")
    .min(1, { error: () => "is empty; write it as [10.0.0.5:26379]" })
    .describe("host:port of every sentinel, three or more, and of none that was taken out of service."),
  username: user().optional().describe("At the sentinels, where they ask for it."),
  password: secret().optional().describe("At the sentinels."),
});

const tls = mapping({
  ca: file().optional().describe("PEM file of the authorities believed, instead of the system's."),
  cert: file().optional().describe("PEM file of our own certificate, where Redis asks for one."),
  key: file().optional().describe("PEM file of its key."),
  serverName: formed(/^[A-Za-z0-9.-]{1,253}$/, "a host name", "redis.example.com")
    .optional()
    .describe("What the certificate of Redis must be for, instead of the host connected to."),
});

const wait = mapping({
  replicas: count(1, 16).prefault(1).describe("How many replicas are to have it."),
  timeout: milliseconds({ from: "1ms", to: "1s", example: "100ms" })
    .prefault("100ms")
    .describe("How long that may take, each time. Then the write goes on without them, which is logged and counted."),
});

const redis = mapping({
  url: redisUrl()
    .optional()
    .describe(
      "redis:// or rediss://, with the number of the database as path. Needed unless `sentinel` or `cluster` is there.",
    ),
  sentinel: sentinel.optional().describe("Instead of `url`: sentinels that say which Redis is the master."),
  cluster: list(redisNode(6379), 64, "[10.0.0.5:6379]")
    .min(1, { error: () => "is empty; write it as [10.0.0.5:6379]" })
    .optional()
    .describe("Instead of `url`: host:port of nodes of a Redis Cluster; more than one, so that one may be missing."),
  username: user().optional().describe("At Redis, where `url` names none."),
  password: secret().optional().describe("At Redis, where `url` names none."),
  database: count(0, 65_535).optional().describe("Number of the database, with `sentinel`."),
  tls: tls
    .optional()
    .describe(
      "For rediss://. With `sentinel` or `cluster`: speaks TLS with the sentinels and with Redis; `{}` is enough.",
    ),
  connections: count(1, 256).prefault(4).describe("Pooled connections, each pipelined."),
  deadline: milliseconds({ from: "1ms" }).prefault("50ms").describe("A cache read slower than this counts as a miss."),
  // Not less: a sidecar may read for 750 ms before it knows of an outage, and takes 700 ms to be connected anew after one, and as
  // long as Redis needs to take what was kept (store/connections.ts, reach.ts).
  writeDeadline: milliseconds({ from: "800ms", example: "1s" })
    .prefault("1s")
    .describe(
      "How long a write waits for its invalidation; at least 800ms, after which every sidecar knows that Redis is away.",
    ),
  settle: milliseconds({ from: "1s" })
    .prefault("1s")
    .describe(
      "How long nothing is read from Redis after it was away, so that every sidecar has caught up; at least 1s, and more where much is written meanwhile.",
    ),
  wait: wait
    .optional()
    .describe(
      "Replicas of Redis that must have the note of a write before it is forwarded, and its invalidation before it is answered (WAIT). Left out: none.",
    ),
});

export const store = mapping({
  prefix: formed(/^[\w.:-]{1,64}$/, "a prefix of letters, digits and . : _ -", "forebay")
    .prefault("forebay")
    .describe("What the Redis keys begin with; sidecars with the same prefix act as one."),
  redis: redis.optional().describe("The shared store. Left out: memory alone, which suits one sidecar."),
  fence: mapping({
    slots: count(1024, 16_777_216)
      .prefault(1_048_576)
      .describe("Slots of the fence, 8 bytes each. The same in every sidecar."),
  })
    .prefault({})
    .describe("How finely invalidations are told apart."),
  memory: mapping({
    max: size("64gb", "64mb").prefault("64mb").describe("Memory for stored responses."),
    trust: milliseconds({ to: "1h", example: "1s" })
      .prefault("0s")
      .describe("How long memory may answer without asking Redis whether the response was invalidated."),
  })
    .prefault({})
    .describe("Stored responses in this process, above Redis."),
});
