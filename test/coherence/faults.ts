// What is done to a run, one fault after the other, each drawn from the seed and each with the writes and reads that it
// is about. A plan does and waits; whether what was read then was right is for checking.ts alone to say. Between two
// faults everybody comes back, so that each finds a whole system.

import type { TestRedis } from "../support/redis.ts";
import { type FaultKind, open } from "./history.ts";
import type { Random } from "./random.ts";
import { LONELY } from "./resources.ts";
import type { Place } from "./sidecars.ts";
import type { Topology, TopologyName } from "./topology.ts";
import type { Workload } from "./workload.ts";

/** The ways in which each kind of fault comes. */
const PLANS = {
  kill: ["kill-in-write", "kill"],
  freeze: ["freeze", "freeze-apart"],
  flush: ["flush-in-fetch", "flush"],
  restart: ["restart", "restart-behind"],
  partition: ["partition"],
  failover: ["failover-killed", "failover-frozen"],
} as const satisfies Record<FaultKind, readonly string[]>;

export type PlanName = (typeof PLANS)[FaultKind][number];

const FAULTS = Object.keys(PLANS) as readonly FaultKind[];

/** What can be done to which topology: with Sentinel a master that is away for long is replaced by another. */
export const FAULTS_OF: Readonly<Record<TopologyName, readonly FaultKind[]>> = {
  redis: ["kill", "freeze", "flush", "restart", "partition"],
  sentinel: ["kill", "flush", "failover"],
};

export function plansOf(kinds: readonly FaultKind[]): readonly PlanName[] {
  return kinds.flatMap((kind) => PLANS[kind]);
}

export interface Stage {
  readonly topology: Topology;
  readonly workload: Workload;
  readonly random: Random;
  /** Between two faults, on average. */
  readonly calmMs: number;
  /** What was looked for is found: nothing need be waited for any more. */
  isFound(): boolean;
}

/** How long everybody may take to come back, ms. */
const RETURN_MS = 30_000;
/** A sidecar knows an outage after 750 ms, and says so at its next heartbeat. */
const NOTICED_MS = 1000;
const NOTICED_LATE_MS = 3000;
/** After Redis answers again a sidecar may be behind by this and still be in time for `settle`, ms. */
const BEHIND_MS = 300;
/** The sentinels make a lost master that comes back a replica after ten seconds or so. */
const FOLLOWED_MS = 60_000;

/** Faults until `until` (monotonic ms, asked each time); one that has begun is brought to its end. */
export async function disturb(stage: Stage, plans: readonly PlanName[], until: () => number): Promise<void> {
  const { topology, random, calmMs } = stage;
  const cast = createCast(stage);
  if (plans.length === 0) return;
  for (let turn = random.below(plans.length); ; turn++) {
    await pause(random.between(0.5, 1.5) * calmMs);
    if (performance.now() >= until()) return;
    const plan = plans[turn % plans.length] as PlanName;
    const kind = FAULTS.find((each) => (PLANS[each] as readonly string[]).includes(plan)) as FaultKind;
    const ended = open(topology.recording.faults, { kind, plan });
    try {
      await cast[plan]();
    } finally {
      ended();
    }
    if (stage.isFound()) return;
    await topology.well(RETURN_MS);
  }
}

