// Which Redis is the master now? Whichever sentinel answers first says so; the one that did is asked again next time.
// A sentinel may lag behind the others for some seconds after a failover: what it names is looked at before it is used
// (server-info.ts), and asked for again every now and then (connections.ts).

import { StoreUnavailable, within } from "./unavailable.ts";

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface SentinelOptions {
  /** What the sentinels call the master. */
  readonly name: string;
  /** host:port of each sentinel. */
  readonly nodes: readonly string[];
  /** At the sentinels. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

export interface Sentinels {
  /** Whoever asks while a question is under way shares its answer. */
  master(signal: AbortSignal): Promise<Place>;
  close(): void;
}

/** A connection to whoever knows where Redis is. */
export interface Asked {
  sendCommand(words: readonly string[]): Promise<unknown>;
  destroy(): void;
}

interface Means {
  connect(place: Place, signal: AbortSignal): Promise<Asked>;
  /** Ms for one sentinel to answer in. */
  readonly patienceMs: number;
}

export function createSentinels({ name, nodes }: SentinelOptions, { connect, patienceMs }: Means): Sentinels {
  /** The one that answered last; connected. */
  let known: Asked | undefined;
  let underWay: Promise<Place> | undefined;
  let isClosed = false;

  function master(signal: AbortSignal): Promise<Place> {
    underWay ??= find().finally(() => {
      underWay = undefined;
    });
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new StoreUnavailable("no sentinel answered in time")), {
        once: true,
      });
      underWay?.then(resolve, reject);
    });
  }

  async function find(): Promise<Place> {
    const before = known;
    known = undefined;
    if (before !== undefined) {
      try {
        const place = await namedBy(before);
        keep(before);
        return place;
      } catch {
        setImmediate(() => before.destroy());
      }
    }
    const ended = new AbortController();
    try {
      return await Promise.any(nodes.map((node) => ask(node, ended.signal)));
    } catch (error) {
      throw reasonOf(error);
    } finally {
      ended.abort();
    }
  }

  async function ask(node: string, signal: AbortSignal): Promise<Place> {
    const asked = await connect(placeOf(node), AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
    try {
      const place = await namedBy(asked);
      keep(asked);
      return place;
    } catch (error) {
      setImmediate(() => asked.destroy());
      throw error;
    }
  }

  async function namedBy(sentinel: Asked): Promise<Place> {
    const reply = await within(sentinel.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]), patienceMs);
    if (!Array.isArray(reply)) throw new StoreUnavailable(`the sentinels know no master called ${name}`);
    return { host: String(reply[0]), port: Number(reply[1]) };
  }

  function keep(asked: Asked): void {
    if (known === undefined && !isClosed) known = asked;
    else if (known !== asked) setImmediate(() => asked.destroy());
  }

  return {
    master,
    close() {
      isClosed = true;
      known?.destroy();
      known = undefined;
    },
  };
}

/** Of several reasons the one that says most: an answer rather than a silence. */
function reasonOf(error: unknown): Error {
  const reasons: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const told = reasons.find(
    (reason) => reason instanceof Error && /know no master|NOAUTH|NOPERM|WRONGPASS/.test(reason.message),
  );
  const reason = told ?? reasons[0];
  if (reason instanceof StoreUnavailable && told !== undefined) return reason;
  const text = reason instanceof Error ? reason.message || (reason as { code?: string }).code : String(reason);
  return new StoreUnavailable(`no sentinel tells which Redis is the master: ${text}`, { cause: error });
}

/** Of host:port. */
export function placeOf(node: string): Place {
  const at = node.lastIndexOf(":");
  return { host: node.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(node.slice(at + 1)) };
}

export function placeText({ host, port }: Place): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
