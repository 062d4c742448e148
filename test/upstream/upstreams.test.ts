import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createUpstreams } from "../../src/upstream/upstreams.ts";
import { ask } from "./asking.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const originAt = (port: number) => ({
  url: [`http://127.0.0.1:${port}`],
  connections: 1,
  timeout: { connect: 1, headers: 1, body: 1 },
});

function scripted() {
  const opened: { url: string; closed: boolean; underWay: number }[] = [];
  const upstreams = createUpstreams(
    () => {},
    ({ url }) => {
      const one = { url: url[0] ?? "", closed: false, underWay: 0 };
      opened.push(one);
      return {
        forward: () => Promise.resolve({ status: 200, fields: [], content: undefined }),
        underWay: () => one.underWay,
        close: async () => {
          one.closed = true;
        },
      } satisfies Upstream;
    },
  );
  return { upstreams, opened };
}

test("settings that stay the same keep their connections", () => {
  const { upstreams, opened } = scripted();
  expect(upstreams.use(originAt(1))).toBe(upstreams.use(originAt(1)));
  vi.advanceTimersByTime(10_000);
  expect(opened).toMatchObject([{ closed: false }]);
});

test("those of another origin are closed when nothing is under way on them, and not before", () => {
  const { upstreams, opened } = scripted();
  upstreams.use(originAt(1));
  const [first] = opened;
  if (first) first.underWay = 1;
  upstreams.use(originAt(2));
  vi.advanceTimersByTime(60_000);
  expect(opened).toMatchObject([{ closed: false }, { closed: false }]);
  if (first) first.underWay = 0;
  vi.advanceTimersByTime(1000);
  expect(opened).toMatchObject([{ closed: true }, { closed: false }]);
});

test("what comes late for an origin that was left is sent, and its connections are closed again", async () => {
  const { upstreams, opened } = scripted();
  const left = upstreams.use(originAt(1));
  upstreams.use(originAt(2));
  vi.advanceTimersByTime(1000);
  expect((await left.forward(ask())).status).toBe(200);
  expect(opened).toMatchObject([{ closed: true }, { closed: false }, { closed: false, url: "http://127.0.0.1:1" }]);
  vi.advanceTimersByTime(1000);
  expect(opened).toMatchObject([{ closed: true }, { closed: false }, { closed: true }]);
});

test("an origin that is come back to keeps what is still open of it", () => {
  const { upstreams, opened } = scripted();
  const first = upstreams.use(originAt(1));
  upstreams.use(originAt(2));
  expect(upstreams.use(originAt(1))).toBe(first);
  vi.advanceTimersByTime(1000);
  expect(opened).toMatchObject([{ closed: false }, { closed: true }]);
});
