// Does an editor find fault with what is right, or none with what is wrong? The JSON Schema is tried by zod's own reader
// of JSON Schema, on every example of this repository.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is what one writes in the file

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { jsonSchema, jsonSchemaText } from "../../src/config/json-schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { runForebay } from "../support/sidecar.ts";

const ROOT = join(import.meta.dirname, "../..");
const validator = z.fromJSONSchema(jsonSchema() as z.core.JSONSchema.JSONSchema);

/** The configurations of the repository: the example, those one starts from, and the README's that stand by themselves. */
const EXAMPLES = new Map([
  ...["proxy.config.yaml", ...globSync("src/cli/starters/proxy.config.yaml", { cwd: ROOT })].map(
    (file) => [file, readFileSync(join(ROOT, file), "utf8")] as const,
  ),
  ...[...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
    .map(([, text = ""], index) => [`README.md, example ${index + 1}`, text] as const)
    .filter(([, text]) => /^origin:/m.test(text)),
]);

describe("the JSON Schema", () => {
  it.each([...EXAMPLES])("takes %s, as check does", (file, text) => {
    expect(validator.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
    expect(loadConfig({ file, env: {}, readFile: () => text }).routes.length).toBeGreaterThan(0);
  });

  it.each([
    ["a variable for a number", "store: { redis: { url: $R, connections: '${N:-4}' } }"],
    [
      "a variable for a flag and for a word",
      "routes: [{ path: /, cache: { override: '${O:-true}', setCookie: '${S:-strip}' } }]",
    ],
    ["a variable for a duration", "drain: ${D:-5s}"],
    ["statuses as numbers", "routes: [{ path: /, cache: { statuses: { 404: 10s } } }]"],
    [
      "a limit that takes its window from defaults",
      "defaults: { rateLimit: { window: 1m } }\nroutes: [{ path: /, rateLimit: { limit: 5 } }]",
    ],
    [
      "a list of limits",
      "rateLimit: [{ limit: 5, window: 1s }, { limit: 50, window: 1m, by: [ip, 'header:x-api-key'] }]",
    ],
    ["a size in capitals", "store: { memory: { max: 64MB } }"],
    ["an origin of several", "origin: { url: ['HTTP://a:1', 'http://b'], timeout: { connect: 1s } }"],
  ])("takes %s, as check does", (_, yaml) => {
    const text = `${yaml.startsWith("origin") ? "" : "origin: http://127.0.0.1:3000\n"}${yaml.replace("$R", "'redis://r'")}`;
    expect(validator.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
    expect(() => loadConfig({ file: "a.yaml", env: {}, readFile: () => text })).not.toThrow();
  });

  it.each([
    ["a key that is not known", "rotues: []"],
    ["a duration in words", "drain: 5 min"],
    ["a number for a duration", "drain: 5"],
    ["a word that is not among them", "routes: [{ path: /, cache: { setCookie: keep } }]"],
    ["a path without its slash", "routes: [{ path: products }]"],
    ["a route without a path", "routes: [{ cache: {} }]"],
    ["a status that is none", "routes: [{ path: /, cache: { statuses: { 99: 1s } } }]"],
    ["too many connections", "store: { redis: { url: 'redis://r', connections: 1000 } }"],
    ["a limit without its window", "rateLimit: { limit: 5 }"],
    ["an origin without its scheme", "origin: 127.0.0.1:3000"],
    ["no origin", "listen: :8080"],
  ])("refuses %s, as check does", (_, yaml) => {
    const text = /^(origin|listen)/.test(yaml) ? yaml : `origin: http://127.0.0.1:3000\n${yaml}`;
    expect(validator.safeParse(parse(text)).success).toBe(false);
    expect(() => loadConfig({ file: "a.yaml", env: {}, readFile: () => text })).toThrow();
  });

  it("says of every key what it means, and has patterns that every editor can read", () => {
    const text = jsonSchemaText();
    const nodes: Record<string, unknown>[] = [];
    JSON.parse(text, (_, value) => {
      if (typeof value === "object" && value !== null) nodes.push(value);
      return value;
    });
    const keys = nodes.flatMap(({ properties, type }) =>
      type === "object" && properties ? Object.entries(properties) : [],
    );
    const undescribed = keys.filter(([, schema]) => schema.description === undefined).map(([key]) => key);
    expect([keys.length > 80, undescribed.filter((key) => key !== "rateLimit")]).toEqual([true, []]);
    for (const { pattern } of nodes) if (typeof pattern === "string") new RegExp(pattern, "u");
    expect(JSON.parse(text).$schema).toBe("http://json-schema.org/draft-07/schema#");
  });
});

it("forebay schema prints it", async () => {
  expect(await runForebay(["schema"])).toEqual({ code: 0, stdout: jsonSchemaText(), stderr: "" });
});
