// One look, where what it asks about lies on several nodes of a Redis Cluster: the fence on one, the value with its lease on
// another, each client's quotas on others. Its parts leave together, each in the batch of its node, so that it is one
// round trip still, the fence is read once for all who ask in one turn, and a silent node keeps nobody else waiting.
//
// Why parts that are read in any order are as good as one reading. A write that was acknowledged before the look began
// has set its slots before any part of it was sent, so the fence's part tells of it whenever it is read: what was made before
// that write has an earlier stamp, and is not used. A value stored after the fence was read may bear a later stamp than the
// clock that was read: it is passed over (trips.ts), which costs a fetch. What is made after the look is stamped with the
// clock as it was read before the making began, wherever the value's part stood by then. A lease is asked for on the line of
// the value, before it. And no value comes back with a newer stamp than it had, whatever becomes of its node.
//
// A node that keeps failing is left alone for a while like the store as a whole (fail-open.ts), which only the fence's
// failures count for.

import { type Answer, type Ask, type BatchOptions, createAsking } from "./batch.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import type { Line } from "./connections.ts";
import type { LimitQuestion, Verdict } from "./store.ts";
import { StoreUnavailable, unavailable } from "./unavailable.ts";

export interface PartsOptions extends BatchOptions {
  /** Where a Redis key lives. */
  nodeOf(key: string): string;
}

type Settled = PromiseSettledResult<Answer>;

interface NodeState {
  readonly put: (ask: Ask) => Promise<Answer>;
  readonly breaker: Breaker;
  /** The failure that was counted last. */
  counted: unknown;
}

/** A client's quotas among those asked about. */
interface Share {
  /** Its places in the question. */
  readonly places: readonly number[];
  readonly questions: readonly LimitQuestion[];
}

const NOTHING = { record: undefined, variant: undefined, slots: undefined, limits: Object.freeze([]) };
const NO_FENCE: ReadonlyMap<number, number> = new Map();
// When so many have come and gone they are made anew.
const MAX_NODES = 1000;
const BREAKER = { failures: 5, openMs: 1000, now: () => performance.now(), onChange() {} };

/** How questions are put on `line`, which takes each command to its node. Rejects with StoreUnavailable. */
export function createPartedAsking(line: Line, options: PartsOptions): (ask: Ask) => Promise<Answer> {
  const { nodeOf, keys } = options;
  const askFence = createAsking(line, options);
  const nodes = new Map<string, NodeState>();

  function stateOf(node: string): NodeState {
    if (nodes.size > MAX_NODES) nodes.clear();
    const state = nodes.get(node) ?? {
      put: createAsking(line, options),
      breaker: createBreaker(BREAKER),
      counted: undefined,
    };
    nodes.set(node, state);
    return state;
  }

  async function askNode(node: string, ask: Ask): Promise<Answer> {
    const state = stateOf(node);
    const ticket = state.breaker.admit();
    if (ticket === 0)
      throw new StoreUnavailable(`${node} of the Redis Cluster is left alone: too many failures in a row`);
    try {
      const answer = await state.put(ask);
      state.breaker.succeeded(ticket);
      return answer;
    } catch (error) {
      // Whoever asked together fails together: that is one failure.
      if (error !== state.counted) state.breaker.failed(ticket);
      state.counted = error;
      throw error;
    }
  }

  return async ({ record, variant, slots, limits, lease, leaving }) => {
    const shares = limits.length === 0 ? [] : sharesOf(limits);
    const [fence, value, ...charged] = await Promise.allSettled([
      slots && askFence({ ...NOTHING, slots, leaving }),
      record && askNode(nodeOf(record), { ...NOTHING, record, variant, leaving, ...(lease ? { lease } : {}) }),
      ...shares.map(({ questions }) =>
        askNode(nodeOf(keys.limit(questions[0] as LimitQuestion)), { ...NOTHING, limits: questions }),
      ),
    ]);
    const verdicts = verdictsOf(shares, charged as Settled[]);
    if (fence.status === "rejected") {
      if (value.status === "fulfilled" && value.value && value.value.leaseMs === 0) lease?.late();
      tellLate(limits, verdicts);
      throw unavailable(fence.reason);
    }
    if (verdicts.includes(undefined)) tellLate(limits, verdicts);
    const known = verdicts.includes(undefined) ? undefined : (verdicts as readonly Verdict[]);
    if (value.status === "rejected") {
      throw new StoreUnavailable(unavailable(value.reason).message, {
        cause: value.reason,
        isPartial: slots !== undefined,
        verdicts: limits.length === 0 ? undefined : known,
      });
    }
    return {
      record: value.value ? value.value.record : undefined,
      variant: value.value ? value.value.variant : undefined,
      fence: fence.value?.fence ?? NO_FENCE,
      seen: fence.value?.seen ?? 0,
      verdicts: known,
      leaseMs: value.value ? value.value.leaseMs : 0,
    };
  };
}

function sharesOf(limits: readonly LimitQuestion[]): Share[] {
  const places = new Map<string, number[]>();
  for (const [i, { key, client = key }] of limits.entries()) places.set(client, [...(places.get(client) ?? []), i]);
  return [...places.values()].map((each) => {
    return { places: each, questions: each.map((i) => limits[i] as LimitQuestion) };
  });
}

/** In the order of the question; undefined: not charged, as far as anybody knows. */
function verdictsOf(shares: readonly Share[], charged: readonly Settled[]): (Verdict | undefined)[] {
  const verdicts: (Verdict | undefined)[] = [];
  for (const [i, { places }] of shares.entries()) {
    const answer = charged[i];
    const given = answer?.status === "fulfilled" ? answer.value.verdicts : undefined;
    for (const [j, place] of places.entries()) verdicts[place] = given?.[j];
  }
  return verdicts;
}

// What was charged to somebody who is not told was charged all the same.
function tellLate(limits: readonly LimitQuestion[], verdicts: readonly (Verdict | undefined)[]): void {
  for (const [i, question] of limits.entries()) {
    const verdict = verdicts[i];
    if (verdict !== undefined) question.late?.(question, verdict);
  }
}
