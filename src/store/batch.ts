// Questions of one turn of the event loop leave together: on one line, in one write, behind one timer. The slots they
// ask about become one command, charges of the same limits one script call whose verdicts are dealt out in order, and
// equal reads one read. All were asked before anything was sent, so nobody is told anything older than their question.

import { Charge, chargeId } from "./charges.ts";
import type { Line } from "./connections.ts";
import { CLOCK_SLOT, FLOOR_SLOT } from "./fence.ts";
import type { HighestClock } from "./highest-clock.ts";
import type { RedisKeys } from "./redis-keys.ts";
import type { RedisTally } from "./redis-tally.ts";
import { LEASE, run } from "./scripts.ts";
import type { LimitQuestion, Verdict } from "./store.ts";
import { StoreUnavailable, unavailable, unlessHeard } from "./unavailable.ts";

export interface Ask {
  /** Redis keys to read, as text and as bytes. */
  readonly record: string | undefined;
  readonly variant: string | undefined;
  /** Slots of the fence; the clock and the floor are always read. undefined: the fence is not asked. */
  readonly slots: readonly number[] | undefined;
  readonly limits: readonly LimitQuestion[];
  /** Asked for before anything is read. */
  readonly lease?: LeaseAsk;
  /** Called before anything of it is sent; in a Cluster once for each part. */
  readonly leaving?: (() => void) | undefined;
}

export interface LeaseAsk {
  readonly key: string;
  readonly token: string;
  readonly ms: number;
  /** The lease came after the question had been given up. */
  late(): void;
}

export interface Answer {
  readonly record: string | undefined;
  readonly variant: Buffer | undefined;
  /** By slot, with whatever slots others asked about in the same batch; empty where there is no fence to be read. */
  readonly fence: ReadonlyMap<number, number>;
  /** The highest clock known when the question was sent: an answer below it tells of a loss. */
  readonly seen: number;
  /** undefined: Redis could not charge them. */
  readonly verdicts: readonly Verdict[] | undefined;
  /** 0: the lease is had; else ms for which somebody else has it. */
  readonly leaseMs: number;
}

export interface BatchOptions {
  readonly keys: Pick<RedisKeys, "fence" | "limit">;
  /** Ms after which a question is given up. */
  readonly deadline: number;
  readonly clock: HighestClock;
  readonly tally: RedisTally;
}

const NO_VERDICTS: readonly Verdict[] = Object.freeze([]);
// Past this many slots in one command Redis would be kept from everybody else for long.
const SLOTS_PER_COMMAND = 512;

/** How questions are put on `line`. Rejects with StoreUnavailable. */
export function createAsking(line: Line, options: BatchOptions): (ask: Ask) => Promise<Answer> {
  let open: Batch | undefined;
  return (ask) => {
    if (open === undefined) {
      const batch = new Batch(line, options);
      open = batch;
      setImmediate(() => {
        open = undefined;
        batch.send();
      });
    }
    return open.add(ask);
  };
}

interface Asked {
  readonly ask: Ask;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
  leaseReply: unknown;
  /** undefined: no limits. */
  readonly charge: Charge | undefined;
}

class Batch {
  readonly #line: Line;
  readonly #options: BatchOptions;
  readonly #asked: Asked[] = [];
  /** Replies by Redis key: record as text, variant as bytes. Failures are replies here. */
  readonly #reads = new Map<string, unknown>();
  readonly #charges = new Map<string, Charge>();
  readonly #fence = new Map<number, number>();
  #fenceFailure: unknown;
  #seen = 0;
  #missing = 0;
  /** When it was sent; monotonic ms. */
  #sentAt = 0;
  #heard = () => {};
  #isGivenUp = false;

  constructor(line: Line, options: BatchOptions) {
    this.#line = line;
    this.#options = options;
  }

