// How is an address written: where to listen, where the origin and Redis are, which networks and hosts are meant? The
// kinds of values.ts that name a place; each function returns a zod schema.

import { Buffer } from "node:buffer";
import ipaddr from "ipaddr.js";
import { text } from "./values.ts";

/** Where to listen; fits `listen` of node:net. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

const MAX_SOCKET_PATH_LENGTH = 103; // sun_path, less on some systems than on Linux
const ALL_INTERFACES = "::"; // of IPv6 and, on such a socket, of IPv4
const MAX_PORT = 65_535;
const ADDRESS = /^unix:\/|:\d{1,5}$/;

/** host:port, [IPv6]:port, unix:/path, or :port for all interfaces. */
export function address(example: string) {
  return text({ name: "host:port, :port or unix:/path", example, form: ADDRESS, read: readAddress, hint: addressHint });
}

/** undefined: not an address. */
export function readAddress(input: string): Address | undefined {
  if (input.startsWith("unix:/")) {
    const path = input.slice("unix:".length);
    return Buffer.byteLength(path) <= MAX_SOCKET_PATH_LENGTH && !path.includes("\0") ? { path } : undefined;
  }
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(input);
  const port = Number(found?.[3]);
  if (found === null || port > MAX_PORT) return undefined;
  if (found[1] !== undefined) return ipaddr.IPv6.isValid(found[1]) ? { host: found[1], port } : undefined;
  const host = found[2] ?? "";
  if (/^[\d.]+$/.test(host) && !ipaddr.IPv4.isValidFourPartDecimal(host)) return undefined;
  return { host: host === "" ? ALL_INTERFACES : host, port };
}

function addressHint(input: unknown): string | undefined {
  const given = String(input)
    .replace(/^https?:\/\//, "")
    .replace(/\/+$/, "");
  const guesses = [given, `127.0.0.1:${given}`, `${given}:8080`, given.replace(/^(.*:.*):(\d+)$/, "[$1]:$2")];
  return guesses.find((guess) => readAddress(guess) !== undefined);
}

/** An http or https URL without path; becomes its origin, "http://127.0.0.1:3000". */
export function originUrl() {
  return text({
    name: "an http:// or https:// URL without path",
    example: "http://127.0.0.1:3000",
    form: /^[hH][tT][tT][pP][sS]?:\/\/[^\s\\]+$/,
    read: (input) => {
      const url = /^https?:\/\/[^\s\\]+$/i.test(input) && URL.canParse(input) ? new URL(input) : undefined;
      const isBare = url && url.pathname === "/" && !/[?#@]/.test(input);
      return isBare ? url.origin : undefined;
    },
    hint: originHint,
  });
}

function originHint(input: string | number): string | undefined {
  const guess = /^\d+$/.test(String(input)) ? `127.0.0.1:${input}` : String(input);
  const text = guess.includes("://") ? guess : `http://${guess}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

export function redisUrl() {
  return text({
    name: "a redis:// or rediss:// URL",
    example: "redis://127.0.0.1:6379/0",
    form: /^rediss?:\/\/[^\s/]+/,
    read: (input) => {
      const url = /^rediss?:\/\/[^\s/]+/.test(input) && URL.canParse(input) ? new URL(input) : undefined;
      return url && /^\/?\d*$/.test(url.pathname) && url.hostname !== "" ? input : undefined;
    },
    hint: (input) => {
      const found = /^(?:tcp:\/\/)?([A-Za-z0-9.-]+:\d+)$/.exec(String(input));
      return found === null ? undefined : `redis://${found[1]}`;
    },
  });
}

/** host:port of a Redis Sentinel or of a node of a Redis Cluster, as written; `port` is the usual one. */
export function redisNode(port: number) {
  return text({
    name: "host:port",
    example: `10.0.0.5:${port}`,
    form: /:\d{1,5}$/,
    read: (input) => {
      const found = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?):(\d{1,5})$/.exec(input);
      return found !== null && Number(found[1]) > 0 && Number(found[1]) <= MAX_PORT ? input : undefined;
    },
    hint: (input) => {
      const found = /^(?:rediss?:\/\/)?([\w.-]+?)(?::(\d{1,5}))?\/?$/.exec(String(input));
      return found === null ? undefined : `${found[1]}:${found[2] ?? port}`;
    },
  });
}

/** A CIDR, an address, "loopback" or "private"; an address becomes the CIDR of itself alone. */
export function network() {
  return text({
    name: "a CIDR, loopback or private",
    example: "10.0.0.0/8",
    read: (input) => (input === "loopback" || input === "private" ? input : readCidr(input)),
  });
}

function readCidr(input: string): string | undefined {
  const [host = "", bits, ...more] = input.split("/");
  const width = ipaddr.IPv4.isValidFourPartDecimal(host)
    ? 32
    : ipaddr.IPv6.isValid(host) && !host.includes("%")
      ? 128
      : 0;
  if (width === 0 || more.length > 0) return undefined;
  const given = bits ?? String(width);
  return /^\d{1,3}$/.test(given) && Number(given) <= width ? `${host}/${Number(given)}` : undefined;
}

/** A host name or address, with or without port; becomes lower-case. */
export function host() {
  return text({
    name: "a host, with or without port",
    example: "api.example.com",
    read: (input) => {
      const found = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(\d{1,5}))?$/.exec(input);
      return found === null || found[1] === "80" || Number(found[1] ?? 0) > MAX_PORT ? undefined : input.toLowerCase();
    },
    hint: (input) => /^(?:https?:\/\/)?([\w-]+(?:\.[\w-]+)*)\.?(?::80)?\/?$/.exec(String(input))?.[1]?.toLowerCase(),
  });
}
