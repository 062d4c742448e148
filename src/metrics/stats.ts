// What GET /api/stats tells: one sidecar at a glance, for the dashboard and for `forebay top`.

import type { Recent } from "./recent.ts";
import type { TopKeys } from "./top-keys.ts";
import type { Counts, Traffic } from "./traffic.ts";

interface StatsParts {
  readonly sidecar: string;
  readonly version: string;
  readonly traffic: Traffic;
  readonly recent: Recent;
  readonly top: TopKeys;
  readonly health: () => Readonly<Record<string, { readonly state: string; readonly detail: string }>>;
  /** By the name of the limit. */
  readonly limits: ReadonlyMap<string, { readonly allowed: number; readonly refused: number }>;
  readonly flights: { readonly underWay: number; readonly followers: number };
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  readonly startedAt: number;
}

/** How much is to be told. */
export interface AskedFor {
  readonly hasSeries: boolean;
  readonly hasTop: boolean;
  /** Those with the most requests. */
  readonly maxRoutes: number;
}

const ALL: AskedFor = { hasSeries: true, hasTop: true, maxRoutes: Number.POSITIVE_INFINITY };

/** The function that gives what is told at `now` (epoch ms). */
export function statsOf(parts: StatsParts): (now: number, asked?: AskedFor) => unknown {
  const { sidecar, version, traffic, recent, top, health, limits, flights } = parts;
  return (now, { hasSeries, hasTop, maxRoutes } = ALL) => {
    recent.tick(now);
    return {
      sidecar,
      version,
      now,
      uptimeMs: Math.round(parts.elapsed() - parts.startedAt),
      health: health(),
      totals: countsOf(traffic.all),
      perSecond: recent.perSecond(now),
      latencyMs: recent.latency(),
      ...(hasSeries ? { series: recent.series() } : {}),
      routesInAll: traffic.routes.size,
      routes: busiest(traffic.routes, maxRoutes).map(([route, counts]) => {
        return { route, ...countsOf(counts), ...recent.route(route, now) };
      }),
      limits: [...limits].map(([limit, { allowed, refused }]) => ({ limit, allowed, refused })),
      flights: { underWay: flights.underWay, followers: flights.followers },
      ...(hasTop ? { top: top.told() } : {}),
    };
  };
}

function busiest(routes: Traffic["routes"], max: number): [string, Counts][] {
  return [...routes].sort(([, one], [, other]) => other.requests - one.requests).slice(0, max);
}

function countsOf({ requests, hits, forwards, collapsed, limited, errors, bytes }: Counts) {
  return { requests, hits, forwards, collapsed, limited, errors, bytes };
}
