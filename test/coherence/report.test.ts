// What is said of a run, and when it counts as a proof.

import { describe, expect, test } from "vitest";
import type { Outcome } from "./campaign.ts";
import type { Violation } from "./checking.ts";
import { createRecording, type Read, type Recording, type Write } from "./history.ts";
import { complaints, explain, foundAfter, mutationTable, report } from "./report.ts";
import { fetchOf } from "./resources.ts";

const tally: Outcome["tally"] = {
  reads: 19_000,
  writes: 900,
  purges: 100,
  hits: 12_000,
  collapsed: 10,
  errors: 0,
  broken: 0,
  lastBroken: "",
  torn: [],
};

/** A run of a minute that proves what it is to prove, but for `parts`. */
function run(parts: Omit<Partial<Outcome>, "tally"> & { tally?: Partial<Outcome["tally"]> } = {}): Outcome {
  return {
    startedAt: 1000,
    seconds: 60,
    survived: { kill: 2, flush: 1 },
    violations: [],
    doubtful: [],
    failure: undefined,
    history: createRecording(),
    fetches: 7000,
    ...parts,
    tally: { ...tally, ...parts.tally },
  };
}

const applied = { subject: "quiet3", version: 2, at: 1050 };

const write: Write = {
  start: 1000,
  end: 1100,
  sidecar: "1.0",
  target: "POST /quiet/3 (ok)",
  ending: "answered",
  applied: [applied],
  originEndingAt: 1060,
  originDoneAt: 1060,
  isAnsweredByOrigin: true,
  isNamedByResponse: false,
  isTaken: false,
};

function read(start: number, parts: Partial<Read> = {}): Read {
  const versions: Read["versions"] = [["quiet3", 1]];
  return { start, end: start + 5, sidecar: "2.0", target: "GET /quiet/3 de", versions, status: "hit", ...parts };
}

function violation(parts: Partial<Violation> = {}): Violation {
  return { read: read(1200), write, missed: applied, dueAt: 1100, got: 1, stalledMs: 0, ...parts };
}

describe("a run counts as a proof", () => {
  test("with as many operations and hits as it needs, and none of them wrong", () => {
    expect(complaints(run(), ["kill", "flush"])).toEqual([]);
    expect(complaints(run({ survived: {} }), [])).toEqual([]);
  });

  test.each<[string, Parameters<typeof run>[0], string]>([
    ["a stale read", { violations: [violation()] }, "1 reads were answered with something older than promised"],
    ["an error of a sidecar's own", { tally: { errors: 3 } }, "3 requests got an error of a sidecar's own"],
    ["a torn content", { tally: { torn: ["this"] } }, "1 contents were not whole, such as this"],
    ["an end before its time", { failure: "Error: no Redis" }, "Error: no Redis"],
    [
      "a stale read while the machine stood still",
      { doubtful: [violation({ stalledMs: 500 })] },
      "proves nothing: the machine stood still around 1 stale reads; use a quieter one",
    ],
    [
      "not one of the faults",
      { survived: {} },
      "proves nothing: it was over before a fault came (kill, flush); give it more --seconds",
    ],
    ["no purge", { tally: { purges: 0, writes: 1000 } }, "proves nothing: no purge got a receipt"],
    ["an operation a minute too few", { tally: { reads: 18_999 } }, "proves nothing: 19999 operations a minute"],
    ["as many operations in more time", { seconds: 61 }, "proves nothing: 19672 operations a minute"],
    ["half of the reads no hits", { tally: { hits: 9500 } }, "proves nothing: hit ratio 50.0 %"],
  ])("not with %s", (_what, parts, complaint) => {
    expect(complaints(run(parts), ["kill", "flush"])).toEqual([complaint]);
  });
});

