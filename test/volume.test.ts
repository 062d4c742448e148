// A gigabyte through a sidecar, in either direction: nothing is kept of it.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { get, type OutgoingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "./support/origin.ts";
import { type SidecarProcess, startSidecarProcess } from "./support/sidecar.ts";

const GIGABYTE = 1_000_000_000;
const PIECE = Buffer.alloc(1_000_000, 0x61);
const PIECES = GIGABYTE / PIECE.length;
const ALLOWED_GROWTH = 50_000_000;

let origin: Origin;
let sidecar: SidecarProcess;

beforeAll(async () => {
  origin = await startOrigin(async (asked, response) => {
    let bytes = 0;
    for await (const piece of asked) bytes += piece.length;
    if (asked.method === "POST") response.end(String(bytes));
    else
      pour(
        response,
        asked.url?.endsWith("/stated") ? { "Content-Length": GIGABYTE } : { "Cache-Control": "max-age=60" },
      );
  });
  sidecar = await startSidecarProcess(`
origin: ${origin.url}
routes: [{ path: /cached/*, cache: {} }, { path: "/*" }]`);
});

afterAll(async () => {
  await sidecar?.stop();
  await origin?.close();
});

test.each(["/passed/stated", "/passed", "/cached/oversize"])(
  "1 GB passes to the client on %s while memory grows by less than 50 MB",
  async (path) => {
    const { bytes, growth } = await measured(() => drink(sidecar.url + path));
    expect(bytes).toBe(GIGABYTE);
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
  },
);

test("1 GB passes from the client to the origin while memory grows by less than 50 MB", async () => {
  const { bytes, growth } = await measured(async () => {
    const upload = request(`${sidecar.url}/upload`, { method: "POST" });
    pour(upload);
    const [response] = await once(upload, "response");
    let text = "";
    for await (const piece of response) text += piece;
    return Number(text);
  });
  expect(bytes).toBe(GIGABYTE);
  expect(growth).toBeLessThan(ALLOWED_GROWTH);
});

interface Into {
  write(piece: Uint8Array): boolean;
  end(): unknown;
  once(event: "drain", listener: () => void): unknown;
  writeHead?(status: number, headers: OutgoingHttpHeaders): unknown;
}

/** Writes a gigabyte as fast as it is taken. */
function pour(into: Into, headers: OutgoingHttpHeaders = {}): void {
  into.writeHead?.(200, headers);
  let left = PIECES;
  const more = () => {
    while (left > 0) {
      left -= 1;
      if (!into.write(PIECE)) {
        into.once("drain", more);
        return;
      }
    }
    into.end();
  };
  more();
}

/** Reads a response to its end; resolves with its bytes. */
async function drink(from: string): Promise<number> {
  const [response] = await once(get(from), "response");
  let bytes = 0;
  for await (const piece of response) bytes += piece.length;
  return bytes;
}

/** Runs `move` and resolves with what the sidecar's memory was at the most, above what it was before. */
async function measured(move: () => Promise<number>): Promise<{ bytes: number; growth: number }> {
  forgetTheMost();
  const { now } = memory();
  const bytes = await move();
  return { bytes, growth: memory().most - now };
}

/** What it was at the start, or in another move, says nothing of this one (proc(5), clear_refs). */
function forgetTheMost(): void {
  try {
    writeFileSync(`/proc/${sidecar.process.pid}/clear_refs`, "5");
  } catch {
    // not on this system
  }
}

/** Resident bytes; where the system does not tell the most there ever was, what is there at the end has to do. */
function memory(): { now: number; most: number } {
  try {
    const status = readFileSync(`/proc/${sidecar.process.pid}/status`, "utf8");
    const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
    return { now: read("VmRSS"), most: read("VmHWM") };
  } catch {
    const resident =
      Number(execFileSync("ps", ["-o", "rss=", "-p", String(sidecar.process.pid)], { encoding: "utf8" })) * 1024;
    return { now: resident, most: resident };
  }
}
