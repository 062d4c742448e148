// What is wrong between values that are each right by themselves? Looks at the file as written, with defaults merged in,
// so that it can speak up together with schema.ts; what schema.ts refuses is passed over here.

import { type Address, readAddress } from "./addresses.ts";
import type { Mistake, Path } from "./mistakes.ts";
import { paramNames, parsePattern, patternShape, type Segment } from "./pattern.ts";
import { isMapping, type Mapping } from "./plain.ts";
import { DEFAULT_ADMIN, DEFAULT_LISTEN } from "./schema.ts";

export function checkTogether(file: Mapping): Mistake[] {
  const routes = Array.isArray(file.routes) ? file.routes.map(mappingOf) : [];
  return [
    ...checkListeners(file),
    ...checkOrigin(file),
    ...checkRedis(mappingOf(mappingOf(file.store).redis), isMapping(mappingOf(file.store).redis)),
    ...checkDuplicates(routes),
    ...routes.flatMap(checkTags),
  ];
}

function checkListeners({ listen = DEFAULT_LISTEN, admin = DEFAULT_ADMIN }: Mapping): Mistake[] {
  const [first, second] = [listen, admin].map((value) => (typeof value === "string" ? readAddress(value) : undefined));
  if (first === undefined || second === undefined || !overlap(first, second)) return [];
  return [{ path: ["admin"], text: `is the address of listen, "${listen}"; write another port` }];
}

/** An origin that is Forebay itself would be asked in a circle. */
function checkOrigin({ origin, listen = DEFAULT_LISTEN, admin = DEFAULT_ADMIN }: Mapping): Mistake[] {
  const url = isMapping(origin) ? origin.url : origin;
  const path = isMapping(origin) ? ["origin", "url"] : ["origin"];
  return [url].flat().flatMap((each) => {
    const address = addressOf(each);
    const own = Object.entries({ listen, admin }).find(([, value]) => {
      const other = typeof value === "string" ? readAddress(value) : undefined;
      return address !== undefined && other !== undefined && overlap(address, other);
    });
    if (own === undefined) return [];
    return [
      {
        path,
        text: `is the address of ${own[0]}, "${own[1]}", so Forebay would ask itself; write where the service listens`,
      },
    ];
  });
}

/** Of this machine; undefined: of another, or no URL. */
function addressOf(url: unknown): Address | undefined {
  const { protocol, hostname, port } = typeof url === "string" && URL.canParse(url) ? new URL(url) : {};
  if (hostname === undefined || !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return undefined;
  return readAddress(`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`);
}

function overlap(one: Address, other: Address): boolean {
  if ("path" in one || "path" in other) return "path" in one && "path" in other && one.path === other.path;
  const hosts = [one, other].map(({ host }) => (host === "localhost" ? "127.0.0.1" : host));
  const isAnywhere = hosts.some((host) => host === "0.0.0.0" || host === "::");
  return one.port === other.port && one.port !== 0 && (isAnywhere || hosts[0] === hosts[1]);
}

/** One way to Redis, and what goes with it. */
function checkRedis(redis: Mapping, isThere: boolean): Mistake[] {
  const { url, cluster, username, password, database, tls } = redis;
  const at = (key: string, text: string): Mistake => ({ path: ["store", "redis", key], text });
  if (!isThere) return [];
  const [way, other] = ["url", "sentinel", "cluster"].filter((key) => redis[key] !== undefined);
  if (way === undefined) {
    return [at("url", "is missing; write it as redis://127.0.0.1:6379/0, or give sentinel or cluster")];
  }
  if (other !== undefined) return [at(other, `stands beside ${way}; keep one of them`)];
  const { cert, key } = mappingOf(tls);
  const halves =
    (cert === undefined) === (key === undefined) ? [] : [at("tls", "names one of cert and key; give both")];
  const isNumbered = cluster !== undefined && database !== undefined;
  if (url === undefined)
    return [...halves, ...(isNumbered ? [at("database", "is always 0 in a Redis Cluster; leave it out")] : [])];
  const own = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
  const isPlain = own?.protocol === "redis:" && tls !== undefined;
  const isNamedTwice = own && own.username + own.password !== "" && (username ?? password) !== undefined;
  return [
    ...halves,
    ...(database === undefined ? [] : [at("database", "goes with sentinel; write the number as path of url")]),
    ...(isPlain ? [at("tls", "is for rediss://; write url with that, or leave tls out")] : []),
    ...(isNamedTwice ? [at("password", "stands in url as well; keep one of them")] : []),
  ];
}

function checkDuplicates(routes: readonly Mapping[]): Mistake[] {
  const seen = new Map<string, number>();
  return routes.flatMap((route, index) => {
    const segments = segmentsOf(route);
    if (segments === undefined) return [];
    const shape = `${typeof route.host === "string" ? route.host.toLowerCase() : ""}${patternShape(segments)}`;
    const first = seen.get(shape);
    if (first === undefined) {
      seen.set(shape, index);
      return [];
    }
    const text = `matches the same requests as routes[${first}].path ${JSON.stringify(routes[first]?.path)}`;
    return [{ path: ["routes", index, "path"], text: `${text}; keep one of them` }];
  });
}

/** {name} in a tag must be a parameter of the path. */
function checkTags(route: Mapping, index: number): Mistake[] {
  const segments = segmentsOf(route);
  if (segments === undefined) return [];
  const names = new Set(paramNames(segments));
  return ["cache", "invalidate"].flatMap((key) => {
    const { tags } = mappingOf(route[key]);
    return (Array.isArray(tags) ? tags : []).flatMap((tag, position) =>
      unknownNames(tag, names).map((name) => ({
        path: ["routes", index, key, "tags", position] satisfies Path,
        text: `{${name}} is no parameter of the path ${JSON.stringify(route.path)}; write :${name} in the path, or leave it out`,
      })),
    );
  });
}

function unknownNames(tag: unknown, names: ReadonlySet<string>): string[] {
  if (typeof tag !== "string") return [];
  return [...tag.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name).filter((name) => !names.has(name));
}

function segmentsOf({ path }: Mapping): readonly Segment[] | undefined {
  return typeof path === "string" ? parsePattern(path) : undefined;
}

function mappingOf(value: unknown): Mapping {
  return isMapping(value) ? value : {};
}
