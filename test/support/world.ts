// A proxy in the test's own hands: its configuration is YAML text, its origin a function, its clock a number. Several
// proxies of one world share the store and the clock, as sidecars share a Redis.

import { responseCodec } from "../../src/cache/codec.ts";
import type { Finding, Told } from "../../src/cache/finding.ts";
import { createFlights } from "../../src/cache/flights.ts";
import { createTagger } from "../../src/cache/invalidation.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { loadConfig } from "../../src/config/load.ts";
import { replacing } from "../../src/config/replacing.ts";
import { createRouter } from "../../src/config/router.ts";
import type { Config } from "../../src/config/schema.ts";
import { field } from "../../src/http/fields.ts";
import type { Fields, Request, Response } from "../../src/http/message.ts";
import { createClients } from "../../src/limit/client.ts";
import { createLimiter } from "../../src/limit/limiter.ts";
import type { Answer } from "../../src/passage.ts";
import { createProxy, rawPath } from "../../src/proxy.ts";
import { createLimits } from "../../src/store/limits.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { failureResponse, UpstreamFailure } from "../../src/upstream/failure.ts";
import type { ForwardRequest } from "../../src/upstream/upstream.ts";

export interface Asked {
  readonly method?: string;
  readonly authority?: string;
  readonly fields?: Fields;
  readonly peer?: string;
  readonly signal?: AbortSignal;
}

/** What a client got: the content read to its end, or why it broke off. */
export interface Got {
  readonly status: number;
  readonly fields: Fields;
  readonly text: string;
  readonly broken: boolean;
  field(name: string): string | undefined;
  /** The Cache-Status member. */
  readonly cacheStatus: string | undefined;
}

export type ScriptedOrigin = (request: ForwardRequest) => Promise<Response> | Response;

export interface World {
  /** Epoch ms; the test turns it. */
  now: number;
  /** What the next draw gives, 0 to 1; 0 where the test does not say. */
  random: number;
  origin: ScriptedOrigin;
  /** What the origin was asked, in order. */
  readonly seen: ForwardRequest[];
  /** What broke off on its way into the store: the target, and why. */
  readonly broken: string[];
  readonly store: Store<StoredResponse>;
  /** What was found about watched routes. */
  readonly found: Finding[];
  /** Ends the waits that have begun, and lets what waited go on. */
  settle(): Promise<void>;
  request(target: string, asked?: Asked): Promise<Got>;
  /** From now on with another configuration; requests under way end on the old one. */
  reload(yaml: string): void;
  /** As `request`, before the content is read. */
  answer(target: string, asked?: Asked): Promise<Answer>;
}

/** `yaml` without `origin`. `told` hears what is found about watched routes. */
export function createWorld(
  yaml: string,
  makeStore?: (now: () => number) => Store<StoredResponse>,
  told?: (now: () => number) => Told,
): World {
  const time = { now: Date.UTC(2026, 0, 1) };
  const now = () => time.now;
  const store = makeStore?.(now) ?? createMemoryStore({ maxBytes: 1 << 24, slots: 4096, codec: responseCodec, now });
  const local = createLimits({ now, max: 1000 });
  const flights = createFlights();
  const hear = told?.(now);
  const waits: (() => void)[] = [];

  function generation(text: string, before?: Generation): Generation {
    const read = loadConfig({ file: "test.yaml", env: {}, readFile: () => `origin: http://127.0.0.1:9\n${text}` });
    const config = before === undefined ? read : replacing(before.config, read).config;
    const era = (before?.era ?? 0) + 1;
    const clients = createClients(config.trustedProxies);
    const match = createRouter(config.routes);
    const tagger = createTagger(config.routes);
    const invalidated = (request: Request) => {
      const { route, params } = match(request.authority, rawPath(request.target)) ?? {};
      return route === undefined ? [] : tagger.invalidated(route.id, request, params ?? {});
    };
    const proxy = createProxy({
      match,
      clients,
      limiter: createLimiter({ global: config.rateLimit, clients, local, now }),
      tagger,
      store,
      upstream: {
        async forward(request) {
          world.seen.push(request);
          return world.origin(request);
        },
      },
      failure: (error) => {
        if (!(error instanceof UpstreamFailure)) throw error;
        return { response: failureResponse(error), isUnsent: error.isUnsent };
      },
      broken: (error, { target }) => void world.broken.push(`${target}: ${error.message}`),
      newId: () => "id",
      now,
      elapsed: now,
      random: () => world.random,
      era,
      flights,
      told(visit, finding) {
        world.found.push(finding);
        hear?.(visit, finding);
      },
      wait: () => new Promise((resolve) => waits.push(resolve)),
      invalidatedSince: (request) => (current.era === era ? [] : current.invalidated(request)),
    });
    return { config, era, proxy, invalidated };
  }

  let current: Generation = generation(yaml);
  const world: World = {
    get now() {
      return time.now;
    },
    set now(ms) {
      time.now = ms;
    },
    random: 0,
    origin: () => respond("hello"),
    seen: [],
    broken: [],
    store,
    found: [],
    async settle() {
      // A turn for what is begun behind an answer, one for what it asks, one for what it waited for.
      for (let turn = 0; turn < 4; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        for (const end of waits.splice(0)) end();
      }
    },
    reload: (text) => {
      current = generation(text, current);
    },
    answer: async (target, asked = {}) => current.proxy(requestFor(target, asked)),
    request: async (target, asked = {}) => got(await current.proxy(requestFor(target, asked)), asked.method),
  };
  return world;
}

interface Generation {
  readonly config: Config;
  readonly era: number;
  readonly proxy: ReturnType<typeof createProxy>;
  readonly invalidated: (request: Request) => readonly string[];
}

/** A whole response as an origin would send it. */
export function respond(
  text: string,
  { status = 200, fields = [] }: { status?: number; fields?: Fields } = {},
): Response {
  const content = new TextEncoder().encode(text);
  const framed = status === 304 ? fields : [...fields, "Content-Length", String(content.byteLength)];
  return { status, fields: framed, content: status === 304 ? undefined : content };
}

export async function got(answer: Response, method = "GET"): Promise<Got> {
  const { content } = answer;
  const read =
    content === undefined || content instanceof Uint8Array ? { bytes: content, broken: false } : await readAll(content);
  const text = method === "HEAD" ? "" : new TextDecoder().decode(read.bytes);
  const find = (name: string) => field(answer.fields, name);
  return {
    status: answer.status,
    fields: answer.fields,
    text,
    broken: read.broken,
    field: find,
    cacheStatus: find("cache-status"),
  };
}

function readAll(
  content: Exclude<Response["content"], Uint8Array | undefined>,
): Promise<{ bytes: Uint8Array; broken: boolean }> {
  const pieces: Uint8Array[] = [];
  return new Promise((resolve) => {
    content.start({
      write(piece) {
        pieces.push(piece);
        return true;
      },
      end: () => resolve({ bytes: Buffer.concat(pieces), broken: false }),
      fail: () => resolve({ bytes: Buffer.concat(pieces), broken: true }),
    });
  });
}

/** The request that `World.request` makes. */
export function requestFor(target: string, asked: Asked): Request {
  const {
    method = "GET",
    authority = "shop.test",
    fields = [],
    peer = "192.0.2.1",
    signal = new AbortController().signal,
  } = asked;
  return { method, scheme: "http", authority, target, fields, content: undefined, peer, signal, upgrade: undefined };
}
