// A client that sends exactly the bytes it is told to, for requests no HTTP library would send.

import { connect, type Socket } from "node:net";

export interface Raw {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  readonly text: string;
  send(bytes: string): void;
  /** Resolves when what was received contains `what`; rejects if the connection closes first. */
  until(what: string): Promise<string>;
  /** Resolves with all that was received, when the connection has closed, cleanly or not. */
  closed(): Promise<string>;
}

export function rawClient(port: number): Raw {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (more) => {
    text += more;
  });
  socket.on("error", () => {});
  return {
    socket,
    get text() {
      return text;
    },
    send: (bytes) => {
      socket.write(bytes, "latin1");
    },
    until: (what) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!text.includes(what)) return;
          socket.off("data", look);
          resolve(text);
        };
        socket.on("data", look);
        socket.once("close", () => reject(new Error(`closed before ${JSON.stringify(what)} came: ${text}`)));
        look();
      }),
    closed: () =>
      new Promise((resolve) => {
        if (socket.closed) resolve(text);
        else socket.once("close", () => resolve(text));
      }),
  };
}

/** Sends `bytes` on a connection of its own and resolves with all that comes back until it closes. */
export function converse(port: number, bytes: string): Promise<string> {
  const raw = rawClient(port);
  raw.send(bytes);
  return raw.closed();
}

/** The status codes of the responses in `text`, in order. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
}
