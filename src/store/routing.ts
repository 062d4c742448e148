// To which node of a Redis Cluster does a command go, and what if it lives elsewhere by now? The fence has its own lines,
// those of connections.ts, on which nothing is ever followed elsewhere: another node is another process, which must be
// vouched for. Everything else goes to the node of its key, on lines kept open to each master, and is asked again once
// where that has moved (MOVED) or is moving (ASK). A node that is away costs misses for its keys, never staleness: what it
// brings back is older than what was lost, and so are its stamps. Lines carry heartbeats only so that a silent node
// is known as such, and its keys' readers need not wait.
//
// While a slot moves, what is there already is read at its old node and the lease taken at the new one, in no order: that
// may cost a fetch more.

import { type ClusterMap, type Node, redirectionIn } from "./cluster-map.ts";
import { BEAT_MS, type Hear, type Line, OpenLine } from "./connections.ts";
import { hashSlot } from "./hash-slot.ts";
import { placeOf } from "./place.ts";
import type { Dialler } from "./redis-client.ts";
import type { RedisTally } from "./redis-tally.ts";
import { type Sender, tellAll } from "./scripts.ts";
import { StoreUnavailable } from "./unavailable.ts";

export interface Routing {
  /** One for each line of the fence: it takes every command to where it belongs, in the order given. */
  readonly lines: readonly Line[];
  /** Where a key lives; "": nobody knows. */
  nodeOf(key: string): Node;
  /** Resolves when every node known was connected to, or has had the time to be. */
  opened(): Promise<void>;
  /** Nodes that do not answer, in words; undefined: all do. */
  away(): string | undefined;
  close(): void;
}

export interface RoutingOptions {
  readonly map: ClusterMap;
  readonly dialler: Dialler;
  readonly tally: RedisTally;
  /** Redis key of the fence. */
  readonly fence: string;
  /** That lead to where the fence lives. */
  readonly lines: readonly Line[];
}

type Words = readonly (string | Buffer)[];
type How = "send" | "sendForBytes";

interface Peer {
  readonly lines: readonly OpenLine[];
  /** Monotonic ms. */
  usedAt: number;
  /** Why a connection was lost last, or could not be made. */
  lost: string | undefined;
  /** What this user may not do there, and until when that is news (monotonic ms). */
  refused: string | undefined;
  refusedUntil: number;
}

// Nodes that serve nothing are asked about while something moves to them.
const KEPT_MS = 10_000;
const MAX_PEERS = 1000;
const OPENING_MS = 1000;
const REFUSED_MS = 10_000;
const LONGEST_REASON = 200;
const POLL_MS = 5;

export function createRouting(options: RoutingOptions): Routing {
  const peers = new Peers(options);
  return {
    lines: options.lines.map((fence, index) => new RoutedLine(fence, index, { peers, fence: options.fence })),
    nodeOf: (key) => options.map.nodeOf(hashSlot(key)) ?? "",
    opened: () => peers.opened(),
    away: () => peers.away(),
    close: () => peers.close(),
  };
}

class RoutedLine implements Line {
  readonly #line: Line;
  readonly #index: number;
  readonly #peers: Peers;
  readonly #fence: string;

  constructor(line: Line, index: number, { peers, fence }: { peers: Peers; fence: string }) {
    this.#line = line;
    this.#index = index;
    this.#peers = peers;
    this.#fence = fence;
  }

  send(words: Words): Promise<unknown> {
    return this.#go(words, "send");
  }

  sendForBytes(words: Words): Promise<unknown> {
    return this.#go(words, "sendForBytes");
  }

  subscribe(channel: string, hear: Hear): Promise<void> {
    return this.#line.subscribe(channel, hear);
  }

  unsubscribe(channel: string, hear: Hear): Promise<void> {
    return this.#line.unsubscribe(channel, hear);
  }

  isFresh(): boolean {
    return this.#line.isFresh();
  }

  get openedAt(): number {
    return this.#line.openedAt;
  }

  get process(): number | undefined {
    return this.#line.process;
  }

  #go(words: Words, how: How): Promise<unknown> {
    const key = keyIn(words);
    if (key === this.#fence) return this.#line[how](words);
    if (key === undefined) return this.#peers.tell(this.#index, words);
    return this.#peers.ask(hashSlot(key), (peer) => this.#lineOf(peer)[how](words), this.#index);
  }

  #lineOf({ lines }: Peer): Line {
    return lines[this.#index] ?? this.#line;
  }
}

