// What do the files look like that one starts from? `forebay init` writes them: the templates of starters/, with this
// version's number in them. All or none of them are written, and none over a file that is there.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jsonSchemaText } from "../config/json-schema.ts";

interface Starter {
  readonly help: string;
  /** The first is what it is about; the others are kept where they are there already. */
  readonly files: readonly string[];
  /** What to do then. */
  readonly next: readonly string[];
}

const CONFIG_FILE = "proxy.config.yaml";
const SCHEMA_FILE = "proxy.config.schema.json";
const VERSION = /@VERSION@/g;

const IMAGE = "docker build -t forebay:@VERSION@ .      in a checkout of Forebay: the image, once";

/** By the word that follows `forebay init`. */
export const STARTERS: Readonly<Record<string, Starter>> = {
  config: {
    help: "a configuration to edit, and its JSON Schema for editors",
    files: [CONFIG_FILE, SCHEMA_FILE],
    next: [
      "edit origin and routes",
      "forebay check        says what is wrong with it",
      "forebay              serves on http://127.0.0.1:8080",
    ],
  },
  compose: {
    help: "Docker Compose: your service, Redis and Forebay in front",
    files: ["compose.yaml", CONFIG_FILE, SCHEMA_FILE],
    next: [
      IMAGE,
      "name the image of your service in compose.yaml, and its routes in proxy.config.yaml",
      "docker compose up    serves on http://127.0.0.1:8080",
    ],
  },
  kubernetes: {
    help: "Kubernetes: Forebay as a native sidecar of a Deployment",
    files: ["kubernetes.yaml"],
    next: [
      `${IMAGE}; push it to where your cluster pulls from`,
      "name the images and the routes in kubernetes.yaml",
      "kubectl create secret generic forebay --from-literal=redis-url=redis://redis:6379/0 \\",
      '  --from-literal=admin-token="$(openssl rand -hex 24)"',
      "kubectl apply -f kubernetes.yaml",
    ],
  },
  grafana: {
    help: "a Grafana dashboard of the metrics",
    files: ["grafana.json"],
    next: [
      "have Prometheus scrape /metrics of each admin listener, with its token where there is one",
      "in Grafana: Dashboards, New, Import, grafana.json",
    ],
  },
};

interface Options {
  /** Where to write; "-": nowhere, the first file is the text. */
  readonly folder: string;
  readonly isForced: boolean;
  readonly version: string;
}

type Outcome =
  | { readonly kind: "written"; readonly text: string }
  | { readonly kind: "refused"; readonly message: string };

/** `words`: what follows `init`. The text is for stdout. */
export function writeStarter(words: readonly string[], { folder, isForced, version }: Options): Outcome {
  const [word = "", ...more] = words;
  const starter = Object.hasOwn(STARTERS, word) ? STARTERS[word] : undefined;
  if (starter === undefined || more.length > 0) return refused(`init: got ${said(words)}; write one of\n${choices()}`);
  const [main = "", ...others] = starter.files;
  if (folder === "-") return { kind: "written", text: contentOf(main, version) };
  const isThere = (file: string) => existsSync(join(folder, file));
  if (isThere(main) && !isForced) {
    return refused(`init: ${join(folder, main)} is there already, so nothing was written; --force overwrites it`);
  }
  const written = [main, ...others.filter((file) => file === SCHEMA_FILE || !isThere(file))];
  try {
    mkdirSync(folder, { recursive: true });
    for (const file of written) writeFileSync(join(folder, file), contentOf(file, version));
  } catch (error) {
    return refused(`init: ${(error as Error).message}; give a folder that can be written to: --out DIR`);
  }
  const lines = starter.files.map((file) => `${written.includes(file) ? "wrote" : "kept "} ${join(folder, file)}`);
  const next = starter.next.map((line) => `  ${line.replaceAll(VERSION, version)}`);
  return { kind: "written", text: [...lines, "", "Next", ...next, ""].join("\n") };
}

function contentOf(file: string, version: string): string {
  if (file === SCHEMA_FILE) return jsonSchemaText();
  return readFileSync(new URL(`./starters/${file}`, import.meta.url), "utf8").replaceAll(VERSION, version);
}

function choices(): string {
  return Object.entries(STARTERS)
    .map(([word, { help }]) => `  forebay init ${word.padEnd(10)}  ${help}`)
    .join("\n");
}

function said(words: readonly string[]): string {
  return words.length === 0 ? "nothing to write" : JSON.stringify(words.join(" "));
}

function refused(message: string): Outcome {
  return { kind: "refused", message };
}
