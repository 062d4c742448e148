// Histories written by hand: which reads are found guilty, and which are not, and why.

import { describe, expect, test } from "vitest";
import { check, lasting } from "./checking.ts";
import type { Promises } from "./due.ts";
import { createRecording, type Outage, type Read, type Recording, type Write } from "./history.ts";

const promises: Promises = { trustMs: 0, journalMs: 10_000, writeDeadlineMs: 1000, settleMs: 1000 };
/** For a journal's line to be swept by somebody, ms. */
const SWEPT = 12_000;

/** A write of version 2 of "a" through sidecar 1.0, from 100 to 200, which the origin made at 150. */
function write(parts: Partial<Write> = {}): Write {
  return {
    start: 100,
    end: 200,
    sidecar: "1.0",
    target: "POST /a",
    ending: "answered",
    applied: [{ subject: "a", version: 2, at: 150 }],
    originEndingAt: 155,
    originDoneAt: 160,
    isAnsweredByOrigin: true,
    isNamedByResponse: false,
    isTaken: false,
    ...parts,
  };
}

/** A read of version 1 of "a" through sidecar 2.0. */
function read(start: number, parts: Partial<Read> = {}): Read {
  return { start, end: start + 5, sidecar: "2.0", target: "GET /a", versions: [["a", 1]], status: "hit", ...parts };
}

function history(parts: Partial<Recording>): Recording {
  return { ...createRecording(), writes: [write()], ...parts };
}

function outage(from: number, to: number, sidecar = "1.0"): Outage {
  return { sidecar, why: "Redis does not answer", from, to };
}

/** When those reads began that are guilty, of these. */
function guilty(reads: readonly Read[], parts: Partial<Recording> = {}, on = promises): number[] {
  return check(history({ ...parts, reads: [...reads] }), on).map((violation) => violation.read.start);
}

describe("a read is guilty", () => {
  test("of an older version once the write was acknowledged, not before", () => {
    expect(guilty([read(199), read(200), read(300)])).toEqual([200, 300]);
  });

  test("of nothing where it began before that, however late it ends", () => {
    expect(guilty([read(199, { end: 5000 })])).toEqual([]);
  });

  test("of nothing where it knows the version or a later one, whatever the order of the writes' ends", () => {
    const later = write({ start: 110, end: 120, applied: [{ subject: "a", version: 3, at: 115 }] });
    const writes = [write(), later];
    expect(guilty([read(130, { versions: [["a", 3]] }), read(250, { versions: [["a", 3]] })], { writes })).toEqual([]);
    expect(guilty([read(130, { versions: [["a", 2]] }), read(250, { versions: [["a", 2]] })], { writes })).toEqual([
      130, 250,
    ]);
  });

  test("for each of the subjects that its response tells of", () => {
    const versions: Read["versions"] = [
      ["b", 7],
      ["a", 1],
    ];
    expect(guilty([read(300, { versions })])).toEqual([300]);
  });

  test("with trust: from trust onwards elsewhere, at once on the sidecar that took the write", () => {
    const reads = [read(300), read(699), read(700), read(200, { sidecar: "1.0" })];
    expect(guilty(reads, {}, { ...promises, trustMs: 500 })).toEqual([200, 700]);
  });

  test("on a process that took the place of the one that took the write, as on any other", () => {
    const reads = [read(300, { sidecar: "1.1" }), read(700, { sidecar: "1.1" })];
    expect(guilty(reads, {}, { ...promises, trustMs: 500 })).toEqual([700]);
  });

  test("after an origin's error, as after any answer of the origin's", () => {
    expect(guilty([read(201)], { writes: [write({ target: "POST /a (error)" })] })).toEqual([201]);
  });
});

describe("a write whose client hung up", () => {
  const writes = [write({ ending: "hung-up", end: 120 })];

  test("counts when its sidecar had the time to invalidate", () => {
    expect(guilty([read(659), read(660)], { writes })).toEqual([660]);
  });

  test("counts when the sidecar, without Redis, had given up waiting for it", () => {
    const outages = [outage(140, 4000)];
    expect(guilty([read(1659), read(1660)], { writes, outages })).toEqual([1660]);
  });

  test("that never came to the origin counts for nothing", () => {
    const writes = [write({ ending: "hung-up", applied: [], originDoneAt: Number.POSITIVE_INFINITY })];
    expect(guilty([read(60_000)], { writes })).toEqual([]);
  });
});

