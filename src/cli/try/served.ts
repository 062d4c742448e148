// The process in which Forebay runs while it is tried: see serving.ts, which starts it and talks with it in JSON lines. It gets
// its configuration on stdin and ends with it, so that it outlives nobody; what it left in Redis it takes away.
// Requests to the origin are counted where the HTTP client sends them, also those that no client waits for; a counting
// proxy in between would have to be paid for by one side of the comparison.

import { subscribe } from "node:diagnostics_channel";
import { createInterface } from "node:readline";
import type { Config } from "../../config/schema.ts";
import { createLog } from "../../log.ts";
import { startSidecar } from "../../sidecar.ts";
import type { Counted } from "./serving.ts";
import { sweepRedis } from "./sweeping.ts";

// Ctrl-C is for the process that started this one; it says when to end.
process.on("SIGINT", () => {});

let requests = 0;
const sockets = new Set<{ readonly bytesRead: number; once(event: "close", heard: () => void): unknown }>();
let closedBytes = 0;

subscribe("undici:client:sendHeaders", () => {
  requests += 1;
});
subscribe("undici:client:connected", (message) => {
  const { socket } = message as { socket: typeof sockets extends Set<infer Socket> ? Socket : never };
  sockets.add(socket);
  socket.once("close", () => {
    sockets.delete(socket);
    closedBytes += socket.bytesRead;
  });
});

function counted(): Counted {
  let bytes = closedBytes;
  for (const socket of sockets) bytes += socket.bytesRead;
  return { requests, bytes };
}

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = await lines.next();
if (!first.done) {
  const config = JSON.parse(first.value) as Config;
  try {
    const sidecar = await startSidecar(config, createLog({ level: config.log.level }));
    tell({ listen: sidecar.listen });
    for (let line = await lines.next(); !line.done; line = await lines.next()) tell({ counted: counted() });
    await sidecar.close();
  } catch (error) {
    tell({ failed: (error as Error).message });
  }
  await sweepRedis(config.store);
}
process.exit(0);
