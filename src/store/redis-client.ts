// One connection to Redis: to whom, as whom, encrypted or not, in which protocol? This is the one place that knows the
// client library. A client lives for one socket and is never connected again: connections.ts makes the next one. With
// Sentinel, or in a Cluster, the master is asked for anew each time; the library's own clients for these are not used, since
// they keep lists, pools and reconnections of their own and hide when a connection was lost, or that it now leads to
// another process, which is what the store must know.

import { readFileSync } from "node:fs";
import { ErrorReply, RESP_TYPES, RedisClient } from "@redis/client";
import { type ClusterMap, createClusterMap } from "./cluster-map.ts";
import { type Place, placeText } from "./place.ts";
import { createSentinels, type SentinelOptions } from "./sentinels.ts";
import { readServerInfo, type ServerInfo } from "./server-info.ts";
import { StoreUnavailable, textOf } from "./unavailable.ts";

export interface ServerOptions {
  /** redis://, rediss:// or unix://; undefined: `sentinel` or `cluster` says where. */
  readonly url?: string | undefined;
  readonly sentinel?: SentinelOptions | undefined;
  /** host:port of some nodes of a Redis Cluster. */
  readonly cluster?: readonly string[] | undefined;
  /** Where the URL names none. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Number of the database, with Sentinel. */
  readonly database?: number | undefined;
  /** For rediss://; with Sentinel or in a Cluster, whether Redis and the sentinels are spoken to over TLS. */
  readonly tls?: TlsOptions | undefined;
}

/** Names of PEM files, read again for each connection, so that renewed ones are taken up. */
export interface TlsOptions {
  /** Whom to believe, instead of the system's authorities. */
  readonly ca?: string | undefined;
  /** Who we are. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** What the certificate must be for, instead of the host connected to. */
  readonly serverName?: string | undefined;
}

export type Client = ReturnType<typeof newClient>;

export interface Dialled extends ServerInfo {
  /** Connected. */
  readonly client: Client;
  readonly protocol: 2 | 3;
  /** host:port as it was named; undefined: nobody was asked. */
  readonly master: string | undefined;
}

export interface Dialler {
  /** Connects to `place`, or to where the fence lives. Rejects where that fails, where the store cannot live there, or when `signal` is
   * aborted. */
  dial(signal: AbortSignal, place?: Place): Promise<Dialled>;
  /** The master that the sentinels, or the nodes of a Cluster, name now; undefined without. Rejects where none of them tells. */
  readonly master: (() => Promise<string>) | undefined;
  /** Who names it, in words. */
  readonly namedBy: string;
  /** undefined: Redis is not one. */
  readonly cluster: ClusterMap | undefined;
  /** Ends what is still open for asking. */
  close(): void;
}

/** Asked for with a command: strings of its reply come as bytes. */
export const AS_BYTES = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

const QUEUE_MAX = 10_000;

