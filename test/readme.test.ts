// The README's tables say what the code says. `UPDATE=1 npm test -- test/readme.test.ts` writes the configuration table
// anew; the bench writes its own.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { configurationTable } from "../src/config/table.ts";
import { metricsTable } from "../src/metrics/catalogue.ts";

const README = new URL("../README.md", import.meta.url);
const SECTION = /(<!-- configuration:begin -->\n)([\s\S]*?)(<!-- configuration:end -->)/;

test("the configuration table is the schema's", () => {
  const text = readFileSync(README, "utf8");
  if (process.env.UPDATE === "1") {
    writeFileSync(
      README,
      text.replace(SECTION, (_all, begin, _old, end) => `${begin}${configurationTable()}${end}`),
    );
  }
  expect(SECTION.exec(readFileSync(README, "utf8"))?.[2]).toBe(configurationTable());
});

const METRICS = /(<!-- metrics:begin -->\n)([\s\S]*?)(<!-- metrics:end -->)/;

test("the table of metrics is the catalogue's", () => {
  const text = readFileSync(README, "utf8");
  if (process.env.UPDATE === "1") {
    writeFileSync(
      README,
      text.replace(METRICS, (_all, begin, _old, end) => `${begin}${metricsTable()}${end}`),
    );
  }
  expect(METRICS.exec(readFileSync(README, "utf8"))?.[2]).toBe(metricsTable());
});

test("every command that the README names is a script of package.json", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const named = [...readFileSync(README, "utf8").matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
    ([, name = ""]) => name,
  );
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test("the map for contributors names every folder of src, and none that is not there", () => {
  const [, map = ""] = /^## For contributors\n([\s\S]*?)^## /m.exec(readFileSync(README, "utf8")) ?? [];
  const named = [...map.matchAll(/^\| `src\/([\w-]+)\/` \|/gm)].map(([, name]) => name);
  const folders = readdirSync(new URL("../src", import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(named.toSorted()).toEqual(folders.toSorted());
  const files = [...map.matchAll(/\]\(([^)#:]+)\)/g)].map(([, file = ""]) => file);
  expect(files.filter((file) => !existsSync(new URL(`../${file}`, import.meta.url)))).toEqual([]);
});
