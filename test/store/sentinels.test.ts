// Whom several sentinels are taken to name, and how soon, where some are behind, silent, gone, or call the master otherwise. The
// turned clock; each sentinel says what a test tells it to.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { placeText } from "../../src/store/place.ts";
import { createSentinels } from "../../src/store/sentinels.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const PATIENCE_MS = 250;
const BEAT_MS = 250;

interface Said {
  readonly master: string;
  /** undefined: nobody may ask for it. */
  readonly epoch?: number;
  /** How late it answers. */
  readonly ms?: number;
  readonly connectMs?: number;
}
type State = Said | "mute" | "gone";

/** Sentinels s1, s2 and so on, in these states, which a test may change; and what was asked of them. */
function panelOf(...states: State[]) {
  let connections = 0;
  const open = new Set<number>();
  const stateOf = (host: string) => states[Number(host.slice(1)) - 1] ?? "gone";
  const answer = async (host: string, what: string | undefined) => {
    const state = stateOf(host);
    if (state === "gone") throw new Error("ECONNREFUSED");
    if (state === "mute") return new Promise(() => {});
    await new Promise((resolve) => setTimeout(resolve, state.ms ?? 0));
    if (what === "GET-MASTER-ADDR-BY-NAME") return state.master.split(":");
    if (state.epoch === undefined) throw new Error("NOPERM");
    return ["name", "main", "config-epoch", String(state.epoch)];
  };
  const nodes = states.map((_, index) => `s${index + 1}:26379`);
  const sentinels = createSentinels(
    { name: "main", nodes },
    {
      patienceMs: PATIENCE_MS,
      async connect({ host }) {
        const state = stateOf(host);
        if (state === "gone") throw new Error("ECONNREFUSED");
        if (state !== "mute" && state.connectMs) await new Promise((resolve) => setTimeout(resolve, state.connectMs));
        const id = ++connections;
        open.add(id);
        return { sendCommand: ([, what]) => answer(host, what), destroy: () => void open.delete(id) };
      },
    },
  );
  /** Who is named, and after how many ms. */
  async function named(): Promise<[master: string, ms: number]> {
    const from = performance.now();
    const asked = sentinels.master(AbortSignal.timeout(10_000)).then(placeText, (error: Error) => error.message);
    let master: string | undefined;
    void asked.then((said) => {
      master = said;
    });
    while (master === undefined) await vi.advanceTimersByTimeAsync(1);
    return [master, performance.now() - from];
  }
  return { states, named, sentinels, connections: () => connections, open };
}

const old = { master: "old:1", epoch: 6 };
const now = { master: "new:1", epoch: 7 };
const soon = expect.closeTo(0, -1);

test("the newest configuration counts, whoever answers first", async () => {
  const { named } = panelOf(old, { ...now, ms: 5 }, { ...old, ms: 20 });
  expect((await named())[0]).toBe("new:1");
});

test("the one that made a new master is remembered where it is silent before the others have heard of it", async () => {
  const { named, states } = panelOf(now, old, old);
  expect((await named())[0]).toBe("new:1");
  states[0] = "gone";
  for (let beat = 0; beat < 10; beat++) {
    expect((await named())[0]).toBe("new:1");
    await vi.advanceTimersByTimeAsync(BEAT_MS);
  }
});

test("one that comes back with an old file draws nobody away, be it the only one that answers for a moment", async () => {
  const { named, states } = panelOf(now, now, "gone");
  await named();
  states.splice(0, 3, "gone", "gone", old);
  await vi.advanceTimersByTimeAsync(1000);
  expect((await named())[0]).toBe("new:1");
});

test("of one configuration the name counts that most give, and among equals the one that was named before", async () => {
  const { named, states } = panelOf({ ...now, master: "10.0.0.1:1" }, now, { ...now, ms: 2 });
  expect((await named())[0]).toBe("new:1");
  states.splice(0, 3, { ...now, master: "10.0.0.1:1" }, { ...now, ms: 3 }, "gone");
  await vi.advanceTimersByTimeAsync(6000);
  for (let beat = 0; beat < 5; beat++) {
    expect((await named())[0]).toBe("new:1");
    await vi.advanceTimersByTimeAsync(BEAT_MS);
  }
});

test("where nobody may ask for the configuration, most count", async () => {
  const { named } = panelOf({ master: "old:1" }, { master: "new:1" }, { master: "new:1", epoch: 3 });
  expect((await named())[0]).toBe("new:1");
});

test("silent ones are waited for once, and then asked once a second, while one answers", async () => {
  const { named, connections, states } = panelOf("mute", old, "mute");
  expect(await named()).toEqual(["old:1", expect.closeTo(PATIENCE_MS, -1)]);
  const before = connections();
  states[1] = now;
  for (let beat = 0; beat < 20; beat++) {
    expect(await named()).toEqual(["new:1", soon]);
    await vi.advanceTimersByTimeAsync(BEAT_MS);
  }
  expect(connections() - before).toBeLessThanOrEqual(2 * 5);
});

test("one that falls silent on a connection that was kept is waited for no longer than one that was not", async () => {
  const { named, states } = panelOf(now, now);
  await named();
  states[0] = "mute";
  expect((await named())[1]).toBeLessThanOrEqual(PATIENCE_MS + 5);
  expect(await named()).toEqual(["new:1", soon]);
});

test("where none answers the reason is told that says most, and all are asked again at once", async () => {
  const { named, states } = panelOf("gone", "mute", "gone");
  expect((await named())[0]).toBe("no sentinel tells which Redis is the master: ECONNREFUSED");
  states[0] = now;
  expect((await named())[0]).toBe("new:1");
});

test("where all were silent for a moment, all are asked at the next question", async () => {
  const { named, states } = panelOf(now, now, now);
  await named();
  states.splice(0, 3, "mute", "mute", "mute");
  for (let beat = 0; beat < 3; beat++) expect(await named()).toEqual(["new:1", expect.closeTo(PATIENCE_MS, -1)]);
  states.splice(0, 3, now, now, { master: "newer:1", epoch: 8, ms: 5 });
  await named();
  await vi.advanceTimersByTimeAsync(BEAT_MS);
  expect((await named())[0]).toBe("newer:1");
});

test("one that is slow to connect to has as long again for its answer", async () => {
  const { named } = panelOf({ ...now, connectMs: 200, ms: 200 });
  expect((await named())[0]).toBe("new:1");
});

test("no connection is left open after close, be it made or used at the time", async () => {
  const { named, sentinels, open, states } = panelOf(now, "gone");
  await named();
  states.splice(0, 2, "mute", { ...now, ms: 50 });
  await vi.advanceTimersByTimeAsync(2000);
  const late = named();
  sentinels.close();
  await late;
  await vi.advanceTimersByTimeAsync(2 * PATIENCE_MS);
  expect(open.size).toBe(0);
});