describe("a write that got no answer from the origin", () => {
  const failed = { ending: "failed", isAnsweredByOrigin: false } as const;

  test("counts at once where it had happened by then", () => {
    expect(guilty([read(200)], { writes: [write(failed)] })).toEqual([200]);
  });

  test("that went on in the origin counts when it is invalidated for once more", () => {
    const writes = [write({ ...failed, applied: [{ subject: "a", version: 2, at: 400 }] })];
    expect(guilty([read(5000), read(399 + SWEPT), read(400 + SWEPT)], { writes })).toEqual([400 + SWEPT]);
  });

  test("whose response would have named what it changes never counts", () => {
    expect(guilty([read(60_000)], { writes: [write({ ...failed, isNamedByResponse: true })] })).toEqual([]);
  });
});

describe("a write whose sidecar was killed in its middle", () => {
  const writes = [write({ ending: "broken", end: 155, originDoneAt: 155, isAnsweredByOrigin: false })];
  const kills = new Map([["1.0", 155]]);

  test("counts when somebody else must have swept", () => {
    expect(guilty([read(5000), read(154 + SWEPT), read(155 + SWEPT)], { writes, kills })).toEqual([155 + SWEPT]);
  });

  test("counts later by as long as nobody could sweep", () => {
    const redisAway = [{ from: 3000, to: 6000 }];
    const reads = [read(154 + SWEPT + 3000), read(155 + SWEPT + 3000)];
    expect(guilty(reads, { writes, kills, redisAway })).toEqual([155 + SWEPT + 3000]);
  });

  test("never counts where it could not be noted: Redis was away, or the sidecar was cut off", () => {
    const span = { from: 50, to: 120 };
    const reads = [read(60_000)];
    expect(guilty(reads, { writes, kills, redisAway: [span] })).toEqual([]);
    expect(guilty(reads, { writes, kills, partitions: [{ ...span, sidecar: "1.0" }] })).toEqual([]);
    expect(guilty(reads, { writes, kills, outages: [outage(span.from, span.to)] })).toEqual([]);
    expect(guilty(reads, { writes, kills, outages: [outage(span.from, span.to, "2.0")] })).toEqual([60_000]);
  });

  test("that was acknowledged before counts as always", () => {
    expect(guilty([read(300)], { kills: new Map([["1.0", 250]]) })).toEqual([300]);
  });
});

describe("a write through a sidecar cut off from a Redis that others reach", () => {
  const partitions = [{ sidecar: "1.0", from: 90, to: 3000 }];
  const outages = [outage(800, 4500)];
  const writes = [write({ end: 1160 })];

  test("counts for others when it could be replayed: a settle before the sidecar says that it is well", () => {
    expect(guilty([read(3499), read(3500)], { writes, partitions, outages })).toEqual([3500]);
  });

  test("counts at once for the sidecar itself", () => {
    expect(guilty([read(1160, { sidecar: "1.0" })], { writes, partitions, outages })).toEqual([1160]);
  });

  test("counts at once for all where it was answered too soon to have been kept", () => {
    expect(guilty([read(200)], { partitions, outages })).toEqual([200]);
  });

  test("counts after ten seconds though the sidecar does not come back", () => {
    const forEver = [outage(800, Number.POSITIVE_INFINITY)];
    expect(guilty([read(12_999), read(13_000)], { writes, partitions, outages: forEver })).toEqual([13_000]);
  });

  test("never counts where it is killed before", () => {
    const kills = new Map([["1.0", 2000]]);
    expect(guilty([read(60_000)], { writes, partitions, outages, kills })).toEqual([]);
  });

  test("is no excuse for the writes of another sidecar, nor for those that ended before", () => {
    const elsewhere = [{ sidecar: "3.0", from: 90, to: 3000 }];
    expect(guilty([read(200)], { partitions: elsewhere })).toEqual([200]);
    const later = [{ sidecar: "1.0", from: 201, to: 3000 }];
    expect(guilty([read(300)], { partitions: later })).toEqual([300]);
  });
});

describe("a write through a sidecar that has lost some of its connections and gets no new one", () => {
  const outages = [outage(50, 6000)];

  test("counts at once for all, since Redis can be told on the others", () => {
    expect(guilty([read(200), read(300)], { outages })).toEqual([200, 300]);
  });

  test("counts when all are back where it had lost the last one, too", () => {
    const partitions = [{ sidecar: "1.0", from: 150, to: 3000 }];
    const writes = [write({ end: 1160 })];
    expect(guilty([read(4999), read(5000)], { writes, outages, partitions })).toEqual([5000]);
  });

  test("and that got no answer counts when it is invalidated for once more, as always", () => {
    const applied = [{ subject: "a", version: 2, at: 400 }];
    const writes = [write({ ending: "failed", isAnsweredByOrigin: false, applied })];
    expect(guilty([read(399 + SWEPT), read(400 + SWEPT)], { writes, outages })).toEqual([400 + SWEPT]);
  });
});

