// A wire between a client and a server of a test: it notes what the client writes, and can be cut, or go dead without
// a word (half-open). One note is one write as it arrived, so that round trips can be counted.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Relay {
  readonly port: number;
  /** What clients wrote since the last `forget`, write by write. */
  readonly writes: readonly string[];
  forget(): void;
  /** Ends all connections; new ones are made as before. */
  cut(): void;
  /** Ends that one which `pick` takes of those that are there. */
  cutOne(pick: <T>(choices: readonly T[]) => T): void;
  /** Forwards nothing in either direction, and takes new connections without answering. */
  hold(): void;
  /** Forwards again, beginning with what was held back. */
  release(): void;
  /** What Redis answers from now on arrives so many ms later. */
  lag(ms: number): void;
  /** Ends new connections at once; those that are there live on. Resolves when the last vital one is gone, if that comes. */
  refuse(): Promise<void>;
  /** New connections lead to `port` of this host instead; those that are there stay where they are. */
  lead(port: number): void;
  /** Takes new connections again. */
  admit(): void;
  /** Ends all connections and takes no new ones. */
  stop(): Promise<void>;
}

/**
 * Starts a relay to `port` of this host, `at` a place of its own. Rejects where that is taken. A connection is vital once
 * `vital` was written on it; left out: from the first word.
 */
export async function startRelay(
  port: number,
  { at = { host: "127.0.0.1", port: 0 }, vital = "" }: { at?: { host: string; port: number }; vital?: string } = {},
): Promise<Relay> {
  const writes: string[] = [];
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const vitals = new Set<Socket>();
  let refusal: PromiseWithResolvers<void> | undefined;
  let isHeld = false;
  let leadsTo = port;
  let lagMs = 0;
  const server = createServer((client) => {
    client.on("error", () => {});
    if (refusal) return void client.destroy();
    clients.add(client);
    client.on("close", () => {
      clients.delete(client);
      vitals.delete(client);
      if (vitals.size === 0) refusal?.resolve();
    });
    const upstream = connect(leadsTo, "127.0.0.1");
    upstream.on("error", () => {});
    client.on("data", (piece) => {
      const text = piece.toString("latin1");
      writes.push(text);
      if (text.includes(vital)) vitals.add(client);
      upstream.write(piece);
    });
    upstream.on("data", (piece) => {
      if (lagMs > 0) setTimeout(() => client.write(piece), lagMs);
      else client.write(piece);
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      if (isHeld) socket.pause();
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(at.port, at.host);
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    writes,
    forget: () => void writes.splice(0),
    cut,
    cutOne: (pick) => void pick([...clients])?.destroy(),
    hold() {
      isHeld = true;
      for (const socket of sockets) socket.pause();
    },
    release() {
      isHeld = false;
      for (const socket of sockets) socket.resume();
    },
    lag(ms) {
      lagMs = ms;
    },
    refuse() {
      refusal ??= Promise.withResolvers();
      if (vitals.size === 0) refusal.resolve();
      return refusal.promise;
    },
    lead(elsewhere) {
      leadsTo = elsewhere;
    },
    admit() {
      refusal = undefined;
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
