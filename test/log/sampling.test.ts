import { randomUUID } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import { type accessLog as AccessLog, accessLog } from "../../src/access.ts";
import type { Ending } from "../../src/endings.ts";
import { isSampled } from "../../src/log/sampling.ts";
import type { AccessLine, Log } from "../../src/log.ts";
import { Passage } from "../../src/passage.ts";

describe("a sample of ids", () => {
  it.each([
    ["random ones", () => randomUUID()],
    ["those that count up", (i: number) => `req-${i}`],
  ])("is the share asked for: %s", (_name, make) => {
    const ids = Array.from({ length: 20_000 }, (_, i) => make(i));
    for (const share of [0.01, 0.1, 0.5]) {
      const kept = ids.filter((id) => isSampled(id, share)).length;
      expect(Math.abs(kept - 20_000 * share)).toBeLessThan(6 * Math.sqrt(20_000 * share * (1 - share)));
    }
  });

  it("of a smaller share is part of the one of a larger share", () => {
    const ids = Array.from({ length: 5000 }, () => randomUUID());
    for (const id of ids.filter((id) => isSampled(id, 0.05))) expect(isSampled(id, 0.2)).toBe(true);
  });

  it("of nothing is empty, and of all is everything", () => {
    expect([isSampled("a", 0), isSampled("a", 1)]).toEqual([false, true]);
  });
});

type Options = Parameters<typeof AccessLog>[0];

/** The lines that are written of these endings. */
function lines(
  endings: readonly Partial<Ending & { id: string; limit: string; own: "limited" }>[],
  options: Partial<Options["wanted"]>,
) {
  const written: AccessLine[] = [];
  const log = { accessEnabled: true, access: (line: AccessLine) => void written.push(line) } as Log;
  const wanted = { access: true, sample: 0.01, headers: [], ...options };
  const tell = accessLog({ log, wanted, client: () => "192.0.2.1", random: () => 0.5 });
  for (const { id, limit, own, ...ending } of endings) {
    const fields = id === undefined ? [] : ["X-Request-Id", id];
    const request = { method: "GET", authority: "a.test", target: "/", fields } as unknown as Ending["request"];
    const about = new Passage(request, "/", { newId: () => "made", elapsed: () => 0 });
    if (limit !== undefined) about.limit = limit as typeof about.limit;
    about.own = own;
    tell?.({ request, about, answer: undefined, status: 200, complete: true, ms: 1, ...ending });
  }
  return written;
}

const IDS = Array.from({ length: 1000 }, (_, i) => `id-${i}`);
const KEPT = IDS.filter((id) => isSampled(id, 0.01));
const LEFT_OUT = IDS.find((id) => !isSampled(id, 0.01)) ?? "";

test("all requests have a line where no sample is asked for, which says nothing of one", () => {
  const written = lines([{ id: LEFT_OUT }, {}], { sample: 1 });
  expect(written.map(({ requestId, sample }) => [requestId, sample])).toEqual([
    [LEFT_OUT, undefined],
    ["made", undefined],
  ]);
});

test("of the others the same requests are kept by every sidecar, and their lines say the share", () => {
  const written = lines(
    IDS.map((id) => ({ id })),
    {},
  );
  expect(KEPT.length).toBeGreaterThan(0);
  expect(written.map(({ requestId, sample }) => [requestId, sample])).toEqual(KEPT.map((id) => [id, 0.01]));
});

test("a request whose id nobody knows is drawn by lot", () => {
  expect([lines([{}], { sample: 0.4 }).length, lines([{}], { sample: 0.6 }).length]).toEqual([0, 1]);
});

test.each([
  ["an error", { status: 503 }],
  ["a response that broke off", { complete: false }],
  ["a refusal", { status: 429, limit: "refused", own: "limited" as const }],
  ["a refusal from memory", { status: 429, limit: "refused-from-memory", own: "limited" as const }],
  ["a refusal counted by this process alone", { status: 429, limit: "local", own: "limited" as const }],
  ["a slow one", { ms: 500 }],
])("%s always has a line, which stands for itself", (_name, ending) => {
  const written = lines([{ id: LEFT_OUT, ...ending }, { id: LEFT_OUT }], { slow: 500, sample: 0 });
  expect(written.map(({ status, sample }) => [status, sample])).toEqual([
    [(ending as { status?: number }).status ?? 200, undefined],
  ]);
});

test("no lines are made where none are wanted", () => {
  const log = { accessEnabled: false } as Log;
  const options = { log, client: () => "", random: () => 0 };
  expect(accessLog({ ...options, wanted: { access: true, sample: 1, headers: [] } })).toBeUndefined();
});
