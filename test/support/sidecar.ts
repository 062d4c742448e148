// Forebay as its users run it: a process of its own, on Node or, with FOREBAY_RUNTIME=deno, on Deno.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { request } from "undici";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const RUNTIME = process.env.FOREBAY_RUNTIME === "deno" ? "deno" : "node";

export interface AskedByName {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A line of the log. */
export type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface SidecarProcess {
  readonly url: string;
  readonly admin: string;
  /** Its configuration. */
  readonly file: string;
  readonly process: ChildProcess;
  /** Asks for this path and query by a name that all sidecars of a test are known under, as they are behind a load balancer. */
  fetch(target: string, asked?: AskedByName): Promise<Response>;
  /** Every line so far. */
  readonly lines: readonly Line[];
  /** Resolves with the first line that `isMeant`, of those from the `from`th (default: the first) on, also of those to come. */
  line(isMeant: (line: Line) => boolean, from?: number): Promise<Line>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `forebay` with these arguments to its end. */
export async function runForebay(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const child = launch(args, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Starts a sidecar on free ports of loopback with `yaml` (without listen and admin), and waits until it serves. */
export async function startSidecarProcess(
  yaml: string,
  args: readonly string[] = [],
  options: LaunchOptions = {},
): Promise<SidecarProcess> {
  const folder = await mkdtemp(join(tmpdir(), "forebay-test-"));
  const file = join(folder, "proxy.config.yaml");
  await writeFile(file, yaml);
  const child = launch(["--config", file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...args], options);
  const { lines, line, errors } = readLines(child);
  const exited = once(child, "close").then(() => {
    void rm(folder, { recursive: true, force: true });
  });
  const listening = await Promise.race([line(({ msg }) => msg === "listening"), exited.then(() => undefined)]);
  if (listening === undefined) throw new Error(`the sidecar ended before it served: ${errors()}`);
  const url = String(listening.listen);
  return {
    url,
    fetch: (target, asked = {}) => askByName(url + target, asked),
    admin: String(listening.admin),
    file,
    process: child,
    lines,
    line,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}

interface LaunchOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A module that is loaded before it. */
  readonly preload?: string;
}

/** Starts `forebay` with these arguments. */
export function launch(
  args: readonly string[],
  { cwd = ROOT, env = process.env, preload }: LaunchOptions = {},
): ChildProcess {
  const main = join(ROOT, "src/main.ts");
  const command = join(ROOT, "node_modules/.bin", RUNTIME);
  const before = preload === undefined ? [] : [RUNTIME === "deno" ? "--preload" : "--import", preload];
  return spawn(command, [...(RUNTIME === "deno" ? ["run", "-A"] : []), ...before, main, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** `fetch` would not let a test set Host. */
async function askByName(
  url: string,
  { method = "GET", headers = {}, body = null }: Omit<AskedByName, "body"> & { body?: string | null },
): Promise<Response> {
  const answer = await request(url, { method, headers: { ...headers, host: "app.test" }, body });
  const bytes = await answer.body.arrayBuffer();
  const fields = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]);
  return new Response(bytes.byteLength === 0 ? null : bytes, { status: answer.statusCode, headers: fields });
}

/** One that was cut off, because its process was killed, is as it stands. */
function lineIn(text: string): Line {
  try {
    return text.startsWith("{") ? JSON.parse(text) : { msg: text };
  } catch {
    return { msg: text };
  }
}

function readLines(child: ChildProcess) {
  const lines: Line[] = [];
  const waiting = new Set<(line: Line) => void>();
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  if (child.stdout === null) throw new Error("the sidecar's output is not piped");
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = lineIn(text);
    lines.push(line);
    for (const hear of waiting) hear(line);
  });
  const line = (isMeant: (line: Line) => boolean, from = 0) =>
    new Promise<Line>((resolve) => {
      const past = lines.slice(from).find(isMeant);
      if (past !== undefined) return resolve(past);
      const hear = (line: Line) => {
        if (!isMeant(line)) return;
        waiting.delete(hear);
        resolve(line);
      };
      waiting.add(hear);
    });
  return { lines, line, errors: () => errors };
}
