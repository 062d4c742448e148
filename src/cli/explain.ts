// `forebay explain`: what would be done with a request, and why; from the configuration alone, or (--live) by a running
// sidecar, which knows what is stored. Exit codes: 0 explained; 1 the sidecar cannot be asked; 2 what was asked for is wrong.

import type { Config } from "../config/schema.ts";
import { explain as explained } from "../explain/answer.ts";
import { type Explanation, FORMAT } from "../explain/explanation.ts";
import { type Asked as Answered, ask, type Door } from "./asking.ts";
import { explanationText } from "./explain-text.ts";
import { painter, plain, plainJson, withProgress } from "./terminal.ts";

interface ExplainGiven {
  readonly words: readonly string[];
  readonly given: ReadonlyMap<string, readonly string[]>;
}

interface Sources {
  /** Rejects with ConfigError. */
  readonly config: () => Promise<Config>;
  /** Text: why there is none. */
  readonly door: () => Promise<Door | string>;
}

const USAGE = "write forebay explain METHOD URL, as in forebay explain GET http://shop.example/articles/7";
const FOR_LIVE = ["token"];

/** Resolves with the exit code. */
export async function explain({ words, given }: ExplainGiven, { config, door }: Sources): Promise<number> {
  const [method, url, ...more] = words;
  const isLive = given.has("live");
  if (method === undefined || url === undefined || more.length > 0) return fail(`explain: ${USAGE}`, 2);
  const lost = isLive ? undefined : FOR_LIVE.find((flag) => given.has(flag));
  if (lost !== undefined) return fail(`--${lost}: goes with --live`, 2);
  const status = given.get("status")?.[0];
  if (status !== undefined && !/^[2-5]\d\d$/.test(status)) return fail("--status: write a code from 200 to 599", 2);
  const headers = given.get("response") ?? [];
  const asked = {
    ...{ method, url, headers: given.get("header") ?? [], from: given.get("from")?.[0] ?? "127.0.0.1" },
    response: status === undefined && headers.length === 0 ? undefined : { status: Number(status ?? 200), headers },
  };
  if (!isLive) {
    const said = await explained(asked, { config: await config(), now: Date.now });
    return said.kind === "mistake" ? fail(`explain: ${plain(said.text)}`, 2) : show(said.value);
  }
  const found = await door();
  if (typeof found === "string") return fail(found, 2);
  const answer = await withProgress(ask(found, `/api/explain?${queryOf(asked)}`), "asking", process.stderr);
  return answer.kind === "failure" ? fail(answer.text, answer.code) : showLive(answer);

  function showLive({ body }: Extract<Answered, { kind: "answer" }>): number {
    const { format } = body as Partial<Explanation>;
    if (format !== FORMAT && !given.has("json")) {
      return fail("the sidecar explains in the words of another version; use --json, or that version's command", 1);
    }
    try {
      return show(body as Explanation);
    } catch {
      return fail("what answers there is no sidecar; give the address of its admin listener with --admin", 1);
    }
  }

  function show(explanation: Explanation): number {
    const text = given.has("json")
      ? plainJson(explanation)
      : explanationText(explanation, painter(process.stdout, process.env));
    process.stdout.write(text);
    return 0;
  }
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly from: string;
  readonly response: { readonly status: number; readonly headers: readonly string[] } | undefined;
}

function queryOf({ method, url, headers, from, response }: Asked): string {
  const query = new URLSearchParams({ method, url, from });
  for (const header of headers) query.append("header", header);
  if (response !== undefined) query.append("status", String(response.status));
  for (const header of response?.headers ?? []) query.append("response", header);
  return query.toString();
}

function fail(text: string, code: number): number {
  process.stderr.write(`${text}\n`);
  return code;
}
