// The page: asks for the figures once a second and listens to what happens, as long as somebody looks. A second's answer
// is a KB or two; the hour's series and the most asked keys come with every tenth.

import { ask, listen, token } from "./asking.js";
import { byId, setText } from "./drawing.js";
import { createEventList } from "./events.js";
import { startExplainForm, startPurgeForm } from "./forms.js";
import { duration } from "./numbers.js";
import { createPanels } from "./panels.js";

const SECOND_MS = 1000;
const FULL_EVERY_MS = 10_000;
const BUSIEST = 25;
const LISTEN_AGAIN_MS = 3000;

const show = createPanels(startExplainForm());
const addEvent = createEventList();
startPurgeForm();
// What scrolls must be reachable by keyboard; not every browser sees to that itself.
for (const id of ["events", "routes-scroll"]) byId(id).tabIndex = 0;

/** Why nothing is asked: by hand, since nobody looks, or since there is no token that is good. */
const rests = { byHand: false, hidden: document.hidden, locked: false };
let timer;
let isAsking = false;
let fullAt = 0;
let routes = BUSIEST;
let latest;
let goneSince;
let listening;

function isResting() {
  return rests.byHand || rests.hidden || rests.locked;
}

async function poll() {
  clearTimeout(timer);
  if (isAsking || isResting()) return;
  isAsking = true;
  const began = performance.now();
  const isFull = began >= fullAt;
  try {
    const stats = await ask(`api/stats?routes=${routes}${isFull ? "" : "&without=series,top"}`);
    if (isFull) fullAt = began + FULL_EVERY_MS;
    latest = stats;
    goneSince = undefined;
    show(stats);
    offerAllRoutes(stats);
    trouble("");
    byId("forget").hidden = token.get() === "";
  } catch (error) {
    failed(error);
  } finally {
    isAsking = false;
    showState();
    if (!isResting()) timer = setTimeout(poll, Math.max(100, SECOND_MS - (performance.now() - began)));
  }
}

function failed(error) {
  if (error.status === 401) return lock();
  goneSince ??= Date.now();
  fullAt = 0;
  const since = `Since ${duration(Date.now() - goneSince)}; asked again each second.`;
  trouble(error.status === 0 || error.status >= 500 ? `${error.message} ${since}` : error.message);
}

function lock() {
  const had = token.get() !== "";
  token.forget();
  rests.locked = true;
  document.body.classList.add("locked");
  byId("token-form").hidden = false;
  byId("forget").hidden = true;
  byId("token").focus();
  trouble(had ? "That is not this sidecar's token." : "");
  rest();
}

function trouble(text) {
  setText(byId("trouble"), text);
  byId("trouble").hidden = text === "";
  document.body.classList.toggle("stale", text !== "" && !rests.locked);
}

function showState() {
  const degraded = latest && Object.entries(latest.health).find(([, { state }]) => state !== "ok");
  const [lamp, text] = rests.locked
    ? ["", "locked"]
    : goneSince !== undefined
      ? ["failed", "no answer"]
      : rests.byHand
        ? ["", "paused"]
        : latest === undefined
          ? ["", "starting"]
          : degraded
            ? ["degraded", `${degraded[0]} ${degraded[1].state}`]
            : ["ok", "live"];
  byId("lamp").className = `lamp ${lamp}`;
  setText(byId("status-text"), text);
}

function offerAllRoutes({ routesInAll }) {
  const button = byId("all-routes");
  button.hidden = routesInAll <= BUSIEST;
  setText(button, routes === BUSIEST ? `Show all ${routesInAll}` : `Show the ${BUSIEST} busiest`);
}

/** Listens until the page rests; begins again where the stream breaks. */
async function hear() {
  if (listening !== undefined || isResting()) return;
  const mine = new AbortController();
  listening = mine;
  try {
    await listen("api/events", addEvent, mine.signal);
    setText(byId("events-note"), "broken off; trying again");
  } catch (error) {
    if (!mine.signal.aborted)
      setText(byId("events-note"), error.status > 0 ? error.message : "broken off; trying again");
  }
  if (listening !== mine) return;
  listening = undefined;
  setTimeout(follow, LISTEN_AGAIN_MS);
}

function follow() {
  if (listening === undefined && !isResting()) setText(byId("events-note"), "of all sidecars");
  void hear();
}

function rest() {
  clearTimeout(timer);
  listening?.abort();
  listening = undefined;
  showState();
}

function wake() {
  if (isResting()) return rest();
  void poll();
  follow();
}

byId("pause").addEventListener("click", () => {
  rests.byHand = !rests.byHand;
  byId("pause").setAttribute("aria-pressed", String(rests.byHand));
  wake();
});
byId("all-routes").addEventListener("click", () => {
  routes = routes === BUSIEST ? 1000 : BUSIEST;
  void poll();
});
byId("forget").addEventListener("click", () => {
  token.forget();
  lock();
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  byId("token").value = "";
  byId("token-form").hidden = true;
  rests.locked = false;
  document.body.classList.remove("locked");
  trouble("");
  wake();
});
document.addEventListener("visibilitychange", () => {
  rests.hidden = document.hidden;
  wake();
});
wake();
