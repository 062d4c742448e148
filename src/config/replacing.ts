// What becomes of a configuration that another one is to take the place of? What cannot change while the process runs is
// kept from the old one and named; what has not changed is the old one's, so that it is known by identity; and what has
// changed is said.

import { pathText } from "./mistakes.ts";
import { isMapping } from "./plain.ts";
import type { Config, RouteConfig } from "./schema.ts";

export interface Replacing {
  /** What will hold: `current` itself, where nothing has changed. */
  readonly config: Config;
  /** Keys that the new one states otherwise, and that hold only after a restart. */
  readonly kept: readonly string[];
  readonly changed: Changed;
}

export interface Changed {
  /** Outside of `routes`. */
  readonly keys: readonly string[];
  /** Routes by their ids. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly altered: readonly string[];
}

export function replacing(current: Config, next: Config): Replacing {
  const { listen, admin, store } = current;
  const kept = notAdopted(current, next);
  const { routes: _, ...others } = next;
  const { routes: __, ...before } = current;
  const keys = differences(before, { ...others, listen, admin, store });
  const routes = routesOf(current, next, keys);
  const changed = { keys, ...changedRoutes(current, routes) };
  const isSame = Object.values(changed).every((names) => names.length === 0);
  return { config: isSame ? current : { ...others, listen, admin, store, routes }, kept, changed };
}

/** Sockets are bound, and in the store are connections, memory, and what is agreed with other sidecars. */
function notAdopted(current: Config, next: Config): string[] {
  const addresses = (["listen", "admin"] as const).filter((key) => !isSameText(current[key], next[key]));
  return [...addresses, ...differences(current.store, next.store, ["store"])];
}

// Of another origin other responses come, also of a route that is the same: nothing under way is shared then (flights.ts).
function routesOf(current: Config, next: Config, keys: readonly string[]): Config["routes"] {
  if (keys.some((key) => key === "origin" || key.startsWith("origin."))) return next.routes;
  const known = new Map(current.routes.map((route) => [route.id, route]));
  return next.routes.map((route) => {
    const before = known.get(route.id);
    return before !== undefined && textOf(before) === textOf(route) ? before : route;
  });
}

function changedRoutes(current: Config, routes: Config["routes"]): Omit<Changed, "keys"> {
  const before = new Map(current.routes.map((route) => [route.id, route]));
  const after = new Set(routes.map(({ id }) => id));
  return {
    added: routes.filter(({ id }) => !before.has(id)).map(({ id }) => id),
    removed: current.routes.filter(({ id }) => !after.has(id)).map(({ id }) => id),
    altered: routes.filter((route) => isAltered(before.get(route.id), route)).map(({ id }) => id),
  };
}

function isAltered(before: RouteConfig | undefined, route: RouteConfig): boolean {
  return before !== undefined && before !== route && textOf(before) !== textOf(route);
}

/** Written once for each route: a reload is not to hold up requests. */
function textOf(route: RouteConfig): string {
  let text = texts.get(route);
  if (text === undefined) {
    text = JSON.stringify(route);
    texts.set(route, text);
  }
  return text;
}

const texts = new WeakMap<RouteConfig, string>();

/** The paths of what differs: "origin.timeout.headers". Lists are compared as a whole. */
function differences(one: unknown, other: unknown, path: readonly string[] = []): string[] {
  if (isMapping(one) && isMapping(other)) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].flatMap((name) => differences(one[name], other[name], [...path, name]));
  }
  return isSameText(one, other) ? [] : [pathText(path)];
}

function isSameText(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
