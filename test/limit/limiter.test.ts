import { parseList } from "structured-headers";
import { describe, expect, it } from "vitest";
import { field } from "../../src/http/fields.ts";
import type { Request } from "../../src/http/message.ts";
import { createLimiter, type Judged, type Limiter } from "../../src/limit/limiter.ts";
import type { LimitedRoute, RateLimit } from "../../src/limit/plan.ts";
import { tooMany } from "../../src/limit/quota-fields.ts";
import { createLimits } from "../../src/store/limits.ts";
import type { LimitQuestion, Verdict } from "../../src/store/store.ts";
import fc from "../support/fast-check.ts";

const START = 1_800_000_000_000;

function rateLimit(some: Partial<RateLimit> = {}): RateLimit {
  const rest = { by: ["ip"], reserve: 1, except: [], enforce: true, onStoreFailure: "local" } as const;
  return { limit: 3, window: 60_000, algorithm: "fixed-window", ...rest, ...some };
}

function from(peer: string): Request {
  return {
    method: "GET",
    scheme: "http",
    authority: "example.com",
    target: "/",
    fields: [],
    content: undefined,
    peer,
    signal: new AbortController().signal,
    upgrade: undefined,
  };
}

/** A limiter before a store that can be taken away, a clock to turn, and what each side was asked. */
function world(...global: RateLimit[]) {
  const world = { now: START, away: false, stored: [] as LimitQuestion[], local: [] as LimitQuestion[] };
  const now = () => world.now;
  const store = createLimits({ now, max: 1000 });
  const local = createLimits({ now, max: 1000 });
  const limiter = createLimiter({
    global,
    clients: {
      bucket: ({ peer }) => peer,
      among:
        (named) =>
        ({ peer }) =>
          named.includes(peer),
    },
    local: {
      charge(questions) {
        world.local.push(...questions);
        return local.charge(questions);
      },
      note: local.note,
    },
    now,
  });
  function ask(route: LimitedRoute, peer = "203.0.113.7"): Judged {
    const asked = limiter.ask(from(peer), route);
    if (asked.refused) return limiter.judge(asked, undefined);
    world.stored.push(...asked.questions);
    return limiter.judge(asked, world.away ? undefined : store.charge(asked.questions));
  }
  return Object.assign(world, { limiter, ask });
}

/** What the limiter says to verdicts of our making. */
function judge(limiter: Limiter, route: LimitedRoute, verdicts: readonly Verdict[] | undefined): Judged {
  return limiter.judge(limiter.ask(from("203.0.113.7"), route), verdicts);
}

function list(value: string | undefined): unknown[] {
  return parseList(value ?? "").map(([name, parameters]) => [name, Object.fromEntries(parameters)]);
}

describe("a route without limits", () => {
  it("asks nothing, passes and adds no fields", () => {
    const { limiter } = world();
    const asked = limiter.ask(from("203.0.113.7"), { id: "/" });
    expect(asked.questions).toEqual([]);
    expect(limiter.judge(asked, undefined)).toEqual({
      allowed: true,
      outcome: "none",
      fields: [],
      retryAfterSeconds: 0,
    });
    expect(limiter.judge(asked, []).outcome).toBe("none");
  });
});

describe("a limit of three", () => {
  const route = { id: "/products/:id", rateLimit: [rateLimit()] };

  it("admits three and refuses the fourth", () => {
    const { ask } = world();
    expect([ask(route), ask(route), ask(route), ask(route)].map(({ outcome }) => outcome)).toEqual([
      "allowed",
      "allowed",
      "allowed",
      "refused",
    ]);
  });

  it("counts each client and each route for itself", () => {
    const { ask } = world();
    for (let i = 0; i < 4; i++) ask(route);
    expect(ask(route, "203.0.113.8").allowed).toBe(true);
    expect(ask({ ...route, id: "/other" }).allowed).toBe(true);
  });

  it("tells what is left, in the draft's fields and the older ones", () => {
    const { ask } = world();
    const { fields } = ask(route);
    expect(list(field(fields, "ratelimit-policy"))).toEqual([["/products/:id", { q: 3, w: 60 }]]);
    expect(list(field(fields, "ratelimit"))).toEqual([["/products/:id", { r: 2, t: 60 }]]);
    expect(field(fields, "x-ratelimit-limit")).toBe("3");
    expect(field(fields, "x-ratelimit-remaining")).toBe("2");
    expect(field(fields, "x-ratelimit-reset")).toBe("60");
  });

  it("tells a refused client when to come back, never in 0 s", () => {
    const { limiter } = world();
    const { fields, retryAfterSeconds } = judge(limiter, route, [{ allowed: false, remaining: 0, resetMs: 0 }]);
    expect(retryAfterSeconds).toBe(1);
    expect(list(field(fields, "ratelimit"))).toEqual([["/products/:id", { r: 0, t: 1 }]]);
    expect(field(fields, "x-ratelimit-reset")).toBe("1");
  });

  it("never tells a time before the reset", () => {
    const { limiter } = world();
    expect(judge(limiter, route, [{ allowed: false, remaining: 0, resetMs: 1001 }]).retryAfterSeconds).toBe(2);
  });
});

