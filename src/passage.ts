// What is told of one request on its way: for the access log, beside the response that the client gets.

import type { Trace } from "./cache/visit.ts";
import { requestIdOf } from "./http/forwarding.ts";
import type { Request, Response } from "./http/message.ts";
import type { LimitOutcome } from "./limit/limiter.ts";

/** What the access log says of a request. */
export interface About extends Trace {
  /** The id of the route; undefined: none matched. */
  readonly route: string | undefined;
  /** What the limiter said. */
  limit: LimitOutcome;
}

/** A response, and how it came about. */
export type Answer = Response & { readonly about: About };

/** The id is made when somebody first asks for it: a hit that is not logged needs none. */
export class Passage implements About {
  readonly route: string | undefined;
  cache = "-";
  limit: LimitOutcome = "none";
  msStore = 0;
  msOrigin = 0;
  readonly #request: Request;
  readonly #newId: () => string;
  #id: string | undefined;

  constructor(request: Request, route: string | undefined, newId: () => string) {
    this.#request = request;
    this.route = route;
    this.#newId = newId;
  }

  get requestId(): string {
    this.#id ??= requestIdOf(this.#request, this.#newId);
    return this.#id;
  }
}
