import { expect, test } from "vitest";
import { accessLog } from "../src/access.ts";
import type { Ending } from "../src/endings.ts";
import { type AccessLine, createLog } from "../src/log.ts";
import type { About } from "../src/passage.ts";
import { requestFor } from "./support/world.ts";

const ABOUT: About = {
  ...{ began: 0, cache: "hit", limit: "allowed", own: undefined, msStore: 0, msOrigin: 0 },
  ...{ requestId: "id", knownId: undefined, route: "/", traceId: undefined },
};

/** What is written of requests of which none is in the sample. */
function written(...endings: (Partial<Ending> & { readonly about?: About })[]): AccessLine[] {
  const lines: AccessLine[] = [];
  const log = {
    ...createLog({ level: "silent" }),
    accessEnabled: true,
    access: (line: AccessLine) => lines.push(line),
  };
  const wanted = { access: true, sample: 0.01, slow: 500, headers: [] };
  const tell = accessLog({ log, wanted, client: () => "client", random: () => 0.5 });
  for (const ending of endings) {
    const common = {
      request: requestFor("/", {}),
      about: ABOUT,
      answer: undefined,
      status: 200,
      complete: true,
      ms: 1,
    };
    tell?.({ ...common, ...ending });
  }
  return lines;
}

test("what went wrong gets a line whatever the sample, and stands for itself", () => {
  const lines = written({}, { status: 500 }, { complete: false }, { ms: 500 }, { status: 404 });
  expect(lines.map(({ status, complete, ms, sample }) => [status, complete, ms, sample])).toEqual([
    [500, true, 1, undefined],
    [200, false, 1, undefined],
    [200, true, 500, undefined],
  ]);
});

test("a refusal does, whoever counted", () => {
  const limits = ["refused", "refused-from-memory", "local"] as const;
  const refused = limits.map((limit) => ({ status: 429, about: { ...ABOUT, limit, own: "limited" as const } }));
  const admitted = { about: { ...ABOUT, limit: "local" as const } };
  expect(written(...refused, admitted).map(({ limit }) => limit)).toEqual(limits);
});
