// The connections to one Redis: which are open, and when did each last prove that Redis answers? What comes after a loss
// is a new connection (redis-client.ts), which must be vouched for before it is used (reach.ts decides that, and when the
// store may be read).
//
// A connection is *fresh* as long as a heartbeat sent less than 750 ms ago was answered, and a write taken with it: one
// that only reads knows nothing of what is invalidated meanwhile (a demoted master, CLIENT PAUSE WRITE, a full disk). That
// is a promise about time, not about timers: a process that was itself stopped finds its connections no longer fresh
// before it asks anything. With Sentinel or in a Cluster one that is not fresh is left: who is the master may have changed
// while it was silent.

import { AS_BYTES, type Client, type Dialled, type Dialler } from "./redis-client.ts";
import type { RedisTally } from "./redis-tally.ts";
import type { Sender } from "./scripts.ts";
import { notConnected, StoreUnavailable, unlessHeard } from "./unavailable.ts";

/** Between heartbeats. */
export const BEAT_MS = 250;
/** A heartbeat unanswered for 500 ms: the last one answered was sent BEAT_MS before it. */
export const FRESH_MS = BEAT_MS + 500;
// Unanswered for 2 s: the other end may be gone without a word (half-open TCP).
const GIVEN_UP_MS = BEAT_MS + 2000;
// With the wait before the next it must end well within `settle`.
export const ATTEMPT_MS = 500;
const BACKOFF_MS = 200;

/** Why a connection to what is no master any more is given up. */
export const DEMOTED = "Redis has become a replica";

export type Hear = (message: string) => void;

/** One place for a connection, filled again whenever it is lost. */
export interface Line extends Sender {
  /** Like `send`, but strings of the reply come as bytes. */
  sendForBytes(words: readonly (string | Buffer)[]): Promise<unknown>;
  subscribe(channel: string, hear: Hear): Promise<void>;
  unsubscribe(channel: string, hear: Hear): Promise<void>;
  /** Whether Redis has answered lately on this line. */
  isFresh(): boolean;
  /** When its connection was made; monotonic ms. */
  readonly openedAt: number;
  /** A number for the Redis process at the other end, 1 to 2^52; undefined: it does not tell. */
  readonly process: number | undefined;
}

export interface Connections {
  /** For commands. */
  readonly lines: readonly Line[];
  /** For subscriptions. */
  readonly subscriber: Line;
  /** For WAIT, where it is wanted. While it is away the store goes on. */
  readonly waiter: Line | undefined;
  /** Whether every line is open and fresh. */
  isWhole(): boolean;
  /** When Redis last took a heartbeat, on whatever line; monotonic ms; 0: never. */
  heardAt(): number;
  /** Gives up all lines that are open: they lead where the store does not live any more. */
  leave(reason: string): void;
  /** What of the settings of the Redis spoken to hurts, in words; undefined: nothing known. */
  risk(): string | undefined;
  /** Ends all connections; no timer is left. */
  close(): void;
}

export interface ConnectionsOptions extends LineOptions {
  readonly dialler: Dialler;
  readonly count: number;
  /** One more line is wanted, for WAIT. */
  readonly isWaiting?: boolean;
}

export interface LineOptions {
  readonly tally: Pick<RedisTally, "open" | "lost">;
  /** Asks Redis something on a line, and has it write something; resolves when both are done. */
  beat(line: Line): Promise<unknown>;
  /** After every heartbeat's answer, every loss, and every BEAT_MS: `isWhole` may have changed. */
  changed(): void;
  /** A connection was lost, could not be made, or does not do what it must. */
  lost(reason: Error): void;
}

/** Opens `count` lines, one for subscriptions and perhaps one for WAIT, and keeps them open. Returns at once. */
export function openConnections(options: ConnectionsOptions): Connections {
  const { dialler } = options;
  const lines = Array.from({ length: options.count }, () => new OpenLine(options, dialler, false));
  const subscriber = new OpenLine(options, dialler, true);
  const all = [...lines, subscriber];
  const waiter = options.isWaiting === true ? openWaiter(dialler, options.tally) : undefined;
  const kept = waiter ? [...all, waiter] : all;
  const leave = (reason: string, isMeant = (_: OpenLine) => true) => {
    for (const line of kept) if (isMeant(line)) line.leave(reason);
  };
  const timer = setInterval(() => {
    for (const line of kept) line.tick();
    if (waiter && isBehind(waiter, lines)) waiter.leave("it leads to another Redis process than the others");
    // With each beat: a master that was replaced may take writes and answer for seconds, and must be left within FRESH_MS,
    // when those that have left it begin to acknowledge writes (reach.ts).
    dialler.master?.().then(
      (master) => leave(`${dialler.namedBy} name another master: ${master}`, (line) => line.isElsewhere(master)),
      () => {}, // without them Redis goes on
    );
    options.changed();
  }, BEAT_MS);
  timer.unref();
  return {
    lines,
    subscriber,
    waiter,
    isWhole: () => all.every((line) => line.isFresh()),
    heardAt: () => Math.max(...all.map((line) => line.heardAt)),
    leave,
    risk: () => lines[0]?.risk,
    close() {
      clearInterval(timer);
      for (const line of kept) line.close();
      dialler.close();
    },
  };
}

// It is silent for as long as it waits, which says nothing of Redis.
function openWaiter(dialler: Dialler, tally: LineOptions["tally"]): OpenLine {
  const about = { tally, beat: (line: Line) => line.send(["PING"]), changed() {}, lost() {} };
  return new OpenLine(about, { dial: (signal) => dialler.dial(signal), master: undefined }, false);
}

