import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { get, type OutgoingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";

const GIGABYTE = 1_000_000_000;
const PIECE = Buffer.alloc(1_000_000, 0x61);
const PIECES = GIGABYTE / PIECE.length;
const ALLOWED_GROWTH = 50_000_000;

let origin: Origin;
let relay: ChildProcess;
let url: string;

beforeAll(async () => {
  origin = await startOrigin(async (asked, response) => {
    let bytes = 0;
    for await (const piece of asked) bytes += piece.length;
    if (asked.method === "POST") response.end(String(bytes));
    else pour(response, asked.url === "/stated" ? { "Content-Length": GIGABYTE } : {});
  });
  relay = fork(new URL("relay.ts", import.meta.url).pathname, [origin.url]);
  const [{ port }] = await once(relay, "message");
  url = `http://127.0.0.1:${port}`;
  // Warm, so that what is measured is what a gigabyte adds.
  for (let i = 0; i < 50; i++) await drink(`${url}/warm`, 20);
});

afterAll(async () => {
  relay.kill();
  await once(relay, "exit");
  await origin.close();
});

test("1 GB passes from the origin to the client while memory grows by less than 50 MB", async () => {
  const { bytes, growth } = await measured(() => drink(`${url}/stated`));
  expect(bytes).toBe(GIGABYTE);
  expect(growth).toBeLessThan(ALLOWED_GROWTH);
});

test("1 GB passes from the client to the origin while memory grows by less than 50 MB", async () => {
  const { bytes, growth } = await measured(async () => {
    const upload = request(url, { method: "POST" });
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

/** Reads a response to its end, or its first `most` pieces; resolves with the bytes. */
async function drink(from: string, most = Number.POSITIVE_INFINITY): Promise<number> {
  const [response] = await once(get(from), "response");
  let bytes = 0;
  let pieces = 0;
  for await (const piece of response) {
    bytes += piece.length;
    pieces += 1;
    if (pieces >= most) break;
  }
  return bytes;
}

/** Runs `move` and resolves with the highest memory that the relay's process ever had, above what it has before. */
async function measured(move: () => Promise<number>): Promise<{ bytes: number; growth: number }> {
  const { rss } = await memory();
  const bytes = await move();
  const { highest } = await memory();
  return { bytes, growth: highest - rss };
}

async function memory(): Promise<{ rss: number; highest: number }> {
  relay.send("memory");
  return (await once(relay, "message"))[0];
}
