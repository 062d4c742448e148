// Does the package work where it is installed, on every Node it says it runs on? It is built and packed from a copy of
// this checkout, installed into a new folder, and run there by `npx` on Node 22, 24 and 26. The older two come from the
// npm registry (what the package `node` itself installs), so this test needs it; npm's own cache keeps them.

import { execFile, spawn } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonSchemaText } from "../../src/config/json-schema.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { inherited } from "./image.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAJORS = ["22", "24", "26"];
const folder = mkdtempSync(join(tmpdir(), "forebay-package-"));
const consumer = join(folder, "consumer");
const empty = join(consumer, "empty"); // npx finds what is installed above it
let packed: readonly string[] = [];
let origin: Origin;
let redis: TestRedis;

beforeAll(async () => {
  mkdirSync(empty, { recursive: true });
  const copy = join(folder, "copy");
  const sources = ["src", "package.json", "tsconfig.json", ".tsconfig.build.json", "proxy.config.yaml"];
  for (const file of [...sources, "README.md", "CHANGELOG.md", "LICENSE"]) {
    cpSync(join(ROOT, file), join(copy, file), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  mkdirSync(join(folder, "26"));
  symlinkSync(join(ROOT, "node_modules/.bin/node"), join(folder, "26/node"));
  const [report] = JSON.parse(await npm(["pack", "--json", "--pack-destination", folder], copy));
  packed = report.files.map(({ path }: { path: string }) => path);
  const nodes = MAJORS.slice(0, -1).map((major) => `node${major}@npm:${nodePackage()}@${major}`);
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", "--no-save"];
  writeFileSync(join(folder, "package.json"), "{}");
  await npm([...install, ...nodes], folder);
  for (const major of MAJORS.slice(0, -1))
    symlinkSync(join(folder, `node_modules/node${major}/bin`), join(folder, major));
  writeFileSync(join(consumer, "package.json"), '{ "type": "module" }');
  await npm([...install, join(folder, report.filename)], consumer);
  origin = await startOrigin((_request, response) => {
    response.setHeader("cache-control", "max-age=60").end("hello");
  });
  redis = await startRedis();
}, 600_000);

afterAll(async () => {
  await origin?.close();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What the package `node` has installed for this machine: the binary alone, without scripts. */
function nodePackage(): string {
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  return `${prefix}-${process.platform}-${process.arch}`;
}

function environment(major: string): NodeJS.ProcessEnv {
  return { ...inherited(), PATH: [join(folder, major), process.env.PATH].join(delimiter) };
}

async function npm(args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)("npm", args, { cwd, env: environment("26"), maxBuffer: 1e8 })).stdout;
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new Error(`npm ${args.join(" ")}: failed; it needs the npm registry, or its cache:\n${stderr}`, { cause });
  }
}

async function npx(major: string, args: readonly string[]): Promise<string> {
  const all = ["--no-install", "forebay", ...args];
  return (await promisify(execFile)("npx", all, { cwd: empty, env: environment(major) })).stdout;
}

describe("the package", () => {
  it("holds what is run and read, and nothing else", () => {
    const built = globSync("**/*.ts", { cwd: join(ROOT, "src") }).flatMap((file) =>
      [".js", ".d.ts"].map((ending) => `dist/${file.slice(0, -".ts".length)}${ending}`),
    );
    const asIs = globSync("**/*.*", { cwd: join(ROOT, "src") }).filter((file) => !file.endsWith(".ts"));
    const beside = ["package.json", "proxy.config.yaml", "README.md", "CHANGELOG.md", "LICENSE"];
    const all = [...built, ...asIs.map((file) => `dist/${file}`), ...beside, "dist/proxy.config.schema.json"];
    expect(packed.toSorted()).toEqual(all.toSorted());
  });

  it("carries the schema where the example names it", () => {
    const inside = join(consumer, "node_modules/forebay");
    const example = readFileSync(join(inside, "proxy.config.yaml"), "utf8");
    const [, schema = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(example) ?? [];
    expect(readFileSync(join(inside, schema), "utf8")).toBe(jsonSchemaText());
  });

  it("has types that a strict program is checked against, and that program serves", async () => {
    const file = join(consumer, "embedded.ts");
    writeFileSync(
      file,
      `import { startSidecar, type Sidecar } from "forebay";
import { loadConfig } from "forebay/config";
import { createLog } from "forebay/log";

const flags = { origin: "${origin.url}", listen: "127.0.0.1:0", admin: "127.0.0.1:0" };
const config = loadConfig({ env: {}, flags });
const log = createLog({ ...config.log, level: "silent", showQuery: config.log.query });
const sidecar: Sidecar = await startSidecar(config, log);
console.log(await (await fetch(sidecar.listen + "/embedded")).text());
await sidecar.close();
`,
    );
    const strict = [
      "--noEmit",
      "--strict",
      "--exactOptionalPropertyTypes",
      "--module",
      "nodenext",
      "--target",
      "esnext",
    ];
    const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types"), "--ignoreConfig"];
    const checked = promisify(execFile)(join(ROOT, "node_modules/.bin/tsc"), [...strict, ...types, file], {
      cwd: consumer,
    });
    await checked.catch((error) => expect(error.stdout).toBe(""));
    const { stdout } = await promisify(execFile)("node", [file], { cwd: consumer, env: environment("22") });
    expect(stdout).toBe("hello\n");
  });
});

describe.each(MAJORS)("npx forebay in an empty folder, on Node %s", (major) => {
  it("is that Node, and says its version", async () => {
    const { stdout } = await promisify(execFile)("node", ["--version"], { env: environment(major) });
    expect(stdout).toMatch(new RegExp(`^v${major}\\.`));
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(await npx(major, ["--version"])).toBe(`forebay ${version}\n`);
  });

  it("writes a configuration, and finds it good", async () => {
    expect(await npx(major, ["init", "config", "--force"])).toContain("wrote proxy.config.yaml");
    expect(await npx(major, ["check"])).toContain("proxy.config.yaml: good");
  });

  it("serves: a miss, then a hit, with Redis in order", async () => {
    const redisKeys = { url: redis.url, deadline: "1s", settle: "1s" };
    writeFileSync(join(empty, "served.json"), JSON.stringify({ origin: origin.url, store: { redis: redisKeys } })); // JSON is YAML
    const args = ["forebay", "--config", "served.json", "--listen", "127.0.0.1:0"];
    // npx hands no signal on: a group of its own, which is ended as one.
    const child = spawn("npx", ["--no-install", ...args, "--admin", "127.0.0.1:0"], {
      cwd: empty,
      env: environment(major),
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = new Promise((resolve) => child.once("close", resolve));
    try {
      const { listen, admin } = await listening(child.stdout);
      const url = `${listen}/${major}`;
      const asked = async () => (await fetch(url)).headers.get("cache-status");
      expect(await asked()).toContain("fwd=uri-miss");
      while (!(await asked())?.includes("; hit")); // what it fetched is on its way into Redis for a moment
      expect(await (await fetch(`${admin}/readyz`)).json()).toMatchObject({ status: "ok" });
    } finally {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      await closed;
    }
  });
});

async function listening(stdout: NodeJS.ReadableStream): Promise<{ listen: string; admin: string }> {
  for await (const text of createInterface({ input: stdout })) {
    const line = JSON.parse(text);
    if (line.msg === "listening") {
      stdout.resume();
      return line;
    }
  }
  throw new Error("it ended before it served");
}
