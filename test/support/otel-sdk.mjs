// The smallest OpenTelemetry SDK, to be loaded before Forebay (`--import`): registers with @opentelemetry/api as any other
// does, records what a parent's sampled flag says is to be recorded (and what has no parent), and writes each span that
// ends as one line to the file that OTEL_TEST_FILE names. OTEL_TEST_BARE: no propagator is registered, none is needed.

import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";

const file = process.env.OTEL_TEST_FILE;

trace.setGlobalTracerProvider({
  getTracer: (tracer) => ({
    startSpan(name, { kind = 0, attributes = {} } = {}, context = ROOT_CONTEXT) {
      const parent = trace.getSpanContext(context);
      const { traceId = randomBytes(16).toString("hex"), traceFlags = 1, traceState } = parent ?? {};
      const own = { traceId, spanId: randomBytes(8).toString("hex"), traceFlags, traceState };
      const isRecording = (traceFlags & 1) === 1;
      const said = { ...attributes };
      let status = 0;
      let ends = 0;
      return {
        spanContext: () => own,
        isRecording: () => isRecording && ends === 0,
        setAttribute: (key, value) => Object.assign(said, { [key]: value }),
        setAttributes: (more) => void Object.assign(said, more),
        setStatus({ code }) {
          status = code;
        },
        end() {
          ends += 1;
          if (!isRecording) return;
          const { spanId } = own;
          const about = { tracer, name, kind, traceId, spanId, parent: parent?.spanId ?? null, status, ends };
          appendFileSync(file, `${JSON.stringify({ ...about, attributes: said })}\n`);
        },
      };
    },
  }),
});

// One of another kind than W3C's, beside it: what a registered propagator writes is what goes out.
if (process.env.OTEL_TEST_BARE !== "1") {
  propagation.setGlobalPropagator({
    fields: () => ["traceparent", "tracestate", "x-test-trace"],
    extract(context, carrier, getter) {
      const [, traceId, spanId, flags] = getter.get(carrier, "traceparent")?.split("-") ?? [];
      if (traceId === undefined) return context;
      return trace.setSpanContext(context, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true });
    },
    inject(context, carrier, setter) {
      const own = trace.getSpanContext(context);
      setter.set(carrier, "traceparent", `00-${own.traceId}-${own.spanId}-0${own.traceFlags}`);
      setter.set(carrier, "x-test-trace", own.traceId);
    },
  });
}
