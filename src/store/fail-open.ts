// The one place where failures of the store end: each becomes a miss, and after a few in a row nothing is waited for at
// all (breaker.ts). Nothing above it needs a catch. Only invalidations are never given up: those always go to the store
// below, whose own queue and replay they need.

import { sparing } from "../log/sparing.ts";
import { forRequest, type Log } from "../log.ts";
import { createBreaker } from "./breaker.ts";
import type { Asker, Health, Lead, Reading, Sibling, Soon, Store, Watch, Write } from "./store.ts";
import { StoreUnavailable, textOf } from "./unavailable.ts";

type StoreLog = Pick<Log, "debug" | "info" | "warn">;

export interface FailOpenOptions {
  readonly breaker: { readonly failures: number; readonly openMs: number };
  readonly log: StoreLog;
  /** Told when the store is left alone for a while, and why, and when it is in use again. */
  readonly changed?: (isOpen: boolean, failure: string) => void;
  /** Ms, of a clock that does not step back. */
  readonly now?: () => number;
}

const MISS: Reading<never> = Object.freeze({
  fence: Object.freeze({ shared: false, clock: 0, latest: Number.POSITIVE_INFINITY }),
  record: undefined,
  stored: undefined,
  usable: false,
  verdicts: undefined,
});
/** No lease, and `reading.fence.shared` tells why: not that somebody else leads. */
const NO_LEAD: Lead<never> = Object.freeze({ lease: undefined, retryMs: 0, reading: MISS });
const NO_SIBLINGS: readonly Sibling[] = Object.freeze([]);
/** Hears nothing. Whoever waits with it looks again now and then, but not again and again. */
const DEAF_MS = 50;
const DEAF: Watch = {
  landed: (waitMs) => new Promise((resolve) => setTimeout(() => resolve(undefined), Math.min(waitMs, DEAF_MS))),
  close() {},
};

/** `inner` whose every question is answered, as fast as `inner` answers or fails: deadlines are its own. */
export function createFailOpenStore<V>(inner: Store<V>, options: FailOpenOptions): Store<V> {
  const { log, now = () => performance.now() } = options;
  let lastFailure = "";
  let lastCounted: unknown;
  const states = sparing(log);
  const losses = sparing(log);
  const breaker = createBreaker({ ...options.breaker, now, onChange: logChange });

  function logChange(open: boolean): void {
    if (open) states.warn("store left alone: too many failures in a row", { failure: lastFailure });
    else states.info("store in use again");
    options.changed?.(open, open ? lastFailure : "");
  }

  function note(error: unknown, what: string, asker: Asker | undefined): void {
    lastFailure = textOf(error);
    log.debug("store failed", { question: what, ...forRequest(asker), error });
  }

  /** `miss` gives what is answered instead; it gets the failure, if anything was asked. */
  function read<T>({ what, by }: Asking, ask: () => Soon<T>, miss: (failure?: unknown) => T): Soon<T> {
    const ticket = breaker.admit();
    if (ticket === 0) return miss();
    const failed = (error: unknown): T => {
      note(error, what, by);
      if (verdictsOf(error) || isPartial(error)) breaker.succeeded(ticket);
      else if (error !== lastCounted) {
        // Whoever asked together fails together, for one and the same reason: that is one failure.
        lastCounted = error;
        breaker.failed(ticket);
      }
      return miss(error);
    };
    const succeeded = (answer: T): T => {
      breaker.succeeded(ticket);
      return answer;
    };
    const answer = attempt(ask);
    return answer instanceof Promise ? answer.then(succeeded, failed) : succeeded(answer);
  }

  function write({ what, by }: Asking, ask: () => Soon<void>): Soon<void> {
    if (breaker.isOpen()) return;
    const done = attempt(ask);
    if (done instanceof Promise) return done.catch((error) => note(error, what, by));
  }

  // With the breaker open the note is still asked for, and not waited for.
  function begin(tags: readonly string[], by?: Asker): Soon<Write> {
    const asked = attempt(() => inner.begin(tags));
    if (!(asked instanceof Promise)) return asked;
    const unnoted = createUnnotedWrite(asked, { retry: () => inner.begin(tags), losses, by });
    if (breaker.isOpen()) return unnoted;
    return asked.catch((error) => {
      note(error, "begin", by);
      return unnoted;
    });
  }

  function health(): Health {
    const below = inner.health();
    if (!breaker.isOpen()) return below;
    return { state: "degraded", detail: `${below.detail}; left alone for now: ${lastFailure}` };
  }

  return {
    look: (question) =>
      read({ what: "look", by: question.key?.asker ?? question.asker }, () => inner.look(question), missOf),
    lead: (...question) =>
      read<Lead<V>>(
        { what: "lead", by: question[0].asker },
        () => inner.lead(...question),
        () => NO_LEAD,
      ),
    watch: (key, names) =>
      read(
        { what: "watch", by: key.asker },
        () => hearing(inner.watch(key, names)),
        () => DEAF,
      ),
    put: (key, names, stored) => write({ what: "put", by: key.asker }, () => inner.put(key, names, stored)),
    siblings: (key) =>
      read(
        { what: "siblings", by: key.asker },
        () => inner.siblings(key),
        () => NO_SIBLINGS,
      ),
    recall: (key, id) =>
      read(
        { what: "recall", by: key.asker },
        () => inner.recall(key, id),
        () => undefined,
      ),
    pass: (key, names, untilMs) => write({ what: "pass", by: key.asker }, () => inner.pass(key, names, untilMs)),
    begin,
    purge: (...what) => inner.purge(...what),
    onInvalidated: (listener) => inner.onInvalidated(listener),
    ...(inner.leased && {
      leased: (key, names) =>
        read(
          { what: "leased", by: key.asker },
          () => inner.leased?.(key, names) ?? 0,
          () => 0,
        ),
    }),
    health,
    close: () => inner.close().catch((error) => note(error, "close", undefined)),
  };
}

