// The promise behind memory.trust under random interleavings: what is asked after a write was acknowledged elsewhere is
// never older than that, or with trust never older than what was acknowledged trustMs before. Questions reach the shared
// store late, answers come back later and in any order, notices come late or never. Time is turned, chance is seeded.

import { expect, test } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Notice, Reading, Store } from "../../src/store/store.ts";
import { createTieredStore } from "../../src/store/tiered.ts";
import { keyOf, textCodec } from "./contract.ts";
import { question } from "./scripted.ts";

const KEY = keyOf("k");
const FOREVER = Number.MAX_SAFE_INTEGER;
const RUNS = 150;
const STEPS = 300;

class World {
  readonly failures: string[] = [];
  hits = 0;
  #now = 1_700_000_000_000;
  #seed: number;
  readonly #trustMs: number;
  readonly #shared: Store<string>;
  readonly #tiered: Store<string>;
  #tell: (notice: Notice) => void = () => {};
  /** Whatever is on its way: one of them goes on at each step. */
  readonly #pending: (() => void)[] = [];
  #version = 0;
  /** Versions by the time from which nobody may get an older one. */
  readonly #acknowledged: { version: number; since: number }[] = [];

  constructor(trustMs: number, seed: number) {
    this.#trustMs = trustMs;
    this.#seed = seed * 7919;
    const options = { maxBytes: 1e6, slots: 256, codec: textCodec, now: () => this.#now };
    this.#shared = createMemoryStore(options);
    const below: Store<string> = {
      ...this.#shared,
      look: (asked) =>
        new Promise((resolve) => {
          this.#pending.push(() => {
            const reading = this.#shared.look(asked) as Reading<string>;
            const { shared, clock, latest } = reading.fence; // as they are now
            this.#pending.push(() => resolve({ ...reading, fence: { shared, clock, latest } }));
          });
        }),
      onInvalidated: (listener) => {
        this.#tell = listener;
      },
    };
    this.#tiered = createTieredStore(below, { ...options, trustMs, monotonic: () => this.#now });
  }

  async step(): Promise<void> {
    const chance = this.#random();
    if (chance < 0.25) void this.#ask();
    else if (chance < 0.28) await this.#write();
    else if (chance < 0.32) this.#now += Math.floor(this.#random() * 700);
    else this.#pending.splice(Math.floor(this.#random() * this.#pending.length), 1)[0]?.();
    for (let turns = 0; turns < 6; turns++) await Promise.resolve();
  }

  async #ask(): Promise<void> {
    const least = Math.max(
      0,
      ...this.#acknowledged.filter(({ since }) => since <= this.#now).map(({ version }) => version),
    );
    const { usable, stored, fence } = await this.#tiered.look(question(KEY, { tags: ["a"] }));
    if (!usable) return void this.#pending.push(() => this.#fetch(fence.clock));
    this.hits++;
    if (Number(stored?.value) < least) this.failures.push(`got ${stored?.value}, ${least} was acknowledged`);
  }

  // The origin answers now, and the answer is stored some time later.
  #fetch(stamp: number): void {
    const stored = { value: `${this.#version}`, stamp, tags: ["a", "own"], freshUntil: FOREVER, keepUntil: FOREVER };
    this.#pending.push(() => void this.#tiered.put(KEY, [], stored));
  }

  // In this process the notice is heard before the acknowledgement; elsewhere, late or never.
  async #write(): Promise<void> {
    const version = ++this.#version;
    await (await this.#shared.begin(["own"])).commit();
    const { clock } = (this.#shared.look(question(undefined)) as Reading<string>).fence;
    const tell = () => this.#tell({ clock, tags: ["own"] });
    const isOwn = this.#random() < 0.3;
    if (isOwn) tell();
    else if (this.#random() < 0.5) this.#pending.push(tell);
    this.#acknowledged.push({ version, since: isOwn ? this.#now : this.#now + this.#trustMs });
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  }
}

test.each([0, 1000])("with trust %i ms nothing older than promised is answered", async (trustMs) => {
  let hits = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const world = new World(trustMs, seed);
    for (let step = 0; step < STEPS; step++) await world.step();
    expect(world.failures, `seed ${seed}`).toEqual([]);
    hits += world.hits;
  }
  expect(hits).toBeGreaterThan(RUNS);
});
