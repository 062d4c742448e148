// A master is lost and its replica takes its place: the faults of Sentinel and of a Cluster.

import type { TestRedis } from "../support/redis.ts";
import type { Place } from "./sidecars.ts";
import { RETURN_MS, type Stage } from "./stage.ts";

/** As in cast.ts. */
interface Hands {
  anyPlace(): Place;
  another(than: Place): Place;
  others(than: Place): readonly Place[];
  quietPath(): Promise<string>;
  noticed(): Promise<void>;
  away(): () => void;
  part(place: Place, isCut: boolean): () => void;
}

/** The sentinels make a lost master that comes back a replica after ten seconds or so. */
const FOLLOWED_MS = 60_000;

export function createFailOvers({ topology, workload, random }: Stage, hands: Hands) {
  const { redis, places } = topology;
  const { anyPlace, another, quietPath, noticed, away, part } = hands;

  /**
   * A master that is lost `how`, and a write that its followers may never have heard of; `back` brings it back. In a Cluster
   * it may be one without the fence: then nothing excuses anybody.
   */
  async function failOver(how: (old: TestRedis) => unknown, back: (old: TestRedis) => unknown): Promise<void> {
    const [path, other] = [await quietPath(), await quietPath()];
    const others = await redis.others();
    const isOther = others.length > 0 && random.chance(0.4);
    const old = isOther ? random.pick(others) : await redis.master();
    await isFollowed(old);
    const returned = isOther ? () => {} : away();
    await Promise.all([workload.write(anyPlace(), path), how(old)]);
    const moved = redis.movedFrom(old);
    if (!isOther) await noticed();
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
    "failover-killed": () =>
      failOver(
        (old) => old.kill(),
        (old) => old.start(),
      ),

    // It believes that it is the master when it is thawed, until it is told.
    "failover-frozen": () =>
      failOver(
        (old) => old.freeze(),
        (old) => old.thaw(),
      ),

    "failover-told": () =>
      failOver(
        (old) => redis.handOver(old),
        () => {},
      ),

    // To a replica that never heard of a write; and the first to come is one that knows nothing, and moves the clock on.
    async "failover-behind"() {
      const newcomer = anyPlace();
      const [path, other] = [await quietPath(), await quietPath()];
      const old = await redis.master();
      await isFollowed(old);
      const replica = redis.replicaOf(old);
      replica.freeze();
      await old.command("CLIENT", "KILL", "TYPE", "replica"); // else it would find the write in its connection
      await workload.write(another(newcomer), path);
      const mend = hands.others(newcomer).map((place) => part(place, true));
      const back = away();
      await Promise.all([old.kill(), newcomer.kill()]);
      replica.thaw();
      const now = await redis.movedFrom(old);
      back();
      await newcomer.replace();
      await workload.write(newcomer, other);
      for (const each of mend) each();
      await topology.well(RETURN_MS);
      for (const each of places) await workload.read(each, path);
      await old.start();
      await isFollowed(now);
    },
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