describe("a refused client", () => {
  const route = { id: "/", rateLimit: [rateLimit({ limit: 1 })] };

  it("is refused from memory until the reset, and asked about again then", () => {
    const w = world();
    w.ask(route);
    w.now += 10_000;
    expect(w.ask(route).outcome).toBe("refused");
    expect(w.stored).toHaveLength(2);
    w.now += 49_999;
    const refused = w.ask(route);
    expect(refused).toMatchObject({ allowed: false, outcome: "refused-from-memory", retryAfterSeconds: 1 });
    expect(list(field(refused.fields, "ratelimit"))).toEqual([["/", { r: 0, t: 1 }]]);
    expect(w.stored).toHaveLength(2);
    w.now += 1;
    expect(w.ask(route).outcome).toBe("allowed");
    expect(w.stored).toHaveLength(3);
  });

  it("is told how long it still has to wait", () => {
    const w = world();
    w.ask(route);
    w.ask(route);
    w.now += 20_000;
    expect(w.ask(route).retryAfterSeconds).toBe(40);
  });

  it("is alone in that", () => {
    const w = world();
    w.ask(route);
    w.ask(route);
    expect(w.ask(route, "203.0.113.8").outcome).toBe("allowed");
    expect(w.ask({ id: "/other", rateLimit: [rateLimit()] }).outcome).toBe("allowed");
  });

  it("is refused from when the store was asked, however late it answered", () => {
    const w = world();
    const asked = w.limiter.ask(from("203.0.113.7"), route);
    w.now += 300;
    w.limiter.judge(asked, [{ allowed: false, remaining: 0, resetMs: 500 }]);
    w.now += 199;
    expect(w.limiter.ask(from("203.0.113.7"), route).refused).toBe(true);
    w.now += 1;
    expect(w.limiter.ask(from("203.0.113.7"), route).refused).toBe(false);
  });

  it("is asked about again after a window, whatever the store said", () => {
    const w = world();
    judge(w.limiter, route, [{ allowed: false, remaining: 0, resetMs: 1e12 }]);
    w.now += 60_000;
    expect(w.limiter.ask(from("203.0.113.7"), route).refused).toBe(false);
  });

  it("is asked about again where the clock was set back", () => {
    const w = world();
    w.ask(route);
    w.ask(route);
    w.now -= 1;
    w.ask(route);
    expect(w.stored).toHaveLength(3);
  });

  it("is not remembered where this process alone refused it", () => {
    const w = world();
    w.away = true;
    w.ask(route);
    expect(w.ask(route)).toMatchObject({ allowed: false, outcome: "local" });
    w.away = false;
    expect(w.ask(route)).toMatchObject({ allowed: true, outcome: "allowed" });
  });

  it("has room for no more than a bounded number of others beside it", () => {
    const { limiter } = world();
    const verdicts = [{ allowed: false, remaining: 0, resetMs: 60_000 }];
    for (let i = 0; i < 65_537; i++) limiter.judge(limiter.ask(from(`client ${i}`), route), verdicts);
    expect(limiter.ask(from("client 0"), route).refused).toBe(false);
    expect(limiter.ask(from("client 65536"), route).refused).toBe(true);
  });
});