/** Throws for what is no URL of Redis, and for files that cannot be read. */
export function createDialler(options: ServerOptions, attemptMs: number): Dialler {
  const { sentinel, cluster: nodes, tls } = options;
  let protocol: 2 | 3 = 3;
  const patienceMs = attemptMs / 2;
  const sentinels = sentinel && createSentinels(sentinel, { connect: asking(sentinel), patienceMs });
  const cluster = nodes && createClusterMap(nodes, { connect: asking(options), patienceMs });
  const guides = sentinels ?? cluster;
  const create = (at: Place | undefined) => newClient({ RESP: protocol, ...settingsFor(options, at, attemptMs) });
  create(guides && { host: "127.0.0.1", port: 1 }); // never connected: it throws for what is wrong

  function asking(as: Parameters<typeof credentials>[0]) {
    return (place: Place, signal: AbortSignal): Promise<Client> => {
      const socket = { ...(tls ? { ...secure(tls), tls: true as const } : {}), ...place, ...alone(patienceMs) };
      return connected(newClient({ RESP: 2, ...credentials(as), socket }), signal);
    };
  }

  async function dial(signal: AbortSignal, place?: Place): Promise<Dialled> {
    const at = place ?? (await guides?.master(signal));
    const client = await speaking(() => create(at), signal);
    signal.addEventListener("abort", () => client.destroy());
    try {
      const info = readServerInfo(await client.sendCommand(["INFO"]).catch(nothingTold), cluster !== undefined);
      if (info.refusal === undefined) return { ...info, client, protocol, master: at && placeText(at) };
      throw new StoreUnavailable(at ? `${placeText(at)}: ${info.refusal}` : info.refusal);
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  // Redis speaks RESP3 since 6.0. Proxies in front of it, and those who renamed HELLO, may not.
  async function speaking(create: () => Client, signal: AbortSignal): Promise<Client> {
    try {
      return await connected(create(), signal);
    } catch (error) {
      if (protocol === 2 || !isOfProtocol(error)) throw error;
      protocol = 2;
      return await connected(create(), signal);
    }
  }

  return {
    dial,
    master: guides && (async () => placeText(await guides.master(new AbortController().signal))),
    namedBy: cluster ? "the nodes of the Redis Cluster" : "the sentinels",
    cluster,
    close: () => guides?.close(),
  };
}

// Its losses are told by its "error" events from then on. Destroyed before it has a socket, a client gets one all the same,
// and waits for whoever is at the other end: neither that nor the library's own time is waited for.
async function connected(client: Client, signal: AbortSignal): Promise<Client> {
  signal.throwIfAborted();
  const late = Promise.withResolvers<never>();
  const abort = () => {
    client.destroy();
    late.reject(new StoreUnavailable("no answer in time"));
  };
  signal.addEventListener("abort", abort, { once: true });
  client.on("error", () => {}); // connect() rejects with it
  client.on("connect", () => signal.aborted && client.destroy());
  try {
    await Promise.race([client.connect(), late.promise]);
    return client;
  } catch (error) {
    setImmediate(() => client.destroy());
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

type Settings = Omit<NonNullable<ConstructorParameters<typeof RedisClient>[0]>, "RESP">;

function settingsFor(options: ServerOptions, at: Place | undefined, attemptMs: number): Settings {
  const { url, tls, database } = options;
  if (at) {
    const socket = { ...(tls ? { ...secure(tls), tls: true as const } : {}), ...at, ...alone(attemptMs) };
    return { ...credentials(options), ...(database === undefined ? {} : { database }), socket };
  }
  if (url === undefined) throw new TypeError("connect to Redis: neither a URL nor sentinels nor a cluster");
  if (tls && !url.startsWith("rediss:")) throw new TypeError("connect to Redis: TLS settings for a URL without TLS");
  return { url, ...credentials(options), socket: { ...(tls ? secure(tls) : {}), ...alone(attemptMs) } };
}

function credentials({ username, password }: Pick<ServerOptions, "username" | "password">): Settings {
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

function alone(attemptMs: number) {
  return { reconnectStrategy: false as const, connectTimeout: attemptMs };
}

function secure({ ca, cert, key, serverName }: TlsOptions) {
  return {
    ...(ca === undefined ? {} : { ca: pem(ca, "ca") }),
    ...(cert === undefined ? {} : { cert: pem(cert, "cert") }),
    ...(key === undefined ? {} : { key: pem(key, "key") }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function pem(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new StoreUnavailable(`store.redis.tls.${what} cannot be read: ${textOf(cause)}`, { cause });
  }
}

/** Some do not let everybody ask, or know no INFO, and say so in words of their own. What may be over at the next attempt is
 * another matter. */
function nothingTold(error: unknown): undefined {
  if (!(error instanceof ErrorReply) || /^(BUSY|LOADING|NOAUTH)/.test(error.message)) throw error;
}

function isOfProtocol(error: unknown): boolean {
  return error instanceof Error && /^ERR unknown command|^NOPROTO|^ERR.*\bHELLO\b/i.test(error.message);
}

// Not by createClient(): that makes a method of each of 400 commands, of which none is used here: 20 MB and a tenth of
// a second.
function newClient(settings: Settings & { RESP: 2 | 3 }) {
  return new RedisClient({
    ...settings,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: "disabled",
    disableClientInfo: true,
    commandOptions: { timeout: 0 }, // deadlines are kept per batch (batch.ts), not by a signal per command
  });
}
