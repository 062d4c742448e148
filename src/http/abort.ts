// How does whoever works on a request hear that nobody wants it any more? What is needed of AbortSignal, and no more: each
// signal of the runtime outlives several young collections, and one for every request forwarded made a third of the
// proxy's work the collector's.

/** As much of an AbortSignal as is used here; any AbortSignal is one. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** A signal, and its one switch. */
export class Abort implements Signal {
  aborted = false;
  readonly #listeners: (() => void)[] = [];

  /** Tells each listener once; later calls do nothing. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** Where it has aborted already, the listener is never called. */
  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    const place = this.#listeners.indexOf(listener);
    if (place >= 0) this.#listeners.splice(place, 1);
  }
}
