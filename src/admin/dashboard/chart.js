// A chart of the last hour as SVG: areas and lines over one axis of time. What stands under the pointer, or where the arrow
// keys have led, is read out in the legend; with neither, the latest.

import { make, setText } from "./drawing.js";
import { clockTime } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 148;
const BELOW = 18;
const MINUTE_MS = 60_000;
const LEAST = 0.1;

/** `traces`: { name, ink, isArea }, drawn in this order. `ceiling`: where the axis ends at least; `top`: where it ends.
 * `isLog`: of times, from a tenth of a millisecond, each ten times the last. */
export function createChart(figure, { title, traces, format, ceiling = 1, top, isLog = false }) {
  const caption = make("figcaption", "", make("strong", "", title));
  const keys = traces.map(({ ink }) => make("span", `key ${ink}-ink`));
  caption.append(...keys);
  const svg = shape("svg", { class: "chart", role: "img", tabindex: "0" });
  figure.append(caption, svg);
  let shown = { values: traces.map(() => []), until: 0, stepMs: 1 };
  let cursor;

  function draw() {
    const width = Math.max(120, svg.clientWidth);
    const count = shown.values[0].length;
    const most = Math.max(...shown.values.flat().map((value) => value ?? 0));
    const end = top ?? (isLog ? Math.max(10, 10 ** Math.ceil(Math.log10(most))) : niceAbove(Math.max(most, ceiling)));
    const decades = Math.round(Math.log10(end / LEAST));
    const part = (value) => (isLog ? Math.log10(Math.max(value, LEAST) / LEAST) / decades : value / end);
    const x = (i) => (count < 2 ? 0 : (i / (count - 1)) * width);
    const y = (value) => (HEIGHT - BELOW) * (1 - Math.max(0, Math.min(part(value), 1)));
    const marks = isLog ? Array.from({ length: decades + 1 }, (_, i) => LEAST * 10 ** i) : [0, end / 2, end];
    const drawn = marks.map((value) => gridLine(value, width, y));
    drawn.push(...timeMarks(width, count));
    traces.forEach(({ ink, isArea }, i) => {
      for (const run of runsOf(shown.values[i])) {
        const line = run.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
        const [first, last] = [run[0][0], run[run.length - 1][0]];
        if (isArea) {
          const d = `M${x(first).toFixed(1)} ${y(0)}L${line}L${x(last).toFixed(1)} ${y(0)}Z`;
          drawn.push(shape("path", { class: `area ${ink}-ink`, d }));
        }
        drawn.push(shape("path", { class: `trace ${ink}-ink`, d: `M${line}${run.length === 1 ? "h.1" : ""}` }));
      }
    });
    const isRead = (_, i) => i > 0 && (marks.length <= 4 || (marks.length - i) % 2 === 1);
    drawn.push(
      ...marks
        .filter(isRead)
        .map((value) => text(format(value), { class: "mark", x: 0, y: Math.round(y(value)) + 11 })),
    );
    if (cursor !== undefined) {
      drawn.push(shape("line", { class: "cursor", x1: x(cursor), x2: x(cursor), y1: 0, y2: HEIGHT - BELOW }));
    }
    if (shown.values.every((values) => values.every((value) => value === null))) {
      drawn.push(text("Nothing yet", { class: "none", x: width / 2, y: (HEIGHT - BELOW) / 2 + 4 }));
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren(...drawn);
    tell(count);
  }

  function tell(count) {
    const at = cursor ?? lastKnown(shown.values);
    const when = cursor === undefined ? "" : ` at ${clockTime(shown.until - (count - 1 - cursor) * shown.stepMs)}`;
    setText(caption.firstChild, title + when);
    const said = traces.map(({ name }, i) => `${name} ${format(shown.values[i][at] ?? null)}`);
    said.forEach((each, i) => {
      setText(keys[i], each);
    });
    svg.setAttribute("aria-label", `${title}, the last hour${when}: ${said.join(", ")}`);
  }

  function point(at) {
    const count = shown.values[0].length;
    cursor = at === undefined || count === 0 ? undefined : Math.max(0, Math.min(count - 1, at));
    draw();
  }

  svg.addEventListener("pointermove", (event) => {
    const { left, width } = svg.getBoundingClientRect();
    point(Math.round(((event.clientX - left) / width) * (shown.values[0].length - 1)));
  });
  svg.addEventListener("pointerleave", () => point(undefined));
  svg.addEventListener("blur", () => point(undefined));
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") point(undefined);
    if (by === undefined) return;
    event.preventDefault();
    point((cursor ?? shown.values[0].length - 1) + by * (event.shiftKey ? 30 : 1));
  });
  new ResizeObserver(draw).observe(svg);

  /** `values`: for each trace as many numbers, null where there is nothing; they end at `until`. */
  return (values, { until, stepMs }) => {
    shown = { values, until, stepMs };
    draw();
  };

  function timeMarks(width, count) {
    if (count === 0) return [];
    const hourMs = count * shown.stepMs;
    return [60, 45, 30, 15, 0]
      .filter((minutes) => minutes * MINUTE_MS <= hourMs)
      .map((minutes) => {
        const x = width * (1 - (minutes * MINUTE_MS) / hourMs);
        const anchor = minutes === 0 ? "end" : minutes === 60 ? "start" : "middle";
        const label = minutes === 0 ? "now" : `−${minutes} min`;
        return text(label, { x, y: HEIGHT - 3, "text-anchor": anchor });
      });
  }
}

function gridLine(value, width, y) {
  const at = Math.round(y(value)) + 0.5;
  return shape("line", { class: "grid", x1: 0, x2: width, y1: at, y2: at });
}

/** The stretches where there is something, as [place, value]. */
function runsOf(values) {
  const runs = [];
  values.forEach((value, at) => {
    if (value === null) return;
    if (at === 0 || values[at - 1] === null) runs.push([]);
    runs[runs.length - 1].push([at, value]);
  });
  return runs;
}

function lastKnown(values) {
  const at = values.map((each) => each.findLastIndex((value) => value !== null));
  return Math.max(...at);
}

/** The next of 1, 2, 5, 10, 20 … */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((times) => times * power).find((end) => end >= value) ?? value;
}

function text(content, attributes) {
  const element = shape("text", attributes);
  element.textContent = content;
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
