// Starts one of the bench's own Node programs on a core and speaks with it over its channel.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Core, type Running, start } from "../processes.ts";

/** A program that listens. */
export interface Program {
  readonly running: Running;
  readonly port: number;
  /** Sends a message and resolves with the next one that comes back. Rejects after `timeoutMs`, or when it exits. */
  ask(message: object, timeoutMs: number): Promise<unknown>;
}

/** Node 26 as the project's own dependency, the same for every Node candidate; else the one that runs this. */
export const node = nodeBinary();

/** Starts a program of this folder; resolves when it listens. */
export async function startProgram(
  name: string,
  file: string,
  options: { core: Core; settings?: object },
): Promise<Program> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const env = { BENCH_OPTIONS: JSON.stringify(options.settings ?? {}), NODE_ENV: "production" };
  const running = start(node, [script], { name, core: options.core, ipc: true, env });
  const { port } = (await next(running, 10_000)) as { port: number };
  const ask = (message: object, timeoutMs: number) => {
    const reply = next(running, timeoutMs);
    running.child.send(message);
    return reply;
  };
  return { running, port, ask };
}

function next(running: Running, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      running.child.off("message", onMessage).off("exit", onExit);
      finish();
    };
    const fail = (what: string) => settle(() => reject(new Error(`${running.name}: ${what}\n${running.output()}`)));
    const onMessage = (message: unknown) => settle(() => resolve(message));
    const onExit = () => fail("ended unexpectedly");
    const timer = setTimeout(() => fail(`no reply within ${timeoutMs} ms`), timeoutMs);
    running.child.once("message", onMessage).once("exit", onExit);
  });
}

function nodeBinary(): string {
  const own = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
  return existsSync(own) ? own : process.execPath;
}