class Peers {
  readonly #options: RoutingOptions;
  readonly #peers = new Map<Node, Peer>();
  /** Processes that were told the scripts, by node. */
  readonly #told = new Map<Node, number | undefined>();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: RoutingOptions) {
    this.#options = options;
    options.map.onChange(() => this.#match());
    this.#timer = setInterval(() => {
      for (const { lines } of this.#peers.values()) for (const line of lines) line.tick();
    }, BEAT_MS);
    this.#timer.unref();
  }

  /** Sends to whoever serves `slot`, and once more where that is somebody else. What is sent is on its way when this returns. */
  async ask(slot: number, put: (peer: Peer) => Promise<unknown>, index: number): Promise<unknown> {
    const { map } = this.#options;
    const node = map.nodeOf(slot);
    if (node === undefined) {
      map.refresh();
      throw unreachable("no node of the Redis Cluster serves this slot");
    }
    try {
      return await put(this.#fresh(node, index));
    } catch (error) {
      this.#heedRefusal(node, error);
      const redirection = redirectionIn(error, node);
      if (redirection === undefined) throw error;
      const { kind, to } = redirection;
      if (kind === "MOVED") map.moved(slot, to);
      const peer = this.#fresh(to, index);
      if (kind === "MOVED") return await put(peer);
      const [, reply] = await Promise.all([peer.lines[index]?.send(["ASKING"]), put(peer)]);
      return reply;
    }
  }

  /** Sends to every node that answers, before anything that is sent after it. */
  tell(index: number, words: Words): Promise<unknown> {
    const lines = [...this.#peers.values()].map((peer) => peer.lines[index]);
    return Promise.all(lines.filter((line) => line?.isFresh()).map((line) => line?.send(words)));
  }

  async opened(): Promise<void> {
    const until = performance.now() + OPENING_MS;
    while (!this.#isClosed && this.away() !== undefined && performance.now() < until) {
      await new Promise((resolve) => void setTimeout(resolve, POLL_MS));
    }
  }

  away(): string | undefined {
    const silent = [...this.#options.map.nodes()].filter((node) => {
      return !this.#peers.get(node)?.lines.every((line) => line.isFresh());
    });
    if (silent.length === 0) return this.#refusal();
    const said = `no answer from ${silent.slice(0, 3).join(", ")} of the Redis Cluster`;
    const reason = this.#peers.get(silent[0] ?? "")?.lost;
    return reason === undefined ? said : `${said}: ${reason}`;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const node of [...this.#peers.keys()]) this.#close(node);
  }

  // The fence's node is asked at once what this user may do (heartbeat.ts). Of another it shows when it is used, and would
  // look like a cache that never hits.
  #heedRefusal(node: Node, error: unknown): void {
    const peer = this.#peers.get(node);
    if (peer === undefined || !(error instanceof Error && error.message.startsWith("NOPERM"))) return;
    peer.refused = error.message.slice(0, LONGEST_REASON);
    peer.refusedUntil = performance.now() + REFUSED_MS;
  }

  #refusal(): string | undefined {
    for (const [node, { refused, refusedUntil }] of this.#peers) {
      if (refused !== undefined && performance.now() < refusedUntil) return `${node} of the Redis Cluster: ${refused}`;
    }
    return undefined;
  }

  #fresh(node: Node, index: number): Peer {
    const peer = this.#peers.get(node) ?? this.#open(node);
    peer.usedAt = performance.now();
    if (!peer.lines[index]?.isFresh()) throw unreachable(`${node} of the Redis Cluster does not answer`);
    return peer;
  }

  #open(node: Node): Peer {
    if (this.#isClosed || this.#peers.size >= MAX_PEERS) throw unreachable("not connected to Redis");
    const { dialler, map, lines, tally } = this.#options;
    const place = placeOf(node);
    const to = { dial: (signal: AbortSignal) => dialler.dial(signal, place), master: undefined };
    const beat = async (line: Line) => {
      this.#teach(node, line);
      await line.send(["PING"]);
    };
    const lost = (reason: Error) => {
      peer.lost = reason.message.slice(0, LONGEST_REASON);
      map.refresh();
    };
    const about = { tally, beat, changed() {}, lost };
    const peer: Peer = {
      lines: lines.map(() => new OpenLine(about, to, false)),
      usedAt: performance.now(),
      lost: undefined,
      refused: undefined,
      refusedUntil: 0,
    };
    this.#peers.set(node, peer);
    return peer;
  }

  // Else the first requests would find a process that knows none of them.
  #teach(node: Node, line: Line & Sender): void {
    if (this.#told.get(node) === line.process) return;
    this.#told.set(node, line.process);
    tellAll(line);
  }

  #close(node: Node): void {
    for (const line of this.#peers.get(node)?.lines ?? []) line.close();
    this.#peers.delete(node);
    this.#told.delete(node);
  }

  #match(): void {
    const named = this.#options.map.nodes();
    for (const node of named)
      if (!this.#peers.has(node) && this.#peers.size < MAX_PEERS && !this.#isClosed) this.#open(node);
    const since = performance.now() - KEPT_MS;
    for (const [node, { usedAt }] of [...this.#peers]) if (!named.has(node) && usedAt < since) this.#close(node);
  }
}

/** Of the commands that the store sends; undefined: it has none (SCRIPT LOAD). */
function keyIn(words: Words): string | undefined {
  if (words[0] === "SCRIPT") return undefined;
  return String(words[words[0] === "EVALSHA" ? 3 : 1]);
}

function unreachable(message: string): StoreUnavailable {
  return new StoreUnavailable(message, { isPartial: true });
}
