// Which ports the servers of a test listen on, when they have to be known beforehand: no two of several test processes
// at work get the same, so that a server that was killed finds its port again.

import { createServer, type Server } from "node:net";

// Below the ports that systems give to outgoing connections: one of these might take it while its server is away.
const FIRST = 16_000;
const BLOCK = 200;
const BLOCKS = 80;

interface Block {
  next: number;
  readonly end: number;
}

let claimed: Promise<Block> | undefined;

/**
 * A port of 127.0.0.1 that nobody listens on, and that no other call gives, in this process and in those beside it.
 * Rejects when all are taken.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    claimed ??= claimBlock();
    const mine = claimed;
    const block = await mine;
    if (block.next < block.end) {
      const port = block.next++;
      if (await isFree(port)) return port;
    } else if (claimed === mine) claimed = undefined;
  }
}

/** A block is that process's which listens on its first port: until it ends, and then nobody has to give it back. */
async function claimBlock(): Promise<Block> {
  const from = Math.floor(Math.random() * BLOCKS); // not what the last process had: its servers may still be ending
  for (let i = 0; i < BLOCKS; i++) {
    const first = FIRST + ((from + i) % BLOCKS) * BLOCK;
    const claim = await listen(first);
    claim?.unref();
    if (claim) return { next: first + 1, end: first + BLOCK };
  }
  throw new Error(`find a free port on 127.0.0.1: from ${FIRST} on, all ${BLOCKS} blocks of ${BLOCK} are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  return server !== undefined;
}

/** undefined: somebody else does. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy()); // of somebody who looks for a server that is gone
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
