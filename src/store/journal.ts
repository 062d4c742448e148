// What becomes of a write's invalidation, whatever happens? It is noted before the write goes out, so that others
// invalidate for a process that dies (notes.ts); given to Redis when the write has ended; kept while Redis cannot take it,
// and replayed. Giving it twice does no harm. Nothing here is forgotten: what is too much to keep becomes "everything".

import { randomUUID } from "node:crypto";
import type { Line } from "./connections.ts";
import { FLOOR_SLOT, slotOf } from "./fence.ts";
import type { HighestClock } from "./highest-clock.ts";
import { createNotes, type Notes } from "./notes.ts";
import type { Reach } from "./reach.ts";
import type { RedisKeys } from "./redis-keys.ts";
import type { Replicas } from "./replicas.ts";
import { INVALIDATE, run, SOFTEN } from "./scripts.ts";
import type { Notice, PurgeOptions, Write, WriteEnd } from "./store.ts";
import { unlessHeard } from "./unavailable.ts";

export interface Journal {
  begin(tags: readonly string[]): Write | Promise<Write>;
  /** Invalidates `tags` (undefined: everything). The time of it; undefined where Redis did not take it in time: it is kept. */
  purge(tags: readonly string[] | undefined, options?: PurgeOptions): Promise<number | undefined>;
  /** Sends what is owed; rejects where Redis does not take it. */
  replay(): Promise<void>;
  /** To be called often: tells Redis what is owed, and keeps the notes. */
  tick(): void;
  /** How many invalidations Redis has not taken yet. */
  owed(): number;
  /** Waits, as long as a write would, for what is owed; then no timer is left. */
  close(): Promise<void>;
}

export interface JournalOptions {
  /** For every command of the fence, so that they are done in the order given. */
  readonly line: Line;
  readonly reach: Reach;
  /** Waited for before a write goes out and before it is acknowledged; undefined: nobody is. */
  readonly replicas: Replicas | undefined;
  readonly keys: Pick<RedisKeys, "fence" | "journal" | "invalidated">;
  readonly slots: number;
  /** Ms that noting a write may take. */
  readonly deadline: number;
  /** Ms after which others invalidate for a process that does not come back. */
  readonly leaseMs: number;
  /** How many invalidations are kept while Redis is away. */
  readonly maxOwed: number;
  readonly clock: HighestClock;
  /** Tells this process. */
  tell(notice: Notice): void;
}

interface Invalidation {
  /** undefined: everything. */
  readonly tags: readonly string[] | undefined;
  /** Of the journal. */
  readonly line: string;
  readonly soft: boolean;
  /** Called with its time when Redis has taken it, for whoever waits for that. */
  readonly wakes: Set<(clock: number) => void>;
}

const NO_LINE = "";
const SENT_AT_ONCE = 200;
// More than this is a purge by another name.
const MAX_TAGS = 1000;

export function createJournal(options: JournalOptions): Journal {
  return new Writing(options);
}

