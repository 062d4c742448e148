// The connections to one Redis: which are open, and when did each last prove that Redis answers? This is the one place
// that knows the client library. A client lives for one socket: what comes after a loss is a new connection, which
// must be vouched for before it is used (reach.ts decides that, and when the store may be read).
//
// A connection is *fresh* as long as a heartbeat sent less than 750 ms ago was answered. That is a promise about time,
// not about timers: a process that was itself stopped finds its connections no longer fresh before it asks anything.

import { createHash } from "node:crypto";
import { RESP_TYPES, RedisClient } from "@redis/client";
import type { Sender } from "./scripts.ts";
import { StoreUnavailable } from "./unavailable.ts";

/** Between heartbeats. */
const BEAT_MS = 250;
// A heartbeat unanswered for 500 ms: the last one answered was sent BEAT_MS before it.
const FRESH_MS = BEAT_MS + 500;
// Unanswered for 2 s: the other end may be gone without a word (half-open TCP).
const GIVEN_UP_MS = BEAT_MS + 2000;
// An attempt to connect and the wait before the next must both end well within `settle`.
const ATTEMPT_MS = 500;
const BACKOFF_MS = 200;
const QUEUE_MAX = 10_000;

export type Hear = (message: string) => void;

/** One place for a connection, filled again whenever it is lost. */
export interface Line extends Sender {
  /** Like `send`, but strings of the reply come as bytes. */
  sendForBytes(words: readonly (string | Buffer)[]): Promise<unknown>;
  subscribe(channel: string, hear: Hear): Promise<void>;
  unsubscribe(channel: string, hear: Hear): Promise<void>;
  /** Whether Redis has answered lately on this line. */
  isFresh(): boolean;
  /** A number for the Redis process at the other end, 1 to 2^52; undefined: it does not tell. */
  readonly process: number | undefined;
}

export interface Connections {
  /** For commands. */
  readonly lines: readonly Line[];
  /** For subscriptions. */
  readonly subscriber: Line;
  /** Whether every line is open and fresh. */
  isWhole(): boolean;
  /** Ends all connections; no timer is left. */
  close(): void;
}

export interface ConnectionsOptions {
  /** redis://, rediss:// or unix:// */
  readonly url: string;
  readonly count: number;
  /** Asks Redis something on a line; resolves when it is answered. */
  beat(line: Line): Promise<unknown>;
  /** After every heartbeat's answer, every loss, and every BEAT_MS: `isWhole` may have changed. */
  changed(): void;
  /** A connection was lost, or could not be made. */
  lost(reason: Error): void;
}

/** Opens `count` lines and one for subscriptions, and keeps them open. Returns at once. */
export function openConnections(options: ConnectionsOptions): Connections {
  const template = newClient(options.url); // throws for what is no URL of Redis
  const lines = Array.from({ length: options.count }, () => new OpenLine(options, template));
  const subscriber = new OpenLine(options, template);
  const all = [...lines, subscriber];
  const timer = setInterval(() => {
    for (const line of all) line.tick();
    options.changed();
  }, BEAT_MS);
  timer.unref();
  return {
    lines,
    subscriber,
    isWhole: () => all.every((line) => line.isFresh()),
    close() {
      clearInterval(timer);
      for (const line of all) line.close();
    },
  };
}

type Client = ReturnType<typeof newClient>;

const AS_BYTES = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

class OpenLine implements Line {
  process: number | undefined;
  readonly #options: ConnectionsOptions;
  readonly #template: Client;
  /** While there is one, it is connected and has said who it is. */
  #client: Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** When the latest heartbeat that was answered had been sent; monotonic ms. */
  #freshSince = 0;
  #unanswered = 0;
  #isClosed = false;

  constructor(options: ConnectionsOptions, template: Client) {
    this.#options = options;
    this.#template = template;
    void this.#open(template.duplicate());
  }

  isFresh(): boolean {
    return this.#client !== undefined && performance.now() - this.#freshSince <= FRESH_MS;
  }

  send(words: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client?.sendCommand(words) ?? notOpen();
  }

  sendForBytes(words: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client?.sendCommand(words, AS_BYTES) ?? notOpen();
  }

  subscribe(channel: string, hear: Hear): Promise<void> {
    return this.#client?.subscribe(channel, hear) ?? notOpen();
  }

  unsubscribe(channel: string, hear: Hear): Promise<void> {
    return this.#client?.unsubscribe(channel, hear) ?? notOpen();
  }

  tick(): void {
    if (this.#client === undefined) return;
    if (performance.now() - this.#freshSince > GIVEN_UP_MS) {
      this.#lose(this.#client, new StoreUnavailable("Redis does not answer"));
    } else if (this.#unanswered < 3) this.#beat(this.#client);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    client?.destroy();
  }

  async #open(client: Client): Promise<void> {
    const sentAt = performance.now();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      client.destroy();
    }, ATTEMPT_MS);
    client.on("error", (error) => this.#lose(client, error));
    try {
      await client.connect();
      this.process = processOf(await client.sendCommand(["INFO", "server"]).catch(() => undefined));
      if (this.#isClosed || !client.isReady) throw new StoreUnavailable("the connection was lost while it was made");
      this.#client = client;
      this.#freshSince = sentAt;
      this.#unanswered = 0;
      this.#beat(client);
    } catch (error) {
      this.#again(client, isLate ? new StoreUnavailable(`connecting to Redis took over ${ATTEMPT_MS} ms`) : error);
    } finally {
      clearTimeout(timer);
    }
  }

  #beat(client: Client): void {
    const sentAt = performance.now();
    this.#unanswered++;
    this.#options.beat(this).then(
      () => {
        if (this.#client !== client) return;
        this.#unanswered--;
        this.#freshSince = sentAt;
        if (performance.now() - sentAt > BEAT_MS) this.#beat(client); // thawed: the next proof need not wait
        this.#options.changed();
      },
      () => {
        if (this.#client === client) this.#unanswered--; // an answer, but no proof: still loading, or the like
      },
    );
  }

  #lose(client: Client, reason: unknown): void {
    if (this.#client !== client) return; // it never was open, or was lost already
    this.#client = undefined;
    this.#again(client, reason);
    this.#options.changed();
  }

  #again(client: Client, reason: unknown): void {
    setImmediate(() => client.destroy()); // never from inside one of its own listeners
    if (this.#isClosed) return;
    this.#options.lost(reason instanceof Error ? reason : new StoreUnavailable(String(reason)));
    this.#retry = setTimeout(() => void this.#open(this.#template.duplicate()), Math.random() * BACKOFF_MS);
    this.#retry.unref();
  }
}

// Made once, never connected, and duplicated. Not by createClient(): that makes a method of each of 400 commands, of
// which none is used here: 20 MB and a tenth of a second.
function newClient(url: string) {
  return new RedisClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX,
    maintNotifications: "disabled",
    disableClientInfo: true,
    commandOptions: { timeout: 0 }, // deadlines are kept per batch (batch.ts), not by a signal per command
    socket: { reconnectStrategy: false, connectTimeout: ATTEMPT_MS },
  });
}

function processOf(info: unknown): number | undefined {
  const id = /^run_id:(\w+)/m.exec(String(info))?.[1];
  if (id === undefined) return undefined;
  return 1 + Number.parseInt(createHash("sha256").update(id).digest("hex").slice(0, 13), 16);
}

function notOpen(): Promise<never> {
  return Promise.reject(new StoreUnavailable("not connected to Redis"));
}
