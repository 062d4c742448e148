import { describe, expect, it } from "vitest";
import { traceParent } from "../../src/http/trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("traceparent", () => {
  it("names the trace, its sender's span and its flags", () => {
    expect(traceParent(["Traceparent", `00-${TRACE}-${SPAN}-01`])).toEqual({ traceId: TRACE, spanId: SPAN, flags: 1 });
  });

  it("of a later version may say more", () => {
    expect(traceParent(["traceparent", `cc-${TRACE}-${SPAN}-00-what-ever`])?.flags).toBe(0);
    expect(traceParent(["traceparent", `cc-${TRACE}-${SPAN}-00.what`])).toBeUndefined();
  });

  it.each([
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01-`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `0-${TRACE}-${SPAN}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
    "",
  ])("%j is ignored", (value) => {
    expect(traceParent(["traceparent", value])).toBeUndefined();
  });

  it("that comes twice is ignored", () => {
    const value = `00-${TRACE}-${SPAN}-01`;
    expect(traceParent(["traceparent", value, "traceparent", value])).toBeUndefined();
  });

  it("is undefined where there is none", () => {
    expect(traceParent([])).toBeUndefined();
  });
});