function createCast({ topology, workload, random, isFound }: Stage): Record<PlanName, () => Promise<void>> {
  const { redis, sentinel, master, origin, places, recording } = topology;
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

  /** Holds the wire of a sidecar; the function returned mends it. `isCut`: its connections end, too. */
  function part(place: Place, isCut: boolean): () => void {
    const mended = open(recording.partitions, { sidecar: place.id });
    place.relay?.hold();
    if (isCut) place.relay?.cut();
    return () => {
      place.relay?.release();
      mended();
    };
  }

  async function replaced(place: Place): Promise<void> {
    await pause(random.between(0, 300));
    await place.replace();
  }

  /** A master that is lost `how`, and a write that its followers may never have heard of; `back` brings it back. */
  async function failOver(how: (old: TestRedis) => unknown, back: (old: TestRedis) => unknown): Promise<void> {
    if (sentinel === undefined) throw new Error("fail over: there are no sentinels");
    const [path, other] = [await quietPath(), await quietPath()];
    const old = await sentinel.master();
    await isFollowed(old);
    const returned = away();
    await Promise.all([workload.write(anyPlace(), path), how(old)]);
    const moved = sentinel.movedFrom(old);
    await noticed();
    await workload.write(anyPlace(), other);
    const now = await moved;
    returned();
    await pause(random.between(0, 1500));
    await back(old);
    await topology.well(RETURN_MS);
    for (const each of places) for (const quiet of [path, other]) await workload.read(each, quiet);
    await isFollowed(now);
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
      const back = away();
      redis.freeze();
      if (random.chance(0.3)) await pause(random.between(100, 700));
      else {
        await noticed();
        await Promise.all([workload.write(anyPlace(), path), pause(random.between(0, 2000))]);
      }
      redis.thaw();
      back();
    },

    // A write taken while Redis is away, by a sidecar that comes back a little later than the others.
    async "freeze-apart"() {
      const place = anyPlace();
      const path = await quietPath();
      const back = away();
      redis.freeze();
      await noticed();
      await workload.write(place, path);
      const mend = part(place, random.chance(0.5));
      redis.thaw();
      back();
      for (const until = performance.now() + BEHIND_MS; performance.now() < until; ) {
        await workload.read(another(place), path);
        await pause(10);
      }
      mend();
    },

    async flush() {
      await (await master()).flush();
    },

    // Begun before a write whose invalidation is flushed away, stored after it.
    async "flush-in-fetch"() {
      const place = anyPlace();
      const [path, other] = [await quietPath(), await quietPath()];
      await workload.write(another(place), path);
      const arrived = origin.delayNext(path, 400);
      const reading = workload.read(place, path);
      await Promise.race([arrived, reading]);
      await workload.write(another(place), path);
      await (await master()).flush();
      await workload.write(another(place), other);
      await reading;
      for (const each of places) await workload.read(each, path);
    },

    async restart() {
      if (random.chance(0.5)) await redis.command("SAVE");
      await pause(random.between(0, 500));
      const back = away();
      await redis.kill();
      await pause(random.pick([0, 300, 1500]));
      await redis.start();
      back();
    },

    // From a snapshot older than a write; and the first to come is one that knows nothing, and moves the clock on.
    async "restart-behind"() {
      const newcomer = anyPlace();
      const [path, other] = [await quietPath(), await quietPath()];
      await redis.command("SAVE");
      await workload.write(another(newcomer), path);
      const mend = others(newcomer).map((place) => part(place, true));
      const back = away();
      await redis.kill();
      await newcomer.kill();
      await redis.start();
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
      const mend = part(place, random.chance(0.5));
      await pause(random.between(0, 300));
      await workload.write(another(place), path);
      const until = performance.now() + random.pick([300, 1500, 4000]);
      while (performance.now() < until && !isFound()) {
        await workload.read(place, path);
        await pause(10);
      }
      mend();
    },

    "failover-killed": () =>
      failOver(
        (old) => old.kill(),
        (old) => old.start(),
      ),

    // It believes that it is the master when it is thawed, until the sentinels tell it.
    "failover-frozen": () =>
      failOver(
        (old) => old.freeze(),
        (old) => old.thaw(),
      ),
  };
}

/** Resolves when a replica of `server` has caught up with it: then it can be lost. */
async function isFollowed(server: TestRedis): Promise<void> {
  const until = performance.now() + FOLLOWED_MS;
  while (!String(await server.command("INFO", "replication")).includes("state=online")) {
    if (performance.now() > until) throw new Error(`fail over: no replica has caught up in ${FOLLOWED_MS} ms`);
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
