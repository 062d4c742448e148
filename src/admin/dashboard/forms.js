// What can be asked for: a purge, and an explanation.

import { ask } from "./asking.js";
import { byId, make, setText } from "./drawing.js";
import { explanation } from "./explanation.js";

const HINTS = {
  tag: "product:7",
  url: "http://shop.example/products/7",
  path: "/products/7",
  route: "/products/:id",
  glob: "/products/*",
  group: "catalogue",
};
/** A receipt may take 5 s where all are waited for. */
const PURGE_TIMEOUT_MS = 15_000;

export function startPurgeForm() {
  const [kind, value, host] = [byId("purge-kind"), byId("purge-value"), byId("purge-host")];
  const [button, result] = [byId("purge-button"), byId("purge-result")];
  let isSure = false;

  function adapt() {
    isSure = false;
    const isAll = kind.value === "all";
    const hasHost = kind.value === "path" || kind.value === "group";
    byId("purge-value-field").hidden = isAll;
    value.required = !isAll;
    byId("purge-host-field").hidden = !hasHost;
    host.required = hasHost;
    value.placeholder = HINTS[kind.value] ?? "";
    // Only routes are chosen from a list.
    if (kind.value === "route") value.setAttribute("list", "purge-routes");
    else value.removeAttribute("list");
    setText(button, isAll ? "Purge everything" : "Purge");
    button.classList.remove("danger");
  }

  async function purge() {
    const isAll = kind.value === "all";
    if (isAll && !isSure) {
      isSure = true;
      button.classList.add("danger");
      setText(button, "Yes, everything");
      return say(
        result,
        "Nothing that is stored will be used any more: the origin gets every request. Press again to do it.",
      );
    }
    const what = {
      [kind.value]: isAll ? true : value.value,
      ...(byId("purge-host-field").hidden ? {} : { host: host.value }),
      ...(byId("purge-soft").checked ? { soft: true } : {}),
    };
    const target = byId("purge-wait").checked ? "api/purge?wait=all" : "api/purge";
    const receipt = await ask(target, what, PURGE_TIMEOUT_MS);
    adapt();
    say(result, receiptText(receipt));
  }

  kind.addEventListener("change", adapt);
  adapt();
  onSubmit(byId("purge-form"), { result, act: purge });
}

function receiptText({ clock, tags, soft, sidecars, seen, ms }) {
  const what = tags === null ? "everything" : tags.join(", ");
  if (clock === null)
    return `Taken, but not done yet: the store cannot be reached. This sidecar makes up for it. (${what})`;
  const when = new Date(clock / 1000).toISOString();
  const know = `${seen} of ${sidecars} ${sidecars === 1 ? "sidecar knows" : "sidecars know"}, after ${Math.round(ms * 10) / 10} ms`;
  return `Purged${soft === true ? " softly" : ""}: ${what}, at ${when}; ${know}.`;
}

/** The returned function explains a key of the list of those most asked for: "GET host/path". */
export function startExplainForm() {
  const [method, url, result] = [byId("explain-method"), byId("explain-url"), byId("explain-result")];

  async function explain() {
    const query = new URLSearchParams({ method: method.value, url: url.value.trim() });
    const from = byId("explain-from").value.trim();
    if (from !== "") query.set("from", from);
    const lines = byId("explain-headers").value.split("\n");
    for (const line of lines.filter((each) => each.trim() !== "")) query.append("header", line.trim());
    const said = await ask(`api/explain?${query}`);
    result.className = "result";
    result.replaceChildren(explanation(said));
  }

  const form = byId("explain-form");
  onSubmit(form, { result, act: explain });
  return (key) => {
    const [verb, place = ""] = key.split(" ", 2);
    method.value = verb;
    url.value = `http://${place.replace(/\?\.\.\.$/, "")}`;
    url.focus();
    form.requestSubmit();
  };
}

function onSubmit(form, { result, act }) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      say(result, error.message, true);
    } finally {
      // Whoever pressed it by keyboard is still there.
      button.disabled = false;
      if (document.activeElement === document.body) button.focus();
    }
  });
}

function say(result, text, isBad = false) {
  result.className = isBad ? "result bad" : "result";
  result.replaceChildren(make("p", "", text));
}
