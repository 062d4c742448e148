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
  /** Forwards nothing in either direction, and takes new connections without answering. */
  hold(): void;
  /** Forwards again, beginning with what was held back. */
  release(): void;
  /** What Redis answers from now on arrives so many ms later. */
  lag(ms: number): void;
  /** Takes no new connections from now on; those that are there live on. */
  refuse(): void;
  /** Ends all connections and takes no new ones. */
  stop(): Promise<void>;
}

/** Starts a relay to `port` of this host, `at` a place of its own. Rejects where that is taken. */
export async function startRelay(port: number, at = { host: "127.0.0.1", port: 0 }): Promise<Relay> {
  const writes: string[] = [];
  const sockets = new Set<Socket>();
  let isHeld = false;
  let lagMs = 0;
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    client.on("data", (piece) => {
      writes.push(piece.toString("latin1"));
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
      socket.on("error", () => {});
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
    refuse: () => void server.close(),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
