// Which upstream is for which origin settings, over all the configurations of a process? Settings that stay the same keep
// their connections. Those that no configuration in use names are let go once nothing is under way on them; what still
// comes for them, of a request that began before, is sent all the same.

import type { Response } from "../http/message.ts";
import type { ForwardRequest } from "./exchange.ts";
import { createUpstream, type OriginConfig, type Upstream } from "./upstream.ts";

export interface Upstreams {
  /** The upstream for `origin`, which takes the place of the one before. Throws on an impossible URL. */
  use(origin: OriginConfig): Pick<Upstream, "forward">;
  /** As Upstream.close, of all of them. */
  close(graceMs: number): Promise<void>;
}

/** How often those that are not in use are looked after, ms. */
const SWEEP_MS = 1000;

/** `received` hears of the content that comes, in bytes. */
export function createUpstreams(
  received: (bytes: number) => void,
  open: typeof createUpstream = createUpstream,
): Upstreams {
  /** In use, or not closed yet. */
  const kept = new Set<Kept>();
  let current: Kept | undefined;
  let timer: NodeJS.Timeout | undefined;

  function sweep(): void {
    for (const one of kept) if (one !== current && one.closeIfIdle()) kept.delete(one);
    if (kept.size > 1) return;
    clearInterval(timer);
    timer = undefined;
  }

  function keep(one: Kept): void {
    kept.add(one);
    if (kept.size > 1) timer ??= setInterval(sweep, SWEEP_MS).unref();
  }

  return {
    use(origin) {
      const settings = JSON.stringify(origin);
      const one =
        [...kept].find((each) => each.settings === settings) ?? new Kept(settings, () => open(origin, received), keep);
      keep(one);
      current = one;
      return one;
    },
    async close(graceMs) {
      clearInterval(timer);
      await Promise.all([...kept].map((one) => one.close(graceMs)));
    },
  };
}

/** An upstream that is closed while nobody uses it. */
class Kept implements Pick<Upstream, "forward"> {
  /** As text. */
  readonly settings: string;
  readonly #open: () => Upstream;
  readonly #reopened: (self: Kept) => void;
  #upstream: Upstream | undefined;

  constructor(settings: string, open: () => Upstream, reopened: (self: Kept) => void) {
    this.settings = settings;
    this.#open = open;
    this.#reopened = reopened;
    this.#upstream = open();
  }

  forward(request: ForwardRequest): Promise<Response> {
    if (this.#upstream === undefined) {
      this.#upstream = this.#open();
      this.#reopened(this);
    }
    return this.#upstream.forward(request);
  }

  closeIfIdle(): boolean {
    if (this.#upstream !== undefined && this.#upstream.underWay() > 0) return false;
    void this.#upstream?.close(0);
    this.#upstream = undefined;
    return true;
  }

  /** For good: it is not opened again. */
  async close(graceMs: number): Promise<void> {
    await this.#upstream?.close(graceMs);
  }
}
