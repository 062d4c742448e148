// Many clients at one moment, each on a connection of its own that is kept for the next burst. On bare sockets: with an
// HTTP client of 80 µs a request, 600 clients would wait 50 ms for one another, and the origin, which shares their
// core, with them; that would be measured as the proxy's.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Answer, authority } from "./asking.ts";

/** Requests at one moment, spread over URLs in turn. */
export interface BurstAsk {
  readonly urls: readonly string[];
  readonly count: number;
}

/** What one of them got. */
export type Burst = Pick<Answer, "status" | "bytes" | "ms">;

/** Clients that are connected, by host and port. */
const idle = new Map<string, Client[]>();
const timeoutMs = 10_000;
/** Into which every connection is read, one at a time: what was read is looked at at once. */
const common = Buffer.alloc(64 * 1024);

/** Connects where too few clients are, then sends all requests; resolves when all answers are in. Never rejects. */
export async function burst({ urls, count }: BurstAsk): Promise<Burst[]> {
  const targets = Array.from({ length: count }, (_, index) => new URL(urls[index % urls.length] ?? ""));
  const clients = await Promise.all(targets.map(({ host }) => idle.get(host)?.pop() ?? connected(host)));
  const answers = await Promise.all(clients.map((client, index) => client.ask(targets[index]?.pathname ?? "/")));
  clients.forEach((client, index) => {
    if (answers[index]?.status === 0) client.leave();
    else idle.set(client.host, [...(idle.get(client.host) ?? []), client]);
  });
  return answers;
}

async function connected(host: string): Promise<Client> {
  const [hostname = "", port = ""] = host.split(":");
  const read = (length: number) => {
    client.take(common.toString("latin1", 0, length));
    return true;
  };
  const onread = { buffer: common, callback: read };
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
  const client = new Client(host, socket);
  await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {});
  return client;
}

/** Understands what the bench's origin sends through any proxy: a head and a stated Content-Length. */
class Client {
  readonly host: string;
  readonly #socket: Socket;
  #received = "";
  #startedAt = 0;
  #done: (answer: Burst) => void = () => {};

  constructor(host: string, socket: Socket) {
    this.host = host;
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => this.#end(0, 0));
    socket.setTimeout(timeoutMs, () => socket.destroy());
  }

  ask(path: string): Promise<Burst> {
    this.#received = "";
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#startedAt = performance.now();
      if (this.#socket.destroyed) this.#end(0, 0);
      else this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    });
  }

  leave(): void {
    this.#socket.destroy();
  }

  take(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#received.slice(0, head))?.[1]);
    const bytes = this.#received.length - head - 4;
    if (bytes >= length || Number.isNaN(length)) {
      this.#end(Number.isNaN(length) ? 0 : Number(this.#received.slice(9, 12)), bytes);
    }
  }

  #end(status: number, bytes: number): void {
    const ms = performance.now() - this.#startedAt;
    this.#done({ status, bytes, ms });
    this.#done = () => {};
  }
}
