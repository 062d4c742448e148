// The spans of a request, where an OpenTelemetry SDK is registered in this process (`node --import ./otel.mjs`, OTEL_DENO): one
// for the exchange with the client, under it one for each question to the origin and each wait for the store. Where none
// is, not even the package is loaded. Names and attributes: OpenTelemetry's semantic conventions for HTTP (stable ones).
//
// The registered objects are used as they are, not by way of the package's own look-up: that takes no registration made
// by an older 1.x than itself, and an SDK comes with a version of its own.

import type {
  Attributes,
  Context,
  Span as OtelSpan,
  TextMapPropagator,
  Tracer,
  TracerProvider,
} from "@opentelemetry/api";
import type { OriginStep, StoreStep } from "./cache/visit.ts";
import type { Ending } from "./endings.ts";
import { field, without } from "./http/fields.ts";
import type { Fields, Request } from "./http/message.ts";
import { TRACEPARENT, TRACESTATE, traceParent } from "./http/trace-context.ts";
import type { Span } from "./passage.ts";
import { leftGlobally } from "./runtime.ts";

export interface RequestTracer {
  /** Begins the span of a request. */
  begin(request: Request, route: string | undefined): Span;
  /** To be told when its exchange with the client is over. */
  ended(ending: Ending): void;
}

type Api = typeof import("@opentelemetry/api");

interface Registered {
  readonly trace?: TracerProvider;
  readonly context?: { active(): Context };
  readonly propagation?: TextMapPropagator;
}

/** What the spans of one process have in common. */
interface Kit {
  readonly api: Api;
  readonly tracer: Tracer;
  readonly active: () => Context;
  readonly propagation: TextMapPropagator;
}

const REGISTRY = "opentelemetry.js.api.1";

/** The tracer of requests, by the SDK that is registered now; undefined: none is. `client`: the address that a request counts for. */
export async function openTracer(client: (request: Request) => string): Promise<RequestTracer | undefined> {
  const { trace, context, propagation } = (leftGlobally(REGISTRY) ?? {}) as Registered;
  if (trace === undefined) return undefined;
  const api = await import("@opentelemetry/api");
  const kit: Kit = {
    api,
    tracer: trace.getTracer("forebay"),
    active: () => context?.active() ?? api.ROOT_CONTEXT,
    propagation: propagation ?? traceContextOnly(api),
  };
  return {
    begin(request, route) {
      const parent = parentOf(request.fields, kit);
      const { method, attributes } = ofMethod(request.method);
      const options = { kind: api.SpanKind.SERVER, attributes: { ...attributes, ...ofRequest(request) } as Attributes };
      options.attributes["client.address"] = client(request);
      if (route !== undefined) options.attributes["http.route"] = route;
      const span = kit.tracer.startSpan(route === undefined ? method : `${method} ${route}`, options, parent);
      return new RequestSpan(span, api.trace.setSpan(parent, span), kit);
    },
    ended: (ending) => ending.about.span?.end(ending.about, ending),
  };
}

class RequestSpan implements Span {
  readonly traceId: string | undefined;
  readonly #span: OtelSpan;
  readonly #context: Context;
  readonly #kit: Kit;

  constructor(span: OtelSpan, context: Context, kit: Kit) {
    const own = span.spanContext();
    this.traceId = kit.api.isSpanContextValid(own) ? own.traceId : undefined;
    this.#span = span;
    this.#context = context;
    this.#kit = kit;
  }

