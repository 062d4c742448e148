// One access line per request, written when its exchange with the client is over: what the proxy says of its way, and
// what the listener says of its end.

import { field } from "./http/fields.ts";
import type { Request } from "./http/message.ts";
import type { Log } from "./log.ts";
import type { About, Answer } from "./passage.ts";
import type { Handler, ListenerOptions, Outcome } from "./server/server.ts";
import { andThen, type Soon } from "./store/store.ts";

interface AccessOptions {
  readonly wanted: {
    readonly access: boolean;
    /** Request fields that are written, lower-case. */
    readonly headers: readonly string[];
  };
  readonly client: (request: Request) => string;
}

export interface AccessLog {
  /** `proxy` as a handler whose requests are logged; itself, where no lines are wanted. */
  observed(proxy: (request: Request) => Soon<Answer>, options: AccessOptions): Handler;
  /** For the listener; undefined as long as no lines have been wanted. */
  readonly onFinished: ListenerOptions["onFinished"];
}

/** What is known of a request so far: a client that leaves ends it before there is an answer to tell of. */
interface Way {
  readonly began: number;
  about: About | undefined;
  ended: { readonly status: number; readonly complete: boolean; readonly ms: number } | undefined;
  /** As the configuration wanted it that the request came under. */
  readonly options: AccessOptions;
}

/** Outlives configurations: a request may end under another one than it came under. */
export function createAccessLog(log: Log): AccessLog {
  const ways = new WeakMap<Request, Way>();
  let isWanted = false;

  function write(request: Request, { about, ended, options: { wanted, client } }: Way): void {
    if (about === undefined || ended === undefined) return;
    const { method, authority, target } = request;
    const headers = wanted.headers.length === 0 ? {} : { headers: picked(request, wanted.headers) };
    const { requestId, route, cache, limit, msStore, msOrigin } = about;
    const way = { requestId, route, cache, limit, msStore, msOrigin, client: client(request) };
    log.access({ ...way, ...ended, ...headers, method, authority, target });
  }

  function finished(request: Request, { status, complete }: Outcome): void {
    const way = ways.get(request);
    if (way === undefined) return;
    way.ended = { status, complete, ms: performance.now() - way.began };
    write(request, way);
  }

  return {
    observed(proxy, options) {
      if (!options.wanted.access || !log.accessEnabled) return proxy;
      isWanted = true;
      return (request) => {
        const way: Way = { began: performance.now(), about: undefined, ended: undefined, options };
        ways.set(request, way);
        return andThen(proxy(request), (answer) => {
          way.about = answer.about;
          write(request, way);
          return answer;
        });
      };
    },
    get onFinished() {
      return isWanted ? finished : undefined;
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