describe("a purge", () => {
  const purge = write({
    target: "purge",
    applied: [{ subject: "fetch of /a", version: 100, at: 100 }],
    originEndingAt: 200,
    originDoneAt: 200,
    isTaken: true,
  });
  const fetched = (start: number, askedAt: number) => read(start, { versions: [["fetch of /a", askedAt]] });

  test("counts from its receipt on: what is answered was asked of the origin after the purge began", () => {
    const reads = [fetched(199, 99), fetched(200, 99), fetched(300, 99), fetched(300, 100)];
    expect(guilty(reads, { writes: [purge] })).toEqual([200, 300]);
  });

  test("is not excused by its sidecar's being cut off: the receipt says that Redis has it", () => {
    const span = outage(90, 3000);
    expect(guilty([fetched(200, 99)], { writes: [purge], partitions: [span], outages: [span] })).toEqual([200]);
  });
});

describe("while nobody reaches Redis", () => {
  const redisAway = [{ from: 90, to: 3000 }];
  const outages = ["1.0", "2.0"].map((sidecar) => outage(100, 4100, sidecar));

  test("a write counts when it is acknowledged, as always", () => {
    expect(guilty([read(200), read(4200)], { redisAway, outages })).toEqual([200, 4200]);
  });

  test("a write counts though the outage is not over yet", () => {
    const open = outages.map((outage) => ({ ...outage, to: Number.POSITIVE_INFINITY }));
    expect(guilty([read(200), read(300)], { redisAway, outages: open })).toEqual([200, 300]);
  });

  test("one whose sidecar is killed before it has replayed is forgotten", () => {
    const kills = new Map([["1.0", 2500]]);
    expect(guilty([read(4200)], { redisAway, outages: [outage(100, 2500)], kills })).toEqual([]);
  });
});

describe("a write of long ago", () => {
  const later = write({ start: 300, end: 400, applied: [{ subject: "a", version: 3, at: 350 }], originDoneAt: 360 });
  const lastingAt = (before: number, writes: readonly Write[]) =>
    lasting(history({ writes: [...writes] }), promises, before);

  test("is forgotten once another has overtaken it for everybody", () => {
    expect(lastingAt(399, [write(), later])).toHaveLength(2);
    expect(lastingAt(1000, [write(), later])).toEqual([later]);
  });

  test("is kept where the other is not due yet, or never, or is of something else", () => {
    const other = write({ applied: [{ subject: "b", version: 9, at: 150 }] });
    const never = { ...later, isNamedByResponse: true, isAnsweredByOrigin: false };
    expect(lastingAt(60_000, [write(), other])).toHaveLength(2);
    expect(lastingAt(60_000, [write(), never])).toHaveLength(2);
  });
});

describe("a machine that stood still", () => {
  const stalls = [{ who: "2.0", from: 120, to: 900 }];
  const found = (parts: Partial<Recording>, at: number) =>
    check(history({ ...parts, stalls, reads: [read(at)] }), promises).map(({ stalledMs }) => stalledMs);

  test("is told of where it may be why: the write was kept, and its sidecar is not back yet", () => {
    const outages = [outage(100, 4000)];
    expect(found({ outages }, 1000)).toEqual([780]);
    expect(found({ outages }, 5000)).toEqual([0]);
  });

  test("is told of where that sidecar stood still when it lost its store, long before the write", () => {
    const late = write({ start: 3000, end: 3020, originEndingAt: 3010, originDoneAt: 3015 });
    const found = (who: string, lost: Outage) => {
      const stalls = [{ who, from: 120, to: 900 }];
      const reads = [read(3100)];
      return check(history({ writes: [late], stalls, outages: [lost], reads }), promises).map((one) => one.stalledMs);
    };
    expect(found("1.0", outage(1000, 9000))).toEqual([780]);
    expect(found("checker", outage(1000, 9000))).toEqual([780]);
    expect(found("2.0", outage(1000, 9000))).toEqual([0]);
    expect(found("1.0", outage(2500, 9000))).toEqual([0]);
    expect(found("1.0", outage(50, 9000))).toEqual([0]);
    expect(found("1.0", { ...outage(1000, 9000), isStart: true })).toEqual([0]);
  });

  test("is no excuse where Redis had the invalidation before the client heard", () => {
    expect(found({}, 1000)).toEqual([0]);
  });

  test("does not hide another write that nothing excuses", () => {
    const kept = write({ start: 800, end: 900, applied: [{ subject: "a", version: 3, at: 850 }], originDoneAt: 860 });
    const outages = [outage(800, 4000)];
    const [violation] = check(history({ writes: [write(), kept], outages, stalls, reads: [read(1000)] }), promises);
    expect(violation).toMatchObject({ stalledMs: 0, missed: { version: 2 } });
  });
});
