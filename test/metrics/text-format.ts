// Reads Prometheus' text format 0.0.4 and takes nothing for granted: names, escapes, order, types, cumulative buckets. Throws
// where a line is not what the format says.

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|\+Inf|-Inf|NaN)$/i;

export function readTextFormat(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family & { samples: Sample[] }>();
  let now: (Family & { samples: Sample[] }) | undefined;
  let help: readonly [string, string] | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, what, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (what === "HELP") help = [name, rest];
    else if (what === "TYPE") {
      if (help?.[0] !== name) throw new Error(`no help before the type of ${name}`);
      if (families.has(name)) throw new Error(`${name} comes twice`);
      now = { name, type: rest, help: help[1], samples: [] };
      families.set(name, now);
    } else if (line !== "") {
      if (now === undefined) throw new Error(`a value before any type: ${line}`);
      now.samples.push(sampleOf(line, now));
    }
  }
  for (const family of families.values()) check(family);
  return families;
}

function sampleOf(line: string, { name: family, type }: Family): Sample {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (!NUMBER.test(value)) throw new Error(`not a sample: ${line}`);
  const names = type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => family + end) : [family];
  if (!names.includes(name)) throw new Error(`${name} stands below ${family}`);
  return { name, labels: labelsOf(labels), value: value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value) };
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ""; ) {
    const [all, name, value] = LABEL.exec(rest) ?? [];
    if (all === undefined || name === undefined || name in labels) throw new Error(`not labels: ${text}`);
    labels[name] = (value ?? "").replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
    rest = rest.slice(all.length);
  }
  return labels;
}

function check({ name, type, samples }: Family): void {
  if (!["counter", "gauge", "histogram"].includes(type)) throw new Error(`${name} is a ${type}`);
  const ids = samples.map((sample) => `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`);
  if (new Set(ids).size !== ids.length) throw new Error(`${name} has a series twice`);
  if (type !== "gauge" && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below nothing`);
  if (type === "counter" && !name.endsWith("_total")) throw new Error(`${name} is a counter without _total`);
  if (type === "histogram") checkBuckets(name, samples);
}

/** Cumulative, bounds rising, the last one +Inf and the count. */
function checkBuckets(name: string, samples: readonly Sample[]): void {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest));
  for (const [which, all] of series) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = "" } }) => (le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le)));
    const isRising = (values: readonly number[], isStrict: boolean) =>
      values.every(
        (value, i) => i === 0 || value > (values[i - 1] as number) || (!isStrict && value === values[i - 1]),
      );
    if (!isRising(bounds, true) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
      throw new Error(`${name}${which}: bounds`);
    if (
      !isRising(
        buckets.map(({ value }) => value),
        false,
      )
    )
      throw new Error(`${name}${which}: not cumulative`);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    if (count !== buckets.at(-1)?.value) throw new Error(`${name}${which}: its count is not its last bucket`);
    if (!all.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name}${which}: no sum`);
  }
}
