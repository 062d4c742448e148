import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createEventStreams } from "../../src/admin/event-stream.ts";
import type { Flow, Source } from "../../src/http/message.ts";
import { createEvents, type Events } from "../../src/store/events.ts";

let events: Events;
let open: () => ReturnType<ReturnType<typeof createEventStreams>>;

beforeEach(() => {
  vi.useFakeTimers();
  events = createEvents({ now: () => 5, id: "me" });
  open = createEventStreams(events);
});
afterEach(() => {
  events.close();
  vi.useRealTimers();
});

function read(mayGoOn: () => boolean = () => true): { texts: string[]; flow: Flow } {
  const texts: string[] = [];
  const flow = (open().content as Source).start({
    write: (piece) => texts.push(new TextDecoder().decode(piece)) > 0 && mayGoOn(),
    end() {},
    fail() {},
  });
  return { texts, flow };
}

describe("GET /api/events", () => {
  it("shows what happens as server-sent events, each with the number of its sender", () => {
    const { texts } = read();
    events.tell({ kind: "breaker", open: true, reason: 'a "line"\nand another' });
    expect(texts).toEqual([
      'event: hello\ndata: {"sidecar":"me"}\n\n',
      'id: me:1\nevent: breaker\ndata: {"sidecar":"me","seq":1,"at":5,"kind":"breaker","open":true,"reason":"a \\"line\\"\\nand another"}\n\n',
    ]);
  });

  it("says now and then that it lives", () => {
    const { texts } = read();
    vi.advanceTimersByTime(15_000);
    expect(texts.at(-1)).toBe(": alive\n\n");
  });

  it("keeps nothing for a client that does not keep up, and tells it how much it missed", () => {
    let mayGoOn = true;
    const { texts, flow } = read(() => mayGoOn);
    mayGoOn = false;
    for (let i = 0; i < 4; i++) events.tell({ kind: "stored", count: i });
    vi.advanceTimersByTime(60_000);
    expect(texts).toHaveLength(2);
    mayGoOn = true;
    flow.resume();
    expect(texts.slice(2)).toEqual(['event: missed\ndata: {"count":3}\n\n']);
  });

  it("ends with its client, and there are not too many", () => {
    const flows = Array.from({ length: 20 }, () => read());
    expect(open().status).toBe(503);
    flows[0]?.flow.cancel();
    events.tell({ kind: "stored", count: 1 });
    vi.advanceTimersByTime(60_000);
    expect(flows[0]?.texts).toHaveLength(1);
    expect(open().status).toBe(200);
  });
});
