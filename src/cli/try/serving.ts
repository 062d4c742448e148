// Forebay in a process of its own, so that it shares no event loop with whoever asks it: started, asked, ended.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Config } from "../../config/schema.ts";

/** What went to the origin so far. */
export interface Counted {
  readonly requests: number;
  /** Read from its connections. */
  readonly bytes: number;
}

export interface Serving {
  readonly url: string;
  counted(): Promise<Counted>;
  /** What it had to say, each message once, with how often. */
  readonly warnings: ReadonlyMap<string, number>;
  /** Resolves when the process has ended. Never rejects. */
  stop(): Promise<void>;
}

/** What is waited for its end: requests on their way, then what it left in Redis. */
const END_MS = 15_000;
const MAX_WARNINGS = 20;

/** Rejects where it cannot serve. */
export async function startServing(config: Config): Promise<Serving> {
  const file = fileURLToPath(besideThis("served"));
  const before = process.versions.deno === undefined ? process.execArgv : ["run", "-A"];
  const child = spawn(process.execPath, [...before, file], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close").catch(() => {}); // what could not be started is told of by its silence
  child.stdin.on("error", () => {}); // it has ended
  const warnings = new Map<string, number>();
  const answers: Message[] = [];
  let wake = () => {};
  let isOver = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = messageOf(line);
    if (message?.msg === undefined) answers.push(message ?? {});
    else if (warnings.has(message.msg) || warnings.size < MAX_WARNINGS) {
      warnings.set(message.msg, (warnings.get(message.msg) ?? 0) + 1);
    }
    wake();
  });
  void ended.then(() => {
    isOver = true;
    wake();
  });

  async function answer(): Promise<Message> {
    while (answers.length === 0) {
      if (isOver) throw new Error("Forebay has ended in the middle of its trial");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return answers.shift() as Message;
  }

  async function stop(): Promise<void> {
    child.stdin.end();
    const patience = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(patience);
  }

  child.stdin.write(`${JSON.stringify(config)}\n`);
  const { listen, failed } = await answer();
  if (listen === undefined) {
    await stop();
    throw new Error(`Forebay could not serve: ${failed ?? "it said nothing"}`);
  }
  return {
    url: listen,
    warnings,
    stop,
    async counted() {
      child.stdin.write("count\n");
      const { counted } = await answer();
      if (counted === undefined) throw new Error("Forebay did not say what it asked of the origin");
      return counted;
    },
  };
}

interface Message {
  readonly listen?: string;
  readonly failed?: string;
  readonly counted?: Counted;
  /** Of a line of its log. */
  readonly msg?: string;
}

function messageOf(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message;
  } catch {
    return undefined;
  }
}

/** A file of this folder, as source or built as this one is. */
function besideThis(name: string): URL {
  const [suffix = ""] = /\.[a-z]+$/.exec(new URL(import.meta.url).pathname) ?? [];
  return new URL(name + suffix, import.meta.url);
}
