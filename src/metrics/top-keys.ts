// Which keys are asked for most? A sketch of bounded size (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent
// and top-k elements in data streams", 2005, "space-saving"): a key that is not held takes the place of the least, and its
// count. Where there is much traffic a sample of it is looked at, each for as many as were passed over. Counts fade, so that what was asked for
// last week does not stand above what is asked for now.

import type { Request } from "../http/message.ts";

interface Held {
  count: number;
  /** How much of it may have been other keys'. */
  others: number;
  readonly route: string;
}

export interface TopKey {
  /** Method, authority and target, in printable ASCII. */
  readonly key: string;
  readonly route: string;
  /** At least so many, about. */
  readonly requests: number;
}

const MAX_HELD = 200;
const MAX_TOLD = 20;
const MAX_CHARS = 256;
/** Looked at in a second, at the most, about. */
const SAMPLES = 100;

export class TopKeys {
  readonly #showQuery: () => boolean;
  readonly #held = new Map<string, Held>();
  /** One of so many is looked at. */
  #stride = 1;
  #left = 1;

  constructor({ showQuery }: { readonly showQuery: () => boolean }) {
    this.#showQuery = showQuery;
  }

  take(request: Pick<Request, "method" | "authority" | "target">, route: string | undefined): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#left = this.#stride;
    this.#add(this.#keyOf(request), route ?? "");
  }

  /** As many requests as came in the last second: what the next second's sample goes by. */
  pace(perSecond: number): void {
    this.#stride = Math.max(1, Math.ceil(perSecond / SAMPLES));
    this.#left = Math.min(this.#left, this.#stride);
  }

  /** Halves what is counted; what comes to nothing is let go. */
  fade(): void {
    for (const [key, held] of this.#held) {
      held.count /= 2;
      held.others /= 2;
      if (held.count < 1) this.#held.delete(key);
    }
  }

  /** The most asked first. */
  told(): TopKey[] {
    const all = [...this.#held].map(([key, { count, others, route }]) => {
      return { key, route, requests: Math.round(count - others) };
    });
    return all.sort((left, right) => right.requests - left.requests).slice(0, MAX_TOLD);
  }

  #add(key: string, route: string): void {
    const held = this.#held.get(key);
    if (held !== undefined) held.count += this.#stride;
    else if (this.#held.size < MAX_HELD) this.#held.set(key, { count: this.#stride, others: 0, route });
    else {
      const [least, { count }] = this.#least();
      this.#held.delete(least);
      this.#held.set(key, { count: count + this.#stride, others: count, route });
    }
  }

  #least(): [string, Held] {
    let least: [string, Held] | undefined;
    for (const each of this.#held) if (least === undefined || each[1].count < least[1].count) least = each;
    if (least === undefined) throw new RangeError("the least of nothing");
    return least;
  }

  #keyOf({ method, authority, target }: Pick<Request, "method" | "authority" | "target">): string {
    const query = this.#showQuery() ? -1 : target.indexOf("?");
    const shown = query < 0 ? target : `${target.slice(0, query)}?...`;
    const text = `${method} ${authority}${shown}`;
    return printable(text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text);
  }
}

const NOT_ASCII = /[^ -~]/g;

/** Terminals obey some of what is not printable; in a target that would be escaped in this way anyway. */
function printable(text: string): string {
  return text.replace(NOT_ASCII, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}
