// How the sidecar is asked. Its token, where it wants one, lives in this tab's session storage (a reload keeps it, closing
// the tab ends it) and goes out as a bearer token to the page's own listener only. Addresses are relative, so that the page
// works below a path of another proxy.

const KEY = "forebay-token";

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** The sidecar refused, or cannot be reached; `status` 0: that. `message` is for a person. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const TIMEOUT_MS = 10_000;

/** JSON, or a Refusal. `content` is sent as JSON by POST. */
export async function ask(target, content, timeoutMs = TIMEOUT_MS) {
  const response = await send(target, {
    method: content === undefined ? "GET" : "POST",
    headers: content === undefined ? {} : { "Content-Type": "application/json" },
    body: content === undefined ? undefined : JSON.stringify(content),
    signal: AbortSignal.timeout(timeoutMs),
  });
  return response.json().catch(() => {
    throw new Refusal(0, "The sidecar's answer broke off.");
  });
}

async function send(target, { headers = {}, ...options }) {
  const secret = token.get();
  const authorization = secret === "" ? {} : { Authorization: `Bearer ${secret}` };
  const response = await fetch(target, {
    ...options,
    headers: { ...headers, ...authorization },
    cache: "no-store",
  }).catch((error) => {
    if (error.name === "TypeError") throw new Refusal(0, "The sidecar does not answer.");
    throw error.name === "TimeoutError" ? new Refusal(0, "The sidecar takes too long to answer.") : error;
  });
  if (response.ok) return response;
  const detail = await response.json().then(
    ({ detail }) => detail,
    () => undefined,
  );
  throw new Refusal(response.status, typeof detail === "string" ? detail : `The sidecar answered ${response.status}.`);
}

/** Longer than any event is. */
const MAX_CHARS = 1 << 20;

/**
 * Server-sent events (WHATWG HTML §9.2.6): `hear(name, data)` for each, until the stream ends or `signal` aborts. By fetch,
 * since EventSource cannot send a token.
 */
export async function listen(target, hear, signal) {
  const response = await send(target, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    if (text.length > MAX_CHARS) throw new Refusal(0, "The events cannot be read.");
    for (const block of blocks) tell(block, hear);
  }
}

function tell(block, hear) {
  const of = (name) =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = of("data");
  if (data !== undefined) hear(of("event") ?? "message", JSON.parse(data));
}