class Writing implements Journal {
  readonly #options: JournalOptions;
  readonly #notes: Notes;
  readonly #owner = randomUUID();
  #count = 0;
  #owed = new Set<Invalidation>();
  /** On a connection that was not lost with the others. */
  #isTelling = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#notes = createNotes(options);
  }

  owed(): number {
    return this.#owed.size;
  }

  begin(asked: readonly string[]): Write | Promise<Write> {
    const tags = bounded(asked);
    const line = `${this.#owner}.${this.#count++}|${this.#slotsOf(tags).join(",")}|${JSON.stringify(tags ?? null)}`;
    const write = (noted: boolean): Write => ({
      noted,
      commit: (end = {}) => this.#commit(tags, { line, ...end }),
      discard: () => this.#notes.discard(line),
    });
    const on = this.#options.reach.teller();
    if (on === undefined) return write(false);
    const noted = this.#notes.add(line, on);
    if (noted === undefined) return write(false);
    return new Promise((resolve) => {
      const heard = unlessHeard(this.#options.deadline, () => resolve(write(false)));
      const answer = (isNoted: boolean) => {
        heard();
        resolve(write(isNoted));
      };
      const isThere = () => {
        heard();
        return this.#onReplicas(on);
      };
      noted.then(isThere).then(
        () => answer(true),
        () => answer(false),
      );
    });
  }

  purge(tags: readonly string[] | undefined, { soft = false }: PurgeOptions = {}): Promise<number | undefined> {
    return this.#invalidate(tags && bounded(tags), { line: NO_LINE, soft });
  }

  async replay(line = this.#options.line): Promise<void> {
    let sent: Invalidation[] = [];
    for (const invalidation of [...this.#owed]) {
      if (sent.push(invalidation) < SENT_AT_ONCE) continue;
      await Promise.all(sent.map((each) => this.#send(each, line)));
      sent = [];
    }
    await Promise.all(sent.map((each) => this.#send(each, line)));
  }

  tick(): void {
    this.#notes.tick();
    this.#tellOwed();
  }

  /** What was kept while no connection could take it: one may by now, though the others are not back. */
  #tellOwed(): void {
    const { reach } = this.#options;
    if (this.#owed.size === 0 || this.#isTelling || reach.mayWrite()) return;
    const line = reach.teller();
    if (line === undefined) return;
    this.#isTelling = true;
    this.replay(line)
      .catch((error) => reach.distrust(error))
      .finally(() => {
        this.#isTelling = false;
      });
  }

  async close(): Promise<void> {
    this.#tellOwed();
    const last = [...this.#owed].at(-1);
    if (last) await this.#waitFor(last);
  }

  async #commit(
    noted: readonly string[] | undefined,
    { line, mayGoOn = false, also = [] }: WriteEnd & { line: string },
  ): Promise<void> {
    const tags = noted && bounded([...noted, ...also]);
    if (mayGoOn) this.#notes.leave(line);
    else this.#notes.drop(line);
    await this.#invalidate(tags, { line: mayGoOn ? NO_LINE : line, soft: false });
  }

  async #invalidate(
    tags: readonly string[] | undefined,
    how: Pick<Invalidation, "line" | "soft">,
  ): Promise<number | undefined> {
    const { reach, clock } = this.#options;
    const invalidation = this.#owe(tags, how);
    const line = reach.teller();
    if (line) this.#send(invalidation, line).catch((error) => reach.distrust(error));
    const time = await this.#waitFor(invalidation);
    // Nothing in this process bears a later stamp than the highest clock it has seen.
    if (time === undefined) this.#tell(invalidation, clock.value() + 1);
    else await this.#onReplicas(line ?? this.#options.line);
    return time;
  }

  /** To be called as soon as Redis has answered. */
  #onReplicas(line: Line): Promise<void> | undefined {
    return this.#options.replicas?.confirm(line.process);
  }

  #owe(tags: readonly string[] | undefined, how: Pick<Invalidation, "line" | "soft">): Invalidation {
    const isTooMuch = this.#owed.size >= this.#options.maxOwed;
    const waiting = isTooMuch ? [...this.#owed].flatMap(({ wakes }) => [...wakes]) : [];
    if (isTooMuch) this.#owed.clear();
    const named = isTooMuch ? { tags: undefined, line: how.line, soft: false } : { tags, ...how };
    const invalidation: Invalidation = { ...named, wakes: new Set(waiting) };
    this.#owed.add(invalidation);
    return invalidation;
  }

  /** Its time; undefined: Redis did not take it in time. */
  #waitFor({ wakes }: Invalidation): Promise<number | undefined> {
    return new Promise((resolve) => {
      const wake = (time: number) => {
        heard();
        resolve(time);
      };
      const heard = unlessHeard(this.#options.reach.patience(), () => {
        wakes.delete(wake);
        resolve(undefined);
      });
      wakes.add(wake);
    });
  }

  async #send(invalidation: Invalidation, line: Line): Promise<void> {
    const { clock } = this.#options;
    const given = Number(
      await (invalidation.soft ? this.#soften(invalidation, line) : this.#overtake(invalidation, line)),
    );
    clock.see(given);
    this.#owed.delete(invalidation);
    const time = given || clock.value() + 1;
    this.#tell(invalidation, time);
    for (const wake of invalidation.wakes) wake(time);
  }

  #overtake({ tags, line }: Invalidation, on: Line): Promise<unknown> {
    const { keys, clock } = this.#options;
    const what = [JSON.stringify(tags ?? null), ...this.#slotsOf(tags).map(String)];
    const args = [String(clock.value()), keys.invalidated, line, ...what];
    return run(on, INVALIDATE, { keys: [keys.fence, keys.journal], args });
  }

  #soften({ tags }: Invalidation, on: Line): Promise<unknown> {
    const { keys, clock, slots } = this.#options;
    const what = [String(slots), JSON.stringify(tags ?? null), ...this.#slotsOf(tags).map(String)];
    return run(on, SOFTEN, { keys: [keys.fence], args: [String(clock.value()), keys.invalidated, ...what] });
  }

  #tell({ tags, soft }: Invalidation, clock: number): void {
    this.#options.tell(soft ? { clock, tags, soft } : { clock, tags });
  }

  #slotsOf(tags: readonly string[] | undefined): number[] {
    return tags ? tags.map((tag) => slotOf(tag, this.#options.slots)) : [FLOOR_SLOT];
  }
}

function bounded(tags: readonly string[]): readonly string[] | undefined {
  return tags.length > MAX_TAGS ? undefined : tags;
}
