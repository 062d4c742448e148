// Sends requests to the origin and hands back the responses as they arrive (RFC 9112). The only file that knows
// undici: a pool of kept-alive connections per origin, one request at a time on each, a bounded number of requests
// waiting. What fields are stripped or added is http/forwarding.ts's affair.

import type { Readable } from "node:stream";
import { Client, type Dispatcher, Pool } from "undici";
import type { Fields, Response } from "../http/message.ts";
import { Exchange, type ForwardRequest, NO_SEAT, type Sender } from "./exchange.ts";
import { type FailureKind, UpstreamFailure } from "./failure.ts";

export type { ForwardRequest } from "./exchange.ts";

export interface OriginConfig {
  /** One or more origins, asked in turn: `http://host:port` or `https://host:port`. */
  readonly url: readonly string[];
  /** Connections to each of them. */
  readonly connections: number;
  /** Ms: to connect; from the request to the head of the response; between two pieces of its content. 0: no end. */
  readonly timeout: { readonly connect: number; readonly headers: number; readonly body: number };
  /** How many requests may wait for a connection; what is beyond gets a 503. Default 1024. */
  readonly queue?: number;
}

export interface Upstream {
  /** Resolves when the head of the response is there; rejects with UpstreamFailure only. */
  forward(request: ForwardRequest): Promise<Response>;
  /** How many requests have not ended yet. */
  underWay(): number;
  /** Lets the requests under way finish for `graceMs`, then breaks them off; resolves when every connection is closed. */
  close(graceMs: number): Promise<void>;
}

// Larger heads exist (many Set-Cookie lines) than the library allows by default.
const MAX_HEAD_BYTES = 65_536;
const QUEUE = 1024;
const SWEEP_MS = 250;
// How long an origin that did not accept a connection is passed over where there is another one.
const PASS_OVER_MS = 1000;
// With these, the next origin in turn may do better.
const NOT_CONNECTED: ReadonlySet<FailureKind> = new Set(["refused", "unreachable", "dns", "tls", "connect-timeout"]);

/** An upstream for the origins of `origin.url`; connects when first asked. `received` hears of the content that comes. Throws on an impossible URL. */
export function createUpstream(origin: OriginConfig, received: (bytes: number) => void = () => {}): Upstream {
  return new Pools(origin, received);
}

class Pools implements Upstream, Sender {
  readonly #origin: OriginConfig;
  readonly received: Sender["received"];
  readonly #pools: readonly Pool[];
  /** Per pool, the sweep at which it is chosen again. */
  readonly #passedOver: number[];
  readonly #capacity: number;
  readonly #maxSweeps: number;
  /**
   * Those not on the wire yet; each knows its seat. Not a Map or a Set: every request passes through here, and an outgrown
   * hash table points at the one that came after it. One of them in the old generation, though dead, would keep alive
   * all the later ones, with whole requests in them, until the old generation is collected.
   */
  readonly #waiting: Exchange[] = [];
  readonly #timer: NodeJS.Timeout;
  #sweeps = 0;
  #underWay = 0;
  #turn = 0;

