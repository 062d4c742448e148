// What a run consists of: a real Redis (shared-redis.ts), N sidecar processes, each with a way of its own to it, and an
// origin.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePort } from "../support/ports.ts";
import { createRecording, type Recording } from "./history.ts";
import type { Mutation } from "./mutations.ts";
import { type CheckOrigin, startOrigin } from "./origin.ts";
import type { Random } from "./random.ts";
import { configuration, type Timing } from "./resources.ts";
import { type SharedRedis, startSharedRedis, type TopologyName } from "./shared-redis.ts";
import { openPlace, type Place } from "./sidecars.ts";
import { watchStalls } from "./stall-meter.ts";

export interface Topology {
  readonly redis: SharedRedis;
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
    const redis = await startSharedRedis(name);
    cleanups.push(() => redis.stop());
    const origin = await startOrigin(random.fork("origin"));
    cleanups.push(() => origin.close());
    const endWatch = watchStalls((ms) => {
      const to = performance.now();
      recording.stalls.push({ who: "checker", from: to - ms, to });
    });
    cleanups.push(endWatch);
    const opened = Array.from({ length: sidecars }, async (_, index): Promise<Place> => {
      const { where, wires } = await redis.way(index + 1);
      const timer = setInterval(() => wires.forEach(({ relay }) => void relay.forget()), FORGET_MS);
      cleanups.push(() => clearInterval(timer));
      const config = join(folder, `${index + 1}.yaml`);
      const [port, adminPort] = [await freePort(), await freePort()];
      const admin = `127.0.0.1:${adminPort}`;
      await writeFile(config, configuration({ origin: origin.url, redis: where, admin }, timing));
      const at = { number: index + 1, port, wires, admin: `http://${admin}`, config };
      const place = await openPlace({ ...at, mutation, recording });
      cleanups.push(() => place.close());
      return place;
    });
    const places = await allOf(opened);
    return {
      redis,
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

/** Like Promise.all, but nothing is still under way where it rejects. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
