// What happens in all sidecars, the latest first. What comes again and again (stores, refusals) is summed up in one line.

import { byId, make, setText } from "./drawing.js";
import { clockTime } from "./numbers.js";

const MAX_SHOWN = 100;

export function createEventList() {
  const list = byId("events");
  let latest;
  return function add(kind, data) {
    if (kind === "hello") return;
    const isSum = kind === "stored" || kind === "refused";
    const sameAs = `${kind} ${data.sidecar} ${data.route ?? ""}`;
    if (isSum && latest?.sameAs === sameAs) {
      latest.count += data.count;
      setText(latest.time, clockTime(data.at));
      setText(latest.what, textOf(kind, { ...data, count: latest.count }));
      return;
    }
    const at = typeof data.at === "number" ? data.at : Date.now();
    const time = make("time", "", clockTime(at));
    const what = make("span", "what", textOf(kind, data));
    const by = make("span", "by", data.sidecar === undefined ? "" : ` ${data.sidecar}`);
    const line = make(
      "li",
      "",
      time,
      make("span", `kind ${KINDS.has(kind) ? kind : ""}`, kind),
      make("div", "", what, by),
    );
    list.prepend(line);
    while (list.children.length > MAX_SHOWN) list.lastChild.remove();
    latest = { sameAs, count: data.count, time, what };
  };
}

const KINDS = new Set(["stored", "invalidated", "purged", "refused", "breaker", "lost", "missed"]);

function textOf(kind, data) {
  switch (kind) {
    case "stored":
      return data.count === 1 ? "1 response" : `${data.count} responses`;
    case "invalidated":
      return tagsText(data);
    case "purged":
      return `${tagsText(data)}${data.soft === true ? ", softly" : ""}`;
    case "refused":
      return `${data.count} × ${data.route}`;
    case "breaker":
      return data.open ? `the store is left alone: ${data.reason}` : "the store is in use again";
    case "lost":
    case "missed":
      return `${data.count} on the way here`;
    default:
      return JSON.stringify(data).slice(0, 300);
  }
}

function tagsText({ tags, more }) {
  if (!Array.isArray(tags)) return "everything";
  return tags.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
