// What is done to a run, each plan drawn from the seed and each with the writes and reads that it is about. A plan does and
// waits; whether what was read then was right is for checking.ts alone to say.

import { createFailOvers } from "./fail-overs.ts";
import { open } from "./history.ts";
import { LONELY } from "./resources.ts";
import { FENCE, type Wire } from "./shared-redis.ts";
import type { Place } from "./sidecars.ts";
import { RETURN_MS, type Stage } from "./stage.ts";

export type Cast = ReturnType<typeof createCast>;

/** A sidecar knows an outage after 750 ms, and says so at its next heartbeat. */
const NOTICED_MS = 1000;
const NOTICED_LATE_MS = 3000;
/** After Redis answers again a sidecar may be behind by this and still be in time for `settle`, ms. */
const BEHIND_MS = 450;
/** And takes this to connect and to tell, ms. */
const COMING_BACK_MS = 150;
/** A wire held for no longer is no outage, ms. */
const LONGEST_HOLD_MS = 300;
/** Slots moved one after the other. */
const RESHARDED = 4;

export function createCast(stage: Stage) {
  const { topology, workload, random, isFound } = stage;
  const { redis, origin, places, recording } = topology;
  let quiet = random.below(LONELY);
  let noted = 0;

  const anyPlace = () => random.pick(places);
  const others = (than: Place) => places.filter((place) => place !== than);
  const another = (than: Place) => random.pick(others(than).length > 0 ? others(than) : places);
  /** A path that has not been written for long, stored by now. */
  async function quietPath(via: readonly Place[] = places): Promise<string> {
    quiet = (quiet + 1) % LONELY;
    const path = `/quiet/${quiet}`;
    for (const place of via) await workload.read(place, path);
    return path;
  }
  /** Resolves when all sidecars say that they are without Redis, or have been so long that they must know. */
  async function noticed(): Promise<void> {
    await pause(NOTICED_MS);
    const until = performance.now() + NOTICED_LATE_MS;
    while (places.some((place) => place.isWell) && performance.now() < until) await pause(10);
  }
  const away = () => open(recording.redisAway, {});

  /** Holds wires of a sidecar; the function returned mends them. `isCut`: its connections end, too. */
  function hold(wires: readonly Wire[], isCut: boolean): () => void {
    for (const { relay } of wires) relay.hold();
    if (isCut) for (const { relay } of wires) relay.cut();
    return () => wires.forEach(({ relay }) => void relay.release());
  }

  /** The same of those without which it has no fence: all of them, if nothing else is said. */
  function part(place: Place, isCut: boolean, wires = place.wires): () => void {
    const mended = open(recording.partitions, { sidecar: place.id });
    const release = hold(wires, isCut);
    return () => {
      release();
      mended();
    };
  }

  /** Gives a sidecar no new connections, until the function returned is called; having lost the last to the fence, it is cut off. */
  function refuse({ id: sidecar, wires }: Place): () => void {
    let isRefusing = true;
    let mended: () => void = () => {};
    const lost = wires.map(({ relay }) => relay.refuse());
    void Promise.all(lost).then(() => {
      if (isRefusing) mended = open(recording.partitions, { sidecar });
    });
    return () => {
      isRefusing = false;
      for (const { relay } of wires) relay.admit();
      mended();
    };
  }

  /** From all servers; in a Cluster perhaps from that of the fence alone, or from another alone, which excuses nothing. */
  async function partSomehow(place: Place): Promise<() => void> {
    const isCut = random.chance(0.5);
    if (place.wires.length < 2) return part(place, isCut);
    const [fence, others] = [await redis.master(), await redis.others()];
    const to = random.pick([undefined, fence, random.pick(others)]);
    const wires = place.wires.filter((wire) => to === undefined || wire.to === to);
    return to === undefined || to === fence ? part(place, isCut, wires) : hold(wires, isCut);
  }

  function freeze(): () => void {
    const back = away();
    for (const server of redis.servers) server.freeze();
    return () => {
      for (const server of redis.servers) server.thaw();
      back();
    };
  }

  async function replaced(place: Place): Promise<void> {
    await pause(random.between(0, 300));
    await place.replace();
  }

  /** A slot is served by another master from now on, with a write before, in the middle of it, and after. */
  async function moveSlotOf(key: string): Promise<void> {
    const paths = [await quietPath(), await quietPath(), await quietPath()];
    const [before = "", midway = "", after = ""] = paths;
    await workload.write(anyPlace(), before);
    await redis.reshard(key, async () => {
      await workload.write(anyPlace(), midway);
      for (const each of places) await workload.read(each, before);
    });
    await workload.write(anyPlace(), after);
    for (const each of places) for (const path of paths) await workload.read(each, path);
  }

  return {
    async kill() {
      const place = anyPlace();
      await place.kill();
      await replaced(place);
    },

    async "kill-in-write"() {
      const place = anyPlace();
      const path = await quietPath();
      const id = `killed ${noted++}`;
      const writing = workload.write(place, path, { manner: "slow", id });
      await Promise.race([origin.arrival(id), writing]);
      await pause(random.between(0, 250));
      await place.kill();
      await Promise.all([writing, replaced(place)]);
    },

    // Short, or long enough to be noticed; then with a write that can only be kept.
    async freeze() {
      const path = await quietPath();
      const thaw = freeze();
      if (random.chance(0.3)) await pause(random.between(100, 700));
      else {
        await noticed();
        await Promise.all([workload.write(anyPlace(), path), pause(random.between(0, 2000))]);
      }
      thaw();
    },

    // A write taken while Redis is away, by a sidecar that comes back a little later than the others.
    async "freeze-apart"() {
      const place = anyPlace();
      const path = await quietPath();
      const thaw = freeze();
      await noticed();
      await workload.write(place, path);
      const mend = part(place, random.chance(0.5));
      thaw();
      const mended = pause(BEHIND_MS).then(mend);
      const until = performance.now() + BEHIND_MS + COMING_BACK_MS;
      // Its breaker closes at some time in the second after Redis is back; what is fetched until then is not stored.
      const readUntilTold = async (other: Place) => {
        while (performance.now() < until) {
          await workload.read(other, path);
          await pause(5);
        }
      };
      await Promise.all([mended, ...others(place).flatMap((other) => [1, 2, 3].map(() => readUntilTold(other)))]);
    },

    flush: () => redis.flush(),

    // Begun before a write whose invalidation is flushed away, stored after it.
    async "flush-in-fetch"() {
      const place = anyPlace();
      const [path, other] = [await quietPath(), await quietPath()];
      await workload.write(another(place), path);
      const arrived = origin.delayNext(path, 400);
      const reading = workload.read(place, path);
      await Promise.race([arrived, reading]);
      await workload.write(another(place), path);
      await redis.flush();
      await workload.write(another(place), other);
      await reading;
      for (const each of places) await workload.read(each, path);
    },

    async restart() {
      const server = await redis.master();
      if (random.chance(0.5)) await server.command("SAVE");
      await pause(random.between(0, 500));
      const back = away();
      await server.kill();
      await pause(random.pick([0, 300, 1500]));
      await server.start();
      back();
    },

    // From a snapshot older than a write; and the first to come is one that knows nothing, and moves the clock on.
    async "restart-behind"() {
      const newcomer = anyPlace();
      const [path, other] = [await quietPath(), await quietPath()];
      const server = await redis.master();
      await server.command("SAVE");
      await workload.write(another(newcomer), path);
      const mend = others(newcomer).map((place) => part(place, true));
      const back = away();
      await server.kill();
      await newcomer.kill();
      await server.start();
      back();
      await newcomer.replace();
      await workload.write(newcomer, other);
      for (const each of mend) each();
      await newcomer.well(RETURN_MS);
      for (let i = 0; i < 5; i++) await workload.read(newcomer, path);
    },

    async partition() {
      const place = anyPlace();
      const path = await quietPath();
      const mend = await partSomehow(place);
      await pause(random.between(0, 300));
      await workload.write(another(place), path);
      const until = performance.now() + random.pick([300, 1500, 4000]);
      while (performance.now() < until && !isFound()) {
        await workload.read(place, path);
        await pause(10);
      }
      mend();
    },

    // One connection of several is lost, perhaps with what was just written on it, and no new one is to be had for long. That
    // excuses nothing: Redis can be told on the others.
    async "partition-in-part"() {
      const place = anyPlace();
      const path = await quietPath();
      const fence = await redis.master();
      const wires = place.wires.filter(({ to }) => to === fence);
      const id = `parted ${noted++}`;
      const writing = workload.write(place, path, { id });
      await Promise.race([origin.arrival(id), writing]);
      const release = hold(wires, false);
      const admit = refuse(place);
      await pause(random.between(50, LONGEST_HOLD_MS));
      for (const { relay } of wires) relay.cutOne(random.pick);
      release();
      await writing;
      const until = performance.now() + random.between(5000, 8000);
      for (let quiet = path; performance.now() < until && !isFound(); quiet = await quietPath()) {
        if (quiet !== path) await workload.write(place, quiet);
        for (const each of others(place)) await workload.read(each, quiet);
      }
      admit();
    },

    ...createFailOvers(stage, { anyPlace, another, others, quietPath, noticed, away, part }),

    async "reshard-fence"() {
      const back = away();
      await moveSlotOf(FENCE);
      back();
    },

    async reshard() {
      const server = random.pick(await redis.others());
      for (let moved = 0; moved < RESHARDED && !isFound(); moved++) {
        const key = await server.command("RANDOMKEY");
        await moveSlotOf(String(key ?? "nothing is kept"));
      }
    },
  } satisfies Record<string, () => Promise<void>>;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
