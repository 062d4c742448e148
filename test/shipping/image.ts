// What a Dockerfile says, done without Docker: an image is a folder, its base the machine of the test with this checkout's
// Node on PATH. Absolute paths below WORKDIR are moved into the folder; the image's user is whoever runs the test. An
// instruction that is not known here is an error, so that none goes untested.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join, matchesGlob } from "node:path";
import { promisify } from "node:util";

export interface Image {
  readonly from: string;
  /** Where WORKDIR is, and as it is called in the Dockerfile. */
  readonly workdir: string;
  readonly declaredWorkdir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly user: string;
  readonly exposed: readonly string[];
  readonly stopSignal: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

type Building = { -readonly [Key in keyof Image]: Image[Key] };

/** Builds what the Dockerfile of `context` says, into `folder`. */
export async function buildImage(context: string, folder: string): Promise<Image> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  symlinkSync(join(context, "node_modules/.bin/node"), join(bin, "node"));
  const env = {
    ...inherited(),
    PATH: [bin, process.env.PATH].join(delimiter),
    npm_config_cache: join(folder, "cache"),
  };
  const image: Building = { ...EMPTY, workdir: folder, env };
  for (const { word, rest } of instructions(readFileSync(join(context, "Dockerfile"), "utf8"))) {
    const step = STEPS[word];
    if (step === undefined) throw new Error(`Dockerfile: the test does not know ${word}`);
    await step(image, rest, { context, folder });
  }
  return image;
}

const EMPTY = {
  from: "",
  declaredWorkdir: "/",
  user: "root",
  exposed: [],
  stopSignal: "SIGTERM",
  entrypoint: [],
  command: [],
  healthCheck: [],
};

type Step = (image: Building, rest: string, where: { context: string; folder: string }) => void | Promise<void>;

const STEPS: Readonly<Record<string, Step>> = {
  FROM: (image, rest) => {
    image.from = rest;
  },
  WORKDIR: (image, rest, { folder }) => {
    image.declaredWorkdir = rest;
    image.workdir = join(folder, rest);
    mkdirSync(image.workdir, { recursive: true });
  },
  ENV: (image, rest) => {
    const pairs = rest.split(/\s+/).map((pair) => pair.split("=") as [string, string]);
    image.env = { ...image.env, ...Object.fromEntries(pairs.map(([name, value]) => [name, moved(image, value)])) };
  },
  COPY: (image, rest, { context }) => {
    const words = rest.split(/\s+/);
    const target = join(image.workdir, words.at(-1) ?? "");
    const isInContext = contextOf(readFileSync(join(context, ".dockerignore"), "utf8"));
    for (const word of words.slice(0, -1)) {
      if (!isInContext(word)) throw new Error(`Dockerfile: COPY ${word}: .dockerignore leaves it out`);
      const to = words.at(-1)?.endsWith("/") ? join(target, word) : target;
      cpSync(join(context, word), to, { recursive: true });
    }
  },
  RUN: async (image, rest) => {
    const line = moved(image, rest).replace(/(install\b.*) -o node\b/, `$1 -o ${userInfo().username}`);
    await promisify(execFile)("sh", ["-c", line], { cwd: image.workdir, env: image.env, maxBuffer: 1e8 });
  },
  USER: (image, rest) => {
    image.user = rest;
  },
  EXPOSE: (image, rest) => {
    image.exposed = rest.split(/\s+/);
  },
  STOPSIGNAL: (image, rest) => {
    image.stopSignal = rest;
  },
  HEALTHCHECK: (image, rest) => {
    image.healthCheck = JSON.parse(rest.replace(/^(--\S+\s+)*CMD\s+/, ""));
  },
  ENTRYPOINT: (image, rest) => {
    image.entrypoint = JSON.parse(rest);
  },
  CMD: (image, rest) => {
    image.command = JSON.parse(rest);
  },
};

function instructions(text: string): { word: string; rest: string }[] {
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n");
  return lines
    .filter((line) => line.trim() !== "")
    .map((line) => ({ word: line.split(/\s/, 1)[0] ?? "", rest: line.replace(/^\S+\s+/, "").trim() }));
}

/** Whether a path is sent to the engine: of the patterns that match it or a folder around it, the last one says. */
function contextOf(ignored: string): (path: string) => boolean {
  const patterns = ignored.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return (path) => {
    const parts = path.split("/");
    const around = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    const last = patterns.findLast((pattern) => around.some((one) => matchesGlob(one, pattern.replace(/^!/, ""))));
    return last === undefined || last.startsWith("!");
  };
}

function moved({ declaredWorkdir, workdir }: Image, text: string): string {
  return text.replaceAll(new RegExp(`(?<![\\w/.])${declaredWorkdir}(?![\\w.-])`, "g"), workdir);
}

/** The environment without what npm and vitest say to the processes of this checkout. */
export function inherited(): NodeJS.ProcessEnv {
  const isOurs =
    /^(?:npm_(?!config_(?:registry|cache|userconfig|cafile|fetch_|.*proxy))|NODE(?!_EXTRA_CA_CERTS|_USE_)|VITEST|INIT_CWD)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs.test(name)));
}
