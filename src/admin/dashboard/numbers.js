// How figures are written: short, and of one width where they stand below one another.

/** 0.4, 12.3, 845, 12.3k, 4.1M. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 999_500_000) return `${(value / 1e9).toFixed(1)}G`;
  if (size >= 999_500) return `${(value / 1e6).toFixed(1)}M`;
  if (size >= 9_995) return `${(value / 1e3).toFixed(1)}k`;
  return size >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

/** Of 0 to 1; "–" where there is nothing to take a share of. */
export function percent(share) {
  if (share === null || !Number.isFinite(share)) return "–";
  const value = share * 100;
  // Not "100.0 %" where one in ten thousand is missing.
  const text = share < 1 && value > 99.9 ? (Math.floor(value * 100) / 100).toFixed(2) : value.toFixed(1);
  return `${text.replace(/\.0+$/, "").replace("-", "−")} %`;
}

export function milliseconds(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  if (ms >= 9_995) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** Two times in the unit of the longer: "0.7 · 306 ms". */
export function pair(one, other) {
  const isLong = Math.max(one, other) >= 999.5;
  const of = (ms) => {
    const value = isLong ? ms / 1000 : ms;
    return value >= 10 ? value.toFixed(0) : value >= 0.95 ? value.toFixed(1) : value.toFixed(2);
  };
  return one + other > 0 ? `${of(one)} · ${of(other)} ${isLong ? "s" : "ms"}` : "–";
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** "2 d 3 h", "4 min 10 s". */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** "14:03:22", by this browser's clock zone. */
export function clockTime(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** The share that was not there: 1 − part ÷ whole; null where there is no whole. */
export function saved(part, whole) {
  return whole > 0 ? 1 - part / whole : null;
}

export function ratio(part, whole) {
  return whole > 0 ? part / whole : null;
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
