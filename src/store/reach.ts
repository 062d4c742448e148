// May the shared store be read now, and may it be written? (DESIGN, "The fence": Loss, Outage.) A lost connection, or
// one that does not answer, is an outage. After one, in this order: whoever answers is vouched for, what was kept in
// the meantime is replayed, and only when every other process has had the time to do the same is anything read.

import { type Connections, DEMOTED, FRESH_MS, isOfReplica, type Line } from "./connections.ts";
import type { HighestClock } from "./highest-clock.ts";
import { run, tellAll, VOUCH } from "./scripts.ts";
import { StoreUnavailable, textOf } from "./unavailable.ts";

/** How far the way back from an outage has been gone. */
type Stage = "out" | "vouching" | "replaying" | "settling" | "ok" | "closed";

export interface Reach {
  /** Throws StoreUnavailable where `line` may not be read. */
  mayRead(line: Line): void;
  /** The fence may not be read yet, but Redis answers: limits may be asked. */
  isSettling(): boolean;
  /** Invalidations are taken. */
  mayWrite(): boolean;
  /** On which Redis is to be told of an invalidation, perhaps although it may not be read: others may be reading it. undefined: on
   * none. */
  teller(): Line | undefined;
  /** Ms that an invalidation is still to be waited for: until everybody must have noticed the outage. */
  patience(): number;
  /** Resolves when the store may be read for the first time. */
  readonly ready: Promise<void>;
  readonly detail: string;
  isOk(): boolean;
  /** Why a connection was lost or could not be made, in words. */
  explain(reason: string): void;
  /** Something may have changed about the connections. */
  update(): void;
  /** A reading told of a loss: raises the floor, unless somebody did. */
  lost(): void;
  /** Redis answers, but does not do what it must: begins anew as after an outage. */
  distrust(reason: unknown): void;
  close(): void;
}

export interface ReachOptions {
  connections(): Connections;
  /** Redis key of the fence. */
  readonly fence: string;
  /** Numbers in it. */
  readonly slots: number;
  /** Ms to wait before reading after an outage. */
  readonly settle: number;
  /** Ms. */
  readonly writeDeadline: number;
  readonly clock: HighestClock;
  /** Rejects where Redis does not let `line` do what the store does. */
  check(line: Line): Promise<void>;
  /** Sends what was kept; resolves when Redis has taken it. */
  replay(): Promise<void>;
  changed(state: "ok" | "degraded", detail: string): void;
}

const SILENT = "Redis does not answer";
const APART = "the connections lead to different Redis processes";
/** Where an address leads to several for good, new connections mend nothing: then they are made anew ever more rarely. */
const APART_MS = 500;
const LONGEST_APART_MS = 10_000;
const RETRY_MS = 250;
const LARGEST_PROCESS = 2 ** 52;

export function createReach(options: ReachOptions): Reach {
  return new Reaching(options);
}

class Reaching implements Reach {
  readonly ready: Promise<void>;
  detail = "connecting to Redis";
  readonly #options: ReachOptions;
  #isReady: () => void = () => {};
  #stage: Stage = "out";
  #outSince = performance.now();
  /** It is the connections that are lost; else Redis does not do what it must. */
  #isCutOff = false;
  #timer: NodeJS.Timeout | undefined;
  #reason = SILENT;
  #isRaising = false;
  #isNew = true;
  /** Counts outages and ways back, so that what was begun before one is known as such. */
  #attempt = 0;
  /** Who is spoken to: a number of the Redis process, or one of our own making where it does not tell. */
  #process = 0;
  /** The one that took what was last written; 0: none yet. */
  #before = 0;
  /** When the connections were last made anew because they led apart, and for how long they are not again. */
  #apartAt = 0;
  #apartMs = 0;
  #unavailable = new StoreUnavailable("connecting to Redis");

  constructor(options: ReachOptions) {
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
  }

