// Which node of a Redis Cluster serves which slot, and above all: which serves the fence? Several nodes are asked together.
// What counts is the view of one that finds the cluster in order, and of those the one with the highest epoch, which every
// failover and every slot that moves raises. Who is named is looked at before it is used (server-info.ts); a wrong view is
// mended by the next MOVED, or within a second.

import { type Asked, createGuides, type Means, mostNamed, mostOf, unlessLate } from "./guides.ts";
import { hashSlot } from "./hash-slot.ts";
import { type Place, placeOf, placeText } from "./place.ts";
import { StoreUnavailable, textOf } from "./unavailable.ts";

/** host:port of a master. */
export type Node = string;

export interface ClusterMap {
  /** Asks anew: who serves the fence? Whoever asks while a question is under way shares its answer. */
  master(signal: AbortSignal): Promise<Place>;
  /** As last heard; undefined: nobody serves it. */
  nodeOf(slot: number): Node | undefined;
  /** All that serve any. */
  nodes(): ReadonlySet<Node>;
  /** A node said so (MOVED). What else it knows is asked for. */
  moved(slot: number, to: Node): void;
  /** Asks anew, not too often. */
  refresh(): void;
  /** Called whenever it has been asked for anew. */
  onChange(listener: () => void): void;
  close(): void;
}

/** What one node believes. */
interface View {
  readonly isSound: boolean;
  readonly epoch: number;
  readonly served: readonly Served[];
}

interface Served {
  readonly first: number;
  readonly last: number;
  readonly node: Node;
}

const FENCE = hashSlot("{fence}");
const SLOTS = 16_384;
const REFRESH_MS = 100;
// Asked together: of the masters known, and of those named in the configuration.
const MASTERS_ASKED = 3;
const SEEDS_ASKED = 2;

/** `seeds` are host:port of any nodes. Nothing is asked yet. */
export function createClusterMap(seeds: readonly Node[], means: Means): ClusterMap {
  const guides = createGuides(viewOf, means);
  const listeners: (() => void)[] = [];
  let bySlot: (Node | undefined)[] = [];
  let masters = new Set<Node>();
  let underWay: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function learn(): Promise<void> {
    underWay ??= look().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  async function look(): Promise<void> {
    const known = drawn([...masters], MASTERS_ASKED);
    const others = seeds.filter((seed) => !known.includes(seed));
    // Before anything is known all may have to be tried; there are no more than the configuration names. Then rather
    // those that answered last: whoever is drawn anew each time would have to be connected to each time.
    const kept = guides.kept();
    const asked = [
      ...known,
      ...(known.length === 0 ? others : drawn(others, SEEDS_ASKED, (node) => kept.includes(node))),
    ];
    for (const node of kept) if (!asked.includes(node) && !masters.has(node)) guides.drop(node);
    const view = best(await mostOf(asked.map(guides.ask), silenceOf), bySlot[FENCE]);
    take(view);
    // Of those that may be cut off from the rest, others are drawn next time.
    if (!view.isSound) for (const node of asked) if (!masters.has(node)) guides.drop(node);
    for (const listener of listeners) listener();
  }

  function take({ served }: View): void {
    bySlot = new Array<Node | undefined>(SLOTS);
    masters = new Set(served.map(({ node }) => node));
    for (const { first, last, node } of served) bySlot.fill(node, first, last + 1);
  }

  function refresh(): void {
    if (isClosed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
    }, REFRESH_MS);
    timer.unref();
    learn().catch(() => {}); // whoever needs it asks again
  }

  return {
    async master(signal) {
      await unlessLate(learn(), signal, "no node of the Redis Cluster answered in time");
      const node = bySlot[FENCE];
      if (node === undefined) throw new StoreUnavailable("no node of the Redis Cluster serves the slot of the fence");
      return placeOf(node);
    },
    nodeOf: (slot) => bySlot[slot],
    nodes: () => masters,
    moved(slot, to) {
      bySlot[slot] = to;
      refresh();
    },
    refresh,
    onChange: (listener) => void listeners.push(listener),
    close() {
      isClosed = true;
      clearTimeout(timer);
      guides.close();
    },
  };
}

