// An hour of a shop's traffic, made up: the same each time.

import { PLACE, STATUSES } from "../../src/metrics/outcome.ts";
import type { startPanel } from "./panel.ts";

type Panel = Pick<
  Awaited<ReturnType<typeof startPanel>>,
  "clock" | "traffic" | "recent" | "top" | "limits" | "flights" | "events"
>;

interface Visited {
  readonly route: string;
  /** Of a thousand requests. */
  readonly share: number;
  readonly hits: number;
  readonly ms: readonly [hit: number, miss: number];
  readonly bytes: number;
  /** Of requests; 0 where left out. */
  readonly limited?: number;
  readonly failing?: number;
  path(random: () => number): string;
}

const few = (random: () => number, of: number) => 1 + Math.floor(of * random() ** 3);
const WORDS = ["tea", "kettle", "cup", "gift", "jug", "caddy"];

const VISITED: readonly Visited[] = [
  {
    ...{ route: "/products/:id", share: 520, hits: 0.965, ms: [0.4, 38], bytes: 2100, limited: 0.002 },
    path: (random) => `/products/${few(random, 400)}`,
  },
  {
    route: "/products",
    share: 190,
    hits: 0.93,
    ms: [0.6, 61],
    bytes: 9400,
    path: (random) => `/products?page=${few(random, 12)}`,
  },
  {
    ...{ route: "/search", share: 140, hits: 0.71, ms: [0.5, 120], bytes: 5200, limited: 0.02 },
    path: (random) => `/search?q=${WORDS[few(random, WORDS.length) - 1]}`,
  },
  {
    route: "/images/*",
    share: 95,
    hits: 0.995,
    ms: [0.9, 25],
    bytes: 48_000,
    path: (random) => `/images/${few(random, 60)}.webp`,
  },
  {
    route: "/users/:id/orders",
    share: 32,
    hits: 0,
    ms: [0, 84],
    bytes: 3100,
    path: (random) => `/users/${few(random, 90)}/orders`,
  },
  { route: "/checkout", share: 15, hits: 0, ms: [0, 190], bytes: 400, failing: 0.004, path: () => "/checkout" },
  { route: "", share: 8, hits: 0, ms: [0, 0.3], bytes: 120, path: () => "/wp-login.php" },
];

const HOUR_S = 3600;

/** Lets it pass, up to now. */
export function passHour({ clock, traffic, recent, top, limits, flights }: Panel): void {
  const random = mulberry(7);
  const tallies = { "/products/:id": { allowed: 0, refused: 0 }, "/search": { allowed: 0, refused: 0 } };
  for (const [name, tally] of Object.entries(tallies)) limits.set(name, tally);
  for (let second = 0; second < HOUR_S; second++) {
    clock.now += 1000;
    const wave = 1 + 0.35 * Math.sin(second / 700) + 0.12 * Math.sin(second / 61);
    const rush = second > 2500 && second < 2750 ? 1.9 : 1;
    // Caches are emptied by hand; and for a while the origin is slow.
    const coldness = second > 1380 ? Math.exp(-(second - 1380) / 45) : Math.exp(-second / 60);
    const slowness = second > 1900 && second < 2080 ? 4 : 1;
    const count = Math.round(42 * wave * rush * (0.9 + 0.2 * random()));
    for (let i = 0; i < count; i++) request(pick(random), { coldness, slowness });
    recent.tick(clock.now);
    top.pace(count);
    if (second % 60 === 0) top.fade();
  }
  Object.assign(flights, { underWay: 3, followers: 11 });

  function request(visited: Visited, { coldness, slowness }: { coldness: number; slowness: number }) {
    const { route, hits, bytes, limited = 0, failing = 0, ms } = visited;
    const chance = random();
    const isLimited = chance < limited;
    const isHit = !isLimited && random() < hits * (1 - coldness);
    const isFollower = !isHit && !isLimited && hits > 0 && random() < 0.25;
    const outcome = isLimited ? PLACE.limited : isHit ? PLACE.hit : isFollower ? PLACE.collapsed : PLACE["uri-miss"];
    const status = isLimited ? "4xx" : !isHit && random() < failing * slowness ? "5xx" : route === "" ? "4xx" : "2xx";
    const took = (isHit ? ms[0] : ms[1] * slowness) * (0.5 + random() + random() ** 8 * 4);
    const own = route === "" ? undefined : route;
    traffic.finished({ route: own, outcome, status: STATUSES.indexOf(status), bytes, ms: took, msStore: 0 });
    if (!isHit && !isLimited && !isFollower && route !== "") traffic.forwarded(own, took);
    const tally = tallies[route as keyof typeof tallies];
    if (tally !== undefined) tally[isLimited ? "refused" : "allowed"] += 1;
    top.take({ method: "GET", authority: "shop.example", target: visited.path(random) }, own);
  }
}

/** What is heard of while somebody listens. */
export function tellEvents({ events, clock }: Pick<Panel, "events" | "clock">): void {
  const { now } = clock;
  const at = (secondsAgo: number, tell: () => void) => {
    clock.now = now - secondsAgo * 1000;
    tell();
  };
  at(48, () => events.tell({ kind: "invalidated", tags: ["path:shop.example/products/7", "tag:product:7"], more: 0 }));
  at(41, () => events.tell({ kind: "stored", count: 23 }));
  at(33, () => events.tell({ kind: "refused", route: "/search", count: 14 }));
  at(30, () => events.tell({ kind: "stored", count: 41 }));
  at(22, () => events.tell({ kind: "purged", clock: 1, tags: ["route:/products"], more: 0, soft: true }));
  at(21, () => events.tell({ kind: "stored", count: 96 }));
  at(12, () =>
    events.tell({ kind: "invalidated", tags: ["path:shop.example/products/31", "tag:product:31"], more: 2 }),
  );
  at(3, () => events.tell({ kind: "stored", count: 18 }));
  clock.now = now;
}

function pick(random: () => number): Visited {
  let left = random() * 1000;
  for (const visited of VISITED) {
    left -= visited.share;
    if (left < 0) return visited;
  }
  return VISITED[0] as Visited;
}

/** Numbers from 0 to 1 (mulberry32). */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
