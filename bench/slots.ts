// How many responses are fetched once more than needed because an invalidation of another tag took a slot of theirs?
// A response with k tags that lives for T seconds, r foreign invalidations a second and S slots: 1 - e^(-r·T·k/S).
// Measured with the store itself (memory.ts, with its fence and its hash) for three sizes: `node bench/slots.ts`.
//
// The responses are as many as a busy sidecar holds, each tag is named once, and no response is invalidated by its own.

import { createMemoryStore } from "../src/store/memory.ts";
import { inColumns } from "./table.ts";

const RESPONSES = 20_000;
const PER_SECOND = 100;
const LIFE_SECONDS = 300;
const UNCOUNTED = { size: () => 1, label: () => undefined };

async function needless(slots: number, tagsEach: number): Promise<number> {
  const now = Date.now();
  const store = createMemoryStore<string>({ maxBytes: 1 << 30, slots, codec: UNCOUNTED, now: () => now });
  const keyOf = (i: number) => ({ primary: `k${i}`, variant: () => "" });
  const { clock } = (await store.look({ key: undefined, tags: [], limits: [] })).fence;
  for (let i = 0; i < RESPONSES; i++) {
    const tags = Array.from({ length: tagsEach }, (_, tag) => `path:shop.test/items/${i}/${tag}`);
    const times = { freshUntil: now + LIFE_SECONDS * 1000, keepUntil: now + LIFE_SECONDS * 1000 };
    await store.put(keyOf(i), [], { value: "", stamp: clock, tags, ...times });
  }
  for (let i = 0; i < PER_SECOND * LIFE_SECONDS; i++) await store.purge([`tag:order:${i}`]);
  let lost = 0;
  for (let i = 0; i < RESPONSES; i++) {
    if (!(await store.look({ key: keyOf(i), tags: [], limits: [] })).usable) lost++;
  }
  await store.close();
  return lost / RESPONSES;
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
const rows = [["slots", "in Redis", "tags each", "measured", "formula"]];
for (const slots of [1 << 16, 1 << 18, 1 << 20]) {
  for (const tagsEach of [1, 4, 10]) {
    const formula = 1 - Math.exp((-PER_SECOND * LIFE_SECONDS * tagsEach) / slots);
    const measured = await needless(slots, tagsEach);
    rows.push([String(slots), `${(slots * 8) / 2 ** 20} MB`, String(tagsEach), percent(measured), percent(formula)]);
  }
}
process.stdout.write(`${PER_SECOND} invalidations/s of other tags, responses that live for ${LIFE_SECONDS} s\n`);
process.stdout.write(inColumns(rows));