describe("a global limit beside a route's", () => {
  const global = rateLimit({ limit: 100, window: 1000, algorithm: "sliding-window" });
  const route = { id: "/a", rateLimit: [rateLimit()] };

  it("is asked first, in the same question", () => {
    const { limiter } = world(global);
    const { questions } = limiter.ask(from("203.0.113.7"), route);
    expect(questions).toMatchObject([
      { algorithm: "sliding-window", limit: 100, windowMs: 1000 },
      { algorithm: "fixed-window", limit: 3, windowMs: 60_000 },
    ]);
  });

  it("holds for routes without one", () => {
    expect(world(global).ask({ id: "/b" }).outcome).toBe("allowed");
  });

  it("is one quota for all routes", () => {
    const w = world(rateLimit({ limit: 1 }));
    w.ask({ id: "/b" });
    expect(w.ask({ id: "/c" }).allowed).toBe(false);
  });

  it("is not remembered as refusing where only the route's did", () => {
    const { limiter } = world(global);
    judge(limiter, route, [
      { allowed: true, remaining: 9, resetMs: 900 },
      { allowed: false, remaining: 0, resetMs: 30_000 },
    ]);
    expect(limiter.ask(from("203.0.113.7"), route).refused).toBe(true);
    expect(limiter.ask(from("203.0.113.7"), { id: "/b" }).refused).toBe(false);
  });

  it("is listed beside it, and the older fields are the tighter one's", () => {
    const { limiter } = world(global);
    const { fields } = judge(limiter, route, [
      { allowed: true, remaining: 99, resetMs: 900 },
      { allowed: true, remaining: 2, resetMs: 30_000 },
    ]);
    expect(list(field(fields, "ratelimit-policy"))).toEqual([
      ["global", { q: 100, w: 1 }],
      ["/a", { q: 3, w: 60 }],
    ]);
    expect(list(field(fields, "ratelimit"))).toEqual([
      ["global", { r: 99, t: 1 }],
      ["/a", { r: 2, t: 30 }],
    ]);
    expect(field(fields, "x-ratelimit-limit")).toBe("3");
  });

  it("refuses alone, and of two refusals the longer counts", () => {
    const refused = (resetMs: number) => ({ allowed: false, remaining: 0, resetMs });
    const allowed = { allowed: true, remaining: 0, resetMs: 90_000 };
    const retry = (verdicts: Verdict[]) => judge(world(global).limiter, route, verdicts).retryAfterSeconds;
    expect(retry([refused(500), allowed])).toBe(1);
    expect(retry([allowed, refused(2000)])).toBe(2);
    expect(retry([refused(3000), refused(2000)])).toBe(3);
  });
});

describe("while the store is away", () => {
  it("local counts in this process alone", () => {
    const w = world();
    w.away = true;
    const route = { id: "/", rateLimit: [rateLimit({ limit: 1, onStoreFailure: "local" })] };
    const first = w.ask(route);
    expect(first).toMatchObject({ allowed: true, outcome: "local" });
    expect(list(field(first.fields, "ratelimit"))).toEqual([["/", { r: 0, t: 60 }]]);
    expect(w.ask(route)).toMatchObject({ allowed: false, outcome: "local", retryAfterSeconds: 60 });
  });

  it("allow admits, counts nothing, and tells the policy alone", () => {
    const w = world();
    w.away = true;
    const judged = w.ask({ id: "/", rateLimit: [rateLimit({ limit: 1, onStoreFailure: "allow" })] });
    expect(judged).toMatchObject({ allowed: true, outcome: "store-away", retryAfterSeconds: 0 });
    expect(judged.fields).toEqual(["RateLimit-Policy", '"/";q=1;w=60']);
    expect(w.local).toEqual([]);
  });

  it("deny refuses with 503, and charges no other limit", () => {
    const w = world(rateLimit({ onStoreFailure: "local" }));
    w.away = true;
    const judged = w.ask({ id: "/", rateLimit: [rateLimit({ onStoreFailure: "deny" })] });
    expect(judged).toMatchObject({ allowed: false, outcome: "store-away" });
    expect(tooMany(judged).status).toBe(503);
    expect(field(tooMany(judged).fields, "retry-after")).toBe("1");
    expect(w.local).toEqual([]);
  });

  it("each limit goes its own way", () => {
    const w = world(rateLimit({ limit: 1, onStoreFailure: "local" }));
    w.away = true;
    const route = { id: "/", rateLimit: [rateLimit({ onStoreFailure: "allow" })] };
    expect(w.ask(route)).toMatchObject({ allowed: true, outcome: "local" });
    expect(w.ask(route)).toMatchObject({ allowed: false, outcome: "local" });
    expect(w.local.map(({ key }) => key[0])).toEqual(["g", "g"]);
  });
});