describe("an excerpt", () => {
  const lines = (found: Violation, parts: Partial<Recording> = {}) =>
    explain(found, { ...createRecording(), ...parts })
      .trimEnd()
      .split("\n");

  test("tells the write, when it was due, and the read, in ms from the write's beginning", () => {
    expect(lines(violation())).toEqual([
      "STALE GET /quiet/3 de: quiet3: version 1, not version 2",
      "        0 ms  sidecar 1.0: POST /quiet/3 (ok) begins",
      "       50 ms  origin: quiet3 becomes version 2",
      "      100 ms  sidecar 1.0: the write's client knows: answered",
      "      100 ms  from here on version 2 was due",
      "      200 ms  sidecar 2.0: GET /quiet/3 de begins",
      "      205 ms  sidecar 2.0: answers with version 1 (hit)",
    ]);
  });

  test("tells what lay between, and who had stored it; nothing that was over before, or came after", () => {
    const parts: Partial<Recording> = {
      faults: [
        { kind: "partition", plan: "partition", from: 900, to: 1150 },
        { kind: "flush", plan: "flush", from: 100, to: 999 },
      ],
      partitions: [{ sidecar: "1.0", from: 950, to: 1140 }],
      outages: [
        { sidecar: "1.0", why: "Redis does not answer", from: 980, to: 3000 },
        { sidecar: "3.0", why: "it starts", from: 1110, to: 1120 },
      ],
      redisAway: [{ from: 1300, to: 1400 }],
      kills: new Map([
        ["3.0", 1120],
        ["2.0", 1206],
      ]),
      reads: [
        read(500, { status: "fwd=miss; stored" }),
        read(600, { status: "fwd=miss; stored", sidecar: "3.0" }),
        read(700, { status: "fwd=miss; stored", target: "GET /quiet/4" }),
      ],
    };
    expect(lines(violation(), parts)).toEqual([
      "STALE GET /quiet/3 de: quiet3: version 1, not version 2",
      "     -400 ms  sidecar 3.0: GET /quiet/3 de stored it (fwd=miss; stored)",
      "     -100 ms  fault partition begins",
      "      -50 ms  sidecar 1.0 cannot reach Redis",
      "      -20 ms  sidecar 1.0 says: store degraded (Redis does not answer)",
      "        0 ms  sidecar 1.0: POST /quiet/3 (ok) begins",
      "       50 ms  origin: quiet3 becomes version 2",
      "      100 ms  sidecar 1.0: the write's client knows: answered",
      "      100 ms  from here on version 2 was due",
      "      110 ms  sidecar 3.0 says: store degraded (it starts)",
      "      120 ms  sidecar 3.0 is killed",
      "      140 ms  sidecar 1.0 can reach Redis again",
      "      150 ms  fault partition is over",
      "      200 ms  sidecar 2.0: GET /quiet/3 de begins",
      "      205 ms  sidecar 2.0: answers with version 1 (hit)",
    ]);
  });

  test("of a fetch that was overtaken tells by how much", () => {
    const missed = { subject: fetchOf("/quiet/3"), version: 1060, at: 1060 };
    const told = lines(violation({ missed, got: 1000 }));
    expect(told[0]).toBe("STALE GET /quiet/3 de: fetch of /quiet/3: one of 60 ms before, not a later fetch");
    expect(told).toContain("       60 ms  the fetch of /quiet/3 before this is overtaken");
  });

  test("tells of the machine where that may be why", () => {
    expect(lines(violation({ stalledMs: 500 })).at(-1)).toContain("stood still for 500 ms");
  });
});

describe("a report", () => {
  test("gives the figures of the run and its seed", () => {
    expect(report(run(), 7)).toBe(
      [
        "  seed                   7",
        "  operations             20000 in 60 s",
        "  of these               19000 reads, 900 writes, 100 purges",
        "  hit ratio              63.2 % (10 collapsed, 7000 asked of the origin)",
        "  faults survived        kill 2, flush 1",
        "  errors of our own      0; connections broken: 0 ",
        "  stalls of the machine  0",
        "  violations             0",
        "",
      ].join("\n"),
    );
  });

  test("explains the first read that missed a write, of five writes at the most, doubtful ones last", () => {
    const of = (version: number, start: number) => violation({ missed: { ...applied, version }, read: read(start) });
    const violations = [of(2, 1200), of(2, 1300), of(3, 1400), of(4, 1500), of(5, 1600)];
    const told = report(run({ violations, doubtful: [of(6, 1700), of(7, 1800)] }), 7);
    expect(told).toContain("violations             5, and 2 doubtful ones");
    expect(told.match(/not version \d/g)).toEqual([2, 3, 4, 5, 6].map((version) => `not version ${version}`));
    expect(told).not.toContain("300 ms  sidecar 2.0: GET");
  });
});

test("the table of mutations says after how many seconds each was found, or that it was not", () => {
  const found = run({ violations: [violation({ read: read(2995) })] });
  expect(foundAfter(found)).toBe("2.0");
  const about = { mechanism: "this", seed: 1 };
  const rows = mutationTable([
    { ...about, name: "one", outcome: found },
    { ...about, name: "other", outcome: run() },
  ]).split("\n");
  expect(rows[2]).toBe("| this | `one` | 2.0 s | 20000 | 1 |");
  expect(rows[3]).toBe("| this | `other` | NOT FOUND | 20000 | 1 |");
});
