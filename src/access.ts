// One access line per request, written when its exchange with the client is over: what the proxy says of its way, and
// what the listener says of its end.

import { field } from "./http/fields.ts";
import type { Request } from "./http/message.ts";
import type { Log } from "./log.ts";
import type { About, Answer } from "./passage.ts";
import type { Handler, ListenerOptions } from "./server/server.ts";
import { andThen, type Soon } from "./store/store.ts";

interface AccessOptions {
  readonly log: Log;
  readonly wanted: {
    readonly access: boolean;
    /** Request fields that are written, lower-case. */
    readonly headers: readonly string[];
  };
  readonly client: (request: Request) => string;
}

interface Observed {
  readonly handler: Handler;
  readonly options: Pick<ListenerOptions, "onFinished">;
}

/** What is known of a request so far: a client that leaves ends it before there is an answer to tell of. */
interface Way {
  readonly began: number;
  about: About | undefined;
  ended: { readonly status: number; readonly complete: boolean; readonly ms: number } | undefined;
}

/** `proxy` as a handler whose requests are logged; itself, where no lines are wanted. */
export function withAccessLog(proxy: (request: Request) => Soon<Answer>, options: AccessOptions): Observed {
  const { log, wanted, client } = options;
  if (!wanted.access || !log.accessEnabled) return { handler: proxy, options: {} };
  const ways = new WeakMap<Request, Way>();

  function write(request: Request, { about, ended }: Way): void {
    if (about === undefined || ended === undefined) return;
    const { method, authority, target } = request;
    const headers = wanted.headers.length === 0 ? {} : { headers: picked(request, wanted.headers) };
    const { requestId, route, cache, limit, msStore, msOrigin } = about;
    const way = { requestId, route, cache, limit, msStore, msOrigin, client: client(request) };
    log.access({ ...way, ...ended, ...headers, method, authority, target });
  }

  return {
    handler(request) {
      const way: Way = { began: performance.now(), about: undefined, ended: undefined };
      ways.set(request, way);
      return andThen(proxy(request), (answer) => {
        way.about = answer.about;
        write(request, way);
        return answer;
      });
    },
    options: {
      onFinished(request, { status, complete }) {
        const way = ways.get(request);
        if (way === undefined) return;
        way.ended = { status, complete, ms: performance.now() - way.began };
        write(request, way);
      },
    },
  };
}

function picked({ fields }: Request, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = field(fields, name.toLowerCase());
    if (value !== undefined) found[name] = value;
  }
  return found;
}
