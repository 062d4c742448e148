// What every program of the bench does alike: read its options, listen on a free port, tell the bench which, and end
// when the bench does.

import type { Server } from "node:http";

/** The options the bench gave this program. Throws where it was started by hand without any. */
export function options<T>(): T {
  const text = process.env.BENCH_OPTIONS;
  if (text === undefined) throw new Error("Start by hand: BENCH_OPTIONS is missing; the bench sets it");
  return JSON.parse(text) as T;
}

/** Listens on a free loopback port, reports it, and leaves when the bench is gone. */
export function serve(server: Server): void {
  // Connections rest while the other candidates have their turn, and must not be closed in the meantime.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    tell({ port: typeof address === "object" && address !== null ? address.port : 0 });
  });
  leaveWithBench();
}

/** Sends a message to the bench. */
export function tell(message: object): void {
  process.send?.(message);
}

/** Ends this process when the channel to the bench closes, however the bench ended. */
export function leaveWithBench(): void {
  process.once("disconnect", () => process.exit(0));
  // Ctrl-C reaches the whole process group: the bench decides when we stop.
  process.on("SIGINT", () => {});
}
