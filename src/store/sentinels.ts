// Which Redis is the master now? All sentinels are asked together, and of what they said lately the newest configuration
// counts, as among themselves: every failover gives it a higher epoch. So one that was cut off, or came back with an old
// file, leads nobody away from a master that another one names. Whoever is named is looked at before it is used
// (server-info.ts), and asked for again every now and then (connections.ts).

import { type Asked, createGuides, type Means, mostNamed, mostOf, unlessLate } from "./guides.ts";
import { type Place, placeOf, placeText } from "./place.ts";
import { StoreUnavailable, textOf } from "./unavailable.ts";

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

/** What one of them believes. */
interface View {
  /** Of its configuration; undefined: it does not tell. */
  readonly epoch: number | undefined;
  /** host:port. */
  readonly master: string;
}

interface Sentinel {
  readonly node: string;
  isAsked: boolean;
  /** The last answer, and when it came; monotonic ms. */
  view: View | undefined;
  heardAt: number;
  /** How many questions have failed since, when the last one did, and why. */
  failures: number;
  failedAt: number;
  reason: unknown;
}

/** The one that made the new master may be silent for a moment before the others have heard of it (2 s). */
const REMEMBERED_MS = 5000;
/** Until one that failed twice is asked again, while another one answers. */
const REST_MS = 1000;

export function createSentinels({ name, nodes }: SentinelOptions, means: Means): Sentinels {
  const guides = createGuides(look, means);
  const sentinels = nodes.map((node): Sentinel => {
    return { node, isAsked: false, view: undefined, heardAt: 0, failures: 0, failedAt: 0, reason: undefined };
  });
  let named: string | undefined;
  let underWay: Promise<Place> | undefined;

  // The epoch first: where both change in between, what is new is taken for old, which is mended at the next question.
  async function look(sentinel: Asked): Promise<View> {
    const ask = (what: string) => sentinel.sendCommand(["SENTINEL", what, name]);
    // Not everybody may ask for it, and what only speaks like a sentinel may not have it. The address that stands beside it is
    // the old one until the failover is over.
    const facts = ask("MASTER").then(epochIn, () => undefined);
    const [epoch, place] = await Promise.all([facts, ask("GET-MASTER-ADDR-BY-NAME")]);
    if (!Array.isArray(place)) throw new StoreUnavailable(`the sentinels know no master called ${name}`);
    return { epoch, master: placeText({ host: String(place[0]), port: Number(place[1]) }) };
  }

  async function ask(sentinel: Sentinel): Promise<void> {
    sentinel.isAsked = true;
    try {
      sentinel.view = await guides.ask(sentinel.node);
      sentinel.heardAt = performance.now();
      sentinel.failures = 0;
    } catch (reason) {
      sentinel.failures += 1;
      sentinel.failedAt = performance.now();
      sentinel.reason = reason;
      throw reason;
    } finally {
      sentinel.isAsked = false;
    }
  }

  function heard(): View[] {
    const since = performance.now() - REMEMBERED_MS;
    return sentinels.flatMap(({ view, heardAt }) => (view && heardAt > since ? [view] : []));
  }

  // Those who failed last time are waited for where there are no others.
  async function find(): Promise<Place> {
    const isAnswered = sentinels.some(({ view, failures }) => view !== undefined && failures === 0);
    const restedAt = performance.now() - REST_MS;
    const isResting = ({ failures, failedAt }: Sentinel) => isAnswered && failures > 1 && failedAt > restedAt;
    const due = sentinels.filter((sentinel) => !sentinel.isAsked && !isResting(sentinel));
    const asked = due.map((sentinel) => ({ isLikely: sentinel.failures === 0, answer: ask(sentinel) }));
    const likely = asked.filter(({ isLikely }) => isLikely);
    const answers = (likely.length > 0 ? likely : asked).map(({ answer }) => answer);
    for (const { answer } of asked) answer.catch(() => {}); // it is known by now why
    if (answers.length > 0) await mostOf(answers, silenceOf).catch(() => {});
    return chosen();
  }

  function chosen(): Place {
    const views = heard();
    const newest = Math.max(...views.map(({ epoch = Number.POSITIVE_INFINITY }) => epoch));
    const ofNewest = newest < Number.POSITIVE_INFINITY ? views.filter(({ epoch }) => epoch === newest) : views;
    named = mostNamed(
      ofNewest.map(({ master }) => master),
      named,
    );
    if (named === undefined) throw silenceOf(sentinels.map(({ reason }) => reason));
    return placeOf(named);
  }

  return {
    master(signal) {
      underWay ??= find().finally(() => {
        underWay = undefined;
      });
      return unlessLate(underWay, signal, "no sentinel answered in time");
    },
    close: guides.close,
  };
}

/** Of [name, value, …]. */
function epochIn(about: unknown): number | undefined {
  if (!Array.isArray(about) || !about.includes("config-epoch")) return undefined;
  return Number(about[about.indexOf("config-epoch") + 1]);
}

/** Of several reasons the one that says most: an answer rather than a silence. */
function silenceOf(reasons: readonly unknown[]): Error {
  const told = (what: RegExp) => reasons.find((reason) => reason instanceof Error && what.test(reason.message));
  const unknown = told(/know no master/);
  if (unknown instanceof StoreUnavailable) return unknown;
  const cause = told(/NOAUTH|NOPERM|WRONGPASS/) ?? reasons[0];
  return new StoreUnavailable(`no sentinel tells which Redis is the master: ${textOf(cause)}`, { cause });
}