  constructor(origin: OriginConfig, received: Sender["received"]) {
    this.#origin = origin;
    this.received = received;
    this.#pools = origin.url.map((url) => new Pool(url, { connections: origin.connections, ...clientOptions(origin) }));
    this.#passedOver = origin.url.map(() => 0);
    this.#capacity = origin.connections * origin.url.length + (origin.queue ?? QUEUE);
    this.#maxSweeps = Math.ceil((origin.timeout.headers || Number.POSITIVE_INFINITY) / SWEEP_MS);
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  forward(request: ForwardRequest): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (request.signal?.aborted) return reject(new UpstreamFailure("aborted"));
      if (this.#underWay >= this.#capacity) return reject(new UpstreamFailure("overflow"));
      this.#underWay += 1;
      this.#send(new Exchange(request, this, { resolve, reject }));
    });
  }

  underWay(): number {
    return this.#underWay;
  }

  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#pools.forEach((pool) => void pool.destroy()), graceMs);
    await Promise.allSettled(this.#pools.map((pool) => pool.close()));
    clearTimeout(timer);
    clearInterval(this.#timer);
  }

  started(exchange: Exchange): void {
    this.#leave(exchange);
  }

  again(exchange: Exchange, failure: UpstreamFailure): boolean {
    const isElsewhere = NOT_CONNECTED.has(failure.kind);
    if (isElsewhere) this.#passedOver[exchange.place] = this.#sweeps + PASS_OVER_MS / SWEEP_MS;
    const may = isElsewhere
      ? exchange.tries < this.#pools.length && (failure.isUnsent || isRepeatable(exchange.request))
      : failure.kind === "reset" && exchange.tries < 2 && isRepeatable(exchange.request);
    // Not from inside the library's own handling of the lost connection.
    if (may) queueMicrotask(() => (isElsewhere ? this.#send(exchange) : this.#sendAfresh(exchange)));
    return may;
  }

  over(exchange: Exchange): void {
    this.#leave(exchange);
    this.#underWay -= 1;
  }

  #send(exchange: Exchange): void {
    exchange.tries += 1;
    exchange.place = this.#choose();
    this.#pools[exchange.place]?.dispatch(dispatchOptions(exchange.request), exchange);
    // So is nearly every one: the library looks at a kept connection for one turn of the event loop before it writes.
    if (exchange.isQueued) this.#wait(exchange);
  }

  /** On a connection of its own: where one kept connection has just been closed, the others may have been as well. */
  #sendAfresh(exchange: Exchange): void {
    exchange.tries += 1;
    const client = new Client(this.#origin.url[exchange.place] ?? "", clientOptions(this.#origin));
    client.dispatch(dispatchOptions(exchange.request), exchange);
    client.close(() => {});
  }

  /** The next origin in turn that is not passed over; where all are, the next one all the same. */
  #choose(): number {
    const count = this.#pools.length;
    if (count === 1) return 0;
    this.#turn = (this.#turn + 1) % count;
    for (let i = 0; i < count; i++) {
      const place = (this.#turn + i) % count;
      if ((this.#passedOver[place] ?? 0) <= this.#sweeps) return place;
    }
    return this.#turn;
  }

  #wait(exchange: Exchange): void {
    exchange.arrived = this.#sweeps;
    if (exchange.seat === NO_SEAT) exchange.seat = this.#waiting.push(exchange) - 1;
  }

  /** The last one takes the seat that becomes free. */
  #leave(exchange: Exchange): void {
    const { seat } = exchange;
    if (seat === NO_SEAT) return;
    exchange.seat = NO_SEAT;
    const last = this.#waiting.pop();
    if (last === undefined || last === exchange) return;
    this.#waiting[seat] = last;
    last.seat = seat;
  }

  #sweep(): void {
    this.#sweeps += 1;
    const overdue = this.#waiting.filter(({ arrived }) => this.#sweeps - arrived > this.#maxSweeps);
    for (const exchange of overdue) {
      this.#leave(exchange);
      exchange.giveUp(new UpstreamFailure("overflow"));
    }
  }
}

/** Whether it does no harm to send it once more (RFC 9110 §9.2.2): that a kept connection closes just as it is written to
 * is normal. Content could not be read again. */
function isRepeatable({ method, content, upgrade }: ForwardRequest): boolean {
  return content === undefined && upgrade === undefined && (method === "GET" || method === "HEAD");
}

function clientOptions({ timeout }: OriginConfig): Client.Options {
  return {
    connectTimeout: timeout.connect,
    headersTimeout: timeout.headers,
    bodyTimeout: timeout.body,
    maxHeaderSize: MAX_HEAD_BYTES,
    pipelining: 1,
    allowH2: false,
  };
}

function dispatchOptions(request: ForwardRequest): Dispatcher.DispatchOptions {
  return {
    method: request.method,
    path: request.target,
    headers: sendable(request.fields),
    // Anything iterable is taken; the type says less.
    body: (request.content as Readable | undefined) ?? null,
    upgrade: request.upgrade ?? null,
  };
}

/** Without the fields that concern the connection or the framing, which the library writes itself. */
function sendable(fields: Fields): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (!isTheLibrarys(name)) kept.push(name, fields[i + 1] ?? "");
  }
  return kept;
}

function isTheLibrarys(name: string): boolean {
  switch (name.length) {
    case 6:
      return name.toLowerCase() === "expect";
    case 7:
      return name.toLowerCase() === "upgrade";
    case 10:
      return name.toLowerCase() === "connection" || name.toLowerCase() === "keep-alive";
    case 17:
      return name.toLowerCase() === "transfer-encoding";
    default:
      return false;
  }
}
