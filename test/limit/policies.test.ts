// Limits as a route may have them: several, by what a client sends, with exceptions, and not enforced.

import { parseList } from "structured-headers";
import { describe, expect, it } from "vitest";
import { field } from "../../src/http/fields.ts";
import type { Judged } from "../../src/limit/limiter.ts";
import { tooMany } from "../../src/limit/quota-fields.ts";
import { from, rateLimit, sidecars } from "./sidecars.ts";

function told({ fields }: Judged): Record<string, unknown> {
  return Object.fromEntries(
    parseList(field(fields, "ratelimit") ?? "").map(([name, parameters]) => [name, Object.fromEntries(parameters)]),
  );
}

describe("several limits on one route", () => {
  const route = {
    id: "/a",
    rateLimit: [
      rateLimit({ limit: 2, window: 1000, algorithm: "token-bucket" }),
      rateLimit({ limit: 3, window: 3_600_000 }),
    ],
  };

  it("are asked about in one question and told apart by their number", () => {
    const world = sidecars();
    const { ask } = world.create();
    const judged = ask(route);
    expect(world.trips).toHaveLength(1);
    expect(told(judged)).toEqual({ "/a": { r: 1, t: 1 }, "/a#2": { r: 2, t: 3600 } });
    expect(field(judged.fields, "ratelimit-policy")).toBe('"/a";q=2;w=1, "/a#2";q=3;w=3600');
  });

  it("take nothing where one of them refuses", () => {
    const world = sidecars();
    const { ask } = world.create();
    expect([ask(route), ask(route), ask(route), ask(route)].map(({ allowed }) => allowed)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    world.now += 1000;
    expect(ask(route).allowed).toBe(true);
    expect(ask(route)).toMatchObject({ allowed: false, retryAfterSeconds: 3599 });
  });

  it("are quotas of their own, even where only the number differs", () => {
    const { limiter } = sidecars().create();
    const twice = { id: "/", rateLimit: [rateLimit({ limit: 9, enforce: false }), rateLimit({ limit: 3 })] };
    const { questions } = limiter.ask(from(), twice);
    expect(new Set(questions.map(({ key }) => key)).size).toBe(2);
  });

  it("are told by what a bucket holds where that is more than comes in a window, so that no more is left than there is", () => {
    const { ask } = sidecars().create();
    const bucket = (burst: number) => rateLimit({ limit: 10, window: 1000, algorithm: "token-bucket", burst });
    const judged = ask({ id: "/", rateLimit: [bucket(100), bucket(4)] });
    expect(field(judged.fields, "ratelimit-policy")).toBe('"/";q=100;w=10, "/#2";q=10;w=1');
    expect(told(judged)).toEqual({ "/": { r: 99, t: 1 }, "/#2": { r: 3, t: 1 } });
    const large = ask({ id: "/large", rateLimit: [bucket(100)] });
    const older = ["limit", "remaining"].map((name) => field(large.fields, `x-ratelimit-${name}`));
    expect(older).toEqual(["100", "99"]);
  });

  it("lie together where they are one client's", () => {
    const { limiter } = sidecars().create({ global: [rateLimit()] });
    const { questions } = limiter.ask(from(), route);
    expect(new Set(questions.map(({ client }) => client))).toEqual(new Set(["203.0.113.7"]));
    for (const { key, client = "" } of questions) expect(key.endsWith(`|${client}`)).toBe(true);
  });
});

describe("a limit by what the client sends", () => {
  const byKey = { id: "/", rateLimit: [rateLimit({ limit: 1, by: ["header:x-api-key"] })] };

  it("counts each value for itself, from wherever it comes", () => {
    const { ask } = sidecars().create();
    const of = (peer: string, key: string) => ask(byKey, { peer, fields: ["X-Api-Key", key] }).allowed;
    expect([of("192.0.2.1", "a"), of("192.0.2.1", "b"), of("192.0.2.2", "a")]).toEqual([true, true, false]);
  });

  it("is not got out of by leaving it out", () => {
    const { ask } = sidecars().create();
    expect([ask(byKey), ask(byKey)].map(({ allowed }) => allowed)).toEqual([true, false]);
  });

  it("is another quota than one by something else", () => {
    const { limiter } = sidecars().create();
    const keyOf = (...by: string[]) =>
      limiter.ask(from(), { id: "/", rateLimit: [rateLimit({ by })] }).questions[0]?.key;
    const keys = [keyOf("ip"), keyOf("header:a"), keyOf("cookie:a"), keyOf("header:a|ip"), keyOf("header:b")];
    expect(new Set(keys).size).toBe(5);
  });
});

describe("a client that is excepted", () => {
  const route = { id: "/", rateLimit: [rateLimit({ limit: 1, except: ["10.0.0.0/8", "loopback"] })] };

  it.each(["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "::1", ""])(
    "from %j is not counted and told nothing",
    (peer) => {
      const world = sidecars();
      const { ask } = world.create();
      for (let i = 0; i < 3; i++)
        expect(ask(route, { peer })).toMatchObject({ allowed: true, outcome: "excepted", fields: [] });
      expect(world.trips).toEqual([]);
    },
  );

  it("is known by its own address, not by that of a proxy that is not trusted", () => {
    const { ask } = sidecars().create();
    const fields = ["X-Forwarded-For", "10.1.2.3"];
    expect(ask(route, { fields }).outcome).toBe("allowed");
    expect(
      sidecars()
        .create({ trusted: ["203.0.113.7"] })
        .ask(route, { fields }).outcome,
    ).toBe("excepted");
  });

  it("is still counted by the limits that do not except it", () => {
    const { ask } = sidecars().create({ global: [rateLimit({ limit: 1 })] });
    const judged = ask(route, { peer: "10.0.0.1" });
    expect(judged.outcome).toBe("allowed");
    expect(field(judged.fields, "ratelimit-policy")).toBe('"global";q=1;w=60');
    expect(ask(route, { peer: "10.0.0.1" }).allowed).toBe(false);
  });
});

describe("a limit that is not enforced", () => {
  const dry = { id: "/", rateLimit: [rateLimit({ limit: 1, enforce: false, onStoreFailure: "deny" })] };

  it("counts and says what it would have done, but refuses nothing, and clients are not told of it", () => {
    const { ask } = sidecars().create();
    expect(ask(dry)).toMatchObject({ allowed: true, outcome: "allowed", fields: [] });
    for (let i = 0; i < 2; i++) {
      expect(ask(dry)).toEqual({ allowed: true, outcome: "would-refuse", fields: [], retryAfterSeconds: 0 });
    }
  });

  it("leaves what clients are told of those that are", () => {
    const { ask } = sidecars().create({ global: [rateLimit({ limit: 9 })] });
    const several = { id: "/", rateLimit: [rateLimit({ limit: 1, enforce: false }), rateLimit({ limit: 5 })] };
    ask(several);
    const judged = ask(several);
    expect(judged.outcome).toBe("would-refuse");
    expect(field(judged.fields, "ratelimit-policy")).toBe('"global";q=9;w=60, "/#2";q=5;w=60');
    expect(told(judged)).toEqual({ global: { r: 7, t: 60 }, "/#2": { r: 3, t: 60 } });
    expect(field(judged.fields, "x-ratelimit-limit")).toBe("5");
  });

  it("is asked about each time: nobody is refused from memory", () => {
    const world = sidecars();
    const { ask } = world.create();
    for (let i = 0; i < 3; i++) ask(dry);
    expect(world.trips).toHaveLength(3);
  });

  it("neither denies nor stands in the way of the others while the store is away", () => {
    const world = sidecars();
    world.away = true;
    expect(world.create().ask(dry)).toMatchObject({ allowed: true, outcome: "store-away", fields: [] });
  });

  it("says nothing of when to come back where another one refuses", () => {
    const { ask } = sidecars().create({ global: [rateLimit({ limit: 1, window: 5000 })] });
    const long = { id: "/", rateLimit: [rateLimit({ limit: 1, window: 3_600_000, enforce: false })] };
    ask(long);
    const refused = ask(long);
    expect(refused).toMatchObject({ allowed: false, outcome: "refused", retryAfterSeconds: 5 });
    expect(field(refused.fields, "x-ratelimit-reset")).toBe("5");
    expect(field(tooMany(refused).fields, "retry-after")).toBe("5");
  });
});

describe("a verdict that comes too late", () => {
  const route = { id: "/", rateLimit: [rateLimit({ limit: 5 })] };

  it("counts for what this process admits by itself, and refuses from memory what it refused", () => {
    const world = sidecars();
    const { limiter, ask } = world.create();
    const asked = limiter.ask(from(), route);
    expect(limiter.judge(asked, undefined)).toMatchObject({ allowed: true, outcome: "local" });
    const [question] = asked.questions;
    question?.late?.(question, { allowed: true, remaining: 1, resetMs: 60_000 });
    world.away = true;
    expect([ask(route), ask(route)].map(({ allowed }) => allowed)).toEqual([true, false]);
    question?.late?.(question, { allowed: false, remaining: 0, resetMs: 60_000 });
    expect(ask(route).outcome).toBe("refused-from-memory");
  });

  it("brings what was taken in advance", () => {
    const world = sidecars();
    const { limiter, ask } = world.create();
    const reserving = { id: "/", rateLimit: [rateLimit({ limit: 5, reserve: 3 })] };
    const asked = limiter.ask(from(), reserving);
    limiter.judge(asked, undefined);
    const [question] = asked.questions;
    question?.late?.(question, { allowed: true, remaining: 4, resetMs: 60_000, taken: 2 });
    ask(reserving);
    ask(reserving);
    expect(world.trips).toEqual([]);
  });
});

describe("what the store said", () => {
  it("counts when it falls silent", () => {
    const world = sidecars();
    const [one, two] = [world.create(), world.create()];
    const route = { id: "/", rateLimit: [rateLimit({ limit: 5, algorithm: "sliding-log" })] };
    for (let i = 0; i < 3; i++) one?.ask(route);
    two?.ask(route);
    world.away = true;
    expect([two?.ask(route), two?.ask(route)].map((judged) => judged?.allowed)).toEqual([true, false]);
  });
});
