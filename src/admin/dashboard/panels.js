// What /api/stats tells, on the page.

import { createChart } from "./chart.js";
import { byId, keyed, make, setText, table } from "./drawing.js";
import { bytes, duration, milliseconds, pair, percent, ratio, saved, short, sum } from "./numbers.js";

/** `explain(key)` is called where a key is to be explained. */
export function createPanels(explain) {
  const charts = createCharts();
  let hour = "";
  return function show(stats) {
    document.title = `${short(stats.perSecond.requests)} req/s · Forebay`;
    setText(byId("who"), `sidecar ${stats.sidecar} · ${stats.version} · up ${duration(stats.uptimeMs)}`);
    if (stats.series !== undefined) {
      charts(stats);
      hour = lastHour(stats.series);
    }
    showTiles(stats, hour);
    showParts(stats.health);
    showRoutes(stats);
    showLimits(stats.limits);
    if (stats.top !== undefined) showTop(stats.top, explain);
  };
}

function lastHour({ requests, hits, forwards, errors, limited }) {
  const all = sum(requests);
  return {
    requests: `last hour ${short(all)}`,
    hits: `last hour ${percent(ratio(sum(hits), all))}`,
    saved: `last hour ${percent(saved(sum(forwards), all))}`,
    failed: `last hour ${short(sum(errors))} · ${short(sum(limited))}`,
  };
}

function showTiles({ perSecond, latencyMs, flights, totals }, hour) {
  const { requests, hits, forwards } = perSecond;
  const tiles = [
    { name: "Requests/s", value: short(requests), sub: hour.requests },
    { name: "Hit ratio", value: percent(ratio(hits, requests)), sub: hour.hits, ink: "water" },
    { name: "Origin load saved", value: percent(saved(forwards, requests)), sub: hour.saved, ink: "water" },
    {
      name: "Latency p50 · p99",
      value: pair(latencyMs.p50, latencyMs.p99),
      sub: `last minute; p90 ${milliseconds(latencyMs.p90)}`,
    },
    { name: "Flights under way", value: short(flights.underWay), sub: `${short(flights.followers)} wait for them` },
    {
      name: "Errors · limited, in all",
      value: `${short(totals.errors)} · ${short(totals.limited)}`,
      sub: hour.failed,
    },
  ];
  keyed(byId("tiles"), tiles, {
    keyOf: ({ name }) => name,
    begin: ({ name, ink = "plain" }) =>
      make("div", "", make("dt", "", name), make("dd", `big ${ink}-ink`), make("dd", "sub")),
    fill(tile, { value, sub = "" }) {
      setText(tile.children[1], value);
      setText(tile.children[2], sub);
    },
  });
}

function createCharts() {
  const perSecond = (value) => (value === null ? "–" : short(value));
  const requests = createChart(byId("chart-requests"), {
    title: "Requests/s",
    format: perSecond,
    ceiling: 5,
    traces: [
      { name: "all", ink: "quiet", isArea: true },
      { name: "hits", ink: "water", isArea: true },
      { name: "origin", ink: "amber" },
      { name: "5xx", ink: "red" },
    ],
  });
  const savings = createChart(byId("chart-saved"), {
    title: "Cache",
    format: percent,
    top: 1,
    traces: [
      { name: "hit ratio", ink: "water", isArea: true },
      { name: "load saved", ink: "amber" },
    ],
  });
  const latency = createChart(byId("chart-latency"), {
    title: "Latency",
    format: milliseconds,
    isLog: true,
    traces: [
      { name: "p99", ink: "amber" },
      { name: "p50", ink: "water" },
    ],
  });
  return ({ series, now, uptimeMs }) => {
    const { stepMs, until } = series;
    const seconds = stepMs / 1000;
    const count = series.requests.length;
    // Before its start a sidecar was not idle: it was not there.
    const wasThere = (i) => until - (count - 1 - i) * stepMs > now - uptimeMs;
    const where = (has, value) => series.requests.map((all, i) => (wasThere(i) && has(all) ? value(i) : null));
    const rates = (values) =>
      where(
        () => true,
        (i) => values[i] / seconds,
      );
    const asked = (value) => where((all) => all > 0, value);
    const at = { until, stepMs };
    requests([series.requests, series.hits, series.forwards, series.errors].map(rates), at);
    const shares = [
      asked((i) => series.hits[i] / series.requests[i]),
      asked((i) => 1 - series.forwards[i] / series.requests[i]),
    ];
    savings(shares, at);
    latency([asked((i) => series.p99[i]), asked((i) => series.p50[i])], at);
  };
}

