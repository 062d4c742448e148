// What has this process been asked since its start, by route, outcome and status? Plain numbers that only grow: a request
// costs a few additions and no allocation. Routes are those of the configuration, never what a client asked for, and one
// takes room (about 1.5 KB) with its first request.

import { Histogram, rangeOf } from "./histogram.ts";
import { OUTCOMES, PLACE, STATUSES } from "./outcome.ts";

/** One route's, or all routes' together. */
export class Counts {
  requests = 0;
  /** Answered with what is stored, fresh or stale, without waiting for the origin or in the place of its error. */
  hits = 0;
  collapsed = 0;
  /** Refused by a limit. */
  limited = 0;
  /** Answered with a status of 500 or above. */
  errors = 0;
  /** Of content, handed to clients. */
  bytes = 0;
  /** Requests that the origin got, those of revalidations behind a client's back among them. */
  forwards = 0;
  /** From a request's head to the end of its response. */
  readonly total = new Histogram();

  /** `range`: that of its time among those of a histogram. */
  take(request: Finished, range: number): void {
    this.requests += 1;
    this.bytes += request.bytes;
    if (request.outcome <= PLACE.stale) this.hits += 1;
    else if (request.outcome === PLACE.collapsed) this.collapsed += 1;
    else if (request.outcome === PLACE.limited) this.limited += 1;
    if (request.status === FIVE_HUNDREDS) this.errors += 1;
    this.total.add(request.ms, range);
  }
}

const FIVE_HUNDREDS = STATUSES.indexOf("5xx");

/** A request whose exchange with its client is over. */
export interface Finished {
  /** Undefined: none matched. */
  route: string | undefined;
  /** Places among OUTCOMES and STATUSES. */
  outcome: number;
  status: number;
  bytes: number;
  ms: number;
  /** Thereof waiting for the store. */
  msStore: number;
}

class RouteCounts extends Counts {
  /** By outcome, then status. */
  readonly cells = new Float64Array(OUTCOMES.length * STATUSES.length);
  /** Of requests that waited for the store, how long. */
  readonly store = new Histogram();
  /** Until the head of the origin's response, or its failure; each time it was asked. */
  readonly origin = new Histogram();
}

/** A configuration has fewer; after many reloads there may have been more. */
const MAX_ROUTES = 20_000;
/** Those beyond. */
const OTHER_ROUTES = "…";

export class Traffic {
  readonly all = new Counts();
  /** By route; "": no route. */
  readonly routes = new Map<string, RouteCounts>();

  finished(request: Finished): void {
    const counts = this.#of(request.route);
    const cell = request.outcome * STATUSES.length + request.status;
    counts.cells[cell] = (counts.cells[cell] as number) + 1;
    const range = rangeOf(request.ms);
    counts.take(request, range);
    if (request.msStore > 0) counts.store.add(request.msStore);
    this.all.take(request, range);
  }

  /** The origin was asked; `ms` until the head of its response, or its failure. */
  forwarded(route: string | undefined, ms: number): void {
    const counts = this.#of(route);
    counts.forwards += 1;
    counts.origin.add(ms);
    this.all.forwards += 1;
  }

  #of(route = ""): RouteCounts {
    return this.routes.get(route) ?? this.#begin(route);
  }

  #begin(route: string): RouteCounts {
    const name = this.routes.size < MAX_ROUTES ? route : OTHER_ROUTES;
    const counts = this.routes.get(name) ?? new RouteCounts();
    this.routes.set(name, counts);
    return counts;
  }
}
