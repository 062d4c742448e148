// A Forebay on its own: the routes, limits and cache of a configuration as they serve, in front of an origin that is a
// script, with memory as the store and a clock that is turned. No network, no timer, no chance: neither jitter nor
// refreshAhead has a say.

import { setImmediate as nextTurn } from "node:timers/promises";
import { responseCodec } from "../cache/codec.ts";
import { createTagger } from "../cache/invalidation.ts";
import { createRouter } from "../config/router.ts";
import type { Config, RouteConfig } from "../config/schema.ts";
import type { Fields, Request, Response } from "../http/message.ts";
import { createClients } from "../limit/client.ts";
import { createLimiter } from "../limit/limiter.ts";
import { createProxy } from "../proxy.ts";
import { createLimits } from "../store/limits.ts";
import { createMemoryStore } from "../store/memory.ts";
import { failureResponse, UpstreamFailure } from "../upstream/failure.ts";
import type { ForwardRequest } from "../upstream/upstream.ts";

export interface Rehearsal {
  /** Turns the clock on by this many ms. */
  pass(ms: number): void;
  /** The whole answer; resolves when what it set going behind the client's back has ended too. */
  ask(asked: Asked): Promise<Answered>;
}

export interface Asked extends Pick<Request, "method" | "scheme" | "target" | "fields"> {
  /** undefined: any host does. */
  readonly authority: string | undefined;
  readonly body: string | undefined;
  /** The client's address. */
  readonly client: string;
}

export interface Answered {
  readonly status: number;
  readonly fields: Fields;
  readonly body: string;
  /** A limit refused the request. */
  readonly isLimited: boolean;
  /** Why the content broke off; undefined: it did not. */
  readonly broken: string | undefined;
}

/** When the clock begins, for those who script dates. */
const BEGINNING = Date.UTC(2026, 0, 1);
const ANY_AUTHORITY = "forebay.test";
const SLOTS = 65_536; // 512 KB; a full fence would be 8 MB for each test
const MAX_QUOTAS = 100_000;
/** How often the event loop goes round before what has no timer must have come to its end. */
const TURNS = 3;

/** `origin` answers each request that is forwarded; it may throw an UpstreamFailure. */
export function createRehearsal(config: Config, origin: (request: ForwardRequest) => Response): Rehearsal {
  let time = BEGINNING;
  const now = () => time;
  const clients = createClients(config.trustedProxies);
  const limits = createLimits({ now, max: MAX_QUOTAS });
  const routes = config.routes.map(withoutChance);
  const proxy = createProxy({
    match: createRouter(routes),
    clients,
    limiter: createLimiter({
      global: config.rateLimit,
      clients,
      local: { charge: (asked) => limits.charge(asked) },
      now,
    }),
    tagger: createTagger(routes),
    store: createMemoryStore({ maxBytes: config.store.memory.max, slots: SLOTS, codec: responseCodec, now }),
    upstream: {
      async forward(request) {
        return origin(request);
      },
    },
    failure: (error) => {
      if (!(error instanceof UpstreamFailure)) throw error;
      return { response: failureResponse(error), isUnsent: error.isUnsent };
    },
    broken: () => {},
    newId: () => "rehearsal",
    now,
    elapsed: now,
    random: () => 0,
  });

  async function settled(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await nextTurn();
  }

  return {
    pass(ms) {
      time += ms;
    },
    async ask(asked) {
      const answer = await proxy(requestFrom(asked));
      const { text, broken } = await read(answer.content);
      await settled();
      return {
        status: answer.status,
        fields: answer.fields,
        body: asked.method === "HEAD" ? "" : text,
        isLimited: answer.about.limit.startsWith("refused"),
        broken,
      };
    },
  };
}

/** Jitter is none where every draw gives 0; with refreshAhead that would be a fetch behind each hit. */
function withoutChance(route: RouteConfig): RouteConfig {
  return route.cache === false ? route : { ...route, cache: { ...route.cache, refreshAhead: 0 } };
}

function requestFrom({ method, scheme, authority = ANY_AUTHORITY, target, fields, body, client }: Asked): Request {
  const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
  const framing = bytes === undefined ? [] : ["Content-Length", String(bytes.byteLength)];
  return {
    ...{ method, scheme, authority, target },
    fields: ["Host", authority, ...fields, ...framing],
    content: bytes && pieces(bytes),
    peer: client,
    signal: new AbortController().signal,
    upgrade: undefined,
  };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function read(content: Response["content"]): Promise<{ text: string; broken: string | undefined }> {
  const decoder = new TextDecoder();
  if (content === undefined || content instanceof Uint8Array) {
    return Promise.resolve({ text: decoder.decode(content ?? new Uint8Array()), broken: undefined });
  }
  let text = "";
  return new Promise((resolve) => {
    content.start({
      write(piece) {
        text += decoder.decode(piece, { stream: true });
        return true;
      },
      end: () => resolve({ text: text + decoder.decode(), broken: undefined }),
      fail: ({ message }) => resolve({ text, broken: message }),
    });
  });
}
