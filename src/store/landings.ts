// Who waits for somebody else's flight, and for what channel? Any number of waits share one subscription, which ends
// with the last of them and is made anew after a lost connection. Messages are only handed on: nothing is done inside
// the client library's listeners.

import type { Line } from "./connections.ts";
import { LANDINGS, type Landing, type Watch } from "./store.ts";
import { StoreUnavailable, within } from "./unavailable.ts";

export interface Landings {
  /** Resolves once landings on `channel` will be heard. Rejects with StoreUnavailable. */
  watch(channel: string): Promise<Watch>;
  /** Makes sure of all subscriptions, the connection perhaps being a new one. */
  resubscribe(): Promise<unknown>;
  /** Nothing will be heard for a while: whoever waits looks for himself. */
  wakeAll(): void;
  close(): void;
}

// One for each key that is waited for; more than this are not collapsed across processes.
const MAX_CHANNELS = 10_000;

export function createLandings(line: Line, deadline: number): Landings {
  const channels = new Map<string, Channel>();

  async function watch(name: string): Promise<Watch> {
    const channel = channels.get(name) ?? add(name);
    const waiting = new Waiting(() => {
      if (!channel.waiting.delete(waiting) || channel.waiting.size > 0) return;
      channels.delete(name);
      line.unsubscribe(name, channel.hear).catch(() => {});
    });
    channel.waiting.add(waiting);
    try {
      await within(channel.subscribed, deadline);
      return waiting;
    } catch (cause) {
      waiting.close();
      throw new StoreUnavailable("could not subscribe", { cause });
    }
  }

  function add(name: string): Channel {
    if (channels.size >= MAX_CHANNELS) throw new StoreUnavailable("too many flights are waited for");
    const waiting = new Set<Waiting>();
    const hear = (message: string) => {
      for (const each of [...waiting]) each.tell(landingOf(message));
    };
    const channel = { waiting, hear, subscribed: line.subscribe(name, hear) };
    channel.subscribed.catch(() => {});
    channels.set(name, channel);
    return channel;
  }

  return {
    watch,
    resubscribe() {
      return Promise.all(
        [...channels].map(([name, channel]) => {
          channel.subscribed = line.subscribe(name, channel.hear);
          return channel.subscribed;
        }),
      );
    },
    wakeAll() {
      for (const { waiting } of channels.values()) for (const each of [...waiting]) each.wake(undefined);
    },
    close() {
      for (const { waiting } of channels.values()) for (const each of [...waiting]) each.close();
    },
  };
}

interface Channel {
  readonly waiting: Set<Waiting>;
  hear(message: string): void;
  subscribed: Promise<void>;
}

class Waiting implements Watch {
  readonly #end: () => void;
  /** Told, and not yet taken. */
  #landing: Landing | undefined;
  #isClosed = false;
  readonly #wakes = new Set<(landing: Landing | undefined) => void>();

  constructor(end: () => void) {
    this.#end = end;
  }

  landed(waitMs: number): Promise<Landing | undefined> {
    const landing = this.#landing;
    this.#landing = undefined;
    if (landing !== undefined || this.#isClosed) return Promise.resolve(landing);
    return new Promise((resolve) => {
      const wake = (told: Landing | undefined) => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve(told);
      };
      const timer = setTimeout(() => wake(undefined), waitMs);
      this.#wakes.add(wake);
    });
  }

  tell(landing: Landing): void {
    if (this.#wakes.size === 0) this.#landing = landing;
    this.wake(landing);
  }

  wake(landing: Landing | undefined): void {
    for (const wake of [...this.#wakes]) wake(landing);
  }

  close(): void {
    this.#isClosed = true;
    this.wake(undefined);
    this.#end();
  }
}

// What nobody of ours said tells of nothing stored.
function landingOf(message: string): Landing {
  return LANDINGS.find((landing) => landing === message) ?? "failed";
}