/** Where a redirection leads, and whether for good. `from` is the host that said so: it may leave its own out. undefined: there is none,
 * or it says "?", as nodes do that are to tell host names and announce none: then the next look at the map tells. */
export function redirectionIn(error: unknown, from: Node): { kind: "MOVED" | "ASK"; to: Node } | undefined {
  const [, kind, to] = (error instanceof Error && /^(MOVED|ASK) \d+ (\S*:\d+)$/.exec(error.message)) || [];
  if (to === undefined || to.startsWith("?:")) return undefined;
  const host = /^:\d+$/.test(to) ? placeOf(from).host : placeOf(to).host; // ::1:6379 names one
  return { kind: kind as "MOVED" | "ASK", to: placeText({ host, port: placeOf(to).port }) };
}

// [first, last, [host, port, id, [name, value, …]] of the master, of its replicas…]; without a host it is the one that was asked.
function servedIn(range: unknown, asked: string): Served[] {
  const [first, last, master] = Array.isArray(range) ? range : [];
  const [host, port, _id, more] = Array.isArray(master) ? master : [];
  if (!Number.isInteger(first) || !Number.isInteger(last) || !Number.isInteger(port)) return [];
  return [{ first, last, node: placeText({ host: hostIn(host, more) ?? asked, port }) }];
}

// "?" stands for a host name that was not announced; the address is told beside it then.
function hostIn(host: unknown, more: unknown): string | undefined {
  if (host === "?" && Array.isArray(more) && more.includes("ip"))
    return hostIn(more[more.indexOf("ip") + 1], undefined);
  return typeof host === "string" && host !== "" && host !== "?" ? host : undefined;
}

async function viewOf(asked: Asked, node: Node): Promise<View> {
  const replies = [asked.sendCommand(["CLUSTER", "INFO"]), asked.sendCommand(["CLUSTER", "SLOTS"])];
  const [info, slots] = await Promise.all(replies);
  const fact = (name: string) => new RegExp(`^${name}:(\\w+)`, "m").exec(String(info))?.[1];
  return {
    isSound: fact("cluster_state") === "ok",
    epoch: Number(fact("cluster_current_epoch") ?? 0),
    served: Array.isArray(slots) ? slots.flatMap((range) => servedIn(range, placeOf(node).host)) : [],
  };
}

/** Where several are equal, one that has the fence where most have it, or where it was: nodes may call one master by
 * different names. */
function best(views: readonly [View, ...View[]], fence: Node | undefined): View {
  const [first] = views.toSorted(
    (one, other) => Number(other.isSound) - Number(one.isSound) || other.epoch - one.epoch,
  );
  const equals = views.filter(({ isSound, epoch }) => isSound === first?.isSound && epoch === first.epoch);
  const names = equals.map(fenceIn).filter((name) => name !== undefined);
  const name = mostNamed(names, fence);
  return equals.find((view) => fenceIn(view) === name) ?? views[0];
}

function fenceIn({ served }: View): Node | undefined {
  return served.find(({ first, last }) => first <= FENCE && FENCE <= last)?.node;
}

function silenceOf([cause]: readonly unknown[]): StoreUnavailable {
  return new StoreUnavailable(`no node of the Redis Cluster answers: ${textOf(cause)}`, { cause });
}

function drawn(nodes: readonly Node[], count: number, isFirst = (_: Node) => false): Node[] {
  const left = [...nodes];
  while (left.length > count) {
    const others = left.filter((node) => !isFirst(node));
    const from = others.length > 0 ? others : left;
    left.splice(left.indexOf(from[Math.floor(Math.random() * from.length)] as Node), 1);
  }
  return left;
}
