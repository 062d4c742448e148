// Does the Dockerfile yield a container that serves, and does compose.yaml fit it? No engine is needed: the steps are done
// in a temporary folder that stands in for the image, with what .dockerignore lets through, on this checkout's Node.

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseArguments } from "../../src/cli/args.ts";
import { startDemoOrigin } from "../../src/cli/demo.ts";
import { loadConfig } from "../../src/config/load.ts";
import { freePort } from "../support/ports.ts";
import { buildImage, type Image } from "./image.ts";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "forebay-image-"));
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
let image: Image;

beforeAll(async () => {
  image = await buildImage(ROOT, folder);
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the image", () => {
  it("is of the Node that the tests run on, and holds the sources without anything for development", async () => {
    const { stdout } = await promisify(execFile)("node", ["--version"], { env: image.env });
    expect(image.from).toBe(`node:${stdout.slice(1).split(".")[0]}-slim`);
    const there = ["src/main.ts", "proxy.config.yaml", "LICENSE", "node_modules/undici"];
    const not = ["test", "bench", ".git", "README.md", "node_modules/vitest", "node_modules/deno"];
    expect([...there, ...not].filter((file) => existsSync(join(image.workdir, file)))).toEqual(there);
    expect([image.user, image.stopSignal]).toEqual(["node", "SIGTERM"]);
  });

  it("starts, is healthy by its own health check, answers, and ends at its stop signal", async () => {
    const ports = new Map<string, number>();
    for (const port of image.exposed) ports.set(port, await freePort());
    const mapped = (words: readonly string[]) =>
      words.map((word) => word.replace(/:(\d+)\b/g, (all, port) => (ports.has(port) ? `:${ports.get(port)}` : all)));
    const healthCheck = async () => {
      const [program = "", ...args] = mapped(image.healthCheck);
      return promisify(execFile)(program, args, { env: image.env }).then(
        () => 0,
        ({ code }) => code,
      );
    };
    expect(await healthCheck()).toBe(1);
    const origin = await startDemoOrigin({ latencyMs: 0 });
    const [program = "", ...args] = mapped([...image.entrypoint, ...image.command, "--origin", origin.url]);
    const child = spawn(program, args, { cwd: image.workdir, env: image.env, stdio: ["ignore", "pipe", "inherit"] });
    const closed = new Promise((resolve) => child.once("close", resolve));
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        if (JSON.parse(line).msg === "listening") break;
      }
      child.stdout.resume();
      expect(await healthCheck()).toBe(0);
      const url = `http://127.0.0.1:${ports.get("8080")}/products/7`;
      await fetch(url);
      expect((await fetch(url)).headers.get("cache-status")).toContain("; hit");
    } finally {
      child.kill(image.stopSignal as NodeJS.Signals);
      expect(await closed).toBe(0);
      await origin.close();
    }
  });
});

describe("compose.yaml", () => {
  const { services, volumes } = parse(read("compose.yaml"));

  it("builds from here, and mounts files that are here", () => {
    expect([services.forebay.build, services.origin.build]).toEqual([".", "."]);
    for (const volume of [...services.forebay.volumes, ...services.redis.volumes]) {
      const [source] = volume.split(":");
      expect(source.startsWith("./") ? existsSync(join(ROOT, source)) : source in volumes).toBe(true);
    }
    expect(services.forebay.volumes[0]).toBe(`./proxy.config.yaml:${image.declaredWorkdir}/proxy.config.yaml:ro`);
  });

  it("publishes, to this machine alone, the ports that the image exposes and Forebay listens on", () => {
    expect(services.forebay.ports).toEqual(image.exposed.map((port) => `127.0.0.1:${port}:${port}`));
    expect([config().listen, config().admin]).toEqual(
      image.exposed.map((port) => ({ host: "::", port: Number(port) })),
    );
  });

  it("gives every variable that the configuration reads and has no default for", () => {
    // With an empty environment nothing is missing: loadConfig throws for a variable that is.
    expect(services.forebay.environment ?? {}).toEqual({});
    expect(config().routes.length).toBeGreaterThan(1);
  });

  it("names services that are there, is patient for longer than the drain, and starts an origin that the image has", () => {
    expect(Object.keys(services.forebay.depends_on).filter((name) => services[name].healthcheck === undefined)).toEqual(
      [],
    );
    expect([config().origin.url[0], config().store.redis?.url].map((url) => new URL(url ?? "").hostname)).toEqual([
      "origin",
      "redis",
    ]);
    expect(Number.parseInt(services.forebay.stop_grace_period, 10) * 1000).toBeGreaterThan(config().drain);
    const [, file = ""] = /import\('(\/app\/[^']+)'\)/.exec(services.origin.entrypoint[2]) ?? [];
    expect(existsSync(join(image.workdir, file.slice("/app".length)))).toBe(true);
  });

  function config() {
    const args = parseArguments(services.forebay.command);
    if (args.kind !== "run") throw new Error(`compose.yaml: ${JSON.stringify(args)}`);
    return loadConfig({ file: join(ROOT, "proxy.config.yaml"), env: {}, flags: args.flags });
  }
});
