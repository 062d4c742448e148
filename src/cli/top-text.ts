// What /api/stats tells, as lines for a terminal of some size. Pure. Whatever came from outside goes through `plain`.

import { type Paint, plain, type Style } from "./terminal.ts";

interface Counted {
  readonly requests: number;
  readonly hits: number;
  readonly forwards: number;
}

/** Of what /api/stats answers, what is shown. */
export interface Stats {
  readonly sidecar: string;
  readonly version: string;
  readonly uptimeMs: number;
  readonly health: Readonly<Record<string, { readonly state: string; readonly detail: string }>>;
  readonly totals: Counted & { readonly limited: number; readonly errors: number };
  readonly perSecond: Counted;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly flights: { readonly underWay: number; readonly followers: number };
  readonly routes: readonly (Counted & {
    readonly route: string;
    readonly perSecond: number;
    readonly limited: number;
    readonly errors: number;
    readonly p50: number;
    readonly p99: number;
  })[];
  readonly routesInAll: number;
  readonly top: readonly { readonly key: string; readonly requests: number }[];
}

/** `body` where it is that; undefined: it is something else. */
export function statsIn(body: unknown): Stats | undefined {
  const { perSecond, totals, routes, top, health, latencyMs, flights } = body as Partial<Stats>;
  const isStats =
    [perSecond, totals, health, latencyMs, flights].every((each) => typeof each === "object" && each !== null) &&
    [routes, top].every((each) => Array.isArray(each));
  return isStats ? (body as Stats) : undefined;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Lines that fit: at the most `rows`, none wider than `columns`. */
export function topLines(stats: Stats, { columns, rows }: Size, paint: Paint): string[] {
  const head = headLines(stats, columns, paint);
  const left = Math.max(0, rows - head.length);
  // Both tables have a line of headings, and one above it is free.
  const keys = Math.min(stats.top.length, Math.max(3, left - stats.routes.length - 4));
  const routes = Math.min(stats.routes.length, Math.max(1, left - (keys === 0 ? 2 : keys + 4)));
  const tables = [
    "",
    ...routeLines(stats, { columns, rows: routes }, paint),
    ...(keys === 0 ? [] : ["", ...keyLines(stats, { columns, rows: keys }, paint)]),
  ];
  return [...head, ...tables].slice(0, rows);
}

function headLines(stats: Stats, columns: number, paint: Paint): string[] {
  const { perSecond, latencyMs, flights, totals } = stats;
  const said = [
    `${short(perSecond.requests)} req/s`,
    `hit ratio ${percent(ratio(perSecond.hits, perSecond.requests))}`,
    `origin load saved ${percent(saved(perSecond))}`,
    `p50 ${milliseconds(latencyMs.p50)}`,
    `p99 ${milliseconds(latencyMs.p99)}`,
  ];
  const since = [
    `${short(totals.requests)} requests`,
    `${short(totals.errors)} errors`,
    `${short(totals.limited)} limited`,
    `${short(flights.underWay)} flights under way, ${short(flights.followers)} wait`,
  ];
  const parts = Object.entries(stats.health).map(([name, { state, detail }]) => ({
    style: state === "ok" ? ("green" as const) : ("red" as const),
    text: `${plain(name, 40)} ${plain(state, 20)}: ${plain(detail)}`,
  }));
  const title = `Forebay ${plain(String(stats.version), 40)}  sidecar ${plain(String(stats.sidecar), 40)}  up ${duration(stats.uptimeMs)}`;
  return [
    paint("bold", clip(title, columns)),
    ...parts.map(({ style, text }) => paint(style, clip(text, columns))),
    clip(said.join("   "), columns),
    paint("dim", clip(since.join("   "), columns)),
  ];
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly of: (route: Stats["routes"][number]) => string;
}

/** In the order in which they are given up where there is no room: the last first. */
const COLUMNS: readonly Column[] = [
  { title: "req/s", width: 8, of: ({ perSecond }) => short(perSecond) },
  { title: "hit ratio", width: 10, of: ({ hits, requests }) => percent(ratio(hits, requests)) },
  { title: "saved", width: 9, of: (route) => percent(saved(route)) },
  { title: "p99", width: 9, of: ({ p99, perSecond }) => (perSecond > 0 ? milliseconds(p99) : "–") },
  { title: "requests", width: 10, of: ({ requests }) => short(requests) },
  { title: "p50", width: 9, of: ({ p50, perSecond }) => (perSecond > 0 ? milliseconds(p50) : "–") },
  { title: "to origin", width: 11, of: ({ forwards }) => short(forwards) },
  { title: "limited", width: 9, of: ({ limited }) => short(limited) },
  { title: "errors", width: 8, of: ({ errors }) => short(errors) },
];

const LEAST_NAME = 16;

function routeLines({ routes, routesInAll }: Stats, { columns, rows }: Size, paint: Paint): string[] {
  let room = columns - LEAST_NAME;
  const shown = COLUMNS.filter(({ width }) => {
    room -= width;
    return room >= 0;
  });
  const widths = shown.reduce((sum, { width }) => sum + width, 0);
  const name = Math.max(1, Math.min(columns - widths, 60));
  const title = routesInAll > rows ? `Route (${rows} of ${routesInAll})` : "Route";
  const line = (first: string, cells: readonly string[]) =>
    filled(first, name) + cells.map((cell, i) => clip(cell, 20).padStart(shown[i]?.width ?? 0)).join("");
  const titles = shown.map((column) => column.title);
  const nothing = routes.length === 0 ? [paint("dim", clip("Nothing has been asked for yet.", columns))] : [];
  const lines = routes.slice(0, rows).map((route) => {
    const text = line(
      route.route === "" ? "(no route)" : plain(route.route),
      shown.map(({ of }) => of(route)),
    );
    return paintIf(route.errors > 0 ? "yellow" : undefined, clip(text, columns), paint);
  });
  return [paint("bold", clip(line(title, titles), columns)), ...nothing, ...lines];
}

function keyLines({ top }: Stats, { columns, rows }: Size, paint: Paint): string[] {
  const width = 10;
  const name = Math.max(1, Math.min(columns - width, 100));
  const line = (key: string, requests: string) => clip(filled(key, name) + requests.padStart(width), columns);
  const lines = top.slice(0, rows).map(({ key, requests }) => line(plain(key), short(requests)));
  return [paint("bold", line("Most asked lately, about", "requests")), ...lines];
}

function paintIf(style: Style | undefined, text: string, paint: Paint): string {
  return style === undefined ? text : paint(style, text);
}

/** Of exactly this width. */
function filled(text: string, width: number): string {
  return clip(text, width).padEnd(width);
}

function clip(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}

function ratio(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined;
}

/** The share of requests that the origin was spared. */
function saved({ forwards, requests }: Counted): number | undefined {
  return requests > 0 ? 1 - forwards / requests : undefined;
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${(share * 100).toFixed(1)} %`;
}

function short(value: number): string {
  if (value >= 999_500) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 9995) return `${(value / 1e3).toFixed(1)}k`;
  return value >= 100 || Number.isInteger(value) ? `${Math.round(value)}` : value.toFixed(1);
}

function milliseconds(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