/** What is asked, and for whom. */
interface Asking {
  readonly what: string;
  readonly by: Asker | undefined;
}

function missOf(failure?: unknown): Reading<never> {
  const verdicts = verdictsOf(failure);
  return verdicts ? { ...MISS, verdicts } : MISS;
}

// Limits may be charged where the rest may not be read (after an outage, for a while). What they said counts, and a
// store that said it is one that answers: left alone, it would not count what it could.
function verdictsOf(failure: unknown): Reading<never>["verdicts"] {
  return failure instanceof StoreUnavailable ? failure.verdicts : undefined;
}

// One node of a Redis Cluster that is away must not take the others from their readers: whoever asks it is refused at
// once when it has been silent for a moment (routing.ts).
function isPartial(failure: unknown): boolean {
  return failure instanceof StoreUnavailable && failure.isPartial;
}

// A write that is not known to be in the journal. Its invalidation goes through the note if that comes after all, else
// through a second one.
function createUnnotedWrite(
  asked: Promise<Write>,
  { retry, losses, by }: { retry: () => Soon<Write>; losses: Pick<StoreLog, "warn">; by: Asker | undefined },
): Write {
  asked.catch(() => {}); // looked at below, if at all
  return {
    noted: false,
    commit: (end) =>
      asked
        .catch(retry)
        .then((write) => write.commit(end))
        .catch((error) => {
          losses.warn("invalidation lost: the store took it neither now nor for later", { ...forRequest(by), error });
        }),
    discard: () => void asked.then((write) => write.discard()).catch(() => {}),
  };
}

function hearing(watch: Soon<Watch>): Soon<Watch> {
  const guarded = (inner: Watch): Watch => ({
    landed: (waitMs) => inner.landed(waitMs).catch(() => undefined),
    close: () => inner.close(),
  });
  return watch instanceof Promise ? watch.then(guarded) : guarded(watch);
}

// A throw is a rejection, so that there is one kind of failure.
function attempt<T>(ask: () => Soon<T>): Soon<T> {
  try {
    return ask();
  } catch (error) {
    return Promise.reject(error);
  }
}
