// What happened, as far as it can be seen from outside: each operation with its beginning and end, what the origin itself
// recorded of each write, and which faults there were. All times are ms of this process's monotonic clock. checking.ts
// judges it; nothing here decides anything.

/** A process: "1.0" is the first one on the second port, "1.1" the one that replaced it. */
export type SidecarId = string;

export interface Read {
  readonly start: number;
  readonly end: number;
  readonly sidecar: SidecarId;
  /** Method, path and query, and what else told it apart. */
  readonly target: string;
  /** Of what the response tells, and in which version. */
  readonly versions: readonly (readonly [subject: string, version: number])[];
  /** The Cache-Status. */
  readonly status: string;
}

/** How a write ended for its client. */
export type WriteEnding =
  /** With the origin's own response, of whatever status but 4xx. */
  | "answered"
  /** With an error of the sidecar's own: the origin gave no answer. */
  | "failed"
  /** It hung up itself. */
  | "hung-up"
  /** The connection broke. */
  | "broken";

/** One moment at which the origin changed a subject; or, where the subject is a fetch (resources.ts), from which on
 * earlier ones are overtaken. */
export interface Application {
  readonly subject: string;
  readonly version: number;
  readonly at: number;
}

export interface Write {
  readonly start: number;
  /** When its client knew how it ended; for one that hung up: when it did. */
  readonly end: number;
  readonly sidecar: SidecarId;
  readonly target: string;
  readonly ending: WriteEnding;
  /** The origin's own record. Mostly one. */
  readonly applied: readonly Application[];
  /** When the origin began to answer, or hung up. */
  readonly originEndingAt: number;
  /** When the exchange was over for the origin: it had answered, or the connection was gone. */
  readonly originDoneAt: number;
  readonly isAnsweredByOrigin: boolean;
  /** What it changes is named by its response alone, so that nobody knows where there is none. */
  readonly isNamedByResponse: boolean;
  /** Redis had the invalidation by `end`, in the sidecar's own words: it was a purge, whose receipt names a clock. */
  readonly isTaken: boolean;
}

/** Something that lasted; `to` is Infinity as long as it does. */
export interface Span {
  readonly from: number;
  to: number;
}

export type FaultKind = "kill" | "freeze" | "flush" | "restart" | "partition" | "failover" | "reshard";

export interface Fault extends Span {
  readonly kind: FaultKind;
  /** Of which this is a way. */
  readonly plan: string;
  readonly sidecar?: SidecarId;
}

/** A sidecar's wire to Redis was cut or held while others had theirs, or it had lost its last connection to the fence and got no new one. */
export interface Partition extends Span {
  readonly sidecar: SidecarId;
}

/** A sidecar was without its store, in its own words: the lines "store degraded" and "store ok". */
export interface Outage extends Span {
  readonly sidecar: SidecarId;
  /** The line's "detail". */
  readonly why: string;
  /** It has just started. */
  readonly isStart?: boolean;
}

export interface History {
  readonly reads: readonly Read[];
  readonly writes: readonly Write[];
  readonly kills: ReadonlyMap<SidecarId, number>;
  readonly partitions: readonly Partition[];
  readonly outages: readonly Outage[];
  /** Nobody could reach Redis: it was frozen, or down. */
  readonly redisAway: readonly Span[];
  /** A process of the run stood still although nobody had stopped it: the machine had no time for it. */
  readonly stalls: readonly (Span & { readonly who: string })[];
  readonly faults: readonly Fault[];
}

/** A history that is being written. */
export type Recording = { -readonly [Part in keyof History]: Mutable<History[Part]> };
type Mutable<T> = T extends readonly (infer Item)[] ? Item[] : T extends ReadonlyMap<infer K, infer V> ? Map<K, V> : T;

export function createRecording(): Recording {
  return {
    reads: [],
    writes: [],
    kills: new Map(),
    partitions: [],
    outages: [],
    redisAway: [],
    stalls: [],
    faults: [],
  };
}

/** Opens a span in `list`; the function returned closes it. */
export function open<T extends Span>(list: T[], span: Omit<T, "from" | "to">): () => void {
  const opened = { ...span, from: performance.now(), to: Number.POSITIVE_INFINITY } as T;
  list.push(opened);
  return () => {
    opened.to = Math.min(opened.to, performance.now());
  };
}
