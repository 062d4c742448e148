// What a run consists of: one real Redis, N sidecar processes, each behind a wire of its own to it, and an origin. Or, in
// place of the one Redis, a master and a replica that three sentinels watch; without wires then, since it is the
// sentinels that say where the master is.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePort, startRedis, type TestRedis } from "../support/redis.ts";
import { startSentinel, type TestSentinel } from "../support/redis-sentinel.ts";
import { startRelay } from "../support/relay.ts";
import { createRecording, type Recording } from "./history.ts";
import type { Mutation } from "./mutations.ts";
import { type CheckOrigin, startOrigin } from "./origin.ts";
import type { Random } from "./random.ts";
import { configuration, type Timing } from "./resources.ts";
import { openPlace, type Place } from "./sidecars.ts";
import { watchStalls } from "./stall-meter.ts";

export const TOPOLOGIES = ["redis", "sentinel"] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

export interface Topology {
  /** With Sentinel the one that began as the master. */
  readonly redis: TestRedis;
  readonly sentinel: TestSentinel | undefined;
  /** The one that is used now. */
  master(): Promise<TestRedis>;
  readonly origin: CheckOrigin;
  readonly places: readonly Place[];
  readonly recording: Recording;
  /** Resolves when every sidecar has its store; rejects after `ms`. */
  well(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface TopologyOptions {
  readonly name: TopologyName;
  readonly sidecars: number;
  readonly timing: Timing;
  readonly mutation: Mutation | undefined;
  readonly random: Random;
}

/** Relays note what is written, for tests that count it. Nobody does here. */
const FORGET_MS = 500;

export async function startTopology({ name, sidecars, timing, mutation, random }: TopologyOptions): Promise<Topology> {
  const recording = createRecording();
  // Each process of the run is ended with this one.
  process.setMaxListeners(Math.max(process.getMaxListeners(), sidecars + 10));
  const cleanups: (() => unknown)[] = [];
  const close = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "forebay-coherence-"));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const sentinel = name === "sentinel" ? await startSentinel() : undefined;
    const redis = sentinel?.servers[0] ?? (await startRedis());
    cleanups.push(() => (sentinel ?? redis).stop());
    const origin = await startOrigin(random.fork("origin"));
    cleanups.push(() => origin.close());
    const endWatch = watchStalls((ms) => {
      const to = performance.now();
      recording.stalls.push({ who: "checker", from: to - ms, to });
    });
    cleanups.push(endWatch);
    const opened = Array.from({ length: sidecars }, async (_, index): Promise<Place> => {
      const relay = sentinel ? undefined : await startRelay(redis.port);
      const timer = setInterval(() => relay?.forget(), FORGET_MS);
      cleanups.push(() => clearInterval(timer));
      const config = join(folder, `${index + 1}.yaml`);
      const where = sentinel ? `sentinel: ${JSON.stringify(named(sentinel))}` : `url: redis://127.0.0.1:${relay?.port}`;
      const [port, adminPort] = [await freePort(), await freePort()];
      const admin = `127.0.0.1:${adminPort}`;
      await writeFile(config, configuration({ origin: origin.url, redis: where, admin }, timing));
      const at = { number: index + 1, port, relay, admin: `http://${admin}`, config };
      const place = await openPlace({ ...at, mutation, recording });
      cleanups.push(() => place.close());
      return place;
    });
    const places = await allOf(opened);
    return {
      redis,
      sentinel,
      master: async () => (await sentinel?.master()) ?? redis,
      origin,
      places,
      recording,
      close,
      well: async (ms) => void (await Promise.all(places.map((place) => place.well(ms)))),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function named({ name, nodes }: TestSentinel): { name: string; nodes: readonly string[] } {
  return { name, nodes };
}

/** Like Promise.all, but nothing is still under way where it rejects. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
