// Who is told when a request's exchange with its client is over: what the proxy says of its way and what the listener says
// of its end, brought together.

import type { Request, Response } from "./http/message.ts";
import type { About, Answer } from "./passage.ts";
import type { Handler, ListenerOptions } from "./server/server.ts";
import type { Soon } from "./store/store.ts";

export interface Ending {
  readonly request: Request;
  readonly about: About;
  /** What the proxy answered; undefined: the client left before it did. */
  readonly answer: Answer | undefined;
  /** As sent to the client; 0 where it left before. */
  readonly status: number;
  /** The response was handed to the network whole. */
  readonly complete: boolean;
  /** From the request's head to the end of the response. */
  readonly ms: number;
}

export interface Endings {
  /** `proxy` as a handler whose requests are told of. */
  observed(proxy: (request: Request) => Soon<Answer>): Handler;
  /** For the listener. */
  readonly onFinished: NonNullable<ListenerOptions["onFinished"]>;
}

interface EndingsParts {
  /** Who hears of each request, once; undefined: nobody, at the moment. */
  readonly told: () => ((ending: Ending) => void) | undefined;
  /** Monotonic, ms. */
  readonly elapsed: () => number;
}

/** Outlives configurations: a request may end under another one than it came under, and is told of to whoever hears then. */
export function createEndings({ told, elapsed }: EndingsParts): Endings {
  /** Whose client left before there was an answer that tells of the way, and when. */
  const left = new WeakMap<Request, number>();

  return {
    observed: (proxy) => (request) => {
      const answer = proxy(request);
      if (!(answer instanceof Promise)) return answer;
      return answer.then((late) => {
        const at = left.get(request);
        if (at === undefined) return late;
        const ms = at - late.about.began;
        told()?.({ request, about: late.about, answer: undefined, status: 0, complete: false, ms });
        return late;
      });
    },
    onFinished(request, { status, complete }, response) {
      if (response === undefined) left.set(request, elapsed());
      else if (isAnswer(response)) {
        const { about } = response;
        told()?.({ request, about, answer: response, status, complete, ms: elapsed() - about.began });
      }
    },
  };
}

/** What hears of each ending, in turn; undefined: nobody does. */
export function inTurn(
  ...hearers: readonly (((ending: Ending) => void) | undefined)[]
): ((ending: Ending) => void) | undefined {
  const all = hearers.filter((hear) => hear !== undefined);
  if (all.length < 2) return all[0];
  return (ending) => {
    for (const hear of all) hear(ending);
  };
}

/** What else answers, a purge say, has no way to tell of. */
function isAnswer(response: Response): response is Answer {
  return "about" in response;
}
