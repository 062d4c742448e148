// Sidecars in front of an origin that counts its writes, for tests of what is read while a Redis is lost.

import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Origin, startOrigin } from "./origin.ts";
import { type SidecarProcess, startSidecarProcess } from "./sidecar.ts";

export interface Counted {
  /** How many writes the origin has had. */
  readonly version: number;
  /** One more sidecar, its store ok; stopped after the test. */
  sidecar(): Promise<SidecarProcess>;
  /** The version that this sidecar answers with. */
  read(sidecar: SidecarProcess): Promise<number>;
  /** Writes by one and reads by both, in turns, until `over` and for twenty turns at least: none fails, each read finds the last write. */
  ask(sidecars: readonly [SidecarProcess, SidecarProcess], over: Promise<unknown>): Promise<void>;
}

/** To be called at the top of a test file. `redis` says, each time, what stands under store.redis: YAML in one line. */
export function countedWrites(redis: () => string): Counted {
  let origin: Origin;
  let version = 0;
  const sidecars: SidecarProcess[] = [];

  beforeAll(async () => {
    origin = await startOrigin((request, response) => {
      if (request.method === "POST") version += 1;
      response.setHeader("cache-control", "max-age=600").end(String(version));
    });
  });
  afterEach(async () => void (await Promise.all(sidecars.splice(0).map((sidecar) => sidecar.stop()))));
  afterAll(() => origin?.close());

  async function sidecar(): Promise<SidecarProcess> {
    const yaml = `origin: ${origin.url}\nstore: { redis: ${redis()} }\nroutes: [{ path: /*, cache: {} }]`;
    const started = await startSidecarProcess(yaml);
    sidecars.push(started);
    await started.line(({ msg }) => msg === "store ok");
    return started;
  }

  async function read(from: SidecarProcess): Promise<number> {
    const answer = await from.fetch("/a");
    expect(answer.status).toBe(200);
    return Number(await answer.text());
  }

  async function ask([one, two]: readonly [SidecarProcess, SidecarProcess], over: Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    void over.then(end, end);
    for (let turn = 0; !isOver || turn < 20; turn++) {
      const [writer, reader] = turn % 2 ? [one, two] : [two, one];
      expect((await writer.fetch("/a", { method: "POST" })).status).toBe(200);
      const written = version;
      expect(await read(reader)).toBe(written);
      expect(await read(writer)).toBe(written);
      for (let n = 0; n < 20; n++) expect(await read(n % 2 ? one : two)).toBe(written);
    }
    await over;
  }

  return {
    get version() {
      return version;
    },
    sidecar,
    read,
    ask,
  };
}