  add(ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ ask, resolve, reject, leaseReply: undefined, charge: this.#chargeOf(ask.limits) });
    });
  }

  send(): void {
    for (const { ask } of this.#asked) ask.leaving?.();
    this.#seen = this.#options.clock.value();
    this.#sentAt = performance.now();
    this.#heard = unlessHeard(this.#options.deadline, () => this.#giveUp());
    for (const asked of this.#asked) if (asked.ask.lease) this.#sendLease(asked, asked.ask.lease);
    for (const { ask } of this.#asked) {
      if (ask.record !== undefined) this.#read(ask.record, false);
      if (ask.variant !== undefined) this.#read(ask.variant, true);
    }
    this.#readSlots();
    for (const charge of this.#charges.values()) this.#sendCharge(charge);
  }

  #sendLease(asked: Asked, lease: LeaseAsk): void {
    const called = run(this.#line, LEASE, { keys: [lease.key], args: [lease.token, String(lease.ms)] });
    this.#expect(called, (reply) => {
      asked.leaseReply = reply;
    });
  }

  #read(key: string, asBytes: boolean): void {
    if (this.#reads.has(key)) return;
    this.#reads.set(key, undefined);
    const words = ["GET", key];
    const reply = asBytes ? this.#line.sendForBytes(words) : this.#line.send(words);
    this.#expect(reply, (value) => this.#reads.set(key, value));
  }

  #readSlots(): void {
    const slots = new Set<number>();
    for (const { ask } of this.#asked) {
      if (ask.slots === undefined) continue;
      slots.add(CLOCK_SLOT).add(FLOOR_SLOT);
      for (const slot of ask.slots) slots.add(slot);
    }
    const all = [...slots];
    for (let i = 0; i < all.length; i += SLOTS_PER_COMMAND) this.#readSomeSlots(all.slice(i, i + SLOTS_PER_COMMAND));
  }

  #readSomeSlots(slots: number[]): void {
    const words = ["BITFIELD_RO", this.#options.keys.fence];
    for (const slot of slots) words.push("GET", "u63", `#${slot}`);
    this.#expect(this.#line.send(words), (reply) => {
      if (Array.isArray(reply)) slots.forEach((slot, i) => void this.#fence.set(slot, Number(reply[i])));
      else this.#fenceFailure = reply;
    });
  }

  #chargeOf(questions: readonly LimitQuestion[]): Charge | undefined {
    if (questions.length === 0) return undefined;
    const id = chargeId(questions);
    const charge = this.#charges.get(id) ?? new Charge();
    this.#charges.set(id, charge);
    charge.add(questions);
    return charge;
  }

  #sendCharge(charge: Charge): void {
    this.#expect(charge.send(this.#line, this.#options.keys), (reply) => charge.answered(reply));
  }

  #expect(reply: Promise<unknown>, take: (reply: unknown) => void): void {
    this.#missing++;
    this.#options.tally.pending++;
    const taken = (value: unknown) => {
      this.#options.tally.pending--;
      take(value);
      if (--this.#missing === 0) this.#finish();
    };
    reply.then(taken, (error) => taken(error instanceof Error ? error : new StoreUnavailable(String(error))));
  }

  // One reason for all: it is one failure of the store, however many had asked.
  #giveUp(): void {
    if (this.#missing === 0) return;
    this.#isGivenUp = true;
    this.#options.tally.timeouts++;
    const reason = new StoreUnavailable(`Redis did not answer within ${this.#options.deadline} ms`);
    for (const { reject } of this.#asked) reject(reason);
  }

  #finish(): void {
    this.#heard();
    this.#options.tally.answered(performance.now() - this.#sentAt);
    for (const asked of this.#asked) {
      if (this.#isGivenUp) {
        if (asked.leaseReply === 0) asked.ask.lease?.late();
        tellLate(asked);
      } else this.#settle(asked);
    }
  }

  #settle({ ask, charge, leaseReply, resolve, reject }: Asked): void {
    try {
      const record = ask.record === undefined ? undefined : readable(this.#reads.get(ask.record));
      const variant = ask.variant === undefined ? undefined : readable(this.#reads.get(ask.variant));
      if (ask.slots !== undefined) readable(this.#fenceFailure);
      resolve({
        record: typeof record === "string" ? record : undefined,
        variant: Buffer.isBuffer(variant) ? variant : undefined,
        fence: this.#fence,
        seen: this.#seen,
        verdicts: charge === undefined ? NO_VERDICTS : charge.deal(),
        leaseMs: ask.lease === undefined ? 0 : Number(readable(leaseReply)),
      });
    } catch (error) {
      if (leaseReply === 0) ask.lease?.late();
      reject(error);
    }
  }
}

// What was charged to somebody who has been given up was charged all the same.
function tellLate({ ask, charge }: Asked): void {
  const verdicts = charge?.deal();
  if (verdicts === undefined) return;
  for (const [i, question] of ask.limits.entries()) question.late?.(question, verdicts[i] as Verdict);
}

// What somebody else wrote under our keys reads as nothing; any other failure is Redis' own.
function readable(reply: unknown): unknown {
  if (!(reply instanceof Error)) return reply;
  if (reply.message.startsWith("WRONGTYPE")) return undefined;
  throw unavailable(reply);
}
