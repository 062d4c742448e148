// Many requests, few fetches, while the shared fence cannot be read. Nobody can tell then whether a fetch under way
// began before a write that another sidecar has acknowledged, so no fetch is joined that has begun: whoever asks
// meanwhile gathers, and shares the next one, which begins after all of them have asked. So do those who have waited for
// somebody else's fetch as long as they may.

import { LRUCache } from "lru-cache";
import { createFlight, type Flight } from "./flights.ts";

export interface Gatherings {
  /** The flight that a request for `key` belongs to; undefined: it goes by itself, because what comes cannot be shared. `isLate`:
   * many have waited as long as this one, and come now; the first of them does not go at once. */
  enter(key: string, isLate?: boolean): Place | undefined;
}

export type Place =
  | { readonly role: "follow"; readonly flight: Flight }
  /** Fetches once `mayLeave` has resolved, and ends the flight. `isFollowed` false: nobody will share what it brings. */
  | { readonly role: "lead"; readonly flight: Flight; readonly mayLeave: Promise<void>; readonly isFollowed: boolean };

/** How long those who gather wait for the fetch under way to end, ms: what a cache's trouble may add. */
const GATHER_MS = 5;
/** How long the requests for a key go by themselves after what came could not be shared, ms. */
const APART_MS = 10_000;
const MAX_APART = 10_000;
/** Fetches for one key that wait for an answer at the same time. */
const MAX_AIRBORNE = 8;

interface Traffic {
  /** Fetches that the origin has not begun to answer. */
  airborne: number;
  /** Who has asked since the last of them began. */
  gathering: Flight | undefined;
  /** Begins the gathering's fetch. */
  leave: () => void;
}

export function createGatherings(): Gatherings {
  const traffic = new Map<string, Traffic>();
  const apart = new LRUCache<string, true>({ maxSize: MAX_APART, sizeCalculation: () => 1, ttl: APART_MS });

  function begin(key: string, flight: Flight, on: Traffic): void {
    on.airborne += 1;
    void flight.news.then(() => {
      on.airborne -= 1;
      on.leave();
      if (on.airborne === 0 && on.gathering === undefined) traffic.delete(key);
    });
  }

  function gather(key: string, on: Traffic): Place {
    const flight = createFlight();
    const { promise: mayLeave, resolve } = Promise.withResolvers<void>();
    // An origin that hangs must not get one more each time: then the next one leaves when one has landed.
    const timer = setTimeout(() => on.airborne < MAX_AIRBORNE && on.leave(), GATHER_MS);
    on.gathering = flight;
    on.leave = () => {
      clearTimeout(timer);
      on.gathering = undefined;
      on.leave = stay;
      begin(key, flight, on);
      resolve();
    };
    void flight.ended.then(({ kind }) => {
      if (kind === "not-storable") apart.set(key, true);
    });
    return { role: "lead", flight, mayLeave, isFollowed: true };
  }

  return {
    enter(key, isLate = false) {
      if (apart.has(key)) return undefined;
      const on = traffic.get(key);
      if (on?.gathering !== undefined) return { role: "follow", flight: on.gathering };
      if (on !== undefined) return gather(key, on);
      const first: Traffic = { airborne: 0, gathering: undefined, leave: stay };
      traffic.set(key, first);
      if (isLate) return gather(key, first);
      const flight = createFlight();
      begin(key, flight, first);
      return { role: "lead", flight, mayLeave: Promise.resolve(), isFollowed: false };
    },
  };
}

function stay(): void {}