  store(what: StoreStep): () => void {
    if (!this.#span.isRecording()) return () => {};
    const span = this.#kit.tracer.startSpan(`store ${what}`, undefined, this.#context);
    return () => span.end();
  }

  /** Ends with the head of the origin's response. */
  origin(request: Request, fields: Fields): OriginStep {
    if (!this.#span.isRecording()) return { fields: this.#injected(fields, this.#context), end() {} };
    const { api, tracer } = this.#kit;
    const { method, attributes } = ofMethod(request.method);
    const { scheme, authority } = request;
    const url = { "url.full": `${scheme}://${authority}${path(request)}`, ...server(request) };
    const options = { kind: api.SpanKind.CLIENT, attributes: { ...attributes, ...url } };
    const span = tracer.startSpan(method, options, this.#context);
    return {
      fields: this.#injected(fields, api.trace.setSpan(this.#context, span)),
      end(status, error) {
        if (status !== undefined) span.setAttribute("http.response.status_code", status);
        const failure = status === undefined ? kindOf(error) : status >= 400 ? String(status) : undefined;
        if (failure !== undefined) failed(span, failure, api);
        span.end();
      },
    };
  }

  end({ cache, limit, requestId }: Ending["about"], { status, complete }: Pick<Ending, "status" | "complete">): void {
    const span = this.#span;
    if (span.isRecording()) {
      span.setAttributes({ "forebay.cache": cache, "forebay.limit": limit, "forebay.request_id": requestId });
      if (status !== 0) span.setAttribute("http.response.status_code", status);
      if (!complete) span.setAttribute("forebay.complete", false);
      if (status >= 500) failed(span, String(status), this.#kit.api);
    }
    span.end();
  }

  /** `fields` with what carries `context` on, in the place of what the client sent for that. */
  #injected(fields: Fields, context: Context): Fields {
    const { propagation } = this.#kit;
    const own: string[] = [];
    propagation.inject(context, own, { set: (carrier, name, value) => void carrier.push(name, value) });
    if (own.length === 0) return fields;
    const replaced = new Set(propagation.fields().map((name) => name.toLowerCase()));
    return [...without(fields, replaced), ...own];
  }
}

/** What the request says of the trace it is part of; a span that is active here already (an instrumentation's) counts more. */
function parentOf(fields: Fields, { api, active, propagation }: Kit): Context {
  const base = active();
  if (api.trace.getSpan(base) !== undefined) return base;
  // A malformed one is nobody's, and its state is not even to be read (W3C Trace Context §4.3).
  const isHeard = traceParent(fields) !== undefined;
  const isOf = (name: string) => name === TRACEPARENT || name === TRACESTATE;
  return propagation.extract(base, fields, {
    get: (carrier, name) => (isOf(name) && !isHeard ? undefined : field(carrier, name.toLowerCase())),
    keys: (carrier) =>
      carrier.filter((_name: string, index: number) => index % 2 === 0).map((name: string) => name.toLowerCase()),
  });
}

/** W3C Trace Context alone, where the SDK registers no propagator. */
function traceContextOnly({ trace, isSpanContextValid, createTraceState }: Api): TextMapPropagator {
  return {
    extract(context, carrier) {
      const parent = traceParent(carrier);
      if (parent === undefined) return context;
      const { traceId, spanId, flags: traceFlags } = parent;
      const traceState = createTraceState(field(carrier, TRACESTATE));
      return trace.setSpanContext(context, { traceId, spanId, traceFlags, traceState, isRemote: true });
    },
    inject(context, carrier, setter) {
      const own = trace.getSpanContext(context);
      if (own === undefined || !isSpanContextValid(own)) return;
      const flags = (own.traceFlags & 0xff).toString(16).padStart(2, "0");
      setter.set(carrier, TRACEPARENT, `00-${own.traceId}-${own.spanId}-${flags}`);
      const state = own.traceState?.serialize();
      if (state) setter.set(carrier, TRACESTATE, state);
    },
    fields: () => [TRACEPARENT, TRACESTATE],
  };
}

const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"],
]);

/** As it stands in a span's name, and its attributes: what a client may make up is not one of a few names. */
function ofMethod(method: string): { method: string; attributes: Attributes } {
  if (METHODS.has(method)) return { method, attributes: { "http.request.method": method } };
  const shown = { "http.request.method": "_OTHER", "http.request.method_original": method.slice(0, MAX_CHARS) };
  return { method: "HTTP", attributes: shown };
}

function ofRequest(request: Request): Attributes {
  const { scheme, peer } = request;
  return { "url.path": path(request), "url.scheme": scheme, "network.peer.address": peer, ...server(request) };
}

function server({ authority }: Request): Attributes {
  const port = /:(\d{1,5})$/.exec(authority);
  if (port === null) return { "server.address": authority };
  return { "server.address": authority.slice(0, port.index), "server.port": Number(port[1]) };
}

const MAX_CHARS = 1024;

/** Without the query, in which there may be secrets. */
function path({ target }: Request): string {
  const query = target.indexOf("?");
  return target.slice(0, Math.min(query < 0 ? target.length : query, MAX_CHARS));
}

/** One of a few words. */
function kindOf(error: unknown): string {
  const { kind, name } = (error ?? {}) as { kind?: unknown; name?: unknown };
  return String(kind ?? name ?? "error");
}

function failed(span: OtelSpan, kind: string, { SpanStatusCode }: Api): void {
  span.setAttribute("error.type", kind);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