function showParts(health) {
  keyed(byId("parts"), Object.entries(health), {
    keyOf: ([name]) => name,
    begin: ([name]) => make("div", "", make("span", "lamp"), make("dt", "", name), make("dd")),
    fill(part, [name, { state, detail }]) {
      const lamp = state === "ok" ? "lamp ok" : "lamp degraded";
      if (part.children[0].className !== lamp) part.children[0].className = lamp;
      setText(part.children[1], state === "ok" ? name : `${name}: ${state}`);
      setText(part.children[2], detail);
    },
  });
}

const number = (name, className = "n") => ({
  className,
  of: (item) => short(item[name]),
  isQuiet: (item) => item[name] === 0,
});

function showRoutes({ routes, routesInAll }) {
  setText(byId("routes-note"), routesInAll > routes.length ? `the ${routes.length} busiest of ${routesInAll}` : "");
  table(byId("routes"), routes, {
    keyOf: ({ route }) => route,
    none: "Nothing has been asked for yet.",
    columns: [
      { of: ({ route }) => (route === "" ? "(no route)" : route) },
      number("perSecond"),
      number("requests", "n far"),
      { className: "n", draw: shareBar },
      { className: "n", of: (it) => (it.route === "" ? "–" : percent(saved(it.forwards, it.requests))) },
      number("forwards", "n far"),
      number("limited", "n far"),
      { ...number("errors", "n far"), isBad: ({ errors }) => errors > 0 },
      { className: "n far", of: (route) => bytes(route.bytes) },
      { className: "n far", of: ({ p50, perSecond }) => milliseconds(perSecond > 0 ? p50 : null) },
      { className: "n far", of: ({ p99, perSecond }) => milliseconds(perSecond > 0 ? p99 : null) },
    ],
  });
  keyed(
    byId("purge-routes"),
    routes.filter(({ route }) => route !== ""),
    {
      keyOf: ({ route }) => route,
      begin: ({ route }) => Object.assign(make("option"), { value: route }),
      fill() {},
    },
  );
}

function shareBar(cell, { route, requests, hits }) {
  const share = route === "" ? null : ratio(hits, requests);
  if (cell.children.length === 0) {
    const bar = make("span", "share", make("span"));
    bar.setAttribute("aria-hidden", "true");
    cell.append(bar, make("span", "percent"));
  }
  const width = `${(100 * (share ?? 0)).toFixed(1)}%`;
  const { style } = cell.firstChild.firstChild;
  if (style.width !== width) style.width = width;
  setText(cell.children[1], percent(share));
}

function showLimits(limits) {
  table(byId("limits"), limits, {
    keyOf: ({ limit }) => limit,
    none: "No limit has been asked yet.",
    columns: [
      { of: ({ limit }) => limit },
      number("allowed"),
      { ...number("refused"), isBad: ({ refused }) => refused > 0 },
    ],
  });
}

function showTop(top, explain) {
  table(byId("top"), top.slice(0, 12), {
    keyOf: ({ key }) => key,
    none: "Nothing has been asked for yet.",
    columns: [
      { of: ({ key }) => key },
      { className: "far mono", of: ({ route }) => (route === "" ? "(no route)" : route) },
      number("requests"),
      {
        className: "n",
        draw(cell, { key }) {
          if (cell.children.length > 0) return;
          const button = make("button", "small", "explain");
          button.type = "button";
          button.setAttribute("aria-label", `Explain ${key}`);
          button.addEventListener("click", () => explain(key));
          cell.append(button);
        },
      },
    ],
  });
}