  mayRead(line: Line): void {
    if (this.#stage === "ok" && line.isFresh()) return;
    if (this.#stage === "ok") this.#goOut(this.#reason, true);
    throw this.#unavailable;
  }

  isSettling(): boolean {
    return this.#stage === "settling";
  }

  mayWrite(): boolean {
    return this.#stage === "replaying" || this.#stage === "settling" || this.#stage === "ok";
  }

  // In an outage: some connections are lost, but not this one: it was open before, and Redis has taken what was written on it
  // ever since. So it is the one that the others read, and an invalidation is as good on it as before.
  teller(): Line | undefined {
    const { lines } = this.#options.connections();
    if (this.mayWrite()) return lines[0];
    if (this.#stage !== "out" || !this.#isCutOff || this.#isNew) return undefined;
    return lines.find((line) => line.isFresh() && line.openedAt < this.#outSince);
  }

  // Whoever still reads has had an answer of Redis to a heartbeat sent less than 750 ms ago. An outage that has lasted
  // for writeDeadline is thus known to all, and a write need not wait for what everybody knows. As long as any heartbeat of
  // this process is answered, others may have theirs answered, too: then it is this process that is slow to come back.
  patience(): number {
    const { writeDeadline, connections } = this.#options;
    if (this.#stage === "closed") return 0;
    // One that has never been connected may be the only one that is not: the others have noticed nothing. And while this
    // one waits to tell what it kept, others may read already.
    if (this.#isNew || this.#stage === "vouching" || this.teller()) return writeDeadline;
    // Where a Redis does not do what it must, its answers say nothing of that.
    const since = this.#isCutOff ? Math.max(this.#outSince, connections().heardAt()) : this.#outSince;
    return Math.max(0, Math.min(writeDeadline, since + writeDeadline - performance.now()));
  }

  isOk(): boolean {
    return this.#stage === "ok";
  }

  explain(reason: string): void {
    this.#reason = reason;
    if (this.#stage !== "out" || this.detail === reason) return;
    this.detail = reason;
    this.#unavailable = new StoreUnavailable(reason);
  }

  update(): void {
    if (this.#stage === "closed") return;
    const isWhole = this.#options.connections().isWhole();
    if (!isWhole && this.#stage !== "out") this.#goOut(this.#reason, true);
    else if (isWhole && this.#stage === "out" && this.#timer === undefined) void this.#comeBack();
  }

  lost(): void {
    if (this.#isRaising || !this.mayWrite()) return;
    this.#isRaising = true;
    const attempt = this.#attempt;
    this.#vouch()
      .catch((error) => this.#fail(error, attempt))
      .finally(() => {
        this.#isRaising = false;
      });
  }

  distrust(reason: unknown): void {
    this.#fail(reason, this.#attempt);
  }

  close(): void {
    this.#enter("closed", "closed");
    this.#isReady();
  }

  #goOut(detail: string, isCutOff: boolean): void {
    if (this.mayWrite()) this.#outSince = performance.now();
    this.#isCutOff = isCutOff;
    this.#attempt++;
    this.#enter("out", detail);
    this.#options.changed("degraded", detail);
  }

  #enter(stage: Stage, detail: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stage = stage;
    this.detail = detail;
    this.#unavailable = new StoreUnavailable(detail);
  }

  // A step that another outage has overtaken comes to nothing. Where this is another process than before, the one before
  // may have been demoted, and still be read by others until their heartbeats say so: a write whose invalidation it does
  // not know is not acknowledged earlier than that. Whoever is new knows of no process before, but may have come a moment
  // after somebody else vouched for this one: then it waits for the rest of that time, and settles meanwhile.
  async #comeBack(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#enter("vouching", "Redis answers: looking for what it may have lost");
    try {
      this.#process = this.#identify();
      const { isAnother, sinceMs } = await this.#vouch();
      const { settle } = this.#options;
      // Who need not settle has nobody beside it.
      const spentMs = isAnother || !this.#isNew ? 0 : Math.max(0, Math.min(settle, FRESH_MS - sinceMs));
      if (isAnother || spentMs > 0) await until(isAnother ? FRESH_MS : spentMs);
      if (attempt !== this.#attempt || this.#stage !== "vouching") return;
      this.#isNew = false;
      this.#before = this.#process;
      this.#enter("replaying", "Redis answers: telling it what it missed");
      await this.#options.replay();
      if (attempt === this.#attempt) this.#settle(settle - spentMs);
    } catch (error) {
      this.#fail(error, attempt);
    }
  }

  // A process that has just started settles like any other. It has acknowledged nothing itself, but others may be on
  // their way back from an outage that it knows nothing of, with writes that they have acknowledged and not yet told.
  // Raising the floor would not replace this: what is fetched and stored after that would be overtaken all the same.
  #settle(ms: number): void {
    this.#enter("settling", "Redis answers: waiting until everybody has told it what it missed");
    this.#timer = setTimeout(() => {
      this.#enter("ok", "Redis answers");
      this.#apartMs = 0;
      this.#reason = SILENT;
      this.#options.changed("ok", this.detail);
      this.#isReady();
    }, ms);
  }

  #fail(reason: unknown, attempt: number): void {
    if (attempt !== this.#attempt || this.#stage === "closed" || this.#stage === "out") return;
    this.#goOut(textOf(reason), false);
    if (isOfReplica(reason)) this.#options.connections().leave(DEMOTED);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.update();
    }, RETRY_MS);
  }

  // One that does not tell who it is counts as another each time. Where they differ, an address leads elsewhere by now, or
  // one of them could not be asked.
  #identify(): number {
    const { lines, subscriber, leave } = this.#options.connections();
    const [process, ...others] = new Set([...lines, subscriber].map((line) => line.process));
    if (others.length > 0) {
      if (performance.now() - this.#apartAt >= this.#apartMs) {
        this.#apartMs = Math.min(LONGEST_APART_MS, Math.max(APART_MS, 2 * this.#apartMs));
        this.#apartAt = performance.now();
        leave(APART);
      }
      throw new StoreUnavailable(APART);
    }
    return process ?? 1 + Math.floor(Math.random() * LARGEST_PROCESS);
  }

  /** Whether it was another process that was vouched for last, or that this one spoke to; and for how many ms at the least
   * this one has been vouched for. */
  async #vouch(): Promise<{ isAnother: boolean; sinceMs: number }> {
    const { fence, slots, clock, connections } = this.#options;
    const [line] = connections().lines;
    if (line === undefined) return { isAnother: false, sinceMs: 0 };
    if (this.#stage === "vouching") {
      tellAll(line);
      await this.#options.check(line);
    }
    const args = [clock.value(), this.#process, this.#before, slots].map(String);
    const reply = await run(line, VOUCH, { keys: [fence], args });
    const [time, isAnother, sinceMs] = Array.isArray(reply) ? reply.map(Number) : [];
    clock.see(time ?? 0);
    return { isAnother: isAnother === 1, sinceMs: sinceMs ?? 0 };
  }
}

/** Resolves after `ms`; keeps no process alive. */
function until(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
