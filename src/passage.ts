// What is told of one request on its way: for the access log, beside the response that the client gets.

import type { Steps, Trace } from "./cache/visit.ts";
import { requestIdOf, sentId } from "./http/forwarding.ts";
import type { Request, Response } from "./http/message.ts";
import { traceParent } from "./http/trace-context.ts";
import type { LimitOutcome } from "./limit/limiter.ts";

/** What the access log says of a request. */
export interface About extends Trace {
  /** Of the monotonic clock, when the request's head was there, ms. */
  readonly began: number;
  /** What the limiter said. */
  limit: LimitOutcome;
  /** Where the answer is the proxy's own: a limit refused the request, or the origin could not be asked. */
  own: "limited" | "failed" | undefined;
  /** The request's id, where it has one that somebody else knows or may know; no id is made for the question. */
  readonly knownId: string | undefined;
  readonly span?: Span | undefined;
}

/** A request's own span, under which its steps are. */
export interface Span extends Steps {
  readonly traceId: string | undefined;
  /** The exchange with the client is over. */
  end(about: About, ended: { readonly status: number; readonly complete: boolean }): void;
}

/** A response, and how it came about. */
export type Answer = Response & { readonly about: About };

export interface PassageParts {
  readonly newId: () => string;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
  /** Begins the span of a request, where somebody collects them. */
  readonly begin?: ((request: Request, route: string | undefined) => Span) | undefined;
}

/** The id is made when somebody first asks for it: a hit that is not logged needs none. */
export class Passage implements About {
  readonly route: string | undefined;
  readonly began: number;
  readonly span: Span | undefined;
  cache = "-";
  limit: LimitOutcome = "none";
  own: About["own"] = undefined;
  msStore = 0;
  msOrigin = 0;
  readonly #request: Request;
  readonly #newId: () => string;
  #id: string | undefined;

  constructor(request: Request, route: string | undefined, { newId, elapsed, begin }: PassageParts) {
    this.#request = request;
    this.route = route;
    this.#newId = newId;
    this.began = elapsed();
    this.span = begin?.(request, route);
  }

  get requestId(): string {
    this.#id ??= requestIdOf(this.#request, this.#newId);
    return this.#id;
  }

  get knownId(): string | undefined {
    return this.#id ?? sentId(this.#request);
  }

  get traceId(): string | undefined {
    return this.span === undefined ? traceParent(this.#request.fields)?.traceId : this.span.traceId;
  }
}
