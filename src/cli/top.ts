// `forebay top`: what a running sidecar does, once a second, until a signal ends it; once where nobody sits at a terminal.
// The terminal is left as it was found, however this ends. Exit codes: 0 shown; 1 the sidecar cannot be asked.

import { ask, type Door } from "./asking.ts";
import { painter, plain, plainJson } from "./terminal.ts";
import { type Stats, statsIn, topLines } from "./top-text.ts";

interface Given {
  readonly given: ReadonlyMap<string, unknown>;
}

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

interface Output {
  readonly stdout: Terminal;
  readonly stderr: { write(text: string): unknown };
  readonly env: NodeJS.ProcessEnv;
}

const SECOND_MS = 1000;
/** Where nobody sees the end of the screen. */
const PLAIN_SIZE = { columns: 120, rows: 60 };
/** A second screen, no cursor, and lines that are cut off at its edge; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

type Told = { readonly kind: "stats"; readonly stats: Stats } | { readonly kind: "failure"; readonly text: string };

/** Resolves with the exit code. `ended`: when it is to end. */
export async function top({ given }: Given, door: Door, { stdout, stderr, env }: Output, ended: Promise<unknown>) {
  if (given.has("json")) {
    const answer = await ask(door, "/api/stats");
    if (answer.kind === "failure") return fail(answer.text);
    stdout.write(plainJson(answer.body));
    return 0;
  }
  const paint = painter(stdout, env);
  const first = await look(door);
  if (first.kind === "failure") return fail(first.text);
  const isLive = stdout.isTTY === true && !given.has("once");
  if (!isLive) {
    const { columns = PLAIN_SIZE.columns } = stdout;
    stdout.write(`${topLines(first.stats, { columns, rows: PLAIN_SIZE.rows }, paint).join("\n")}\n`);
    return 0;
  }
  let latest = first.stats;
  let trouble = "";
  let isOver = false;
  const end = ended.then(() => {
    isOver = true;
  });
  stdout.write(ENTER);
  try {
    while (!isOver) {
      draw();
      await Promise.race([pause(), end]);
      const told = isOver ? undefined : await Promise.race([look(door), end]);
      trouble = told?.kind === "failure" ? told.text : "";
      if (told?.kind === "stats") latest = told.stats;
    }
  } finally {
    stdout.write(LEAVE);
  }
  return 0;

  function draw(): void {
    const { columns = 80, rows = 24 } = stdout;
    const lines = topLines(latest, { columns, rows: trouble === "" ? rows : rows - 1 }, paint);
    const all = trouble === "" ? lines : [paint("red", trouble.slice(0, columns)), ...lines];
    stdout.write(`\x1b[H${all.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }

  function fail(text: string): number {
    stderr.write(`${text}\n`);
    return 1;
  }
}

async function look(door: Door): Promise<Told> {
  const answer = await ask(door, "/api/stats?without=series&routes=200");
  if (answer.kind === "failure") return answer;
  const stats = statsIn(answer.body);
  return stats === undefined
    ? { kind: "failure", text: `${plain(door.base)}: answers, but not as a sidecar of this version does` }
    : { kind: "stats", stats };
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, SECOND_MS);
  });
}