type LineDialler = Pick<Dialler, "dial" | "master">;

export class OpenLine implements Line {
  readonly #options: LineOptions;
  readonly #dialler: LineDialler;
  readonly #isForSubscriptions: boolean;
  /** While there is one, it is connected, to a master that has said who it is. */
  #client: Client | undefined;
  /** What was found when it was made. */
  #dialled: Dialled | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** When the latest heartbeat that was answered had been sent; monotonic ms. */
  #freshSince = 0;
  #openedAt = 0;
  #heardAt = 0;
  #unanswered = 0;
  #isClosed = false;

  constructor(options: LineOptions, dialler: LineDialler, isForSubscriptions: boolean) {
    this.#options = options;
    this.#dialler = dialler;
    this.#isForSubscriptions = isForSubscriptions;
    void this.#open();
  }

  get process(): number | undefined {
    return this.#dialled?.process;
  }

  get risk(): string | undefined {
    return this.#dialled?.risk;
  }

  get openedAt(): number {
    return this.#openedAt;
  }

  /** When Redis last took a heartbeat, on this connection or one before; monotonic ms; 0: never. */
  get heardAt(): number {
    return this.#heardAt;
  }

  isFresh(): boolean {
    return this.#client !== undefined && performance.now() - this.#freshSince <= FRESH_MS;
  }

  send(words: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client?.sendCommand(words) ?? notConnected();
  }

  sendForBytes(words: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client?.sendCommand(words, AS_BYTES) ?? notConnected();
  }

  subscribe(channel: string, hear: Hear): Promise<void> {
    return this.#client?.subscribe(channel, hear) ?? notConnected();
  }

  unsubscribe(channel: string, hear: Hear): Promise<void> {
    return this.#client?.unsubscribe(channel, hear) ?? notConnected();
  }

  tick(): void {
    if (this.#client === undefined) return;
    const silentMs = performance.now() - this.#freshSince;
    if (silentMs > (this.#dialler.master ? FRESH_MS : GIVEN_UP_MS)) this.leave("Redis does not answer");
    else if (this.#unanswered < 3) this.#beat(this.#client);
  }

  isElsewhere(master: string): boolean {
    return this.#client !== undefined && this.#dialled?.master !== master;
  }

  leave(reason: string): void {
    if (this.#client !== undefined) this.#lose(this.#client, new StoreUnavailable(reason));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    this.#options.tally.open -= 1;
    client.destroy();
  }

  async #open(): Promise<void> {
    const sentAt = performance.now();
    const late = new AbortController();
    const heard = unlessHeard(ATTEMPT_MS, () => late.abort());
    try {
      const dialled = await this.#dialler.dial(late.signal);
      const { client } = dialled;
      client.on("error", (error) => this.#lose(client, error));
      if (this.#isClosed || !client.isReady) {
        client.destroy();
        throw new StoreUnavailable("the connection was lost while it was made");
      }
      this.#client = client;
      this.#options.tally.open += 1;
      this.#dialled = dialled;
      this.#freshSince = sentAt;
      this.#openedAt = performance.now();
      this.#unanswered = 0;
      this.#beat(client);
    } catch (error) {
      const isLate = late.signal.aborted;
      this.#again(isLate ? new StoreUnavailable(`connecting to Redis took over ${ATTEMPT_MS} ms`) : error);
    } finally {
      heard();
    }
  }

  #beat(client: Client): void {
    const sentAt = performance.now();
    this.#unanswered++;
    this.#prove(client).then(
      (isTaken) => {
        if (this.#client !== client) return;
        this.#unanswered--;
        this.#freshSince = sentAt;
        if (isTaken) this.#heardAt = performance.now();
        if (performance.now() - sentAt > BEAT_MS) this.#beat(client); // thawed: the next proof need not wait
        this.#options.changed();
      },
      (error) => {
        if (this.#client !== client) return; // else an answer, but no proof: still loading, or the like
        this.#unanswered--;
        if (isOfReplica(error)) this.leave(DEMOTED);
        else if (isOfOtherNode(error)) this.leave("another node of the Redis Cluster serves this now");
        else this.#options.lost(error);
      },
    );
  }

  /** Whether more than an answer is proven. In RESP2 a connection with subscriptions takes nothing else than a PING. */
  async #prove(client: Client): Promise<boolean> {
    const isAlone = this.#isForSubscriptions && this.#dialled?.protocol === 2;
    await (isAlone ? client.sendCommand(["PING"]) : this.#options.beat(this));
    return !isAlone;
  }

  #lose(client: Client, reason: unknown): void {
    if (this.#client !== client) return; // it never was open, or was lost already
    this.#client = undefined;
    this.#options.tally.open -= 1;
    setImmediate(() => client.destroy()); // never from inside one of its own listeners
    this.#again(reason);
    this.#options.changed();
  }

  #again(reason: unknown): void {
    if (this.#isClosed) return;
    this.#options.tally.lost += 1;
    this.#options.lost(reason instanceof Error ? reason : new StoreUnavailable(String(reason)));
    this.#retry = setTimeout(() => void this.#open(), Math.random() * BACKOFF_MS);
    this.#retry.unref();
  }
}

/** Whether an error is what a replica answers to a write. */
export function isOfReplica(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("READONLY");
}

// A slot that is being moved (ASK) may come back, and is waited for where it is.
function isOfOtherNode(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("MOVED ");
}

function isBehind(waiter: Line, lines: readonly Line[]): boolean {
  return lines.every((line) => line.process !== waiter.process && line.openedAt > waiter.openedAt);
}
