// What expires next? A binary heap by time.

export interface Expiring {
  /** Epoch ms. */
  readonly until: number;
}

export class ExpiryHeap<Item extends Expiring> {
  #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above] as Item;
      if (parent.until <= item.until) break;
      items[at] = parent;
      at = above;
    }
    items[at] = item;
  }

  /** Takes out one that is over at `now`; undefined: none is. */
  popUntil(now: number): Item | undefined {
    const first = this.#items[0];
    return first !== undefined && first.until <= now ? this.pop() : undefined;
  }

  /** Takes out the one that is over first. */
  pop(): Item | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && until(items[below + 1]) < until(items[below])) below += 1;
      if (until(items[below]) >= last.until) break;
      items[at] = items[below] as Item;
      at = below;
    }
    items[at] = last;
    return first;
  }

  /** Keeps only those that `isMeant`. */
  keep(isMeant: (item: Item) => boolean): void {
    const kept = this.#items.filter(isMeant);
    this.#items = [];
    for (const item of kept) this.push(item);
  }
}

function until(item: Expiring | undefined): number {
  return item?.until ?? Number.POSITIVE_INFINITY;
}
