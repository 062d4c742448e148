// Several who ask at once about the same limits are charged together: one call of one script, whose verdicts are dealt
// out in the order of asking. Whoever is refused by one of their limits is charged to none (scripts/charge.lua). On a
// Redis Cluster one script reaches one client's quotas only: there, limits that tell clients apart differently are charged
// apart (parts.ts), and so are all while their slot moves; what one of them refuses may have been charged to the others.

import type { RedisKeys } from "./redis-keys.ts";
import { CHARGE, run, type Sender } from "./scripts.ts";
import type { LimitQuestion, Verdict } from "./store.ts";

/** Equal for those whose questions are charged together. One limit asked about with two different quotas (while
 * configurations differ) is charged under each. */
export function chargeId(questions: readonly LimitQuestion[]): string {
  let id = "";
  for (const { algorithm, limit, windowMs, burst = 0, enforced = true, key } of questions) {
    const numbers = `${algorithm} ${limit} ${windowMs} ${burst} ${enforced}`;
    id += `${numbers} ${key.length} ${key}`;
  }
  return id;
}

/** What was charged to one quota. */
interface Charged {
  /** To the first so many. */
  readonly count: number;
  readonly left: number;
  readonly extra: number;
  readonly passedMs: number;
  readonly waitMs: number;
}

/** Where quotas are. */
interface Where {
  readonly to: Sender;
  readonly keys: Pick<RedisKeys, "limit">;
}

const NUMBERS_PER_QUOTA = 5;

export class Charge {
  #questions: readonly LimitQuestion[] = [];
  #extras: readonly number[] = [];
  #asked = 0;
  #admitted = 0;
  /** One for each question; undefined: not answered, or Redis could not charge them. */
  #charged: readonly Charged[] | undefined;
  #dealt = 0;

  /** One more who asks the same. */
  add(questions: readonly LimitQuestion[]): void {
    const extras = questions.map(({ extra = 0 }, i) => Math.max(extra, this.#extras[i] ?? 0));
    this.#questions = questions;
    this.#extras = extras;
    this.#asked++;
  }

  /** Resolves with what `answered` is to be told. */
  send(to: Sender, keys: Pick<RedisKeys, "limit">): Promise<unknown> {
    const charged = this.#run(this.#questions, this.#extras, { to, keys });
    // One by itself is always found.
    return this.#questions.length === 1 ? charged : charged.catch((error) => this.#apart(error, { to, keys }));
  }

  /** One by one each is found, where some are on either side of a move; rejects with any other error. */
  async #apart(error: unknown, where: Where): Promise<unknown> {
    if (!(error instanceof Error && error.message.startsWith("TRYAGAIN"))) throw error;
    const single = (question: LimitQuestion, i: number) => this.#run([question], [this.#extras[i] ?? 0], where);
    return combined(await Promise.all(this.#questions.map(single)));
  }

  #run(questions: readonly LimitQuestion[], extras: readonly number[], { to, keys }: Where): Promise<unknown> {
    const args = [String(this.#asked)];
    questions.forEach(({ algorithm, limit, windowMs, burst = limit, enforced = true }, i) => {
      const numbers = [String(limit), String(windowMs), String(burst)];
      args.push(algorithm, ...numbers, enforced ? "1" : "0", String(extras[i]));
    });
    return run(to, CHARGE, { keys: questions.map(keys.limit), args });
  }

  answered(reply: unknown): void {
    if (!Array.isArray(reply)) return;
    const [admitted = 0, ...numbers] = reply.map(Number);
    this.#admitted = admitted;
    this.#charged = this.#questions.map((_, i) => chargedFrom(numbers.slice(i * NUMBERS_PER_QUOTA)));
  }

  /** The verdicts of the next one, in the order of the questions. */
  deal(): readonly Verdict[] | undefined {
    const place = this.#dealt++;
    return this.#charged?.map((charged) => verdictFor(place, charged, place < this.#admitted));
  }
}

/** What was answered of each as if all had been asked about together: who is let in is let in by all. */
function combined(replies: readonly unknown[]): unknown {
  if (!replies.every((reply) => Array.isArray(reply))) return undefined;
  const admitted = Math.min(...replies.map(([count]) => Number(count)));
  return [admitted, ...replies.flatMap(([, count, ...numbers]) => [Math.min(admitted, Number(count)), ...numbers])];
}

function chargedFrom([count = 0, left = 0, extra = 0, passedMs = 0, waitMs = 0]: readonly number[]): Charged {
  return { count, left, extra, passedMs, waitMs };
}

/** Who was let in was charged, if the quota had enough of it; who was not is told whether this quota had any left. */
function verdictFor(place: number, { count, left, extra, passedMs, waitMs }: Charged, isAdmitted: boolean): Verdict {
  const allowed = isAdmitted ? place < count : left > 0;
  if (!allowed) return { allowed, remaining: 0, resetMs: waitMs };
  const remaining = isAdmitted ? left + count - place - 1 : left;
  return extra > 0 && place === 0
    ? { allowed, remaining, resetMs: passedMs, taken: extra }
    : { allowed, remaining, resetMs: passedMs };
}
