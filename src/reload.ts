// How does a new configuration take the place of the old one? It is read and checked first; only then is one generation
// exchanged for the other, between two requests. Nothing else changes anything: an attempt that fails is told of in the
// log, by /readyz and by /api/config, and the old configuration goes on.

import type { PartHealth } from "./admin/admin.ts";
import type { ConfigStatus } from "./admin/configuration.ts";
import { escaped } from "./config/mistakes.ts";
import { type Changed, replacing } from "./config/replacing.ts";
import type { Config } from "./config/schema.ts";
import { shownConfig } from "./config/shown.ts";
import type { Log } from "./log.ts";

/** Where a configuration comes from that can be read again. */
export interface ConfigSource {
  /** Its file. */
  readonly name: string;
  /** Rejects with an error whose message says, one line for each mistake, what is wrong and where. */
  read(): Promise<Config>;
}

export interface Reloads {
  /** Reads the configuration once more, and puts it in use if it is good. What is asked for meanwhile is done once, afterwards.
   * Resolves when all that was asked for is done. Never rejects. */
  reload(why: string): Promise<void>;
  health(): PartHealth;
  status(): ConfigStatus;
}

interface ReloadOptions {
  /** undefined: there is nothing that can be read again. */
  readonly source: ConfigSource | undefined;
  readonly current: () => Config;
  /** Puts it in use; rejects where it cannot be. */
  readonly replace: (config: Config) => Promise<void>;
  readonly log: Log;
  /** Epoch ms. */
  readonly now: () => number;
}

/** What the log and /readyz say of a list; all of it is in the file. */
const MAX_NAMED = 10;
const MAX_DETAIL = 300;

export function createReloads({ source, current, replace, log, now }: ReloadOptions): Reloads {
  let generation = 1;
  let since = now();
  /** Keys of the last good file that wait for a restart. */
  let waiting: readonly string[] = [];
  let failure: { readonly at: number; readonly mistakes: readonly string[]; isStanding: boolean } | undefined;
  let running: Promise<void> | undefined;
  let isAskedAgain = false;

  async function attempt({ read, name }: ConfigSource, why: string): Promise<void> {
    try {
      const { config, kept, changed } = replacing(current(), await read());
      if (config !== current()) {
        await replace(config);
        generation += 1;
        since = now();
        log.info("configuration replaced", { file: name, why, generation, ...inBounds(changed) });
      } else log.info("configuration unchanged", { file: name, why });
      waiting = kept;
      const { names: keys, more } = bounded(kept);
      if (kept.length > 0) log.warn("configuration keys that need a restart: their old values stay", { keys, more });
      if (failure !== undefined) failure.isStanding = false;
    } catch (error) {
      const mistakes = (error as Error).message.split("\n").map(escaped);
      failure = { at: now(), mistakes, isStanding: true };
      const { names, more } = bounded(mistakes);
      log.error("configuration not replaced: the old one stays", { file: name, why, mistakes: names, more });
    }
  }

  async function run(from: ConfigSource, why: string): Promise<void> {
    do {
      isAskedAgain = false;
      await attempt(from, why);
    } while (isAskedAgain);
    running = undefined;
  }

  return {
    async reload(why) {
      if (source === undefined) return log.info("configuration not read again: there is no file, only flags", { why });
      if (running !== undefined) isAskedAgain = true;
      else running = run(source, why);
      await running;
    },
    health() {
      const inUse = `generation ${generation}, since ${new Date(since).toISOString()}`;
      if (failure?.isStanding === true) {
        const [first = "", ...rest] = failure.mistakes;
        const more = rest.length > 0 ? `; and ${rest.length} more` : "";
        return { state: "degraded", detail: `not replaced: ${cut(placeOf(first))}${more}; in use: ${inUse}` };
      }
      const { names, more } = bounded(waiting);
      const detail = names.length === 0 ? "" : `; wait for a restart: ${names.join(", ")}${more ? " and more" : ""}`;
      return { state: "ok", detail: inUse + detail };
    },
    status: () => ({
      generation,
      since: new Date(since).toISOString(),
      file: source?.name ?? null,
      needRestart: waiting,
      lastFailure:
        failure === undefined
          ? null
          : { at: new Date(failure.at).toISOString(), standing: failure.isStanding, mistakes: failure.mistakes },
      config: shownConfig(current()),
    }),
  };
}

function inBounds({ keys, added, removed, altered }: Changed): Readonly<Record<string, readonly string[]>> {
  const lists = { keys, routesAdded: added, routesRemoved: removed, routesChanged: altered };
  const named = Object.entries(lists).filter(([, names]) => names.length > 0);
  return Object.fromEntries(
    named.map(([list, names]) => {
      const { names: some, more } = bounded(names);
      return [list, more === undefined ? some : [...some, `and ${more} more`]];
    }),
  );
}

/** The first of them, cut short; `more`: how many are left out. */
function bounded(all: readonly string[]): { readonly names: readonly string[]; readonly more?: number } {
  const names = all.slice(0, MAX_NAMED).map(cut);
  return all.length > MAX_NAMED ? { names, more: all.length - MAX_NAMED } : { names };
}

/** Where a mistake is, without what stands there, which may be a secret: /readyz is for everybody. The log says all. */
function placeOf(mistake: string): string {
  return /^(\S+:\d+:\d+ [^:]*): /.exec(mistake)?.[1] ?? "see the log";
}

function cut(text: string): string {
  return text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text;
}
