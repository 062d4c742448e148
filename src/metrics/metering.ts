// Counts what passes: each request once, when its exchange with the client is over (endings.ts). A hit costs a few additions,
// nothing is allocated for it.

import type { Ending } from "../endings.ts";
import type { Flow, Request, Sink, Source } from "../http/message.ts";
import type { Answer } from "../passage.ts";
import type { Soon } from "../store/store.ts";
import { outcomeOf, statusOf } from "./outcome.ts";
import type { TopKeys } from "./top-keys.ts";
import type { Finished, Traffic } from "./traffic.ts";

interface MeteringParts {
  readonly traffic: Traffic;
  readonly top: TopKeys;
}

export interface Metering {
  /** `proxy` with the content weighed that it answers in pieces. */
  weighed(proxy: (request: Request) => Soon<Answer>): (request: Request) => Soon<Answer>;
  /** Hears of each request whose exchange is over. */
  readonly ended: (ending: Ending) => void;
}

export function createMetering({ traffic, top }: MeteringParts): Metering {
  // One for all: it is read at once.
  const finished: Finished = { route: undefined, outcome: 0, status: 0, bytes: 0, ms: 0, msStore: 0 };
  return {
    weighed: (proxy) => (request) => {
      const soon = proxy(request);
      return soon instanceof Promise ? soon.then(weighed) : weighed(soon);
    },
    ended(ending) {
      const { request, about } = ending;
      finished.route = about.route;
      finished.outcome = outcomeOf(about);
      finished.status = statusOf(ending.status);
      finished.bytes = bytesSent(ending);
      finished.ms = ending.ms;
      finished.msStore = about.msStore;
      traffic.finished(finished);
      top.take(request, about.route);
    },
  };
}

/** Of content that comes in pieces those are weighed that pass. */
function weighed(answer: Answer): Answer {
  const { content } = answer;
  if (content === undefined || content instanceof Uint8Array) return answer;
  return { ...answer, content: new Weighed(content) };
}

/** Of whole content all or, where it broke off, nothing. */
function bytesSent({ request, answer, status, complete }: Ending): number {
  const content = answer?.content;
  if (content instanceof Weighed) return content.bytes;
  if (!(content instanceof Uint8Array) || !complete) return 0;
  return request.method === "HEAD" || status === 204 || status === 304 ? 0 : content.length;
}

class Weighed implements Source, Sink {
  readonly #source: Source;
  #sink: Sink | undefined;
  bytes = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  start(sink: Sink): Flow {
    this.#sink = sink;
    return this.#source.start(this);
  }

  write(piece: Uint8Array): boolean {
    this.bytes += piece.length;
    return this.#sink?.write(piece) ?? false;
  }

  end(trailers: readonly string[]): void {
    this.#sink?.end(trailers);
  }

  fail(error: Error): void {
    this.#sink?.fail(error);
  }
}