describe("the response to a refused request", () => {
  it("is 429 problem+json with Retry-After and the limit's fields", () => {
    const { limiter } = world();
    const judged = judge(limiter, { id: "/", rateLimit: [rateLimit()] }, [
      { allowed: false, remaining: 0, resetMs: 7000 },
    ]);
    const { status, fields, content } = tooMany(judged);
    expect(status).toBe(429);
    expect(field(fields, "content-type")).toBe("application/problem+json");
    expect(field(fields, "retry-after")).toBe("7");
    expect(field(fields, "ratelimit")).toBe('"/";r=0;t=7');
    expect(JSON.parse(new TextDecoder().decode(content as Uint8Array))).toMatchObject({ status: 429 });
  });
});

describe("the key of a quota", () => {
  const keysOf = ({ limiter }: { limiter: Limiter }, id: string, peer: string, some: Partial<RateLimit> = {}) =>
    limiter.ask(from(peer), { id, rateLimit: [rateLimit(some)] }).questions.map(({ key }) => key);
  const keys = (some: Partial<RateLimit>) => keysOf(world(rateLimit(some)), "/", "a", some);

  it("is another one for another route or client, and for the limit of all routes", () => {
    // Buckets hold no "|": see client.ts.
    const bucket = fc.string().map((text) => text.replaceAll("|", ""));
    const w = world(rateLimit());
    fc.assert(
      fc.property(fc.string(), bucket, fc.string(), bucket, (id, peer, otherId, otherPeer) => {
        const [global, route] = keysOf(w, id, peer);
        const [otherGlobal, otherRoute] = keysOf(w, otherId, otherPeer);
        expect(global === otherGlobal).toBe(peer === otherPeer);
        expect(route === otherRoute).toBe(id === otherId && peer === otherPeer);
        expect(global).not.toBe(otherRoute);
      }),
    );
  });

  it("is another one where the window or the algorithm is", () => {
    const all = [{}, { window: 1000 }, { algorithm: "sliding-window" as const }].flatMap((some) => keys(some));
    expect(new Set(all).size).toBe(6);
  });

  it("is the same one where only the limit is, so that a raised limit counts on", () => {
    expect(keys({ limit: 9 })).toEqual(keys({ limit: 3 }));
  });
});

describe("the fields", () => {
  it("are structured fields for any route and any verdict", () => {
    const verdict = fc.record({
      allowed: fc.boolean(),
      remaining: fc.nat(),
      resetMs: fc.integer({ min: -5, max: 1e9 }),
    });
    const w = world();
    fc.assert(
      fc.property(
        fc.string({ unit: "binary-ascii" }),
        verdict,
        fc.integer({ min: 1, max: 1e9 }),
        (id, said, window) => {
          w.now += 2e9; // past what was remembered before
          const { fields, retryAfterSeconds } = judge(w.limiter, { id, rateLimit: [rateLimit({ window })] }, [said]);
          const [[policyName, policy], [name, quota]] = [
            list(field(fields, "ratelimit-policy"))[0] as [string, { q: number; w: number }],
            list(field(fields, "ratelimit"))[0] as [string, { r: number; t: number }],
          ];
          expect(name).toBe(policyName);
          expect(policy.w).toBeGreaterThanOrEqual(1);
          expect(quota.r).toBe(said.allowed ? said.remaining : 0);
          expect(quota.t * 1000).toBeGreaterThanOrEqual(said.resetMs);
          expect(retryAfterSeconds).toBe(said.allowed ? 0 : quota.t);
        },
      ),
    );
  });

  it("name a route with quotes, backslashes and other scripts", () => {
    const { limiter } = world();
    const { fields } = judge(limiter, { id: '/a"b\\c/ä', rateLimit: [rateLimit()] }, undefined);
    expect(list(field(fields, "ratelimit-policy"))).toEqual([['/a"b\\c/%C3%A4', { q: 3, w: 60 }]]);
  });
});
